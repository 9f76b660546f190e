// Configs of topics and brokers as the Java admin client describes and alters them.

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.AlterConfigsOptions;
import org.apache.kafka.clients.admin.Config;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.DescribeConfigsOptions;
import org.apache.kafka.clients.admin.ListConfigResourcesOptions;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidRequestException;

final class ConfigCases {
    private ConfigCases() {}

    static void register(Cases cases) {
        cases.add("configs_of_a_topic_have_kafkas_names_and_defaults", ConfigCases::topicDefaults);
        cases.add("configs_of_a_topic_are_altered_one_by_one", ConfigCases::incremental);
        cases.add("configs_list_values_are_appended_and_subtracted", ConfigCases::lists);
        cases.add("configs_of_a_broker_are_described_and_altered", ConfigCases::broker);
        cases.add("configs_describe_selected_names_with_synonyms_and_documentation", ConfigCases::selected);
        cases.add("configs_invalid_values_are_refused", ConfigCases::invalid);
        cases.add("configs_validate_only_changes_nothing", ConfigCases::validateOnly);
        cases.add("configs_resources_are_listed", ConfigCases::resources);
        cases.add("configs_of_a_topic_apply_to_later_batches", ConfigCases::applied);
    }

    private static ConfigResource topicResource(String topic) {
        return new ConfigResource(ConfigResource.Type.TOPIC, topic);
    }

    private static Config describe(Admin admin, ConfigResource resource) throws Exception {
        return admin.describeConfigs(List.of(resource)).all().get().get(resource);
    }

    private static void alter(Admin admin, ConfigResource resource, AlterConfigOp.OpType type, String name, String value)
        throws Exception {
        alter(admin, resource, type, name, value, false);
    }

    private static void alter(Admin admin, ConfigResource resource, AlterConfigOp.OpType type, String name, String value,
        boolean validateOnly) throws Exception {
        Collection<AlterConfigOp> operations = List.of(new AlterConfigOp(new ConfigEntry(name, value), type));
        AlterConfigsOptions options = new AlterConfigsOptions().validateOnly(validateOnly);
        admin.incrementalAlterConfigs(Map.of(resource, operations), options).all().get();
    }

    /** Names that Kafka's own client library knows as topic configs; ottla may have more. */
    private static void topicDefaults() throws Exception {
        Set<String> names = new TreeSet<>();
        for (var field : org.apache.kafka.common.config.TopicConfig.class.getFields()) {
            if (field.getName().endsWith("_CONFIG")) names.add((String) field.get(null));
        }
        String topic = Peer.topic("config-defaults", 1, "retention.ms", "604800000");
        try (Admin admin = Peer.admin()) {
            Config config = describe(admin, topicResource(topic));
            List<String> missing = new ArrayList<>();
            for (String name : names) if (config.get(name) == null) missing.add(name);
            // Kafka's constants hold names that its own brokers no longer have.
            missing.removeAll(List.of("message.downconversion.enable", "message.format.version", "message.timestamp.difference.max.ms"));
            Cases.equal(List.of(), missing, "missing configs");
            Map<String, String> defaults = Peer.map("cleanup.policy", "delete", "compression.type", "producer",
                "max.message.bytes", "1048588", "retention.ms", "604800000", "retention.bytes", "-1", "segment.bytes",
                "1073741824", "message.timestamp.type", "CreateTime", "index.interval.bytes", "4096", "min.insync.replicas", "1");
            for (var entry : defaults.entrySet()) {
                Cases.equal(entry.getValue(), config.get(entry.getKey()).value(), entry.getKey());
            }
            Cases.equal(ConfigEntry.ConfigType.LIST, config.get("cleanup.policy").type(), "type of cleanup.policy");
        }
    }

    private static void incremental() throws Exception {
        ConfigResource resource = topicResource(Peer.topic("config-alter", 1));
        try (Admin admin = Peer.admin()) {
            alter(admin, resource, AlterConfigOp.OpType.SET, "max.message.bytes", "2000");
            alter(admin, resource, AlterConfigOp.OpType.SET, "segment.ms", "3600000");
            Config config = describe(admin, resource);
            Cases.equal("2000", config.get("max.message.bytes").value(), "max.message.bytes");
            Cases.equal("3600000", config.get("segment.ms").value(), "segment.ms");
            Cases.equal(ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG, config.get("segment.ms").source(), "source");
            alter(admin, resource, AlterConfigOp.OpType.DELETE, "max.message.bytes", null);
            config = describe(admin, resource);
            Cases.equal("1048588", config.get("max.message.bytes").value(), "default again");
            Cases.equal("3600000", config.get("segment.ms").value(), "the other one stays");
        }
    }

    private static void lists() throws Exception {
        ConfigResource resource = topicResource(Peer.topic("config-list", 1));
        try (Admin admin = Peer.admin()) {
            alter(admin, resource, AlterConfigOp.OpType.APPEND, "cleanup.policy", "compact");
            Cases.equal("delete,compact", describe(admin, resource).get("cleanup.policy").value(), "appended");
            alter(admin, resource, AlterConfigOp.OpType.SUBTRACT, "cleanup.policy", "delete");
            Cases.equal("compact", describe(admin, resource).get("cleanup.policy").value(), "subtracted");
        }
    }

