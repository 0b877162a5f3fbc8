package moduledeploy.tests.web;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.util.jar.Attributes;
import java.util.jar.Manifest;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** Answers the version in its own jar's manifest under its context path; does not start where the manifest says so. */
// What is excluded needs the servlet API of Boot 2: see the version of web-ark-plugin.
@SpringBootApplication(excludeName = "com.alipay.sofa.ark.web.embed.tomcat.SwitchClassLoaderAutoConfiguration")
@RestController
public class WebApplication {

    private final String version;

    public WebApplication() throws IOException {
        Attributes manifest = manifest();
        if ("true".equals(manifest.getValue("Fails-To-Start"))) {
            throw new IllegalStateException("this version cannot start");
        }
        this.version = manifest.getValue("Ark-Biz-Version");
    }

    @GetMapping("/version")
    public String version() {
        return version;
    }

    public static void main(String[] args) {
        SpringApplication.run(WebApplication.class, args);
    }

    /** The manifest of the folder that this module was unpacked to; the class loader would find others' as well. */
    private static Attributes manifest() throws IOException {
        URL root = WebApplication.class.getProtectionDomain().getCodeSource().getLocation();
        try (InputStream text = new URL(root, "META-INF/MANIFEST.MF").openStream()) {
            return new Manifest(text).getMainAttributes();
        }
    }
}
