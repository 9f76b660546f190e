// A broker of the suite's own, started the way that the harness says (COMPAT_START), so that it can be killed and started again.

import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.OutputStream;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

final class OwnBroker {
    private static final Pattern ADDRESS = Pattern.compile("127\\.0\\.0\\.1:(\\d+)");

    private final List<String> command = new ArrayList<>();
    private int port;
    private Process process;

    /** One that keeps its data in a folder of this name. */
    OwnBroker(String dataDir, String... options) throws IOException {
        for (String word : new ObjectMapper().readValue(System.getenv("COMPAT_START"), String[].class)) command.add(word);
        command.addAll(List.of("--data-dir", new File(dataDir).getAbsolutePath()));
        for (String option : options) command.addAll(List.of("-o", option));
    }

    String bootstrap() {
        return "127.0.0.1:" + port;
    }

    /** Returns when it has said where it listens; it has its port again when it was there before. */
    void start() throws IOException {
        List<String> words = new ArrayList<>(command);
        words.addAll(List.of("--port", Integer.toString(port)));
        process = new ProcessBuilder(words).redirectError(ProcessBuilder.Redirect.appendTo(new File("broker.log"))).start();
        BufferedReader output = new BufferedReader(new InputStreamReader(process.getInputStream()));
        String line = output.readLine();
        Matcher found = ADDRESS.matcher(line == null ? "" : line);
        if (!found.find()) throw new IOException("no address in the broker's first line: " + line);
        port = Integer.parseInt(found.group(1));
        Thread rest = new Thread(() -> drain(process));
        rest.setDaemon(true);
        rest.start();
    }

    private static void drain(Process process) {
        try {
            process.getInputStream().transferTo(OutputStream.nullOutputStream());
        } catch (IOException error) {
            // It has ended.
        }
    }

    /** kill -9. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    /** SIGTERM, and SIGKILL when that does not end it within 20 s. */
    void stop() throws InterruptedException {
        process.destroy();
        if (!process.waitFor(20, TimeUnit.SECONDS)) kill();
    }
}
