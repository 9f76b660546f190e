// An application with exactly_once_v2 that is restarted and killed in the middle: each count is in the output once and in order.

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

final class ExactlyOnceCases {
    private static final int KEYS = 10;

    private final String protocol, application, input, output;
    private int fed;

    private ExactlyOnceCases(String protocol) throws Exception {
        this.protocol = protocol;
        application = Peer.freshName("exactly-once");
        input = Peer.topic("exactly-once-in", 2);
        output = Peer.topic("exactly-once-out", 1);
    }

    static void add(Cases cases, String protocol) {
        cases.add("exactly_once_with_the_" + protocol + "_protocol_goes_on_after_restart_and_crash", () -> new ExactlyOnceCases(protocol).run());
    }

    private void run() throws Exception {
        Process first = start();
        feed(200);
        awaitCounted(fed);
        first.destroy();
        Cases.check(first.waitFor(30, TimeUnit.SECONDS), "the application ends when it is told to");
        for (int crash = 0; crash < 2; crash++) {
            Process victim = start();
            feed(1000);
            awaitCounted(fed - 900);
            victim.destroyForcibly().waitFor();
        }
        Process last = start();
        try {
            feed(100);
            awaitCounted(fed);
        } finally {
            last.destroy();
        }
        Cases.check(last.waitFor(30, TimeUnit.SECONDS), "the application ends when it is told to");
        check(counts());
    }

    /** Starts the application in a process of its own. Its state directory is new each time: the changelog brings it back. */
    private Process start() throws IOException {
        String state = "state-" + application + "-" + fed;
        return new ProcessBuilder("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp",
            System.getProperty("java.class.path"), "ExactlyOnce", Peer.BOOTSTRAP, application, input, output, state, protocol)
            .inheritIO().redirectOutput(ProcessBuilder.Redirect.appendTo(Path.of("exactly-once.out").toFile())).start();
    }

    private void feed(int count) {
        try (KafkaProducer<byte[], byte[]> producer = Peer.producer()) {
            for (int i = 0; i < count; i++, fed++) {
                producer.send(new ProducerRecord<>(input, fed % 2, Peer.bytes("k"), Peer.bytes("word-" + fed % KEYS)));
            }
        }
    }

    private void awaitCounted(int count) throws InterruptedException {
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (size() < count) {
            Cases.check(System.nanoTime() < deadline, "only " + size() + " of " + count + " records were counted within 60 s");
            Thread.sleep(50);
        }
    }

    private int size() {
        return counts().values().stream().mapToInt(List::size).sum();
    }

    /** All committed counts of each key, in the order of the output. */
    private Map<String, List<Long>> counts() {
        Map<String, List<Long>> counts = new TreeMap<>();
        TopicPartition where = new TopicPartition(output, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = Peer.consumer("isolation.level", "read_committed")) {
            consumer.assign(List.of(where));
            consumer.seekToBeginning(List.of(where));
            long end = consumer.endOffsets(List.of(where)).get(where);
            while (consumer.position(where) < end) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(java.time.Duration.ofMillis(200))) {
                    String key = new String(record.key());
                    counts.computeIfAbsent(key, unused -> new ArrayList<>()).add(Long.parseLong(new String(record.value())));
                }
            }
        }
        return counts;
    }

    private void check(Map<String, List<Long>> counts) {
        Cases.equal(KEYS, counts.size(), "keys");
        counts.forEach((key, found) -> {
            for (int i = 0; i < found.size(); i++) Cases.equal(i + 1L, found.get(i), "count " + i + " of " + key);
        });
        Cases.equal(fed, size(), "records that were counted");
    }
}
