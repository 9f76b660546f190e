// kafka-dump-log reads and verifies the broker's own files: the log format on disk is Kafka's.

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;

final class DumpLog {
    private static final int RECORDS = 1500;

    private static Path dir;

    private DumpLog() {}

    static void register(Cases cases) {
        cases.add("dump_log_finds_several_segments", DumpLog::prepare);
        cases.add("dump_log_reads_every_record", DumpLog::records);
        cases.add("dump_log_verifies_offset_indexes", () -> verify(".index"));
        cases.add("dump_log_verifies_time_indexes", () -> verify(".timeindex"));
        cases.add("dump_log_sanity_of_indexes", DumpLog::sanity);
        cases.add("dump_log_reads_producer_snapshots", DumpLog::snapshots);
        cases.add("partition_directory_has_kafkas_files", DumpLog::files);
    }

    static Tool dump(String... arguments) throws Exception {
        return Tool.run("org.apache.kafka.tools.DumpLogSegments", arguments);
    }

    private static void prepare() throws Exception {
        String topic = Peer.topic("dump", 1, "segment.bytes", "1048576", "index.interval.bytes", "4096");
        List<String> codecs = List.of("none", "gzip", "snappy", "lz4", "zstd");
        for (int round = 0; round < 5; round++) {
            try (KafkaProducer<byte[], byte[]> producer = Peer.producer("compression.type", codecs.get(round))) {
                for (int i = round * 300; i < round * 300 + 300; i++) {
                    producer.send(new ProducerRecord<>(topic, 0, 1_700_000_000_000L + i, Peer.bytes("key-" + i), hex(i)));
                    if (i % 10 == 9) producer.flush();
                }
            }
        }
        dir = DataDir.partition(topic + "-0");
        Cases.eventually("there are several segments", () -> list(".log").size() >= 3);
        Cases.equal(RECORDS, Peer.readAll(topic, 0, RECORDS).size(), "records");
    }

    /** About 3 kB that hardly compress and hold no line breaks, so that printed records stay lines. */
    private static byte[] hex(int seed) {
        return Peer.bytes(java.util.HexFormat.of().formatHex(Peer.noise(1500, seed)));
    }

    private static List<Path> list(String suffix) {
        Cases.check(dir != null, "the log was not prepared");
        try (Stream<Path> all = Files.list(dir)) {
            return all.filter(path -> path.toString().endsWith(suffix)).sorted().toList();
        } catch (IOException error) {
            throw new AssertionError(error);
        }
    }

    private static void records() throws Exception {
        List<String> keys = new ArrayList<>();
        for (Path log : list(".log")) {
            String out = dump("--deep-iteration", "--print-data-log", "--files", log.toString()).good();
            Cases.check(out.contains("Log starting offset: " + Long.parseLong(log.getFileName().toString().replace(".log", ""))), "start");
            Cases.check(!out.contains("isvalid: false"), "every batch is valid in " + log);
            out.lines().filter(line -> line.startsWith("| offset:")).forEach(line -> keys.add(line.replaceAll(".* key: (\\S+) .*", "$1")));
        }
        Cases.equal(RECORDS, keys.size(), "records in all segments");
        for (int i = 0; i < RECORDS; i++) Cases.equal("key-" + i, keys.get(i), "key");
    }

    /** The active segment's indexes may be preallocated; those before it are final. */
    private static List<Path> closed(String suffix) {
        List<Path> all = list(suffix);
        Cases.check(all.size() >= 3, "only " + all.size() + " files " + suffix);
        return all.subList(0, all.size() - 1);
    }

    private static void verify(String suffix) throws Exception {
        for (Path index : closed(suffix)) {
            Tool checked = dump("--verify-index-only", "--files", index.toString());
            checked.good();
            for (String bad : List.of("Mismatches", "mismatch", "non-monotonic", "out of order", "corrupt", "Exception")) {
                Cases.check(!checked.all().contains(bad), index + ": " + checked.all());
            }
            String entries = dump("--files", index.toString()).good();
            String entry = suffix.equals(".index") ? "offset: " : "timestamp: ";
            Cases.check(entries.lines().filter(line -> line.startsWith(entry)).count() > 20, index + " is sparse: " + entries.length());
        }
    }

    private static void sanity() throws Exception {
        for (String suffix : List.of(".index", ".timeindex")) {
            for (Path index : closed(suffix)) {
                String out = dump("--index-sanity-check", "--files", index.toString()).good();
                Cases.check(out.contains("passed sanity check."), out);
            }
        }
    }

    private static void snapshots() throws Exception {
        List<Path> snapshots = list(".snapshot");
        Cases.check(!snapshots.isEmpty(), "there are producer snapshots");
        for (Path snapshot : snapshots) {
            String out = dump("--files", snapshot.toString()).good();
            Cases.check(out.contains("producerId: ") && out.contains("firstSequence: "), snapshot + ": " + out);
        }
    }

    private static void files() throws Exception {
        Cases.check(Files.readString(dir.resolve("partition.metadata")).matches("version: 0\ntopic_id: [A-Za-z0-9_-]{22}\n?"), "partition.metadata");
        Cases.equal("0\n1\n0 0\n", Files.readString(dir.resolve("leader-epoch-checkpoint")), "leader-epoch-checkpoint");
    }
}
