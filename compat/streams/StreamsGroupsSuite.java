// Black-box suite: an application of Kafka Streams with group.protocol=streams (KIP-1071): a repartition topic, standby tasks, two
// instances that come and go; and kafka-streams-groups.

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Callable;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.StreamsGroupDescription;
import org.apache.kafka.clients.admin.StreamsGroupMemberAssignment;
import org.apache.kafka.clients.admin.StreamsGroupMemberDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.serialization.LongDeserializer;

public final class StreamsGroupsSuite {
    private static final String TOOL = "org.apache.kafka.tools.streams.StreamsGroupCommand";
    private static final List<String> SAMPLE = List.of(
        "all streams lead to kafka", "hello kafka streams", "join kafka summit", "one word", "one word more, and one more");

    private static String application = Peer.freshName("streams-app");
    private static String guarantee = "at_least_once";
    private static final Map<String, Long> expected = new TreeMap<>();
    private static final Map<String, Process> running = new TreeMap<>();
    private static String input;
    private static String output;

    private StreamsGroupsSuite() {}

    public static void main(String[] args) {
        Cases cases = new Cases();
        cases.add("an_instance_gets_internal_topics_and_counts", StreamsGroupsSuite::first);
        cases.add("two_instances_share_tasks_and_standbys", StreamsGroupsSuite::second);
        cases.add("kafka_streams_groups_lists_and_describes", StreamsGroupsSuite::describe);
        cases.add("an_instance_goes_and_comes_again", StreamsGroupsSuite::restart);
        cases.add("kafka_streams_groups_resets_and_deletes", StreamsGroupsSuite::delete);
        cases.add("an_exactly_once_application_is_killed_and_goes_on", StreamsGroupsSuite::exactlyOnce);
        int code = cases.run();
        running.values().forEach(Process::destroyForcibly);
        System.exit(code);
    }

    /** A rebalance takes several heartbeats, of five seconds each. */
    private static void await(String what, Callable<Boolean> condition) throws Exception {
        long deadline = System.nanoTime() + 90_000_000_000L;
        while (!condition.call()) {
            if (System.nanoTime() > deadline) throw new AssertionError("did not happen: " + what + "; " + group());
            Thread.sleep(200);
        }
    }

    private static void start(String instance) throws IOException {
        Path properties = Path.of(instance + ".properties");
        Files.writeString(properties, String.join("\n",
            "application.id=" + application, "bootstrap.servers=" + Peer.BOOTSTRAP, "group.protocol=streams",
            "processing.guarantee=" + guarantee, "commit.interval.ms=200", "statestore.cache.max.bytes=0",
            "state.dir=" + Path.of("state-" + instance).toAbsolutePath(), "num.stream.threads=1", "auto.offset.reset=earliest",
            "client.id=" + instance, ""));
        running.put(instance, new ProcessBuilder("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xmx256m", "-cp",
            System.getProperty("java.class.path"), "WordCounts", properties.toString(), input, output).inheritIO()
            .redirectOutput(ProcessBuilder.Redirect.appendTo(Path.of(instance + ".out").toFile())).start());
    }

    private static void stop(String instance) throws InterruptedException {
        Process process = running.remove(instance);
        process.destroy();
        Cases.check(process.waitFor(40, TimeUnit.SECONDS), instance + " ends when it is told to");
    }

    private static void feed(int times) {
        try (KafkaProducer<byte[], byte[]> producer = Peer.producer()) {
            for (int i = 0; i < times * SAMPLE.size(); i++) {
                String line = SAMPLE.get(i % SAMPLE.size());
                producer.send(new ProducerRecord<>(input, i % 2, null, Peer.bytes(line)));
                for (String word : line.split("\\W+")) expected.merge(word, 1L, Long::sum);
            }
        }
    }

