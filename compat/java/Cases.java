// Runs named cases and prints one line for each, as compat/README.md asks of every suite.

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
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
        return run(1);
    }

    /** Runs so many cases at a time: those that mostly wait for each other's sessions and heartbeats. */
    int run(int atOnce) {
        String only = System.getenv().getOrDefault("COMPAT_CASE", "");
        List<CompletableFuture<Boolean>> outcomes = new ArrayList<>();
        ExecutorService threads = Executors.newFixedThreadPool(atOnce);
        for (Map.Entry<String, Body> entry : cases.entrySet()) {
            if (!entry.getKey().contains(only)) continue;
            outcomes.add(CompletableFuture.supplyAsync(() -> passes(entry.getKey(), entry.getValue()), threads));
        }
        boolean allPassed = outcomes.stream().map(CompletableFuture::join).reduce(true, Boolean::logicalAnd);
        threads.shutdown();
        return allPassed ? 0 : 1;
    }

    private static boolean passes(String name, Body body) {
        try {
            body.run();
            System.out.println("ok " + name);
            return true;
        } catch (Throwable error) {
            System.out.println("not ok " + name + ": " + oneLine(error));
            error.printStackTrace();
            return false;
        } finally {
            System.out.flush();
        }
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
