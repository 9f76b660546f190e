// What transactional producers and read_committed consumers must get.

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;

final class TransactionCases {
    private TransactionCases() {}

    static void register(Cases cases) {
        cases.add("committed_and_aborted_transactions", TransactionCases::commitsAndAborts);
        cases.add("open_transaction_holds_readers_back", TransactionCases::openTransaction);
        cases.add("many_transactions_over_partitions", TransactionCases::many);
        cases.add("large_transaction_of_every_codec", TransactionCases::codecs);
        cases.add("zombie_is_fenced", TransactionCases::zombie);
        cases.add("transaction_that_times_out_is_aborted", TransactionCases::timeout);
        cases.add("producer_goes_on_after_an_abort", TransactionCases::goesOn);
        cases.add("two_producers_mix", TransactionCases::mix);
        for (Protocol protocol : Protocol.values()) {
            cases.add(protocol.word() + "_read_process_write", () -> readProcessWrite(protocol));
            cases.add(protocol.word() + "_offsets_of_an_aborted_transaction_do_not_count", () -> abortedOffsets(protocol));
        }
    }

    static KafkaProducer<byte[], byte[]> producer(String id, String... more) {
        List<String> configs = new ArrayList<>(List.of("transactional.id", id, "max.block.ms", "30000"));
        configs.addAll(List.of(more));
        KafkaProducer<byte[], byte[]> producer = Peer.producer(configs.toArray(new String[0]));
        producer.initTransactions();
        return producer;
    }

    static ProducerRecord<byte[], byte[]> record(String topic, int partition, String value) {
        return new ProducerRecord<>(topic, partition, null, Peer.bytes(value));
    }