    private static void broker() throws Exception {
        try (Admin admin = Peer.admin()) {
            String id = admin.describeCluster().nodes().get().iterator().next().idString();
            ConfigResource resource = new ConfigResource(ConfigResource.Type.BROKER, id);
            Config config = describe(admin, resource);
            Cases.equal(id, config.get("node.id").value(), "node.id");
            Cases.equal(true, config.get("node.id").isReadOnly(), "node.id is read only");
            Cases.check(config.get("log.retention.hours") != null, "log.retention.hours is there");
            alter(admin, resource, AlterConfigOp.OpType.SET, "log.cleaner.backoff.ms", "14000");
            Cases.eventually("the altered config is described", () -> {
                try {
                    return describe(admin, resource).get("log.cleaner.backoff.ms").value().equals("14000");
                } catch (Exception error) {
                    throw new AssertionError(error);
                }
            });
            Cases.equal(ConfigEntry.ConfigSource.DYNAMIC_BROKER_CONFIG,
                describe(admin, resource).get("log.cleaner.backoff.ms").source(), "source");
            alter(admin, resource, AlterConfigOp.OpType.DELETE, "log.cleaner.backoff.ms", null);
            Cases.fails(InvalidRequestException.class,
                () -> alter(admin, resource, AlterConfigOp.OpType.SET, "node.id", "77"));
        }
    }

    private static void selected() throws Exception {
        String topic = Peer.topic("config-some", 1, "segment.bytes", "2000000");
        ConfigResource resource = topicResource(topic);
        try (Admin admin = Peer.admin()) {
            DescribeConfigsOptions options = new DescribeConfigsOptions().includeSynonyms(true).includeDocumentation(true);
            Config config = admin.describeConfigs(List.of(resource), options).all().get().get(resource);
            ConfigEntry entry = config.get("segment.bytes");
            Cases.equal("2000000", entry.value(), "value");
            Cases.check(entry.documentation() != null && !entry.documentation().isEmpty(), "documentation");
            Cases.equal(List.of("segment.bytes=2000000", "log.segment.bytes=1073741824"),
                entry.synonyms().stream().map(synonym -> synonym.name() + "=" + synonym.value()).toList(), "synonyms");
        }
    }

    private static void invalid() throws Exception {
        ConfigResource resource = topicResource(Peer.topic("config-invalid", 1));
        try (Admin admin = Peer.admin()) {
            for (String[] bad : new String[][] {{"retention.ms", "soon"}, {"cleanup.policy", "burn"},
                {"no.such.config", "1"}, {"min.insync.replicas", "0"}, {"segment.bytes", "1"}}) {
                Cases.fails(InvalidConfigurationException.class,
                    () -> alter(admin, resource, AlterConfigOp.OpType.SET, bad[0], bad[1]));
            }
        }
    }

    private static void validateOnly() throws Exception {
        ConfigResource resource = topicResource(Peer.topic("config-dry", 1));
        try (Admin admin = Peer.admin()) {
            alter(admin, resource, AlterConfigOp.OpType.SET, "segment.ms", "3600000", true);
            Cases.equal("604800000", describe(admin, resource).get("segment.ms").value(), "unchanged");
        }
    }

    private static void resources() throws Exception {
        String topic = Peer.topic("config-resources", 1);
        try (Admin admin = Peer.admin()) {
            Set<ConfigResource.Type> types = Set.of(ConfigResource.Type.TOPIC, ConfigResource.Type.BROKER);
            alter(admin, topicResource(topic), AlterConfigOp.OpType.SET, "segment.ms", "3600000");
            Collection<ConfigResource> found = admin.listConfigResources(types, new ListConfigResourcesOptions()).all().get();
            Cases.check(found.contains(topicResource(topic)), "the topic is listed");
            Cases.check(found.stream().anyMatch(resource -> resource.type() == ConfigResource.Type.BROKER), "a broker is listed");
        }
    }

    private static void applied() throws Exception {
        String topic = Peer.topic("config-applied", 1);
        Peer.fill(topic, 0, 1);
        try (Admin admin = Peer.admin()) {
            alter(admin, topicResource(topic), AlterConfigOp.OpType.SET, "message.timestamp.type", "LogAppendTime");
            Cases.eventually("later batches get the append time", () -> {
                try {
                    Peer.fill(topic, 0, 1);
                    var records = Peer.readAll(topic, 0, 1);
                    return Peer.readAll(topic, 0, lastOffset(admin, topic)).stream().anyMatch(r -> r.timestamp() > 1_700_000_000_000L)
                        && records.get(0).timestamp() == 1_000_000L;
                } catch (Exception error) {
                    throw new AssertionError(error);
                }
            });
        }
    }

    private static int lastOffset(Admin admin, String topic) throws Exception {
        var where = new org.apache.kafka.common.TopicPartition(topic, 0);
        return (int) admin.listOffsets(Map.of(where, org.apache.kafka.clients.admin.OffsetSpec.latest())).partitionResult(where).get().offset();
    }
}
