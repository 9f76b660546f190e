// kafka-share-groups, kafka-console-share-consumer, kafka-share-consumer-perf-test, the verifiable share consumer, and
// kafka-dump-log over __share_group_state.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;

final class ShareToolCases {
    private static final String GROUPS = "org.apache.kafka.tools.consumer.group.ShareGroupCommand";
    private static final String CONSOLE = "org.apache.kafka.tools.consumer.ConsoleShareConsumer";
    private static final String PERF = "org.apache.kafka.tools.ShareConsumerPerformance";
    private static final String VERIFIABLE = "org.apache.kafka.tools.VerifiableShareConsumer";

    private static final String STATES = "__share_group_state";

    private ShareToolCases() {}

    static void register(Cases cases) {
        cases.add("kafka_console_share_consumer", ShareToolCases::console);
        cases.add("kafka_console_share_consumer_releases_and_rejects", ShareToolCases::releases);
        cases.add("kafka_share_groups_lists_and_describes", ShareToolCases::describe);
        cases.add("kafka_share_groups_resets_and_deletes", ShareToolCases::reset);
        cases.add("kafka_share_consumer_perf_test", ShareToolCases::perf);
        cases.add("verifiable_share_consumer", ShareToolCases::verifiable);
        if (Peer.DATA_DIR != null) cases.add("kafka_dump_log_decodes_share_group_state", ShareToolCases::dump);
    }

    private static Tool groups(String... arguments) throws Exception {
        return Tool.run(GROUPS, TopicTools.with(arguments));
    }

    private static String numbers(int count) {
        return IntStream.range(0, count).mapToObj(i -> "value-" + i + "\n").collect(Collectors.joining());
    }

    private static void console() throws Exception {
        String topic = Peer.topic("share-console", 1);
        Peer.fill(topic, 0, 30);
        String group = ShareCases.group();
        String out = Tool.spawn(CONSOLE, TopicTools.with("--topic", topic, "--group", group, "--max-messages", "30",
            "--timeout-ms", "20000")).good();
        Cases.check(out.contains(numbers(30)), out);
    }

    private static void releases() throws Exception {
        String topic = Peer.topic("share-console", 1);
        Peer.fill(topic, 0, 4);
        String group = ShareCases.group("share.delivery.count.limit", "3");
        String released = Tool.spawn(CONSOLE, TopicTools.with("--topic", topic, "--group", group, "--max-messages", "4",
            "--timeout-ms", "20000", "--release", "--formatter-property", "print.delivery=true")).good();
        Cases.check(released.contains("Delivery:1\tvalue-0"), released);
        String rejected = Tool.spawn(CONSOLE, TopicTools.with("--topic", topic, "--group", group, "--max-messages", "4",
            "--timeout-ms", "20000", "--reject", "--formatter-property", "print.delivery=true")).good();
        Cases.check(rejected.contains("Delivery:2\tvalue-0"), rejected);
        String nothing = Tool.spawn(CONSOLE, TopicTools.with("--topic", topic, "--group", group, "--timeout-ms", "6000")).all();
        Cases.check(!nothing.contains("value-"), nothing);
    }

    private static void describe() throws Exception {
        String topic = Peer.topic("share-describe", 1);
        Peer.fill(topic, 0, 12);
        String group = ShareCases.group();
        try (KafkaShareConsumer<byte[], byte[]> consumer = ShareCases.member(group, topic, "client.id", "the-client")) {
            ShareCases.take(consumer, 12, record -> {});
            consumer.commitSync();
            Cases.check(groups("--list").good().lines().anyMatch(group::equals), "it is listed");
            List<String> state = GroupTools.row(groups("--list", "--state"), group);
            Cases.equal(List.of(group, "Stable"), state, "state in the list");
            Cases.eventually("nothing is behind", () -> {
                try {
                    List<String> offsets = GroupTools.row(groups("--describe", "--group", group), topic);
                    // The start offset is that of the last write, which finished the records.
                    return offsets.subList(0, 3).equals(List.of(group, topic, "0")) && offsets.get(4).equals("0");
                } catch (Exception error) {
                    throw new AssertionError(error);
                }
            });
            List<String> members = GroupTools.row(groups("--describe", "--group", group, "--members"), "the-client");
            Cases.check(members.contains(topic + ":0") && members.contains("/127.0.0.1"), members.toString());
            List<String> described = GroupTools.row(groups("--describe", "--group", group, "--state"), group);
            Cases.check(described.contains("Stable") && described.contains("1"), described.toString());
        }
        Tool missing = groups("--describe", "--group", group + "-missing");
        Cases.check(missing.all().contains("not found"), missing.all());
    }

