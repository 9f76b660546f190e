// What the members of a share group must get: every record once if all goes well, again if it was given back or its member went
// away, and never again once it was acknowledged.

import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.admin.SharePartitionOffsetInfo;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

final class ShareCases {
    private ShareCases() {}

    static void register(Cases cases) {
        cases.add("share_implicit_acknowledgement", ShareCases::implicit);
        cases.add("share_explicit_accept_release_reject", ShareCases::explicit);
        cases.add("share_renew_keeps_a_record", ShareCases::renew);
        cases.add("share_record_limit_is_strict", ShareCases::recordLimit);
        cases.add("share_members_divide_one_partition", ShareCases::members);
        cases.add("share_records_of_a_member_that_leaves_come_again", ShareCases::leaves);
        cases.add("share_records_of_a_member_that_crashes_come_again", ShareCases::crashes);
        cases.add("share_delivery_limit", ShareCases::deliveryLimit);
        cases.add("share_reads_every_compression", ShareCases::compressions);
        cases.add("share_groups_are_described_altered_and_deleted", ShareCases::admin);
    }

    /** A group with these configs of its own; it begins at the beginning where they do not say otherwise. */
    static String group(String... configs) throws Exception {
        String group = Peer.freshName("share");
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        Map<String, String> all = Peer.map(configs);
        all.putIfAbsent("share.auto.offset.reset", "earliest");
        List<AlterConfigOp> ops = new ArrayList<>();
        all.forEach((name, value) -> ops.add(new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET)));
        try (Admin admin = Peer.admin()) {
            admin.incrementalAlterConfigs(Map.of(resource, (Collection<AlterConfigOp>) ops)).all().get();
        }
        return group;
    }

    static KafkaShareConsumer<byte[], byte[]> member(String group, String topic, String... pairs) {
        Properties properties = Peer.properties("group.id", group, "default.api.timeout.ms", "30000");
        for (int i = 0; i < pairs.length; i += 2) properties.put(pairs[i], pairs[i + 1]);
        KafkaShareConsumer<byte[], byte[]> consumer =
            new KafkaShareConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        consumer.subscribe(List.of(topic));
        return consumer;
    }

    static KafkaShareConsumer<byte[], byte[]> explicitMember(String group, String topic, String... more) {
        String[] pairs = new String[more.length + 2];
        pairs[0] = "share.acknowledgement.mode";
        pairs[1] = "explicit";
        System.arraycopy(more, 0, pairs, 2, more.length);
        return member(group, topic, pairs);
    }

    private static String value(ConsumerRecord<byte[], byte[]> record) {
        return new String(record.value(), StandardCharsets.UTF_8);
    }

    /** Polls until so many records have come, each handed to {@code each}; fails after 60 seconds. */
    static List<String> take(
        KafkaShareConsumer<byte[], byte[]> consumer, int count, Consumer<ConsumerRecord<byte[], byte[]>> each) {
        List<String> values = new ArrayList<>();
        long deadline = System.nanoTime() + 60_000_000_000L;
        while (values.size() < count) {
            Cases.check(System.nanoTime() < deadline, "only " + values.size() + " of " + count + " records came");
            consumer.poll(Duration.ofMillis(500)).forEach(record -> {
                each.accept(record);
                values.add(value(record));
            });
        }
        return values;
    }

    private static Set<String> numbers(int count) {
        return IntStream.range(0, count).mapToObj(i -> "value-" + i).collect(Collectors.toSet());
    }

    static void nothingMore(KafkaShareConsumer<byte[], byte[]> consumer) {
        for (int i = 0; i < 4; i++) {
            Cases.check(consumer.poll(Duration.ofMillis(500)).isEmpty(), "a record came again");
        }
    }

    private static void implicit() throws Exception {
        String topic = Peer.topic("share", 3);
        for (int partition = 0; partition < 3; partition++) Peer.fill(topic, partition, 200);
        String group = group();
        try (KafkaShareConsumer<byte[], byte[]> consumer = member(group, topic)) {
            List<String> values = take(consumer, 600, record -> {});
            Cases.equal(600, values.size(), "records");
            Cases.equal(numbers(200), new HashSet<>(values), "values");
            consumer.commitSync().values().forEach(error -> Cases.check(error.isEmpty(), "commit: " + error));
        }
        try (KafkaShareConsumer<byte[], byte[]> consumer = member(group, topic)) {
            nothingMore(consumer);
        }
    }

    private static void explicit() throws Exception {
        String topic = Peer.topic("share", 1);
        Peer.fill(topic, 0, 30);
        Map<String, Integer> deliveries = new TreeMap<>();
        try (KafkaShareConsumer<byte[], byte[]> consumer = explicitMember(group(), topic)) {
            // A third is given back once, a third is refused.
            take(consumer, 40, record -> {
                int times = deliveries.merge(value(record), 1, Integer::sum);
                Cases.equal((short) times, record.deliveryCount().orElseThrow(), "delivery count");
                AcknowledgeType type = switch ((int) (record.offset() % 3)) {
                    case 0 -> AcknowledgeType.ACCEPT;
                    case 1 -> times == 1 ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT;
                    default -> AcknowledgeType.REJECT;
                };
                consumer.acknowledge(record, type);
            });
            consumer.commitSync().values().forEach(error -> Cases.check(error.isEmpty(), "commit: " + error));
            nothingMore(consumer);
        }
        Cases.equal(30, deliveries.size(), "records");
        Cases.equal(10L, deliveries.values().stream().filter(times -> times == 2).count(), "records that came twice");
    }

    private static void renew() throws Exception {
        String topic = Peer.topic("share", 1);
        Peer.fill(topic, 0, 1);
        String group = group("share.record.lock.duration.ms", "15000");
        try (KafkaShareConsumer<byte[], byte[]> consumer = explicitMember(group, topic);
             KafkaShareConsumer<byte[], byte[]> other = explicitMember(group, topic)) {
            List<ConsumerRecord<byte[], byte[]>> taken = new ArrayList<>();
            take(consumer, 1, taken::add);
            long until = System.nanoTime() + 24_000_000_000L;
            while (System.nanoTime() < until) {
                consumer.acknowledge(taken.get(0), AcknowledgeType.RENEW);
                consumer.commitSync().values().forEach(error -> Cases.check(error.isEmpty(), "renewal: " + error));
                // A renewed record is given to the application again, as the same delivery.
                long next = System.nanoTime() + 4_000_000_000L;
                taken.clear();
                while (taken.isEmpty() || System.nanoTime() < next) {
                    consumer.poll(Duration.ofMillis(200)).forEach(taken::add);
                    Cases.check(System.nanoTime() < next + 20_000_000_000L, "the record did not come back");
                    if (!taken.isEmpty()) break;
                }
                Cases.check(other.poll(Duration.ofMillis(1000)).isEmpty(), "another member got it");
            }
            consumer.acknowledge(taken.get(0), AcknowledgeType.ACCEPT);
            consumer.commitSync().values().forEach(error -> Cases.check(error.isEmpty(), "commit: " + error));
        }
    }

    private static void recordLimit() throws Exception {
        String topic = Peer.topic("share", 1);
        Peer.fill(topic, 0, 100);
        try (KafkaShareConsumer<byte[], byte[]> consumer =
                 explicitMember(group(), topic, "share.acquire.mode", "record_limit", "max.poll.records", "7")) {
            int count = 0;
            long deadline = System.nanoTime() + 60_000_000_000L;
            while (count < 100 && System.nanoTime() < deadline) {
                int got = 0;
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(500))) {
                    consumer.acknowledge(record, AcknowledgeType.ACCEPT);
                    got++;
                }
                Cases.check(got <= 7, got + " records at once");
                count += got;
            }
            Cases.equal(100, count, "records");
        }
    }

    private static void members() throws Exception {
        String topic = Peer.topic("share", 1);
        String group = group();
        List<KafkaShareConsumer<byte[], byte[]>> all =
            IntStream.range(0, 3).mapToObj(i -> member(group, topic, "max.poll.records", "10", "share.acquire.mode", "record_limit")).toList();
        try {
            for (KafkaShareConsumer<byte[], byte[]> consumer : all) consumer.poll(Duration.ofSeconds(3));
            Peer.fill(topic, 0, 300);
            List<String> values = new ArrayList<>();
            Set<Integer> busy = new HashSet<>();
            long deadline = System.nanoTime() + 60_000_000_000L;
            while (values.size() < 300 && System.nanoTime() < deadline) {
                for (int i = 0; i < 3; i++) {
                    for (ConsumerRecord<byte[], byte[]> record : all.get(i).poll(Duration.ofMillis(200))) {
                        values.add(value(record));
                        busy.add(i);
                    }
                }
            }
            Cases.equal(300, values.size(), "records");
            Cases.equal(numbers(300), new HashSet<>(values), "values, each once");
            Cases.check(busy.size() > 1, "one member got everything");
        } finally {
            all.forEach(KafkaShareConsumer::close);
        }
    }

    private static void leaves() throws Exception {
        String topic = Peer.topic("share", 1);
        Peer.fill(topic, 0, 20);
        String group = group();
        KafkaShareConsumer<byte[], byte[]> first = explicitMember(group, topic);
        take(first, 20, record -> {
            if (record.offset() < 5) first.acknowledge(record, AcknowledgeType.ACCEPT);
        });
        first.close();
        try (KafkaShareConsumer<byte[], byte[]> second = explicitMember(group, topic)) {
            List<String> values = take(second, 15, record -> second.acknowledge(record, AcknowledgeType.ACCEPT));
            Cases.equal(15, new HashSet<>(values).size(), "what the first one left");
            Cases.check(!values.contains("value-0"), "an accepted record came again");
        }
    }

    private static void crashes() throws Exception {
        String topic = Peer.topic("share", 1);
        Peer.fill(topic, 0, 20);
        String group = group("share.record.lock.duration.ms", "15000");
        KafkaShareConsumer<byte[], byte[]> crashed = explicitMember(group, topic);
        // It has the records and says no more; its background thread keeps the session alive, so its locks must end.
        take(crashed, 20, record -> {});
        try (KafkaShareConsumer<byte[], byte[]> second = explicitMember(group, topic)) {
            Map<String, Short> counts = new TreeMap<>();
            take(second, 20, record -> {
                counts.put(value(record), record.deliveryCount().orElseThrow());
                second.acknowledge(record, AcknowledgeType.ACCEPT);
            });
            // 3 when the first member's background thread had one more fetch under way, which got them for another 15 s.
            Set<Short> seen = new HashSet<>(counts.values());
            Cases.check(Set.of((short) 2, (short) 3).containsAll(seen), "delivery counts: expected 2 (or 3), got " + seen);
            second.commitSync();
        }
        crashed.close(Duration.ofSeconds(5));
    }

    private static void deliveryLimit() throws Exception {
        String topic = Peer.topic("share", 1);
        Peer.fill(topic, 0, 1);
        String group = group("share.delivery.count.limit", "3");
        try (KafkaShareConsumer<byte[], byte[]> consumer = explicitMember(group, topic)) {
            take(consumer, 3, record -> consumer.acknowledge(record, AcknowledgeType.RELEASE));
            consumer.commitSync();
            nothingMore(consumer);
        }
    }

    private static void compressions() throws Exception {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            String topic = Peer.topic("share-" + codec, 1, "compression.type", codec.equals("none") ? "uncompressed" : codec);
            Peer.fill(topic, 0, 100);
            try (KafkaShareConsumer<byte[], byte[]> consumer = member(group(), topic)) {
                Cases.equal(numbers(100), new HashSet<>(take(consumer, 100, record -> {})), codec);
            }
        }
    }

    private static void admin() throws Exception {
        String topic = Peer.topic("share", 2);
        for (int partition = 0; partition < 2; partition++) Peer.fill(topic, partition, 10);
        String group = group();
        TopicPartition first = new TopicPartition(topic, 0);
        try (Admin admin = Peer.admin()) {
            KafkaShareConsumer<byte[], byte[]> consumer = member(group, topic);
            take(consumer, 20, record -> {});
            consumer.commitSync();
            var described = admin.describeShareGroups(List.of(group)).all().get().get(group);
            Cases.equal(GroupState.STABLE, described.groupState(), "state");
            Cases.equal(1, described.members().size(), "members");
            var assigned = described.members().iterator().next().assignment().topicPartitions();
            Cases.equal(Set.of(first, new TopicPartition(topic, 1)), assigned, "assignment");
            var listed = admin.listGroups(new ListGroupsOptions().withTypes(Set.of(GroupType.SHARE))).all().get();
            Cases.check(listed.stream().map(GroupListing::groupId).anyMatch(group::equals), "it is listed");
            Cases.fails(GroupNotEmptyException.class,
                () -> admin.alterShareGroupOffsets(group, Map.of(first, 3L)).all().get());
            Cases.fails(GroupNotEmptyException.class, () -> admin.deleteShareGroups(List.of(group)).all().get());
            Cases.eventually("nothing is behind", () -> lag(admin, group, first) == 0);
            consumer.close();
            admin.alterShareGroupOffsets(group, Map.of(first, 3L)).all().get();
            Cases.equal(3L, offset(admin, group, first).startOffset(), "altered");
            Cases.equal(7L, lag(admin, group, first), "lag");
            try (KafkaShareConsumer<byte[], byte[]> again = member(group, topic)) {
                take(again, 7, record -> {});
                nothingMore(again);
            }
            admin.deleteShareGroupOffsets(group, Set.of(topic)).all().get();
            Cases.equal(Set.of(), admin.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec()))
                .partitionsToOffsetInfo(group).get().keySet(), "offsets");
            admin.deleteShareGroups(List.of(group)).all().get();
            listed = admin.listGroups(new ListGroupsOptions().withTypes(Set.of(GroupType.SHARE))).all().get();
            Cases.check(listed.stream().map(GroupListing::groupId).noneMatch(group::equals), "it is gone");
        }
    }

    private static SharePartitionOffsetInfo offset(Admin admin, String group, TopicPartition partition) throws Exception {
        return admin.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec()))
            .partitionsToOffsetInfo(group).get().get(partition);
    }

    private static long lag(Admin admin, String group, TopicPartition partition) {
        try {
            return offset(admin, group, partition).lag().orElse(-1L);
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }
}
