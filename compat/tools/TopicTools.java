// kafka-topics, kafka-configs, kafka-log-dirs, kafka-broker-api-versions, kafka-cluster.

import java.util.List;

final class TopicTools {
    private static final String TOPICS = "org.apache.kafka.tools.TopicCommand";
    private static final String CONFIGS = "kafka.admin.ConfigCommand";

    private TopicTools() {}

    static void register(Cases cases) {
        cases.add("kafka_topics_from_creation_to_deletion", TopicTools::lifecycle);
        cases.add("kafka_topics_says_what_is_wrong", TopicTools::errors);
        cases.add("kafka_topics_describes_topics_with_overrides", TopicTools::overrides);
        cases.add("kafka_configs_of_a_topic", TopicTools::topicConfigs);
        cases.add("kafka_configs_of_a_broker", TopicTools::brokerConfigs);
        cases.add("kafka_configs_of_broker_loggers", TopicTools::brokerLoggers);
        cases.add("kafka_configs_sets_write_caching", TopicTools::writeCaching);
        cases.add("kafka_log_dirs", TopicTools::logDirs);
        cases.add("kafka_broker_api_versions", TopicTools::apiVersions);
        cases.add("kafka_cluster_id", TopicTools::clusterId);
    }

    private static Tool topics(String... arguments) throws Exception {
        return Tool.run(TOPICS, with(arguments));
    }

    private static Tool configs(String... arguments) throws Exception {
        return Tool.run(CONFIGS, with(arguments));
    }

    static String[] with(String... arguments) {
        java.util.ArrayList<String> all = new java.util.ArrayList<>(List.of("--bootstrap-server", Peer.BOOTSTRAP));
        all.addAll(List.of(arguments));
        return all.toArray(new String[0]);
    }

