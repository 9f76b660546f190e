// What the Java producer must get: every codec, every kind of record, every acknowledgement level.

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.record.TimestampType;

final class ProducerCases {
    private ProducerCases() {}

    static void register(Cases cases) {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            cases.add("producer_" + codec, () -> roundTrip(mixed(1000), "compression.type", codec));
            cases.add("producer_" + codec + "_not_idempotent",
                () -> roundTrip(mixed(300), "compression.type", codec, "enable.idempotence", "false"));
        }
        for (String acks : List.of("0", "1", "all")) {
            cases.add("producer_acks_" + acks, () -> acks(acks));
        }
        cases.add("producer_headers_with_duplicate_keys_keep_their_order", ProducerCases::headers);
        cases.add("producer_null_and_empty_keys_and_values", () -> roundTrip(nullsAndEmpties()));
        cases.add("producer_timestamps_are_kept", () -> roundTrip(timestamps()));
        cases.add("producer_log_append_time_replaces_timestamps", ProducerCases::logAppendTime);
        cases.add("producer_one_by_one_gets_consecutive_offsets", ProducerCases::oneByOne);
        cases.add("producer_large_message_900_kb", () -> roundTrip(List.of(large(900_000)), "compression.type", "none"));
        cases.add("producer_large_messages_of_several_mb", ProducerCases::severalMegabytes);
        cases.add("producer_too_large_message_is_refused", ProducerCases::tooLarge);
        cases.add("producer_spreads_keys_over_partitions_and_finds_them_again", ProducerCases::partitions);
        cases.add("producer_creates_a_missing_topic", ProducerCases::autoCreate);
        cases.add("producer_topic_compression_type_recompresses", ProducerCases::recompression);
    }

    private static void roundTrip(List<ProducerRecord<byte[], byte[]>> records, String... configs) throws Exception {
        String topic = Peer.topic("producer", 1);
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        for (ProducerRecord<byte[], byte[]> r : records) {
            sent.add(new ProducerRecord<>(topic, 0, r.timestamp(), r.key(), r.value(), r.headers()));
        }
        sendAll(sent, configs);
        Peer.same(sent, Peer.readAll(topic, 0, sent.size()));
    }

    private static List<RecordMetadata> sendAll(List<ProducerRecord<byte[], byte[]>> records, String... configs)
        throws Exception {
        List<RecordMetadata> answers = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = Peer.producer(configs)) {
            List<Future<RecordMetadata>> futures = new ArrayList<>();
            for (ProducerRecord<byte[], byte[]> record : records) futures.add(producer.send(record));
            for (Future<RecordMetadata> future : futures) answers.add(future.get());
        }
        return answers;
    }

    private static ProducerRecord<byte[], byte[]> record(Long timestamp, byte[] key, byte[] value) {
        return new ProducerRecord<>("replaced", 0, timestamp, key, value);
    }

    private static ProducerRecord<byte[], byte[]> large(int bytes) {
        return record(null, Peer.bytes("large"), Peer.noise(bytes, bytes));
    }

    private static List<ProducerRecord<byte[], byte[]>> mixed(int count) {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            ProducerRecord<byte[], byte[]> record = record(1_700_000_000_000L + i, i % 7 == 0 ? null : Peer.bytes("k" + i),
                i % 5 == 0 ? Peer.noise(i, i) : Peer.bytes(("text " + i + " ").repeat(i % 11)));
            if (i % 3 == 0) record.headers().add("number", Peer.bytes("" + i)).add("empty", new byte[0]);
            records.add(record);
        }
        return records;
    }

    private static void acks(String acks) throws Exception {
        String topic = Peer.topic("acks", 1);
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        for (int i = 0; i < 50; i++) sent.add(new ProducerRecord<>(topic, 0, 5L + i, null, Peer.bytes("v" + i)));
        List<RecordMetadata> answers =
            sendAll(sent, "acks", acks, "enable.idempotence", acks.equals("all") ? "true" : "false");
        for (int i = 0; i < answers.size(); i++) {
            Cases.equal(acks.equals("0") ? -1L : (long) i, answers.get(i).offset(), "offset in acknowledgement " + i);
        }
        Peer.same(sent, Peer.readAll(topic, 0, 50));
    }

    private static void headers() throws Exception {
        ProducerRecord<byte[], byte[]> record = record(1L, Peer.bytes("k"), Peer.bytes("v"));
        record.headers().add("same", Peer.bytes("first")).add("other", Peer.bytes("x")).add("same", Peer.bytes("second"));
        record.headers().add(new RecordHeader("null", null)).add("", Peer.bytes("empty name")).add("\u00fc\u4e16", new byte[] {0, -1});
        roundTrip(List.of(record));
    }

    private static List<ProducerRecord<byte[], byte[]>> nullsAndEmpties() {
        byte[] empty = new byte[0];
        return List.of(record(1L, null, null), record(2L, empty, empty), record(3L, null, empty), record(4L, empty, null),
            record(5L, Peer.bytes("k"), null), record(6L, null, Peer.bytes("v")));
    }

    private static List<ProducerRecord<byte[], byte[]>> timestamps() {
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (long timestamp : new long[] {0, 1, 1_700_000_000_000L, 1_500_000_000_000L, 1_700_000_000_001L}) {
            records.add(record(timestamp, null, Peer.bytes("at " + timestamp)));
        }
        return records;
    }

    private static void logAppendTime() throws Exception {
        String topic = Peer.topic("append-time", 1, "message.timestamp.type", "LogAppendTime");
        long before = System.currentTimeMillis();
        for (String codec : List.of("none", "zstd")) {
            RecordMetadata answer =
                sendAll(List.of(new ProducerRecord<>(topic, 0, 7L, null, Peer.bytes("v"))), "compression.type", codec).get(0);
            Cases.check(answer.timestamp() >= before, "the acknowledgement carries the append time");
        }
        for (ConsumerRecord<byte[], byte[]> record : Peer.readAll(topic, 0, 2)) {
            Cases.equal(TimestampType.LOG_APPEND_TIME, record.timestampType(), "timestamp type");
            Cases.check(record.timestamp() >= before && record.timestamp() <= System.currentTimeMillis(), "append time");
        }
    }

    private static void oneByOne() throws Exception {
        String topic = Peer.topic("one-by-one", 1);
        try (KafkaProducer<byte[], byte[]> producer = Peer.producer("linger.ms", "0")) {
            for (int i = 0; i < 100; i++) {
                RecordMetadata answer = producer.send(new ProducerRecord<>(topic, 0, null, Peer.bytes("v" + i))).get();
                Cases.equal((long) i, answer.offset(), "offset");
            }
        }
    }

    private static void severalMegabytes() throws Exception {
        String topic = Peer.topic("several-mb", 1, "max.message.bytes", "12000000");
        for (String codec : List.of("none", "gzip", "lz4")) {
            ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, 0, null, Peer.noise(5_000_000, 1));
            sendAll(List.of(record), "max.request.size", "12000000", "buffer.memory", "64000000", "compression.type", codec);
        }
        List<ConsumerRecord<byte[], byte[]>> read = Peer.readAll(topic, 0, 3);
        for (ConsumerRecord<byte[], byte[]> record : read) {
            Cases.check(java.util.Arrays.equals(Peer.noise(5_000_000, 1), record.value()), "value at " + record.offset());
        }
    }

    private static void tooLarge() throws Exception {
        String topic = Peer.topic("too-large", 1, "max.message.bytes", "1000");
        Cases.fails(RecordTooLargeException.class,
            () -> sendAll(List.of(new ProducerRecord<>(topic, 0, null, Peer.noise(5000, 2)))));
        sendAll(List.of(new ProducerRecord<>(topic, 0, null, Peer.noise(500, 3))));
        Cases.equal(500, Peer.readAll(topic, 0, 1).get(0).value().length, "the small one still fits");
    }

    private static void partitions() throws Exception {
        String topic = Peer.topic("spread", 6);
        List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
        for (int i = 0; i < 300; i++) records.add(new ProducerRecord<>(topic, Peer.bytes("key-" + i % 60), Peer.bytes("v" + i)));
        List<RecordMetadata> answers = sendAll(records);
        int read = 0;
        for (int partition = 0; partition < 6; partition++) {
            int where = partition;
            int count = (int) answers.stream().filter(answer -> answer.partition() == where).count();
            Cases.check(count > 0, "partition " + partition + " got something");
            read += Peer.readAll(topic, partition, count).size();
        }
        Cases.equal(300, read, "records");
    }

    private static void autoCreate() throws Exception {
        String topic = Peer.freshName("auto-created");
        RecordMetadata answer = sendAll(List.of(new ProducerRecord<>(topic, Peer.bytes("hello")))).get(0);
        Cases.equal(0L, answer.offset(), "offset");
    }

    private static void recompression() throws Exception {
        for (String codec : List.of("gzip", "snappy", "lz4", "zstd", "uncompressed")) {
            String topic = Peer.topic("recompress", 1, "compression.type", codec);
            for (String from : List.of("none", "gzip", "lz4")) {
                List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
                for (int i = 0; i < 20; i++) sent.add(new ProducerRecord<>(topic, 0, 9L, Peer.bytes("k"), Peer.bytes("v" + i)));
                sendAll(sent, "compression.type", from);
            }
            List<ConsumerRecord<byte[], byte[]>> read = Peer.readAll(topic, 0, 60);
            for (int i = 0; i < 60; i++) Cases.equal("v" + i % 20, new String(read.get(i).value()), "value " + i);
        }
    }

    /** Apache Kafka has transactions; ottla refuses them at once until they land. */
}
