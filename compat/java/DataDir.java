// The data directory of the broker under test, looked at while the broker works in it.

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.FileVisitor;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.List;

final class DataDir {
    private DataDir() {}

    /** The directory of one partition ("topic-0"), whichever log directory it is in. */
    static Path partition(String name) throws IOException {
        List<Path> found = new ArrayList<>();
        // Checkpoints are written beside the partitions and renamed: what is gone when its turn comes is passed over.
        FileVisitor<Path> visitor = new SimpleFileVisitor<>() {
            @Override
            public FileVisitResult preVisitDirectory(Path dir, BasicFileAttributes attributes) {
                if (!dir.endsWith(name)) return FileVisitResult.CONTINUE;
                found.add(dir);
                return FileVisitResult.TERMINATE;
            }

            @Override
            public FileVisitResult visitFileFailed(Path file, IOException error) {
                return FileVisitResult.CONTINUE;
            }

            @Override
            public FileVisitResult postVisitDirectory(Path dir, IOException error) {
                return FileVisitResult.CONTINUE;
            }
        };
        Files.walkFileTree(Path.of(Peer.DATA_DIR), visitor);
        if (found.isEmpty()) throw new AssertionError("no directory " + name + " under " + Peer.DATA_DIR);
        return found.get(0);
    }
}
