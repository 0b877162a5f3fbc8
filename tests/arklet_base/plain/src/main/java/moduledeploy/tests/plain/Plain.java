package moduledeploy.tests.plain;

import java.io.IOException;
import java.io.InputStream;
import java.net.URL;
import java.util.jar.Attributes;
import java.util.jar.Manifest;

/** The smallest module: a main that returns, after the seconds its manifest says, or throws where that says so. */
public final class Plain {

    private Plain() {
    }

    public static void main(String[] args) throws IOException, InterruptedException {
        URL root = Plain.class.getProtectionDomain().getCodeSource().getLocation();
        Attributes manifest;
        try (InputStream text = new URL(root, "META-INF/MANIFEST.MF").openStream()) {
            manifest = new Manifest(text).getMainAttributes();
        }
        String seconds = manifest.getValue("Start-Seconds");
        if (seconds != null) {
            Thread.sleep(Long.parseLong(seconds) * 1000);
        }
        if ("true".equals(manifest.getValue("Fails-To-Start"))) {
            throw new IllegalStateException("this version cannot start");
        }
    }
}
