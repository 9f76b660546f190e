// What the Java consumer must get with assigned partitions: positions, times, waiting, limits.

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.NoOffsetForPartitionException;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.consumer.OffsetOutOfRangeException;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;

final class ConsumerCases {
    private ConsumerCases() {}

    static void register(Cases cases) {
        cases.add("consumer_seeks_by_offset", ConsumerCases::seek);
        cases.add("consumer_seeks_by_time", ConsumerCases::offsetsForTimes);
        cases.add("consumer_beginning_and_end_offsets", ConsumerCases::edges);
        cases.add("consumer_read_committed_sees_plain_records", ConsumerCases::readCommitted);
        cases.add("consumer_long_poll_wakes_on_append", ConsumerCases::longPoll);
        cases.add("consumer_fetch_min_bytes_waits_until_fetch_max_wait", ConsumerCases::minBytes);
        cases.add("consumer_auto_offset_reset", ConsumerCases::reset);
        cases.add("consumer_offset_out_of_range", ConsumerCases::outOfRange);
        cases.add("consumer_small_fetch_limits_still_make_progress", ConsumerCases::smallLimits);
        cases.add("consumer_many_partitions_in_one_session", ConsumerCases::manyPartitions);
        cases.add("consumer_pause_and_resume", ConsumerCases::pause);
        cases.add("consumer_lists_topics_and_partitions", ConsumerCases::listing);
    }

    private static KafkaConsumer<byte[], byte[]> assigned(TopicPartition where, String... configs) {
        KafkaConsumer<byte[], byte[]> consumer = Peer.consumer(configs);
        consumer.assign(List.of(where));
        return consumer;
    }

    private static TopicPartition filled(String prefix, int count) throws Exception {
        String topic = Peer.topic(prefix, 1);
        Peer.fill(topic, 0, count);
        return new TopicPartition(topic, 0);
    }

    private static void seek() throws Exception {
        TopicPartition where = filled("seek", 500);
        try (KafkaConsumer<byte[], byte[]> consumer = assigned(where)) {
            for (long offset : new long[] {0, 499, 250, 1}) {
                consumer.seek(where, offset);
                ConsumerRecord<byte[], byte[]> record = Peer.poll(consumer, 1).get(0);
                Cases.equal(offset, record.offset(), "offset");
                Cases.equal("value-" + offset, new String(record.value()), "value");
            }
        }
    }

