// Black-box suite: Kafka's tool and ours under the same name, with the same words, against the same broker. What they print
// and how they end must be the same. The cases are stories in `cases/*.txt`; README.md says how they are written.

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;

public final class ScriptsSuite {
    private ScriptsSuite() {}

    public static void main(String[] args) throws Exception {
        Path links = Path.of(System.getenv("COMPAT_WORK"), "bin");
        install(links);
        Cases cases = new Cases();
        for (Story story : stories()) cases.add(story.name, () -> story.compare(links));
        System.exit(cases.run());
    }

    private static List<Story> stories() throws IOException {
        Path folder = Path.of(System.getenv("COMPAT_DIR"), "scripts", "cases");
        try (Stream<Path> files = Files.list(folder)) {
            return files.filter(file -> file.toString().endsWith(".txt")).sorted().flatMap(file -> Story.read(file).stream()).toList();
        }
    }

    /** Ours are called as Kafka's scripts are: by links with `.sh`. */
    private static void install(Path links) throws Exception {
        Process process = new ProcessBuilder(System.getenv("COMPAT_OTTLA"), "install-scripts", links.toString()).inheritIO().start();
        if (process.waitFor() != 0) throw new AssertionError("ottla install-scripts ended with " + process.exitValue());
    }
}