    /** The last count of each word; transactions that are open or were aborted do not count. */
    private static Map<String, Long> counts() {
        Map<String, Long> counts = new TreeMap<>();
        try (KafkaConsumer<byte[], byte[]> consumer = Peer.consumer("isolation.level", "read_committed"); LongDeserializer longs = new LongDeserializer()) {
            List<TopicPartition> where = List.of(new TopicPartition(output, 0), new TopicPartition(output, 1));
            consumer.assign(where);
            consumer.seekToBeginning(where);
            Map<TopicPartition, Long> ends = consumer.endOffsets(where);
            while (where.stream().anyMatch(partition -> consumer.position(partition) < ends.get(partition))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(200))) {
                    counts.put(new String(record.key()), longs.deserialize(output, record.value()));
                }
            }
        }
        return counts;
    }

    private static void awaitCounts() throws Exception {
        await("every word is counted " + expected, () -> counts().equals(expected));
    }

    private static StreamsGroupDescription group() throws Exception {
        try (Admin admin = Peer.admin()) {
            return admin.describeStreamsGroups(List.of(application)).all().get().get(application);
        }
    }

    private static boolean isStable(int members) throws Exception {
        StreamsGroupDescription group = group();
        return group.groupState() == GroupState.STABLE && group.members().size() == members;
    }

    private static Set<String> tasks(Collection<StreamsGroupMemberAssignment.TaskIds> ids) {
        Set<String> tasks = new TreeSet<>();
        for (StreamsGroupMemberAssignment.TaskIds id : ids) {
            for (int partition : id.partitions()) tasks.add(id.subtopologyId() + "_" + partition);
        }
        return tasks;
    }

    private static void first() throws Exception {
        input = Peer.topic("streams-in", 2);
        output = Peer.topic("streams-out", 2);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, application);
        AlterConfigOp standby = new AlterConfigOp(new ConfigEntry("streams.num.standby.replicas", "1"), AlterConfigOp.OpType.SET);
        try (Admin admin = Peer.admin()) {
            admin.incrementalAlterConfigs(Map.of(resource, List.of(standby))).all().get();
        }
        start("one");
        feed(20);
        awaitCounts();
        await("the group is stable", () -> isStable(1));
        try (Admin admin = Peer.admin()) {
            List<String> internal = admin.listTopics().names().get().stream().filter(name -> name.startsWith(application + "-")).sorted().toList();
            Cases.equal(List.of(application + "-by-word-repartition", application + "-counts-changelog"), internal, "internal topics");
        }
        StreamsGroupMemberDescription member = group().members().iterator().next();
        Cases.equal(Set.of("0_0", "0_1", "1_0", "1_1"), tasks(member.assignment().activeTasks()), "tasks");
    }

    private static void second() throws Exception {
        start("two");
        await("the group is stable with two members", () -> isStable(2));
        List<String> active = new ArrayList<>();
        for (StreamsGroupMemberDescription member : group().members()) {
            Set<String> own = tasks(member.assignment().activeTasks());
            Cases.equal(2, own.size(), "active tasks of a member: " + own);
            Set<String> standby = tasks(member.assignment().standbyTasks());
            Cases.check(standby.stream().noneMatch(own::contains), "standbys " + standby + " beside " + own);
            active.addAll(own);
        }
        Cases.equal(List.of("0_0", "0_1", "1_0", "1_1"), active.stream().sorted().toList(), "active tasks");
        List<String> standby = group().members().stream().flatMap(member -> tasks(member.assignment().standbyTasks()).stream()).sorted().toList();
        Cases.equal(List.of("1_0", "1_1"), standby, "standby tasks");
        feed(20);
        awaitCounts();
    }

    private static Tool tool(String... arguments) throws Exception {
        return Tool.run(TOOL, TopicTools.with(arguments));
    }

    private static void describe() throws Exception {
        Cases.check(tool("--list").good().lines().anyMatch(application::equals), "the group is listed");
        List<String> state = GroupTools.row(tool("--list", "--state"), application);
        Cases.equal("Stable", state.get(1), "state of the list");
        List<String> described = GroupTools.row(tool("--describe", "--group", application, "--state"), application);
        Cases.equal(List.of("Stable", "2"), described.subList(described.size() - 2, described.size()), "state and members");
        Tool members = tool("--describe", "--group", application, "--members", "--verbose");
        Cases.equal(2L, members.good().lines().filter(line -> line.contains(application)).count(), "lines of members");
        Cases.check(members.good().contains("ACTIVE") && members.good().contains("STANDBY"), members.all());
        await("no lag is left", () -> tool("--describe", "--group", application).good().lines()
            .filter(line -> line.contains(input)).allMatch(line -> line.trim().endsWith(" 0")));
        Tool delete = tool("--delete", "--group", application);
        Cases.check(delete.all().contains("not empty") || delete.all().contains("EMPTY") || delete.exitCode != 0, delete.all());
        Cases.check(isStable(2), "a group with members is not deleted");
    }

    private static void restart() throws Exception {
        stop("one");
        feed(20);
        await("the other has it all", () -> isStable(1));
        awaitCounts();
        start("one");
        await("both are back", () -> isStable(2));
        feed(20);
        awaitCounts();
        stop("one");
        stop("two");
        await("the group is empty", () -> group().groupState() == GroupState.EMPTY);
        start("one");
        feed(10);
        awaitCounts();
        stop("one");
    }

    private static void delete() throws Exception {
        await("the group is empty", () -> group().groupState() == GroupState.EMPTY);
        Tool reset = tool("--reset-offsets", "--group", application, "--input-topic", input, "--to-earliest", "--execute");
        long zeros = reset.good().lines().filter(line -> line.contains(input) && line.trim().endsWith(" 0")).count();
        Cases.equal(2L, zeros, "partitions at 0 in " + reset.all());
        Cases.check(tool("--delete", "--group", application, "--delete-all-internal-topics").good().contains("was successful"), "deleted");
        Cases.check(tool("--list").good().lines().noneMatch(application::equals), "the group is listed no more");
    }

    /** Killed in the middle: its tasks are free when its session has ended, after 45 seconds, and nothing is counted twice. */
    private static void exactlyOnce() throws Exception {
        application = Peer.freshName("streams-eos");
        guarantee = "exactly_once_v2";
        input = Peer.topic("streams-eos-in", 2);
        output = Peer.topic("streams-eos-out", 2);
        expected.clear();
        start("three");
        feed(50);
        await("some of it is counted", () -> counts().getOrDefault("kafka", 0L) > 0);
        running.remove("three").destroyForcibly().waitFor();
        start("three");
        feed(50);
        awaitCounts();
        stop("three");
        start("three");
        feed(10);
        awaitCounts();
        stop("three");
    }
}
