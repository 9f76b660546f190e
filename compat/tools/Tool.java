// Runs one of Apache Kafka's command line tools inside this process: its exit code and what it printed are returned.
// A JVM for each call would cost a second each.

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

final class Tool {
    final int exitCode;
    final String out;
    final String err;

    private Tool(int exitCode, String out, String err) {
        this.exitCode = exitCode;
        this.out = out;
        this.err = err;
    }

    private static final class Exited extends Error {
        private static final long serialVersionUID = 1L;
        private final int code;

        Exited(int code) {
            super("exit " + code, null, false, false);
            this.code = code;
        }
    }

    static Tool run(String className, String... arguments) throws Exception {
        return feed("", className, arguments);
    }

    /** Runs the tool with this text as its standard input. */
    static Tool feed(String input, String className, String... arguments) throws Exception {
        ByteArrayOutputStream out = new ByteArrayOutputStream();
        ByteArrayOutputStream err = new ByteArrayOutputStream();
        PrintStream oldOut = System.out;
        PrintStream oldErr = System.err;
        InputStream oldIn = System.in;
        System.setOut(new PrintStream(out, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(err, true, StandardCharsets.UTF_8));
        System.setIn(new ByteArrayInputStream(input.getBytes(StandardCharsets.UTF_8)));
        List<Integer> codes = new ArrayList<>();
        List<Runnable> hooks = new ArrayList<>();
        Exit.Procedure exit = (code, message) -> {
            codes.add(code);
            throw new Exited(code);
        };
        Exit.setExitProcedure(exit);
        Exit.setHaltProcedure(exit);
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        int code;
        try {
            code = call(className, arguments);
            // A tool may catch what stands for its exit; the first code is the one that counts.
            if (!codes.isEmpty()) code = codes.get(0);
            hooks.forEach(Runnable::run);
        } finally {
            Exit.resetExitProcedure();
            Exit.resetHaltProcedure();
            Exit.resetShutdownHookAdder();
            System.setOut(oldOut);
            System.setErr(oldErr);
            System.setIn(oldIn);
        }
        Tool tool = new Tool(code, out.toString(StandardCharsets.UTF_8), err.toString(StandardCharsets.UTF_8));
        System.err.println("$ " + className + " " + String.join(" ", arguments) + "\n" + tool.all());
        return tool;
    }

    /** Runs the tool in a process of its own, for those that go on in the background when {@code main} has returned. */
    static Tool spawn(String className, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp",
            System.getProperty("java.class.path"), className));
        command.addAll(List.of(arguments));
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        process.getOutputStream().close();
        String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        Tool tool = new Tool(process.waitFor(), out, "");
        System.err.println("$ " + className + " " + String.join(" ", arguments) + "\n" + tool.all());
        return tool;
    }

    private static int call(String className, String... arguments) throws Exception {
        try {
            Class.forName(className).getMethod("main", String[].class).invoke(null, (Object) arguments);
            return 0;
        } catch (InvocationTargetException thrown) {
            if (thrown.getCause() instanceof Exited exited) return exited.code;
            // What the Java machine does with it.
            System.err.print("Exception in thread \"main\" ");
            thrown.getCause().printStackTrace();
            return 1;
        }
    }

    String all() {
        return out + err;
    }

    /** Fails unless the tool ended well; returns its standard output. */
    String good() {
        Cases.check(exitCode == 0, "exit code " + exitCode + ": " + all().strip());
        return out;
    }

    /** Fails unless the tool ended with an error that says this. */
    void bad(String text) {
        Cases.check(exitCode != 0, "exit code 0: " + all().strip());
        Cases.check(all().contains(text), "does not say " + text + ": " + all().strip());
    }
}
