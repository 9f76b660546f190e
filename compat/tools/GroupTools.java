// kafka-console-consumer --group, kafka-consumer-groups, kafka-groups, the verifiable clients, kafka-consumer-perf-test,
// and kafka-dump-log over __consumer_offsets.

import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;

final class GroupTools {
    private static final String GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand";
    private static final String CONSOLE = "org.apache.kafka.tools.consumer.ConsoleConsumer";
    private static final String OFFSETS = "__consumer_offsets";

    private GroupTools() {}

    static void register(Cases cases) {
        for (Protocol protocol : Protocol.values()) {
            String word = protocol.word();
            cases.add("console_consumer_resumes_in_a_" + word + "_group", () -> console(protocol));
            cases.add("kafka_consumer_groups_describes_a_" + word + "_group", () -> describe(protocol));
            cases.add("verifiable_producer_and_" + word + "_consumer", () -> verifiable(protocol));
        }
        cases.add("console_consumer_of_several_topics", GroupTools::include);
        cases.add("kafka_consumer_groups_lists_states_and_types", GroupTools::list);
        cases.add("kafka_consumer_groups_deletes", GroupTools::delete);
        cases.add("kafka_consumer_groups_deletes_offsets", GroupTools::deleteOffsets);
        cases.add("kafka_groups", GroupTools::groups);
        cases.add("kafka_consumer_perf_test", GroupTools::perfTest);
        cases.add("dump_log_decodes_consumer_offsets", GroupTools::dumpOffsets);
    }

    /** kafka-consumer-groups. */
    static Tool consumerGroups(String... arguments) throws Exception {
        return Tool.run(GROUPS, TopicTools.with(arguments));
    }

    private static String numbers(int from, int to) {
        return IntStream.range(from, to).mapToObj(i -> "value-" + i + "\n").collect(Collectors.joining());
    }

    private static void console(Protocol protocol) throws Exception {
        String topic = Peer.topic("console-group", 1);
        String group = Peer.freshName("console");
        Peer.fill(topic, 0, 50);
        for (int round = 0; round < 2; round++) {
            String out = Tool.run(CONSOLE, TopicTools.with("--topic", topic, "--group", group, "--from-beginning", "--max-messages",
                "25", "--timeout-ms", "20000", "--command-property", "group.protocol=" + protocol.word())).good();
            Cases.equal(numbers(round * 25, round * 25 + 25), out, "messages in round " + round);
        }
    }

    private static void include() throws Exception {
        String prefix = Peer.freshName("include");
        for (String end : List.of("-a", "-b")) Peer.fill(Peer.topic(prefix + end, 1), 0, 5);
        String out = Tool.run(CONSOLE, TopicTools.with("--include", prefix + "-.*", "--group", Peer.freshName("include"),
            "--from-beginning", "--max-messages", "10", "--timeout-ms", "20000")).good();
        Cases.equal(10L, out.lines().count(), "messages");
    }

    /** Words of the one line of a table that holds this word; warnings are no such lines. */
    static List<String> row(Tool tool, String word) {
        List<String> lines = tool.good().lines().filter(line -> !line.startsWith("Warn"))
            .filter(line -> List.of(line.trim().split("\\s+")).contains(word)).toList();
        Cases.equal(1, lines.size(), "lines with " + word + " in " + tool.all());
        return List.of(lines.get(0).trim().split("\\s+"));
    }

