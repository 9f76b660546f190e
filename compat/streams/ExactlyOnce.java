// A Kafka Streams application with exactly_once_v2: counts the records of each key, and says every count once.

import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KeyValueMapper;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.state.KeyValueStore;

public final class ExactlyOnce {
    private ExactlyOnce() {}

    /** Called with: bootstrap, application id, input topic, output topic, state directory, group protocol. */
    public static void main(String[] args) throws Exception {
        Properties configs = new Properties();
        configs.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, args[0]);
        configs.put(StreamsConfig.APPLICATION_ID_CONFIG, args[1]);
        configs.put(StreamsConfig.STATE_DIR_CONFIG, Path.of(args[4]).toAbsolutePath().toString());
        configs.put("group.protocol", args[5]);
        configs.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        configs.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, "100");
        configs.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, "2");
        // Every count is to be seen, not the last one of a while.
        configs.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, "0");
        if (args[5].equals("classic")) {
            configs.put("session.timeout.ms", "3000");
            configs.put("heartbeat.interval.ms", "200");
        }
        configs.put("transaction.timeout.ms", "10000");
        KafkaStreams streams = new KafkaStreams(topology(args[2], args[3]).build(), configs);
        CountDownLatch told = new CountDownLatch(1);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            streams.close(java.time.Duration.ofSeconds(15));
            told.countDown();
        }));
        streams.start();
        told.await();
    }

    private static StreamsBuilder topology(String input, String output) {
        StreamsBuilder builder = new StreamsBuilder();
        KeyValueMapper<String, String, String> word = (key, value) -> value;
        builder.stream(input, Consumed.with(Serdes.String(), Serdes.String()))
            // A repartition topic in between.
            .groupBy(word, Grouped.with(Serdes.String(), Serdes.String()))
            .count(Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("counts"))
            .toStream().mapValues(String::valueOf).to(output, Produced.with(Serdes.String(), Serdes.String()));
        return builder;
    }
}