    private static boolean describes(String topic, String text) {
        try {
            Tool tool = topics("--describe", "--topic", topic);
            return tool.exitCode == 0 && tool.out.contains(text);
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private static void lifecycle() throws Exception {
        String topic = Peer.freshName("tools");
        Cases.check(topics("--create", "--topic", topic, "--partitions", "2", "--replication-factor", "1", "--config",
            "segment.bytes=2000000").good().contains("Created topic " + topic + "."), "says what it created");
        Cases.eventually("the topic is described", () -> describes(topic, "PartitionCount: 2"));
        String description = topics("--describe", "--topic", topic).good();
        Cases.check(description.contains("segment.bytes=2000000"), "shows the config");
        Cases.check(description.contains("Leader: "), "shows the leader");
        Cases.check(topics("--list").good().lines().anyMatch(topic::equals), "is listed");
        topics("--alter", "--topic", topic, "--partitions", "4").good();
        Cases.eventually("there are four partitions", () -> describes(topic, "PartitionCount: 4"));
        topics("--delete", "--topic", topic).good();
        Cases.eventually("the topic is gone", () -> {
            try {
                return topics("--list").good().lines().noneMatch(topic::equals);
            } catch (Exception error) {
                throw new AssertionError(error);
            }
        });
        topics("--create", "--if-not-exists", "--topic", topic + "-again").good();
        Cases.eventually("the second topic is described", () -> describes(topic + "-again", "PartitionCount: 1"));
        topics("--create", "--if-not-exists", "--topic", topic + "-again").good();
    }

    private static void errors() throws Exception {
        String topic = Peer.topic("tools-exists", 1);
        topics("--create", "--topic", topic).bad("already exists");
        topics("--create", "--topic", "with space").bad("is invalid");
        topics("--create", "--topic", topic + "-3", "--replication-factor", "3").bad("eplication factor");
        topics("--alter", "--topic", topic, "--partitions", "1").bad("partition");
        topics("--describe", "--topic", topic + "-missing").bad("does not exist");
        topics("--delete", "--topic", topic + "-missing").bad("does not exist");
    }

    private static void overrides() throws Exception {
        String topic = Peer.topic("tools-overrides", 1, "max.message.bytes", "5000");
        String description = topics("--describe", "--topics-with-overrides").good();
        Cases.check(description.contains(topic) && description.contains("max.message.bytes=5000"), description);
        Cases.equal("", topics("--describe", "--topic", topic, "--under-replicated-partitions").good().strip(), "under-replicated");
        Cases.equal("", topics("--describe", "--topic", topic, "--unavailable-partitions").good().strip(), "unavailable");
    }

    private static void topicConfigs() throws Exception {
        String topic = Peer.topic("tools-configs", 1);
        String[] entity = {"--entity-type", "topics", "--entity-name", topic};
        configs(join(entity, "--alter", "--add-config", "max.message.bytes=4321,cleanup.policy=[compact,delete]")).good();
        Cases.eventually("the altered configs are described", () -> {
            try {
                String described = configs(join(entity, "--describe")).good();
                return described.contains("max.message.bytes=4321") && described.contains("cleanup.policy=compact,delete");
            } catch (Exception error) {
                throw new AssertionError(error);
            }
        });
        configs(join(entity, "--alter", "--delete-config", "max.message.bytes")).good();
        Cases.eventually("the deleted config is the default again",
            () -> !describedConfigs(entity).contains("max.message.bytes=4321"));
        String all = configs(join(entity, "--describe", "--all")).good();
        Cases.check(all.contains("max.message.bytes=1048588") && all.contains("DEFAULT_CONFIG"), "--all shows defaults");
        configs(join(entity, "--alter", "--add-config", "retention.ms=soon")).bad("retention.ms");
        configs(join(entity, "--alter", "--add-config", "no.such.config=1")).bad("no.such.config");
    }

    private static String describedConfigs(String[] entity) {
        try {
            return configs(join(entity, "--describe")).good();
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private static void brokerConfigs() throws Exception {
        String id;
        try (var admin = Peer.admin()) {
            id = admin.describeCluster().nodes().get().iterator().next().idString();
        }
        String[] entity = {"--entity-type", "brokers", "--entity-name", id};
        configs(join(entity, "--alter", "--add-config", "log.cleaner.threads=2")).good();
        Cases.eventually("the altered config is described", () -> describedConfigs(entity).contains("log.cleaner.threads=2"));
        configs(join(entity, "--alter", "--delete-config", "log.cleaner.threads")).good();
        String[] all = {"--entity-type", "brokers", "--entity-default"};
        configs(join(all, "--alter", "--add-config", "log.cleaner.backoff.ms=16000")).good();
        Cases.eventually("the cluster default is described", () -> describedConfigs(all).contains("log.cleaner.backoff.ms=16000"));
        configs(join(all, "--alter", "--delete-config", "log.cleaner.backoff.ms")).good();
        String described = configs(join(entity, "--describe", "--all")).good();
        Cases.check(described.contains("num.io.threads") && described.contains("STATIC_BROKER_CONFIG"), "--all shows sources");
    }

    /** Log levels of a running broker; its loggers have other names than Kafka's. */
    private static void brokerLoggers() throws Exception {
        String id;
        try (var admin = Peer.admin()) {
            id = admin.describeCluster().nodes().get().iterator().next().idString();
        }
        String logger = Peer.OTTLA ? "ottla_storage" : "org.apache.kafka.common.utils.AppInfoParser";
        String[] entity = {"--entity-type", "broker-loggers", "--entity-name", id};
        configs(join(entity, "--alter", "--add-config", logger + "=DEBUG")).good();
        Cases.check(describedConfigs(entity).contains(logger + "=DEBUG"), "the new level is described");
        configs(join(entity, "--alter", "--delete-config", logger)).good();
        Cases.check(!describedConfigs(entity).contains(logger + "=DEBUG"), "the level follows the root again");
        configs(join(entity, "--alter", "--add-config", "no_such_logger=DEBUG")).bad("no_such_logger");
        configs(join(entity, "--alter", "--add-config", logger + "=LOUD")).bad("LOUD");
    }

    /** ottla's own topic config; Apache Kafka does not know it. */
    private static void writeCaching() throws Exception {
        String topic = Peer.topic("tools-caching", 1);
        String[] entity = {"--entity-type", "topics", "--entity-name", topic};
        Tool altered = configs(join(entity, "--alter", "--add-config", "write.caching=true"));
        if (!Peer.OTTLA) {
            altered.bad("write.caching");
            return;
        }
        altered.good();
        Cases.eventually("write.caching is described", () -> describedConfigs(entity).contains("write.caching=true"));
    }

    private static void logDirs() throws Exception {
        String topic = Peer.topic("tools-log-dirs", 1);
        Peer.fill(topic, 0, 10);
        String described = Tool.run("org.apache.kafka.tools.LogDirsCommand", with("--describe", "--topic-list", topic)).good();
        Cases.check(described.contains("\"partition\":\"" + topic + "-0\""), described);
        Cases.check(described.contains("\"error\":null"), described);
    }

    private static void apiVersions() throws Exception {
        String versions = Tool.run("org.apache.kafka.tools.BrokerApiVersionsCommand", with()).good();
        for (String api : List.of("Produce(0): ", "Fetch(1): ", "ApiVersions(18): ", "DescribeProducers(61): ")) {
            Cases.check(versions.contains(api), "names " + api);
        }
        Cases.check(!versions.contains("ERROR"), versions);
    }

    private static void clusterId() throws Exception {
        String text = Tool.run("org.apache.kafka.tools.ClusterTool", "cluster-id", "--bootstrap-server", Peer.BOOTSTRAP).good();
        Cases.check(text.startsWith("Cluster ID: ") && text.strip().length() == 34, text);
    }

    static String[] join(String[] first, String... second) {
        String[] all = java.util.Arrays.copyOf(first, first.length + second.length);
        System.arraycopy(second, 0, all, first.length, second.length);
        return all;
    }
}