    private static void reset() throws Exception {
        String topic = Peer.topic("share-reset", 1);
        Peer.fill(topic, 0, 8);
        String group = ShareCases.group();
        try (KafkaShareConsumer<byte[], byte[]> consumer = ShareCases.member(group, topic)) {
            ShareCases.take(consumer, 8, record -> {});
            consumer.commitSync();
            Tool busy = groups("--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute");
            Cases.check(busy.all().contains("not inactive") || busy.all().contains("not empty") || busy.exitCode != 0, busy.all());
        }
        groups("--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute").good();
        List<String> offsets = GroupTools.row(groups("--describe", "--group", group), topic);
        Cases.equal(List.of(group, topic, "0", "0", "8"), offsets, "offsets after the reset");
        try (KafkaShareConsumer<byte[], byte[]> consumer = ShareCases.member(group, topic)) {
            ShareCases.take(consumer, 8, record -> {});
        }
        groups("--delete-offsets", "--group", group, "--topic", topic).good();
        Cases.check(groups("--delete", "--group", group).good().contains("successful"), "deleted");
        Cases.check(groups("--list").good().lines().noneMatch(group::equals), "it is gone");
    }

    private static void perf() throws Exception {
        String topic = Peer.topic("share-perf", 2);
        for (int partition = 0; partition < 2; partition++) Peer.fill(topic, partition, 500);
        String group = ShareCases.group();
        String out = Tool.spawn(PERF, TopicTools.with("--topic", topic, "--group", group, "--num-records", "1000", "--threads", "2",
            "--timeout", "20000")).good();
        Cases.check(out.contains("data.consumed.in.MB"), out);
        Cases.check(out.lines().anyMatch(line -> line.contains(" 1000,") || line.contains(", 1000")), out);
    }

    private static void verifiable() throws Exception {
        String topic = Peer.topic("share-verifiable", 2);
        for (int partition = 0; partition < 2; partition++) Peer.fill(topic, partition, 50);
        String out = Tool.spawn(VERIFIABLE, TopicTools.with("--topic", topic, "--group-id", ShareCases.group(), "--max-messages", "100",
            "--acknowledgement-mode", "sync", "--offset-reset-strategy", "earliest", "--verbose")).good();
        Cases.equal(100L, out.lines().filter(line -> line.contains("\"record_data\"")).count(), "records");
        Cases.check(out.contains("\"records_consumed\"") && out.contains("\"offsets_acknowledged\""), out);
        Cases.check(!out.contains("\"success\":false"), "every acknowledgement succeeded");
    }

    private static void dump() throws Exception {
        String topic = Peer.topic("share-dump", 1);
        Peer.fill(topic, 0, 5);
        String group = ShareCases.group();
        try (KafkaShareConsumer<byte[], byte[]> consumer = ShareCases.member(group, topic)) {
            ShareCases.take(consumer, 5, record -> {});
            consumer.commitSync();
        }
        int count;
        try (Admin admin = Peer.admin()) {
            count = admin.describeTopics(List.of(STATES)).allTopicNames().get().get(STATES).partitions().size();
        }
        StringBuilder all = new StringBuilder();
        for (int partition = 0; partition < count; partition++) {
            Path log = DataDir.partition(STATES + "-" + partition).resolve("00000000000000000000.log");
            if (!Files.exists(log) || Files.size(log) == 0) continue;
            all.append(Tool.run("org.apache.kafka.tools.DumpLogSegments", "--share-group-state-decoder", "--files", log.toString()).good());
        }
        String text = all.toString();
        Cases.check(text.contains(group), "the group's states are there");
        Cases.check(text.contains("snapshotEpoch"), "snapshots are decoded");
    }
}
