package moduledeploy.tests.plain;

/** The smallest module: a main that returns. It has no context path, so its versions run side by side. */
public final class Plain {

    private Plain() {
    }

    public static void main(String[] args) {
        System.out.println("plain module started");
    }
}
