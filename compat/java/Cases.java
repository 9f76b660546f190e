// Runs named cases and prints one line for each, as compat/README.md asks of every suite.

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.ExecutionException;
import java.util.function.BooleanSupplier;

final class Cases {
    interface Body {
        void run() throws Exception;
    }

    private final Map<String, Body> cases = new LinkedHashMap<>();

    void add(String name, Body body) {
        if (cases.put(name, body) != null) throw new IllegalArgumentException("two cases are called " + name);
    }

    /** Runs all cases; COMPAT_CASE=TEXT keeps only those whose name holds the text. Returns the exit code. */
    int run() {
        String only = System.getenv().getOrDefault("COMPAT_CASE", "");
        int failed = 0;
        for (Map.Entry<String, Body> entry : cases.entrySet()) {
            if (!entry.getKey().contains(only)) continue;
            try {
                entry.getValue().run();
                System.out.println("ok " + entry.getKey());
            } catch (Throwable error) {
                failed++;
                System.out.println("not ok " + entry.getKey() + ": " + oneLine(error));
                error.printStackTrace();
            }
            System.out.flush();
        }
        return failed == 0 ? 0 : 1;
    }

    static void finding(String name, String text) {
        System.out.println("finding " + name + ": " + text.replace('\n', ' '));
    }

    static void check(boolean condition, String message) {
        if (!condition) throw new AssertionError(message);
    }

    static void equal(Object expected, Object actual, String what) {
        if (!Objects.equals(expected, actual)) {
            throw new AssertionError(what + ": expected " + shorten(expected) + ", got " + shorten(actual));
        }
    }

    /** Runs the body, which must fail with this type (also as the cause of an ExecutionException). */
    static <T extends Throwable> T fails(Class<T> type, Body body) throws Exception {
        try {
            body.run();
        } catch (Throwable thrown) {
            Throwable error = thrown instanceof ExecutionException ? thrown.getCause() : thrown;
            for (Throwable at = error; at != null; at = at.getCause()) {
                if (type.isInstance(at)) return type.cast(at);
            }
            throw new AssertionError("expected " + type.getSimpleName() + ", got " + oneLine(error), error);
        }
        throw new AssertionError("expected " + type.getSimpleName() + ", but it succeeded");
    }

    /** Asks again until the condition holds; fails after 15 seconds. */
    static void eventually(String what, BooleanSupplier condition) throws InterruptedException {
        long deadline = System.nanoTime() + 15_000_000_000L;
        while (!condition.getAsBoolean()) {
            if (System.nanoTime() > deadline) throw new AssertionError("did not happen: " + what);
            Thread.sleep(20);
        }
    }

    private static String oneLine(Throwable error) {
        String text = error instanceof AssertionError ? String.valueOf(error.getMessage()) : error.toString();
        return text.replace('\n', ' ');
    }

    private static String shorten(Object value) {
        String text = String.valueOf(value);
        return text.length() <= 300 ? text : text.substring(0, 300) + "...";
    }
}