    private static void describe(Protocol protocol) throws Exception {
        String topic = Peer.topic("groups-describe", 1);
        String group = Peer.freshName("describe");
        Peer.fill(topic, 0, 30);
        try (Member member = Member.join(List.of(topic), protocol.member(group, "client.id", "the-client"))) {
            member.awaitRecords(30);
            member.call(consumer -> {
                consumer.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(12)));
                return null;
            });
            Cases.eventually("the group is stable", () -> {
                try {
                    return consumerGroups("--describe", "--group", group, "--state").good().contains("Stable");
                } catch (Exception error) {
                    throw new AssertionError(error);
                }
            });
            List<String> offsets = row(consumerGroups("--describe", "--group", group), topic);
            Cases.equal(List.of(group, topic, "0", "12", "30", "18"), offsets.subList(0, 6), "offsets");
            Cases.check(offsets.contains("the-client") && offsets.contains("/127.0.0.1"), offsets.toString());
            List<String> members = row(consumerGroups("--describe", "--group", group, "--members"), "the-client");
            Cases.check(members.contains("1"), "one partition: " + members);
            String verbose = consumerGroups("--describe", "--group", group, "--members", "--verbose").good();
            Cases.check(verbose.contains(topic), verbose);
            List<String> state = row(consumerGroups("--describe", "--group", group, "--state", "--verbose"), group);
            Cases.check(state.contains("Stable") && state.contains(protocol == Protocol.CLASSIC ? "range" : "uniform"), state.toString());
        }
        Tool empty = consumerGroups("--describe", "--group", group);
        Cases.check(empty.all().contains("has no active members"), empty.all());
        // The tool's exit code is 0 even so.
        Tool missing = consumerGroups("--describe", "--group", group + "-missing");
        Cases.check(missing.all().contains("GroupIdNotFoundException"), missing.all());
    }

    private static void verifiable(Protocol protocol) throws Exception {
        String topic = Peer.topic("verifiable", 2);
        String produced = Tool.spawn("org.apache.kafka.tools.VerifiableProducer", TopicTools.with("--topic", topic, "--max-messages",
            "300", "--acks", "-1", "--repeating-keys", "7")).good();
        Cases.equal(300L, produced.lines().filter(line -> line.contains("\"producer_send_success\"")).count(), "acknowledged");
        Cases.check(produced.contains("\"acked\":300"), "the summary of the producer");
        String[] consumer = {"--topic", topic, "--group-id", Peer.freshName("verifiable"), "--group-protocol", protocol.word(),
            "--max-messages", "300", "--reset-policy", "earliest", "--verbose"};
        String consumed = Tool.spawn("org.apache.kafka.tools.VerifiableConsumer", TopicTools.with(consumer)).good();
        Cases.equal(300L, consumed.lines().filter(line -> line.contains("\"record_data\"")).count(), "records");
        Cases.check(consumed.contains("\"partitions_assigned\"") && consumed.contains("\"offsets_committed\""), "events");
        Cases.check(!consumed.contains("\"success\":false"), "every commit succeeded");
    }

    /** A group without members and with one committed offset. */
    static String emptyGroup(String topic, long offset) throws Exception {
        String group = Peer.freshName("empty");
        try (Admin admin = Peer.admin()) {
            admin.alterConsumerGroupOffsets(group, Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(offset))).all().get();
        }
        return group;
    }

    private static void list() throws Exception {
        String topic = Peer.topic("groups-list", 1);
        String empty = emptyGroup(topic, 0);
        String active = Peer.freshName("active");
        try (Member member = Member.join(List.of(topic), Protocol.CONSUMER.member(active))) {
            Member.share(topic, 1, 1, member);
            List<String> all = consumerGroups("--list").good().lines().toList();
            Cases.check(all.contains(empty) && all.contains(active), "both are listed");
            Cases.equal("Empty", row(consumerGroups("--list", "--state"), empty).get(1), "state");
            Cases.equal("Consumer", row(consumerGroups("--list", "--type"), active).get(1), "type");
            String some = consumerGroups("--list", "--state", "Empty", "--type", "classic").good();
            Cases.check(some.contains(empty) && !some.contains(active), "only empty and classic ones: " + some);
            consumerGroups("--list", "--state", "Nonsense").bad("Invalid state");
        }
    }

    private static void delete() throws Exception {
        String topic = Peer.topic("groups-delete", 1);
        String group = emptyGroup(topic, 3);
        String active = Peer.freshName("active");
        try (Member member = Member.join(List.of(topic), Protocol.CLASSIC.member(active))) {
            Member.share(topic, 1, 1, member);
            Tool refused = consumerGroups("--delete", "--group", active);
            Cases.check(refused.all().contains("GroupNotEmptyException") || refused.all().contains("not empty"), refused.all());
        }
        Tool deleted = consumerGroups("--delete", "--group", group);
        Cases.check(deleted.good().contains("was successful"), deleted.all());
        Cases.check(consumerGroups("--list").good().lines().noneMatch(group::equals), "is still listed");
    }

    private static void deleteOffsets() throws Exception {
        String topic = Peer.topic("groups-delete-offsets", 1);
        String group = emptyGroup(topic, 3);
        Tool deleted = consumerGroups("--delete-offsets", "--group", group, "--topic", topic + ":0");
        Cases.check(deleted.good().contains("Successful"), deleted.all());
        Cases.check(!consumerGroups("--describe", "--group", group).all().contains(topic), "the offset is still there");
    }

    private static void groups() throws Exception {
        String topic = Peer.topic("kafka-groups", 1);
        String simple = emptyGroup(topic, 1);
        String active = Peer.freshName("active");
        String command = "org.apache.kafka.tools.GroupsCommand";
        try (Member member = Member.join(List.of(topic), Protocol.CONSUMER.member(active))) {
            Member.share(topic, 1, 1, member);
            List<String> found = row(Tool.run(command, TopicTools.with("--list")), active);
            Cases.equal(List.of(active, "Consumer", "consumer"), found, "listed");
            String consumers = Tool.run(command, TopicTools.with("--list", "--consumer")).good();
            Cases.check(consumers.contains(active) && consumers.contains(simple), consumers);
            String shares = Tool.run(command, TopicTools.with("--list", "--group-type", "share")).good();
            Cases.check(!shares.contains(active), shares);
        }
    }

    private static void perfTest() throws Exception {
        String topic = Peer.topic("consumer-perf", 3);
        Tool.run("org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", "30000", "--record-size", "500",
            "--throughput", "-1", "--bootstrap-server", Peer.BOOTSTRAP).good();
        String out = Tool.run("org.apache.kafka.tools.ConsumerPerformance", TopicTools.with("--topic", topic, "--num-records",
            "30000", "--group", Peer.freshName("perf"), "--timeout", "20000")).good();
        String[] numbers = out.lines().filter(line -> line.startsWith("20")).findFirst().orElseThrow().split(",\\s*");
        Cases.equal("30000", numbers[4], "records in " + out);
    }

    private static void dumpOffsets() throws Exception {
        String topic = Peer.topic("dump-offsets", 1);
        String group = Peer.freshName("dump");
        try (Member member = Member.join(List.of(topic), Protocol.CLASSIC.member(group, "client.id", "the-client"))) {
            Member.share(topic, 1, 1, member);
            member.call(consumer -> {
                consumer.commitSync(Map.of(new TopicPartition(topic, 0), new OffsetAndMetadata(0, "a note")));
                return null;
            });
        }
        String modern = Peer.freshName("dump-consumer");
        try (Member member = Member.join(List.of(topic), Protocol.CONSUMER.member(modern))) {
            Member.share(topic, 1, 1, member);
        }
        Cases.eventually("the offset is in the log", () -> {
            try {
                return dump(group).contains(topic);
            } catch (Exception error) {
                throw new AssertionError(error);
            }
        });
        String classic = dump(group);
        for (String part : List.of("\"topic\":\"" + topic + "\"", "\"metadata\":\"a note\"", "\"protocolType\":\"consumer\"", "the-client")) {
            Cases.check(classic.contains(part), "no " + part + " in " + classic);
        }
        String consumer = dump(modern);
        for (String part : List.of("\"subscribedTopicNames\"", "\"memberEpoch\"", "\"assignedPartitions\"")) {
            Cases.check(consumer.contains(part), "no " + part + " in " + consumer);
        }
    }

    /** The records of this group in the partition of __consumer_offsets that is its home. */
    private static String dump(String group) throws Exception {
        int partitions;
        try (Admin admin = Peer.admin()) {
            partitions = admin.describeTopics(List.of(OFFSETS)).allTopicNames().get().get(OFFSETS).partitions().size();
        }
        String directory = OFFSETS + "-" + Math.abs(group.hashCode()) % partitions;
        Path log = DataDir.partition(directory).resolve("00000000000000000000.log");
        String out = Tool.run("org.apache.kafka.tools.DumpLogSegments", "--offsets-decoder", "--files", log.toString()).good();
        Cases.check(!out.contains("isvalid: false") && !out.contains("Could not decode"), out);
        return out.lines().filter(line -> line.contains("\"" + group + "\"")).collect(Collectors.joining("\n"));
    }
}
