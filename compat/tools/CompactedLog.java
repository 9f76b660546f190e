// kafka-dump-log over logs that the broker compacted: the last value of every key, tombstones and their horizon, indexes of
// rewritten segments, `compact,delete`.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.config.ConfigResource;

final class CompactedLog {
    private static final int KEYS = 40;
    private static final int ROUNDS = 60;
    private static final Pattern RECORD = Pattern.compile("\\| offset: (\\d+) .* key: (\\S+)( payload:.*)?");

    private CompactedLog() {}

    static void register(Cases cases) {
        cases.add("dump_log_of_a_compacted_log", CompactedLog::compacted);
        cases.add("dump_log_of_a_log_whose_tombstones_went", CompactedLog::tombstonesGo);
        cases.add("dump_log_of_a_log_that_is_compacted_and_deleted", CompactedLog::compactedAndDeleted);
    }

    /** One record as the tool prints it. */
    private record Printed(long offset, String key, boolean isTombstone) {}

    /** The cleaner looks often, as long as the body runs. */
    private static void withEagerCleaner(Cases.Body body) throws Exception {
        backoff(AlterConfigOp.OpType.SET);
        try {
            body.run();
        } finally {
            backoff(AlterConfigOp.OpType.DELETE);
        }
    }

    private static void backoff(AlterConfigOp.OpType type) throws Exception {
        ConfigResource cluster = new ConfigResource(ConfigResource.Type.BROKER, "");
        try (var admin = Peer.admin()) {
            var op = new AlterConfigOp(new ConfigEntry("log.cleaner.backoff.ms", "200"), type);
            admin.incrementalAlterConfigs(Map.of(cluster, List.of(op))).all().get();
        }
    }

    private static String topic(String prefix, String... configs) throws Exception {
        String[] base = {"segment.bytes", "1048576", "min.cleanable.dirty.ratio", "0.01", "segment.ms", "600000"};
        return Peer.topic(prefix, 1, TopicTools.join(base, configs));
    }

