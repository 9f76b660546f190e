// A transformer with Kafka's Java client: copies one partition into others in transactions, and writes down what it does.
// For the suite kill9-transactions; kill9/transformer.py does the same with librdkafka.

import java.io.IOException;
import java.io.PrintStream;
import java.io.FileOutputStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.atomic.AtomicBoolean;
import org.apache.kafka.clients.consumer.ConsumerGroupMetadata;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.RetriableException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public final class Transformer {
    private static final long PATIENCE_NANOS = 100_000_000_000L;

    private final String bootstrap, name, group, copied, audited;
    private final TopicPartition source;
    private final PrintStream history;
    private final AtomicBoolean isOver = new AtomicBoolean();
    private int transactions;

    private Transformer(String[] args) throws IOException {
        bootstrap = args[0];
        history = new PrintStream(new FileOutputStream(args[1], true), true, StandardCharsets.UTF_8);
        name = args[2];
        group = args[3];
        source = new TopicPartition(args[4], Integer.parseInt(args[5]));
        copied = args[6];
        audited = args[7];
    }

    /** Called with: bootstrap, history file, name, group, source topic, its partition, copied topic, audited topic. */
    public static void main(String[] args) throws Exception {
        new Transformer(args).run();
    }

    private void run() throws Exception {
        Thread end = new Thread(this::awaitEnd);
        end.setDaemon(true);
        end.start();
        Properties configs = configs("group.id", group, "enable.auto.commit", "false", "isolation.level", "read_committed",
            "max.poll.records", "20");
        try (KafkaConsumer<byte[], byte[]> consumer = new KafkaConsumer<>(configs, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            consumer.assign(List.of(source));
            while (!isOver.get()) {
                try (KafkaProducer<String, String> producer = producer()) {
                    patiently(() -> { producer.initTransactions(); return null; });
                    transform(consumer, producer);
                } catch (KafkaException error) {
                    // Fenced, or lost for another reason: the next one takes the transactional id.
                    System.out.println(name + " begins anew: " + error);
                }
            }
        }
    }

    private void awaitEnd() {
        try {
            while (System.in.read() >= 0) { }
        } catch (IOException error) {
            // It is closed.
        }
        isOver.set(true);
    }

    private Properties configs(String... pairs) {
        Properties configs = new Properties();
        configs.put("bootstrap.servers", bootstrap);
        configs.put("reconnect.backoff.max.ms", "100");
        for (int i = 0; i < pairs.length; i += 2) configs.put(pairs[i], pairs[i + 1]);
        return configs;
    }

    private KafkaProducer<String, String> producer() {
        Properties configs = configs("transactional.id", "java-" + source.partition(), "transaction.timeout.ms", "30000",
            "delivery.timeout.ms", "60000", "request.timeout.ms", "5000", "max.block.ms", "20000", "linger.ms", "1");
        return new KafkaProducer<>(configs, new StringSerializer(), new StringSerializer());
    }

    /** Transactions until the end, or until the producer is lost. */
    private void transform(KafkaConsumer<byte[], byte[]> consumer, KafkaProducer<String, String> producer) throws Exception {
        long position = goToPosition(consumer);
        while (!isOver.get()) {
            List<ConsumerRecord<byte[], byte[]>> records = consumer.poll(Duration.ofMillis(200)).records(source);
            if (records.isEmpty()) continue;
            long to = records.get(records.size() - 1).offset() + 1;
            // Not asked for again: Apache Kafka may tell the former position for a moment after a commit.
            if (transact(consumer.groupMetadata(), producer, records, position, to)) position = to; else consumer.seek(source, position);
        }
    }

    /** Goes on where the last transaction that counts left the group. */
    private long goToPosition(KafkaConsumer<byte[], byte[]> consumer) throws Exception {
        OffsetAndMetadata found = patiently(() -> consumer.committed(Set.of(source))).get(source);
        long position = found == null ? 0 : found.offset();
        consumer.seek(source, position);
        return position;
    }

    /** One transaction; whether it counts. */
    private boolean transact(ConsumerGroupMetadata member, KafkaProducer<String, String> producer,
            List<ConsumerRecord<byte[], byte[]>> records, long from, long to) throws Exception {
        String id = name + "-" + ProcessHandle.current().pid() + "-" + ++transactions;
        producer.beginTransaction();
        try {
            int index = 0;
            for (ConsumerRecord<byte[], byte[]> record : records) write(producer, id, copied, index++ % 2, id + "/" + record.offset());
            write(producer, id, audited, 0, id);
            tell("moved", id, group, source.topic() + "-" + source.partition(), from, to);
            producer.sendOffsetsToTransaction(Map.of(source, new OffsetAndMetadata(to)), member);
            if (transactions % 5 == 4) {
                patiently(() -> { producer.abortTransaction(); return null; });
                tell("aborted", id);
                return false;
            }
            tell("unknown", id);
            patiently(() -> { producer.commitTransaction(); return null; });
            tell("committed", id);
            return true;
        } catch (KafkaException error) {
            System.out.println(id + ": " + error);
            // A producer that is lost throws again. Had the transaction committed, this would be refused.
            patiently(() -> { producer.abortTransaction(); return null; });
            tell("aborted", id);
            return false;
        }
    }

    private void write(KafkaProducer<String, String> producer, String id, String topic, int partition, String value) {
        tell("wrote", id, topic + "-" + partition, value);
        producer.send(new ProducerRecord<>(topic, partition, null, value));
    }

    /** One line, written before what it says is done. */
    private void tell(Object... fields) {
        StringBuilder line = new StringBuilder();
        for (Object field : fields) line.append(line.length() == 0 ? "" : "\t").append(field);
        history.print(line.append('\n'));
        history.flush();
    }

    /** Asks again while the broker comes and goes. */
    private static <T> T patiently(Callable<T> what) throws Exception {
        long deadline = System.nanoTime() + PATIENCE_NANOS;
        while (true) {
            try {
                return what.call();
            } catch (TimeoutException error) {
                if (System.nanoTime() > deadline) throw error;
            } catch (KafkaException error) {
                if (!(error instanceof RetriableException) || System.nanoTime() > deadline) throw error;
            }
        }
    }
}