    static List<String> committed(String topic, int partition, int count) {
        List<String> values = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> r : Peer.readAll(topic, partition, count, "isolation.level", "read_committed")) {
            values.add(new String(r.value()));
        }
        return values;
    }

    /** Where a reader of this isolation level finds the end. */
    private static long end(String topic, String isolation) {
        TopicPartition partition = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = Peer.consumer("isolation.level", isolation)) {
            return consumer.endOffsets(List.of(partition)).get(partition);
        }
    }

    private static void commitsAndAborts() throws Exception {
        String topic = Peer.topic("txn", 1);
        List<String> expected = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer(topic)) {
            for (int round = 0; round < 20; round++) {
                producer.beginTransaction();
                List<Future<RecordMetadata>> sent = new ArrayList<>();
                for (int i = 0; i < 5; i++) sent.add(producer.send(record(topic, 0, round + "." + i)));
                if (round % 3 == 1) {
                    producer.flush();
                    producer.abortTransaction();
                    continue;
                }
                producer.commitTransaction();
                for (Future<RecordMetadata> future : sent) future.get();
                for (int i = 0; i < 5; i++) expected.add(round + "." + i);
            }
        }
        Cases.equal(expected, committed(topic, 0, expected.size()), "what was committed");
        Cases.eventually("the last marker is there", () -> end(topic, "read_committed") == 20 * 6);
    }

    private static void openTransaction() throws Exception {
        String topic = Peer.topic("txn", 1);
        try (KafkaProducer<byte[], byte[]> producer = producer(topic); KafkaProducer<byte[], byte[]> plain = Peer.producer()) {
            plain.send(record(topic, 0, "before")).get();
            producer.beginTransaction();
            producer.send(record(topic, 0, "inside")).get();
            plain.send(record(topic, 0, "after")).get();
            Cases.equal(1L, end(topic, "read_committed"), "last stable offset");
            Cases.equal(3L, end(topic, "read_uncommitted"), "end");
            Cases.equal(List.of("before"), committed(topic, 0, 1), "committed");
            producer.commitTransaction();
        }
        Cases.equal(List.of("before", "inside", "after"), committed(topic, 0, 3), "committed");
    }

    private static void many() throws Exception {
        String topic = Peer.topic("txn", 5);
        try (KafkaProducer<byte[], byte[]> producer = producer(topic)) {
            for (int round = 0; round < 100; round++) {
                producer.beginTransaction();
                for (int partition = 0; partition < 5; partition++) producer.send(record(topic, partition, "" + round));
                if (round % 10 == 9) producer.abortTransaction(); else producer.commitTransaction();
            }
        }
        List<String> expected = new ArrayList<>();
        for (int round = 0; round < 100; round++) if (round % 10 != 9) expected.add("" + round);
        for (int partition = 0; partition < 5; partition++) Cases.equal(expected, committed(topic, partition, 90), "partition " + partition);
    }

    private static void codecs() throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            String topic = Peer.topic("txn", 1, "segment.bytes", "1048576");
            try (KafkaProducer<byte[], byte[]> producer = producer(topic, "compression.type", codec)) {
                for (boolean commits : List.of(false, true)) {
                    producer.beginTransaction();
                    for (int i = 0; i < 3000; i++) producer.send(record(topic, 0, commits + "." + i + "x".repeat(500)));
                    producer.flush();
                    if (commits) producer.commitTransaction(); else producer.abortTransaction();
                }
            }
            List<String> read = committed(topic, 0, 3000);
            Cases.check(read.stream().allMatch(value -> value.startsWith("true.")), "only what was committed, " + codec);
        }
    }

    private static void zombie() throws Exception {
        String topic = Peer.topic("txn", 2);
        try (KafkaProducer<byte[], byte[]> zombie = producer(topic)) {
            zombie.beginTransaction();
            zombie.send(record(topic, 0, "zombie")).get();
            try (KafkaProducer<byte[], byte[]> heir = producer(topic)) {
                heir.beginTransaction();
                heir.send(record(topic, 0, "heir")).get();
                KafkaException fenced = Cases.fails(KafkaException.class, () -> {
                    zombie.send(record(topic, 1, "zombie")).get();
                    zombie.commitTransaction();
                });
                Throwable cause = fenced;
                while (cause.getCause() != null) cause = cause.getCause();
                Cases.check(cause instanceof ProducerFencedException || cause instanceof InvalidProducerEpochException, "fenced: " + fenced);
                heir.commitTransaction();
            }
        }
        Cases.equal(List.of("heir"), committed(topic, 0, 1), "partition 0");
    }

    private static void timeout() throws Exception {
        String topic = Peer.topic("txn", 1);
        try (KafkaProducer<byte[], byte[]> producer = producer(topic, "transaction.timeout.ms", "1000")) {
            producer.beginTransaction();
            producer.send(record(topic, 0, "late")).get();
            long deadline = System.nanoTime() + 30_000_000_000L;
            while (end(topic, "read_committed") < 2) {
                Cases.check(System.nanoTime() < deadline, "the transaction is aborted within 30 s");
                Thread.sleep(100);
            }
            Cases.fails(KafkaException.class, producer::commitTransaction);
        }
        try (KafkaProducer<byte[], byte[]> producer = producer(topic)) {
            producer.beginTransaction();
            producer.send(record(topic, 0, "next")).get();
            producer.commitTransaction();
        }
        Cases.equal(List.of("next"), committed(topic, 0, 1), "committed");
    }

    private static void goesOn() throws Exception {
        String topic = Peer.topic("txn", 1);
        try (KafkaProducer<byte[], byte[]> producer = producer(topic)) {
            producer.beginTransaction();
            producer.abortTransaction();
            for (int round = 0; round < 3; round++) {
                producer.beginTransaction();
                producer.send(record(topic, 0, "aborted"));
                producer.abortTransaction();
                producer.beginTransaction();
                producer.commitTransaction();
                producer.beginTransaction();
                producer.send(record(topic, 0, "" + round));
                producer.commitTransaction();
            }
        }
        Cases.equal(List.of("0", "1", "2"), committed(topic, 0, 3), "committed");
    }

    private static void mix() throws Exception {
        String topic = Peer.topic("txn", 1);
        try (KafkaProducer<byte[], byte[]> one = producer(topic + "-1"); KafkaProducer<byte[], byte[]> two = producer(topic + "-2")) {
            for (int round = 0; round < 20; round++) {
                one.beginTransaction();
                two.beginTransaction();
                one.send(record(topic, 0, "one." + round)).get();
                two.send(record(topic, 0, "two." + round)).get();
                one.send(record(topic, 0, "one." + round)).get();
                one.commitTransaction();
                two.abortTransaction();
            }
        }
        List<String> expected = new ArrayList<>();
        for (int round = 0; round < 20; round++) expected.addAll(List.of("one." + round, "one." + round));
        Cases.equal(expected, committed(topic, 0, 40), "committed");
    }

    /** Copies every record exactly once, with aborts in between; a second member of the group goes on where the first stopped. */
    private static void readProcessWrite(Protocol protocol) throws Exception {
        String input = Peer.topic("txn-in", 2);
        String output = Peer.topic("txn-out", 1);
        String group = Peer.freshName("txn-group");
        for (int partition = 0; partition < 2; partition++) Peer.fill(input, partition, 100);
        int copied = copy(protocol, group, input, output, 90) + copy(protocol, group, input, output, 110);
        Cases.check(copied >= 200, "copied " + copied);
        Set<String> distinct = new TreeSet<>();
        List<String> values = committed(output, 0, 200);
        for (String value : values) Cases.check(distinct.add(value), "twice: " + value);
    }

    private static int copy(Protocol protocol, String group, String input, String output, int wanted) {
        String[] member = protocol.member(group, "isolation.level", "read_committed", "auto.offset.reset", "earliest",
            "enable.auto.commit", "false", "max.poll.records", "10");
        int copied = 0;
        try (KafkaConsumer<byte[], byte[]> consumer = Peer.consumer(member); KafkaProducer<byte[], byte[]> producer = producer(group)) {
            consumer.subscribe(List.of(input));
            long deadline = System.nanoTime() + 30_000_000_000L;
            for (int round = 0; copied < wanted && System.nanoTime() < deadline; round++) {
                var records = consumer.poll(java.time.Duration.ofMillis(200));
                if (records.isEmpty()) continue;
                producer.beginTransaction();
                Map<TopicPartition, OffsetAndMetadata> offsets = new java.util.HashMap<>();
                for (ConsumerRecord<byte[], byte[]> r : records) {
                    producer.send(record(output, 0, r.partition() + "." + r.offset()));
                    offsets.put(new TopicPartition(r.topic(), r.partition()), new OffsetAndMetadata(r.offset() + 1));
                }
                producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
                if (round % 4 == 2) {
                    producer.abortTransaction();
                    for (TopicPartition partition : records.partitions()) consumer.seek(partition, records.records(partition).get(0).offset());
                    continue;
                }
                producer.commitTransaction();
                copied += records.count();
            }
        }
        return copied;
    }

    private static boolean isAt(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, long expected) {
        OffsetAndMetadata found = consumer.committed(Set.of(partition)).get(partition);
        return found != null && found.offset() == expected;
    }

    private static void abortedOffsets(Protocol protocol) throws Exception {
        String topic = Peer.topic("txn", 1);
        String group = Peer.freshName("txn-group");
        TopicPartition partition = new TopicPartition(topic, 0);
        Peer.fill(topic, 0, 10);
        try (KafkaConsumer<byte[], byte[]> consumer = Peer.consumer(protocol.member(group, "isolation.level", "read_committed"));
             KafkaProducer<byte[], byte[]> producer = producer(group)) {
            consumer.subscribe(List.of(topic));
            Cases.eventually("it is assigned", () -> {
                consumer.poll(java.time.Duration.ofMillis(50));
                return consumer.assignment().contains(partition);
            });
            for (long offset : new long[] {3, 5, 7}) {
                producer.beginTransaction();
                producer.sendOffsetsToTransaction(Map.of(partition, new OffsetAndMetadata(offset, "m" + offset)), consumer.groupMetadata());
                if (offset == 5) producer.abortTransaction(); else producer.commitTransaction();
                long expected = offset == 5 ? 3 : offset;
                // Apache Kafka may show the former offset for a moment after it has taken the marker in.
                if (!Peer.OTTLA) Cases.eventually("the offset is seen", () -> isAt(consumer, partition, expected));
                Cases.check(isAt(consumer, partition, expected), "committed offset " + expected);
            }
        }
    }
}
