// The broker under test, and small helpers that every case uses: topics, producers, consumers.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class Peer {
    /** The shared broker, or what a suite with a broker of its own has set before it uses this class. */
    static final String BOOTSTRAP = System.getProperty("compat.bootstrap", System.getenv("COMPAT_BOOTSTRAP"));
    static final boolean OTTLA = "ottla".equals(System.getenv("COMPAT_PEER"));
    static final String DATA_DIR = System.getenv("COMPAT_DATA_DIR");

    private static final AtomicInteger TOPICS = new AtomicInteger();
    private static final String RUN = Long.toString(System.currentTimeMillis() % 100_000_000, 36);

    private Peer() {}

    static Admin admin() {
        return Admin.create(properties("default.api.timeout.ms", "20000", "request.timeout.ms", "10000"));
    }

    /** Where the controller of the broker is administered. */
    static String controller() throws Exception {
        try (Admin admin = admin()) {
            var quorum = admin.describeMetadataQuorum().quorumInfo().get();
            var endpoint = quorum.nodes().get(quorum.leaderId()).endpoints().get(0);
            return endpoint.host() + ":" + endpoint.port();
        }
    }

    static Properties properties(String... pairs) {
        Properties properties = new Properties();
        properties.put("bootstrap.servers", BOOTSTRAP);
        for (int i = 0; i < pairs.length; i += 2) properties.put(pairs[i], pairs[i + 1]);
        return properties;
    }

    /** A name that no other case uses. */
    static String freshName(String prefix) {
        return prefix + "-" + RUN + "-" + TOPICS.incrementAndGet();
    }

    /**
     * Creates a topic and returns its name; configs come as name, value, name, value. Nothing expires in it, because the
     * cases use timestamps of long ago.
     */
    static String topic(String prefix, int partitions, String... configs) throws Exception {
        String name = freshName(prefix);
        Map<String, String> map = map(configs);
        map.putIfAbsent("retention.ms", "-1");
        try (Admin admin = admin()) {
            admin.createTopics(List.of(new NewTopic(name, partitions, (short) 1).configs(map))).all().get();
            Cases.eventually("the new topic is known", () -> isKnown(admin, name));
        }
        return name;
    }

    /** A Kafka broker learns of a new topic a little after the controller has answered. */
    static boolean isKnown(Admin admin, String topic) {
        try {
            var partitions = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).partitions();
            return partitions.stream().allMatch(partition -> partition.leader() != null);
        } catch (InterruptedException | java.util.concurrent.ExecutionException error) {
            return false;
        }
    }

    static KafkaProducer<byte[], byte[]> producer(String... pairs) {
        Properties properties = properties("delivery.timeout.ms", "30000", "request.timeout.ms", "10000", "linger.ms", "5");
        for (int i = 0; i < pairs.length; i += 2) properties.put(pairs[i], pairs[i + 1]);
        return new KafkaProducer<>(properties, new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(String... pairs) {
        Properties properties = properties("enable.auto.commit", "false", "auto.offset.reset", "earliest");
        for (int i = 0; i < pairs.length; i += 2) properties.put(pairs[i], pairs[i + 1]);
        return new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    /** Polls until there are {@code count} records; fails after 20 seconds. */
    static List<ConsumerRecord<byte[], byte[]>> poll(KafkaConsumer<byte[], byte[]> consumer, int count) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        long deadline = System.nanoTime() + 20_000_000_000L;
        while (records.size() < count) {
            if (System.nanoTime() > deadline) {
                throw new AssertionError("only " + records.size() + " of " + count + " records came within 20 s");
            }
            consumer.poll(Duration.ofMillis(500)).forEach(records::add);
        }
        return records;
    }

    /** All records of one partition from its start. */
    static List<ConsumerRecord<byte[], byte[]>> readAll(String topic, int partition, int count, String... configs) {
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(configs)) {
            TopicPartition where = new TopicPartition(topic, partition);
            consumer.assign(List.of(where));
            consumer.seekToBeginning(List.of(where));
            return poll(consumer, count);
        }
    }

    /** Sends numbered values and waits for every acknowledgement. */
    static void fill(String topic, int partition, int count) throws Exception {
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            List<java.util.concurrent.Future<?>> sent = new ArrayList<>();
            for (int i = 0; i < count; i++) {
                sent.add(producer.send(new ProducerRecord<>(topic, partition, 1_000_000L + i, null, bytes("value-" + i))));
            }
            for (java.util.concurrent.Future<?> future : sent) future.get();
        }
    }

    /** What was read is what was sent: key, value, headers in order, timestamp, dense offsets. */
    static void same(List<ProducerRecord<byte[], byte[]>> sent, List<ConsumerRecord<byte[], byte[]>> read) {
        Cases.equal(sent.size(), read.size(), "number of records");
        for (int i = 0; i < sent.size(); i++) {
            ProducerRecord<byte[], byte[]> in = sent.get(i);
            ConsumerRecord<byte[], byte[]> out = read.get(i);
            Cases.check(Arrays.equals(in.key(), out.key()), "key of record " + i);
            Cases.check(Arrays.equals(in.value(), out.value()), "value of record " + i);
            Cases.equal(headers(in.headers()), headers(out.headers()), "headers of record " + i);
            if (in.timestamp() != null) Cases.equal(in.timestamp(), out.timestamp(), "timestamp of record " + i);
            Cases.equal(read.get(0).offset() + i, out.offset(), "offset of record " + i);
        }
    }

    private static List<String> headers(Iterable<Header> headers) {
        List<String> list = new ArrayList<>();
        for (Header header : headers) list.add(header.key() + "=" + Arrays.toString(header.value()));
        return list;
    }

    static byte[] bytes(String text) {
        return text.getBytes(java.nio.charset.StandardCharsets.UTF_8);
    }

    /** Bytes that do not compress and are the same in every run. */
    static byte[] noise(int length, long seed) {
        byte[] bytes = new byte[length];
        new java.util.Random(seed).nextBytes(bytes);
        return bytes;
    }

    static Map<String, String> map(String... pairs) {
        Map<String, String> map = new java.util.TreeMap<>();
        for (int i = 0; i < pairs.length; i += 2) map.put(pairs[i], pairs[i + 1]);
        return map;
    }
}
