package moduledeploy.tests.base;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** A base and nothing else: Arklet comes with the starter, web modules share this application's Tomcat. */
// What is excluded needs the servlet API of Boot 2: see the version of web-ark-plugin.
@SpringBootApplication(excludeName = "com.alipay.sofa.ark.web.embed.tomcat.SwitchClassLoaderAutoConfiguration")
public class BaseApplication {

    public static void main(String[] args) {
        SpringApplication.run(BaseApplication.class, args);
    }
}
