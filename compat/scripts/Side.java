// Who runs a tool: Kafka's class inside this process, or our binary under the name of Kafka's script.

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;

final class Side {
    /** What a call of a tool left behind. */
    record Outcome(int exitCode, String out, String err) {}

    /** Main classes by the names of Kafka's scripts. */
    private static final Map<String, String> CLASSES = Map.ofEntries(
        Map.entry("kafka-topics", "org.apache.kafka.tools.TopicCommand"),
        Map.entry("kafka-console-producer", "org.apache.kafka.tools.ConsoleProducer"),
        Map.entry("kafka-console-consumer", "org.apache.kafka.tools.consumer.ConsoleConsumer"),
        Map.entry("kafka-console-share-consumer", "org.apache.kafka.tools.consumer.ConsoleShareConsumer"),
        Map.entry("kafka-share-consumer-perf-test", "org.apache.kafka.tools.ShareConsumerPerformance"),
        Map.entry("kafka-verifiable-share-consumer", "org.apache.kafka.tools.VerifiableShareConsumer"),
        Map.entry("kafka-get-offsets", "org.apache.kafka.tools.GetOffsetShell"),
        Map.entry("kafka-delete-records", "org.apache.kafka.tools.DeleteRecordsCommand"),
        Map.entry("kafka-producer-perf-test", "org.apache.kafka.tools.ProducerPerformance"),
        Map.entry("kafka-consumer-perf-test", "org.apache.kafka.tools.ConsumerPerformance"),
        Map.entry("kafka-verifiable-producer", "org.apache.kafka.tools.VerifiableProducer"),
        Map.entry("kafka-verifiable-consumer", "org.apache.kafka.tools.VerifiableConsumer"),
        Map.entry("kafka-e2e-latency", "org.apache.kafka.tools.EndToEndLatency"),
        Map.entry("kafka-consumer-groups", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"),
        Map.entry("kafka-share-groups", "org.apache.kafka.tools.consumer.group.ShareGroupCommand"),
        Map.entry("kafka-streams-groups", "org.apache.kafka.tools.streams.StreamsGroupCommand"),
        Map.entry("kafka-streams-application-reset", "org.apache.kafka.tools.StreamsResetter"),
        Map.entry("kafka-groups", "org.apache.kafka.tools.GroupsCommand"),
        Map.entry("kafka-configs", "kafka.admin.ConfigCommand"),
        Map.entry("kafka-log-dirs", "org.apache.kafka.tools.LogDirsCommand"),
        Map.entry("kafka-dump-log", "org.apache.kafka.tools.DumpLogSegments"),
        Map.entry("kafka-cluster", "org.apache.kafka.tools.ClusterTool"),
        Map.entry("kafka-broker-api-versions", "org.apache.kafka.tools.BrokerApiVersionsCommand"),
        Map.entry("kafka-features", "org.apache.kafka.tools.FeatureCommand"),
        Map.entry("kafka-metadata-quorum", "org.apache.kafka.tools.MetadataQuorumCommand"),
        Map.entry("kafka-reassign-partitions", "org.apache.kafka.tools.reassign.ReassignPartitionsCommand"),
        Map.entry("kafka-leader-election", "org.apache.kafka.tools.LeaderElectionCommand"),
        Map.entry("kafka-client-metrics", "org.apache.kafka.tools.ClientMetricsCommand"),
        Map.entry("kafka-transactions", "org.apache.kafka.tools.TransactionsCommand"),
        Map.entry("kafka-storage", "kafka.tools.StorageTool"));

    /** They end by themselves or go on in shutdown hooks: only a process of their own shows all of it. */
    private static final Set<String> OWN_PROCESS = Set.of("kafka-verifiable-producer", "kafka-verifiable-consumer", "kafka-verifiable-share-consumer");

    final String letter;
    private final Path links;

    /** With `links`, ours; without, Kafka's. */
    Side(String letter, Path links) {
        this.letter = letter;
        this.links = links;
    }

    /** A name that nobody else uses, equally long on both sides. */
    String freshName(String prefix) {
        String number = Peer.freshName("x");
        String padded = "0000" + number.substring(number.lastIndexOf('-') + 1);
        return prefix + number.substring(1, number.lastIndexOf('-') + 1) + padded.substring(padded.length() - 4) + letter;
    }

    Outcome run(String tool, String input, String... arguments) throws Exception {
        String main = CLASSES.get(tool);
        if (main == null) throw new IllegalArgumentException("no class is known for " + tool);
        List<String> command = new ArrayList<>();
        if (links != null) {
            command.add(links.resolve(tool + ".sh").toString());
        } else if (OWN_PROCESS.contains(tool)) {
            command.addAll(List.of("java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", System.getProperty("java.class.path"), main));
        } else {
            Tool done = Tool.feed(input, main, arguments);
            return new Outcome(done.exitCode, done.out, done.err);
        }
        command.addAll(List.of(arguments));
        return spawn(command, input);
    }

    Outcome runUnchecked(String tool, String input, String... arguments) {
        try {
            return run(tool, input, arguments);
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private static Outcome spawn(List<String> command, String input) throws IOException, InterruptedException {
        Path in = Files.createTempFile("scripts", ".in");
        Path err = Files.createTempFile("scripts", ".err");
        try {
            Files.writeString(in, input);
            Process process = new ProcessBuilder(command).redirectInput(in.toFile()).redirectError(err.toFile()).start();
            String out = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
            Outcome outcome = new Outcome(process.waitFor(), out, Files.readString(err));
            System.err.println("$ " + String.join(" ", command) + "\n" + outcome);
            return outcome;
        } finally {
            Files.delete(in);
            Files.delete(err);
        }
    }
}
