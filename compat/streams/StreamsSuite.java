// Black-box suite: Kafka Streams. The WordCount demo with at-least-once, from input topic to counts, and an application with
// exactly_once_v2; both restarted and killed midway.

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.LongDeserializer;

public final class StreamsSuite {
    private static final String DEMO = "org.apache.kafka.streams.examples.wordcount.WordCountDemo";
    private static final String INPUT = "streams-plaintext-input";
    private static final String OUTPUT = "streams-wordcount-output";
    private static final List<String> SAMPLE = List.of(
        "all streams lead to kafka", "hello kafka streams", "join kafka summit", "one word", "one word more, and one more");

    private static final String application = Peer.freshName("wordcount");
    private static final Map<String, Long> expected = new TreeMap<>();

    private StreamsSuite() {}

    public static void main(String[] args) {
        Cases cases = new Cases();
        cases.add("wordcount_counts_every_word", () -> counts(1));
        cases.add("wordcount_goes_on_after_a_restart", () -> counts(2));
        cases.add("wordcount_goes_on_after_a_crash", StreamsSuite::crash);
        cases.add("wordcount_made_its_internal_topics", StreamsSuite::internalTopics);
        ExactlyOnceCases.add(cases, "classic");
        System.exit(cases.run());
    }

    /** The demo's topics have fixed names: they may be there already, of an earlier run against the same broker. */
    private static void topics() throws Exception {
        try (Admin admin = Peer.admin()) {
            for (String topic : List.of(INPUT, OUTPUT)) {
                try {
                    admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).all().get();
                } catch (java.util.concurrent.ExecutionException error) {
                    if (!(error.getCause() instanceof TopicExistsException)) throw error;
                }
                Cases.eventually("the topic is known", () -> Peer.isKnown(admin, topic));
            }
        }
    }

    /** Starts the demo in a process of its own, as its users do. */
    private static Process start() throws IOException {
        Path properties = Path.of("wordcount.properties");
        Files.writeString(properties, String.join("\n",
            "application.id=" + application, "bootstrap.servers=" + Peer.BOOTSTRAP, "processing.guarantee=at_least_once",
            "commit.interval.ms=200", "state.dir=" + Path.of("state").toAbsolutePath(), "num.stream.threads=2",
            "session.timeout.ms=3000", "heartbeat.interval.ms=200", ""));
        return new ProcessBuilder("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp",
            System.getProperty("java.class.path"), DEMO, properties.toString()).inheritIO().redirectOutput(
            ProcessBuilder.Redirect.appendTo(Path.of("wordcount.out").toFile())).start();
    }

    private static void feed(int times) {
        try (KafkaProducer<byte[], byte[]> producer = Peer.producer("compression.type", "lz4")) {
            for (int i = 0; i < times * SAMPLE.size(); i++) {
                String line = SAMPLE.get(i % SAMPLE.size());
                producer.send(new ProducerRecord<>(INPUT, i % 2, null, Peer.bytes(line)));
                for (String word : line.split("\\W+")) expected.merge(word, 1L, Long::sum);
            }
        }
    }

    /** The last count of each word in the output topic. */
    private static Map<String, Long> output() {
        Map<String, Long> counts = new TreeMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer = Peer.consumer(); LongDeserializer longs = new LongDeserializer()) {
            List<TopicPartition> where = List.of(new TopicPartition(OUTPUT, 0), new TopicPartition(OUTPUT, 1));
            consumer.assign(where);
            consumer.seekToBeginning(where);
            int left = consumer.endOffsets(where).values().stream().mapToInt(Long::intValue).sum();
            for (ConsumerRecord<byte[], byte[]> record : Peer.poll(consumer, left)) {
                counts.put(new String(record.key()), longs.deserialize(OUTPUT, record.value()));
            }
        }
        return counts;
    }

    private static void awaitCounts() throws InterruptedException {
        try {
            Cases.eventually("every word is counted", () -> output().equals(expected));
        } catch (AssertionError error) {
            Cases.equal(expected, output(), "counts");
        }
    }

    private static void counts(int run) throws Exception {
        topics();
        if (run == 1) Cases.equal(Map.of(), output(), "counts before the first run");
        Process demo = start();
        try {
            feed(20);
            awaitCounts();
        } finally {
            demo.destroy();
        }
        Cases.check(demo.waitFor(20, TimeUnit.SECONDS), "the demo ends when it is told to");
    }

    /** At least once: after kill -9 a word may be counted twice, but none is lost and the counts only grow. */
    private static void crash() throws Exception {
        Process demo = start();
        feed(50);
        Cases.eventually("some of it is counted", () -> output().get("kafka") > expected.get("kafka") - 150);
        demo.destroyForcibly().waitFor();
        Process again = start();
        try {
            feed(5);
            Cases.eventually("no word is lost", () -> {
                Map<String, Long> counts = output();
                return expected.entrySet().stream().allMatch(word -> counts.getOrDefault(word.getKey(), 0L) >= word.getValue());
            });
        } finally {
            again.destroy();
        }
        Cases.check(again.waitFor(20, TimeUnit.SECONDS), "the demo ends when it is told to");
    }

    private static void internalTopics() throws Exception {
        try (Admin admin = Peer.admin()) {
            List<String> internal = admin.listTopics().names().get().stream().filter(name -> name.startsWith(application)).sorted().toList();
            Cases.equal(2, internal.size(), "internal topics " + internal);
            Cases.check(internal.get(0).endsWith("-changelog") && internal.get(1).endsWith("-repartition"), internal.toString());
        }
    }
}
