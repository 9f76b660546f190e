// What one member of a group must get: records, committed offsets, positions, subscriptions by pattern.

import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import org.apache.kafka.clients.consumer.CommitFailedException;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.OffsetMetadataTooLarge;

final class GroupCases {
    private final Protocol protocol;

    GroupCases(Protocol protocol) {
        this.protocol = protocol;
    }

    void register(Cases cases) {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            add(cases, "group_reads_" + codec, () -> roundTrip(codec));
        }
        add(cases, "group_reads_large_messages", this::largeMessages);
        add(cases, "commits_sync_and_resumes", this::commitSync);
        add(cases, "commits_async_and_resumes", this::commitAsync);
        add(cases, "auto_commit_on_close", this::autoCommit);
        add(cases, "offset_metadata_and_its_limit", this::offsetMetadata);
        add(cases, "commit_of_a_member_that_was_too_slow_fails", this::tooSlow);
        add(cases, "seeks_in_a_group", this::seek);
        add(cases, "pauses_and_resumes_in_a_group", this::pause);
        add(cases, "subscribes_by_pattern", this::pattern);
        if (protocol == Protocol.CONSUMER) add(cases, "subscribes_by_pattern_of_the_broker", this::brokerPattern);
    }

    private void add(Cases cases, String name, Cases.Body body) {
        cases.add(protocol.word() + "_" + name, body);
    }

    /** Fills every partition with numbered values. */
    private static String filled(int partitions, int each) throws Exception {
        String topic = Peer.topic("group", partitions);
        for (int partition = 0; partition < partitions; partition++) Peer.fill(topic, partition, each);
        return topic;
    }

    /** A consumer that polls only when it is told to. */
    private KafkaConsumer<byte[], byte[]> consumer(String group, String topic, String... more) {
        KafkaConsumer<byte[], byte[]> consumer = Peer.consumer(protocol.member(group, more));
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    private void roundTrip(String codec) throws Exception {
        String topic = Peer.topic("group-" + codec, 3);
        List<ProducerRecord<byte[], byte[]>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = Peer.producer("compression.type", codec)) {
            for (int i = 0; i < 300; i++) {
                sent.add(new ProducerRecord<>(topic, i % 3, 1_000L + i, Peer.bytes("k" + i), Peer.bytes("text ".repeat(i % 13))));
                producer.send(sent.get(i));
            }
        }
        try (Member member = Member.join(List.of(topic), protocol.member(Peer.freshName("reads")))) {
            member.awaitRecords(300);
            for (int partition = 0; partition < 3; partition++) {
                int wanted = partition;
                Peer.same(sent.stream().filter(record -> record.partition() == wanted).toList(),
                    member.records.stream().filter(record -> record.partition() == wanted).toList());
            }
        }
    }

    private void largeMessages() throws Exception {
        String topic = Peer.topic("group-large", 2, "max.message.bytes", "6000000");
        try (KafkaProducer<byte[], byte[]> producer = Peer.producer("max.request.size", "6000000")) {
            for (int i = 0; i < 4; i++) producer.send(new ProducerRecord<>(topic, i % 2, null, Peer.noise(5_000_000, i))).get();
        }
        try (Member member = Member.join(List.of(topic), protocol.member(Peer.freshName("large")))) {
            member.awaitRecords(4);
            for (ConsumerRecord<byte[], byte[]> record : member.records) {
                long seed = record.offset() * 2 + record.partition();
                Cases.check(java.util.Arrays.equals(Peer.noise(5_000_000, seed), record.value()), "value " + seed);
            }
        }
    }

    /** The offset of the first record that a new member of this group gets; it leaves again. */
    private long firstOffset(String group, String topic) {
        try (KafkaConsumer<byte[], byte[]> next = consumer(group, topic)) {
            return Peer.poll(next, 1).get(0).offset();
        }
    }

    private void commitSync() throws Exception {
        String topic = filled(1, 100);
        String group = Peer.freshName("sync");
        TopicPartition where = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(group, topic, "max.poll.records", "10")) {
            Peer.poll(consumer, 10);
            Cases.equal(null, consumer.committed(Set.of(where)).get(where), "committed before the first commit");
            consumer.commitSync();
            Cases.equal(10L, consumer.committed(Set.of(where)).get(where).offset(), "committed position");
            Peer.poll(consumer, 10);
        }
        Cases.equal(10L, firstOffset(group, topic), "what was read but not committed comes again");
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(group, topic)) {
            Peer.poll(consumer, 1);
            consumer.commitSync(Map.of(where, new OffsetAndMetadata(77)));
        }
        Cases.equal(77L, firstOffset(group, topic), "first offset after an explicit commit");
    }

    private void commitAsync() throws Exception {
        String topic = filled(1, 100);
        String group = Peer.freshName("async");
        TopicPartition where = new TopicPartition(topic, 0);
        CompletableFuture<Map<TopicPartition, OffsetAndMetadata>> committed = new CompletableFuture<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(group, topic, "max.poll.records", "10")) {
            Peer.poll(consumer, 30);
            consumer.commitAsync((offsets, error) -> {
                if (error != null) committed.completeExceptionally(error);
                else committed.complete(offsets);
            });
            Cases.eventually("the commit is confirmed", () -> {
                consumer.poll(Duration.ofMillis(10));
                return committed.isDone();
            });
            Cases.equal(30L, committed.get(1, TimeUnit.SECONDS).get(where).offset(), "committed");
        }
        Cases.equal(30L, firstOffset(group, topic), "first offset of the next member");
    }

    private void autoCommit() throws Exception {
        String topic = filled(1, 50);
        String group = Peer.freshName("auto");
        try (KafkaConsumer<byte[], byte[]> consumer =
                 consumer(group, topic, "enable.auto.commit", "true", "max.poll.records", "20")) {
            Peer.poll(consumer, 20);
        }
        Cases.equal(20L, firstOffset(group, topic), "committed when it closed");
    }

    private void offsetMetadata() throws Exception {
        String topic = filled(1, 10);
        TopicPartition where = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Peer.freshName("metadata"), topic)) {
            Peer.poll(consumer, 1);
            consumer.commitSync(Map.of(where, new OffsetAndMetadata(5, java.util.Optional.of(0), "a note ✓")));
            OffsetAndMetadata committed = consumer.committed(Set.of(where)).get(where);
            Cases.equal("a note ✓", committed.metadata(), "metadata");
            Cases.equal(java.util.Optional.of(0), committed.leaderEpoch(), "leader epoch");
            Cases.fails(OffsetMetadataTooLarge.class,
                () -> consumer.commitSync(Map.of(where, new OffsetAndMetadata(6, "x".repeat(5000)))));
            Cases.equal(5L, consumer.committed(Set.of(where)).get(where).offset(), "the refused commit changed nothing");
        }
    }

    private void tooSlow() throws Exception {
        String topic = filled(2, 10);
        String group = Peer.freshName("slow");
        String[] impatient = {"max.poll.interval.ms", "1500"};
        if (protocol == Protocol.CLASSIC) impatient = new String[] {"max.poll.interval.ms", "1500", "session.timeout.ms", "1500"};
        try (KafkaConsumer<byte[], byte[]> slow = consumer(group, topic, impatient)) {
            Peer.poll(slow, 1);
            try (Member other = Member.join(List.of(topic), protocol.member(group))) {
                // The slow one does not poll while the other takes over its partitions.
                Member.share(topic, 2, 2, other);
                Map<TopicPartition, OffsetAndMetadata> late = Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(1));
                Cases.fails(CommitFailedException.class, () -> slow.commitSync(late));
            }
        }
    }

    private void seek() throws Exception {
        String topic = filled(1, 200);
        TopicPartition where = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Peer.freshName("seek"), topic)) {
            Peer.poll(consumer, 1);
            for (long offset : new long[] {150, 3, 199}) {
                consumer.seek(where, offset);
                Cases.equal(offset, Peer.poll(consumer, 1).get(0).offset(), "offset");
            }
            consumer.seekToBeginning(List.of(where));
            Cases.equal(0L, consumer.position(where), "position at the beginning");
            consumer.seekToEnd(List.of(where));
            Cases.equal(200L, consumer.position(where), "position at the end");
            consumer.commitSync();
            Cases.equal(200L, consumer.committed(Set.of(where)).get(where).offset(), "committed");
        }
    }

    private void pause() throws Exception {
        String topic = filled(2, 20);
        TopicPartition first = new TopicPartition(topic, 0);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer(Peer.freshName("pause"), topic, "max.poll.records", "1")) {
            List<ConsumerRecord<byte[], byte[]>> before = Peer.poll(consumer, 1);
            consumer.pause(List.of(first));
            int ofFirst = (int) before.stream().filter(record -> record.partition() == 0).count();
            List<ConsumerRecord<byte[], byte[]>> paused = Peer.poll(consumer, 20 - (1 - ofFirst));
            Cases.check(paused.stream().allMatch(record -> record.partition() == 1), "only what is not paused");
            Cases.equal(0, consumer.poll(Duration.ofMillis(300)).count(), "nothing else while paused");
            Cases.equal(Set.of(first), consumer.paused(), "paused");
            consumer.resume(consumer.paused());
            Cases.equal(20 - ofFirst, Peer.poll(consumer, 20 - ofFirst).size(), "the rest after resuming");
        }
    }

    private void pattern() throws Exception {
        String prefix = Peer.freshName("pattern");
        String[] configs = protocol.member(Peer.freshName("by-pattern"), "metadata.max.age.ms", "300");
        String first = Peer.topic(prefix + "-a", 2);
        Peer.topic("not-" + prefix, 1);
        try (Member member = Member.join(Pattern.compile(prefix + "-.*"), configs)) {
            Member.share(first, 2, 2, member);
            String second = Peer.topic(prefix + "-b", 1);
            Cases.eventually("a topic made later is consumed too",
                () -> member.assignment().equals(Set.of(first + "-0", first + "-1", second + "-0")));
            Peer.fill(second, 0, 10);
            member.awaitRecords(10);
        }
    }

    private void brokerPattern() throws Exception {
        String prefix = Peer.freshName("broker-pattern");
        String first = Peer.topic(prefix + "-a", 2);
        Peer.topic("not-" + prefix, 1);
        String group = Peer.freshName("by-broker-pattern");
        try (Member member = Member.join(new SubscriptionPattern(prefix + "-.*"), protocol.member(group))) {
            Member.share(first, 2, 2, member);
            String second = Peer.topic(prefix + "-b", 1);
            Cases.eventually("a topic made later is consumed too",
                () -> member.assignment().equals(Set.of(first + "-0", first + "-1", second + "-0")));
            Peer.fill(second, 0, 10);
            member.awaitRecords(10);
        }
        try (KafkaConsumer<byte[], byte[]> consumer = Peer.consumer(protocol.member(group))) {
            consumer.subscribe(new SubscriptionPattern("(unclosed"));
            Cases.fails(org.apache.kafka.common.errors.InvalidRegularExpression.class, () -> Peer.poll(consumer, 1));
        }
    }
}