    private static void offsetsForTimes() throws Exception {
        TopicPartition where = filled("times", 300);
        try (KafkaConsumer<byte[], byte[]> consumer = assigned(where)) {
            for (long index : new long[] {0, 1, 150, 299}) {
                OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(where, 1_000_000L + index)).get(where);
                Cases.equal(index, found.offset(), "offset");
                Cases.equal(1_000_000L + index, found.timestamp(), "timestamp");
            }
            Cases.equal(0L, consumer.offsetsForTimes(Map.of(where, 0L)).get(where).offset(), "before the first");
            Cases.equal(null, consumer.offsetsForTimes(Map.of(where, 1_000_300L)).get(where), "after the last");
        }
    }

    private static void edges() throws Exception {
        TopicPartition where = filled("edges", 37);
        TopicPartition empty = new TopicPartition(Peer.topic("edges-empty", 1), 0);
        try (KafkaConsumer<byte[], byte[]> consumer = assigned(where)) {
            Cases.equal(Map.of(where, 0L, empty, 0L), consumer.beginningOffsets(List.of(where, empty)), "beginnings");
            Cases.equal(Map.of(where, 37L, empty, 0L), consumer.endOffsets(List.of(where, empty)), "ends");
            consumer.seekToEnd(List.of(where));
            Cases.equal(37L, consumer.position(where), "position");
        }
    }

    private static void readCommitted() throws Exception {
        TopicPartition where = filled("committed", 40);
        Cases.equal(40, Peer.readAll(where.topic(), 0, 40, "isolation.level", "read_committed").size(), "records");
        try (KafkaConsumer<byte[], byte[]> consumer = assigned(where, "isolation.level", "read_committed")) {
            Cases.equal(Map.of(where, 40L), consumer.endOffsets(List.of(where)), "last stable offset");
        }
    }

    private static void longPoll() throws Exception {
        TopicPartition where = filled("long-poll", 1);
        try (KafkaConsumer<byte[], byte[]> consumer = assigned(where, "fetch.max.wait.ms", "8000");
             KafkaProducer<byte[], byte[]> producer = Peer.producer("linger.ms", "0")) {
            consumer.seekToBeginning(List.of(where));
            Peer.poll(consumer, 1);
            // The next fetch is now waiting at the end of the log.
            Cases.equal(0, consumer.poll(Duration.ofMillis(100)).count(), "nothing new");
            long started = System.nanoTime();
            producer.send(new ProducerRecord<>(where.topic(), 0, null, Peer.bytes("late"))).get();
            Cases.equal("late", new String(Peer.poll(consumer, 1).get(0).value()), "value");
            Cases.check(System.nanoTime() - started < 4_000_000_000L, "came when it was appended, not at the deadline");
        }
    }

    private static void minBytes() throws Exception {
        TopicPartition where = filled("min-bytes", 1);
        try (KafkaConsumer<byte[], byte[]> consumer =
                 assigned(where, "fetch.min.bytes", "1000000", "fetch.max.wait.ms", "1000")) {
            consumer.seekToBeginning(List.of(where));
            consumer.position(where);
            long started = System.nanoTime();
            Peer.poll(consumer, 1);
            long waited = (System.nanoTime() - started) / 1_000_000;
            Cases.check(waited >= 900, "waited only " + waited + " ms for 1 MB");
        }
    }

    private static void reset() throws Exception {
        TopicPartition where = filled("reset", 20);
        try (KafkaConsumer<byte[], byte[]> consumer = assigned(where, "auto.offset.reset", "earliest")) {
            Cases.equal(0L, Peer.poll(consumer, 1).get(0).offset(), "earliest");
        }
        try (KafkaConsumer<byte[], byte[]> consumer = assigned(where, "auto.offset.reset", "latest")) {
            Cases.equal(20L, consumer.position(where), "latest");
        }
        Duration sinceBeforeTheFirst = Duration.ofMillis(System.currentTimeMillis() - 500_000);
        try (KafkaConsumer<byte[], byte[]> consumer = assigned(where, "auto.offset.reset", "by_duration:" + sinceBeforeTheFirst)) {
            Cases.equal(0L, consumer.position(where), "by duration");
        }
        try (KafkaConsumer<byte[], byte[]> consumer = assigned(where, "auto.offset.reset", "none")) {
            Cases.fails(NoOffsetForPartitionException.class, () -> consumer.poll(Duration.ofSeconds(10)));
        }
    }

    private static void outOfRange() throws Exception {
        TopicPartition where = filled("range", 10);
        try (KafkaConsumer<byte[], byte[]> consumer = assigned(where, "auto.offset.reset", "none")) {
            consumer.seek(where, 11);
            Cases.fails(OffsetOutOfRangeException.class, () -> Peer.poll(consumer, 1));
        }
        try (KafkaConsumer<byte[], byte[]> consumer = assigned(where, "auto.offset.reset", "earliest")) {
            consumer.seek(where, 5000);
            Cases.equal(0L, Peer.poll(consumer, 1).get(0).offset(), "reset to the earliest");
        }
    }

    private static void smallLimits() throws Exception {
        String topic = Peer.topic("limits", 2);
        try (KafkaProducer<byte[], byte[]> producer = Peer.producer("linger.ms", "0")) {
            for (int i = 0; i < 40; i++) producer.send(new ProducerRecord<>(topic, i % 2, null, Peer.noise(20_000, i))).get();
        }
        List<TopicPartition> both = List.of(new TopicPartition(topic, 0), new TopicPartition(topic, 1));
        for (String config : List.of("fetch.max.bytes", "max.partition.fetch.bytes")) {
            try (KafkaConsumer<byte[], byte[]> consumer = Peer.consumer(config, "1000")) {
                consumer.assign(both);
                Cases.equal(40, Peer.poll(consumer, 40).size(), "records with " + config + "=1000");
            }
        }
    }

    private static void manyPartitions() throws Exception {
        String topic = Peer.topic("many", 60);
        List<TopicPartition> all = new ArrayList<>();
        for (int i = 0; i < 60; i++) all.add(new TopicPartition(topic, i));
        try (KafkaConsumer<byte[], byte[]> consumer = Peer.consumer(); KafkaProducer<byte[], byte[]> producer = Peer.producer()) {
            consumer.assign(all);
            for (int round = 0; round < 5; round++) {
                for (int i = round; i < 60; i += 5) producer.send(new ProducerRecord<>(topic, i, null, Peer.bytes("v")));
                producer.flush();
                Cases.equal(12, Peer.poll(consumer, 12).size(), "records in round " + round);
            }
        }
    }

    private static void pause() throws Exception {
        String topic = Peer.topic("pause", 2);
        Peer.fill(topic, 0, 10);
        Peer.fill(topic, 1, 10);
        TopicPartition first = new TopicPartition(topic, 0);
        TopicPartition second = new TopicPartition(topic, 1);
        try (KafkaConsumer<byte[], byte[]> consumer = Peer.consumer()) {
            consumer.assign(List.of(first, second));
            consumer.pause(List.of(first));
            for (ConsumerRecord<byte[], byte[]> record : Peer.poll(consumer, 10)) {
                Cases.equal(1, record.partition(), "only the partition that is not paused");
            }
            consumer.resume(List.of(first));
            Cases.equal(10, Peer.poll(consumer, 10).size(), "records after resuming");
        }
    }

    private static void listing() throws Exception {
        String topic = Peer.topic("listing", 3);
        try (KafkaConsumer<byte[], byte[]> consumer = Peer.consumer()) {
            Cases.equal(3, consumer.listTopics().get(topic).size(), "partitions in the list");
            for (PartitionInfo partition : consumer.partitionsFor(topic)) {
                Cases.equal(1, partition.replicas().length, "replicas");
                Cases.equal(1, partition.inSyncReplicas().length, "in-sync replicas");
                Cases.check(partition.leader() != null, "has a leader");
            }
        }
    }
}