    /** Keys again and again, then tombstones for every fourth, then enough of one more key to close the segment. */
    private static void fill(String topic) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = Peer.producer("compression.type", "lz4")) {
            for (int round = 0; round < ROUNDS; round++) {
                for (int key = 0; key < KEYS; key++) producer.send(record(topic, "key-" + key, Peer.noise(1500, round * KEYS + key)));
                producer.flush();
            }
            for (int key = 0; key < KEYS; key += 4) producer.send(record(topic, "key-" + key, null));
            producer.flush();
            closeSegment(producer, topic);
        }
    }

    private static ProducerRecord<byte[], byte[]> record(String topic, String key, byte[] value) {
        return new ProducerRecord<>(topic, 0, Peer.bytes(key), value);
    }

    private static void closeSegment(KafkaProducer<byte[], byte[]> producer, String topic) {
        for (int i = 0; i < 900; i++) {
            producer.send(record(topic, "filler", Peer.noise(1500, i)));
            if (i % 20 == 19) producer.flush();
        }
        producer.flush();
    }

    private static List<Path> files(String topic, String suffix) throws Exception {
        try (Stream<Path> all = Files.list(DataDir.partition(topic + "-0"))) {
            return all.filter(path -> path.toString().endsWith(suffix)).sorted().toList();
        }
    }

    private static String dump(Path log) throws Exception {
        String out = DumpLog.dump("--deep-iteration", "--print-data-log", "--files", log.toString()).good();
        Cases.check(!out.contains("isvalid: false"), "every batch is valid in " + log);
        return out;
    }

    /** What is left in all segments. A segment that is replaced while it is looked at is looked at again. */
    private static List<Printed> printed(String topic) throws Exception {
        for (int attempt = 0; ; attempt++) {
            try {
                List<Printed> all = new ArrayList<>();
                for (Path log : files(topic, ".log")) {
                    dump(log).lines().map(RECORD::matcher).filter(Matcher::find).forEach(found -> {
                        boolean isTombstone = found.group(3) == null;
                        all.add(new Printed(Long.parseLong(found.group(1)), found.group(2), isTombstone));
                    });
                }
                return all;
            } catch (AssertionError error) {
                if (attempt == 20) throw error;
                Thread.sleep(50);
            }
        }
    }

    private static boolean hasOneOfEach(List<Printed> printed) {
        Map<String, Integer> counts = new HashMap<>();
        printed.forEach(one -> counts.merge(one.key(), 1, Integer::sum));
        counts.remove("filler");
        return counts.size() == KEYS && counts.values().stream().allMatch(count -> count == 1);
    }

    private static void eventually(String what, String topic, java.util.function.Predicate<List<Printed>> holds) throws Exception {
        // The cleaner may just have begun its ordinary pause of 15 seconds.
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (!holds.test(printed(topic))) {
            Cases.check(System.nanoTime() < deadline, "did not happen within 60 s: " + what);
            Thread.sleep(200);
        }
    }

    private static void verifyIndexes(String topic) throws Exception {
        for (String suffix : List.of(".index", ".timeindex")) {
            List<Path> all = files(topic, suffix);
            for (Path index : all.subList(0, all.size() - 1)) {
                Tool checked = DumpLog.dump("--verify-index-only", "--files", index.toString());
                checked.good();
                for (String bad : List.of("Mismatches", "mismatch", "non-monotonic", "out of order", "corrupt", "Exception")) {
                    Cases.check(!checked.all().contains(bad), index + ": " + checked.all());
                }
            }
        }
    }

    private static void compacted() throws Exception {
        withEagerCleaner(() -> {
            String topic = topic("dump-compacted", "cleanup.policy", "compact");
            fill(topic);
            eventually("one record of each key is left", topic, CompactedLog::hasOneOfEach);
            long last = -1;
            for (Printed one : printed(topic)) {
                Cases.check(one.offset() > last, "offsets rise");
                last = one.offset();
                if (one.key().equals("filler")) continue;
                int key = Integer.parseInt(one.key().substring(4));
                long expected = key % 4 == 0 ? (long) ROUNDS * KEYS + key / 4 : (long) (ROUNDS - 1) * KEYS + key;
                Cases.equal(expected, one.offset(), "the last record of " + one.key());
                Cases.equal(key % 4 == 0, one.isTombstone(), one.key() + " is a tombstone");
            }
            String all = "";
            for (Path log : files(topic, ".log")) all += dump(log);
            Cases.check(Pattern.compile("deleteHorizonMs: (OptionalLong\\[)?\\d+").matcher(all).find(), "tombstones have a horizon");
            verifyIndexes(topic);
        });
    }

    private static void tombstonesGo() throws Exception {
        withEagerCleaner(() -> {
            String topic = topic("dump-tombstones", "cleanup.policy", "compact", "delete.retention.ms", "100");
            fill(topic);
            eventually("the log is compacted", topic, printed -> printed.size() < ROUNDS * KEYS);
            // The next cleaning finds them beyond their horizon.
            try (KafkaProducer<byte[], byte[]> producer = Peer.producer()) {
                Thread.sleep(200);
                closeSegment(producer, topic);
            }
            eventually("no tombstone is left", topic, printed -> printed.stream().noneMatch(Printed::isTombstone));
            long keys = printed(topic).stream().filter(one -> !one.key().equals("filler")).count();
            Cases.equal((long) KEYS - KEYS / 4, keys, "keys that were not deleted");
            verifyIndexes(topic);
        });
    }

    private static void compactedAndDeleted() throws Exception {
        withEagerCleaner(() -> {
            String topic = topic("dump-both", "cleanup.policy", "compact,delete", "retention.ms", "-1", "retention.bytes", "-1");
            fill(topic);
            eventually("one record of each key is left", topic, CompactedLog::hasOneOfEach);
            long before = printed(topic).get(0).offset();
            try (var admin = Peer.admin()) {
                ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
                var op = new AlterConfigOp(new ConfigEntry("file.delete.delay.ms", "0"), AlterConfigOp.OpType.SET);
                var bytes = new AlterConfigOp(new ConfigEntry("retention.bytes", "1"), AlterConfigOp.OpType.SET);
                admin.incrementalAlterConfigs(Map.of(resource, List.of(op, bytes))).all().get();
            }
            eventually("old segments go, although their keys have no newer value", topic,
                printed -> !printed.isEmpty() && printed.get(0).offset() > before && !hasOneOfEach(printed));
            List<Printed> left = printed(topic);
            int read = Peer.readAll(topic, 0, left.size(), "auto.offset.reset", "earliest").size();
            Cases.equal(left.size(), read, "what is printed is what is read");
        });
    }
}
