// A member of the group of three languages (data/group.py): says what it has read, then commits.

import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.RangeAssignor;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.RetriableCommitFailedException;
import org.apache.kafka.common.errors.RebalanceInProgressException;

public final class DataReader {
    private DataReader() {}

    public static void main(String[] args) throws Exception {
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        KafkaConsumer<byte[], byte[]> consumer = Peer.consumer("group.id", args[1], "auto.offset.reset", "earliest",
            "enable.auto.commit", "false", "partition.assignment.strategy", RangeAssignor.class.getName(),
            "session.timeout.ms", "6000", "heartbeat.interval.ms", "500", "max.poll.records", "200");
        consumer.subscribe(List.of(args[0]));
        while (true) {
            ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofMillis(100));
            for (ConsumerRecord<byte[], byte[]> record : records) {
                String code = new String(record.value(), StandardCharsets.UTF_8).split(",")[0];
                out.println(record.partition() + " " + record.offset() + " " + code);
            }
            out.flush();
            try {
                if (!records.isEmpty()) consumer.commitSync();
            } catch (CommitFailedException | RetriableCommitFailedException | RebalanceInProgressException error) {
                // Whoever has the partitions now reads again.
                System.err.println("not committed: " + error);
            }
        }
    }
}
