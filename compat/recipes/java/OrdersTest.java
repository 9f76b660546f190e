// A test with a broker of its own. Needs kafka-clients, and `ottla` on PATH (or OTTLA=/path/to/ottla).

import java.time.Duration;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

public class OrdersTest {
    /** A broker in memory on a free port, for try-with-resources. */
    static final class Ottla implements AutoCloseable {
        private final Process process;
        final String bootstrapServers;

        Ottla() throws Exception {
            // The broker also ends when this process dies, because its standard input ends then.
            process = new ProcessBuilder(System.getenv().getOrDefault("OTTLA", "ottla"), "serve", "--data-dir", ":memory:",
                    "--listen", "127.0.0.1:0", "--print-address", "--stop-with-stdin")
                    .redirectError(ProcessBuilder.Redirect.INHERIT).start();
            bootstrapServers = process.inputReader().readLine();
        }

        @Override
        public void close() throws Exception {
            process.getOutputStream().close();
            process.waitFor();
        }
    }

    // With JUnit: @Test
    static void anOrderReachesTheKitchen() throws Exception {
        try (Ottla ottla = new Ottla()) {
            Map<String, Object> producing = Map.of("bootstrap.servers", ottla.bootstrapServers);
            try (var producer = new KafkaProducer<>(producing, new StringSerializer(), new StringSerializer())) {
                producer.send(new ProducerRecord<>("orders", "two coffees")).get();
            }
            Map<String, Object> consuming = Map.of("bootstrap.servers", ottla.bootstrapServers,
                    "group.id", "kitchen", "auto.offset.reset", "earliest");
            try (var consumer = new KafkaConsumer<>(consuming, new StringDeserializer(), new StringDeserializer())) {
                consumer.subscribe(List.of("orders"));
                var record = consumer.poll(Duration.ofSeconds(10)).iterator().next();
                if (!record.value().equals("two coffees")) {
                    throw new AssertionError(record.value());
                }
            }
        }
    }

    public static void main(String[] arguments) throws Exception {
        anOrderReachesTheKitchen();
    }
}
