// What must be refused, and with which of Kafka's errors.

import java.util.List;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.InvalidPartitionsException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidReplicationFactorException;
import org.apache.kafka.common.errors.InvalidTimestampException;
import org.apache.kafka.common.errors.InvalidTopicException;
import org.apache.kafka.common.errors.OffsetOutOfRangeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.errors.UnknownTopicIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

final class ErrorCases {
    private ErrorCases() {}

    static void register(Cases cases) {
        cases.add("error_unknown_topic", ErrorCases::unknownTopic);
        cases.add("error_unknown_topic_id", ErrorCases::unknownTopicId);
        cases.add("error_invalid_topic_names", ErrorCases::invalidNames);
        cases.add("error_colliding_topic_names", ErrorCases::collidingNames);
        cases.add("error_topic_exists", ErrorCases::exists);
        cases.add("error_partition_counts", ErrorCases::partitionCounts);
        cases.add("error_replication_factor_and_assignment", ErrorCases::replication);
        cases.add("error_invalid_config_at_creation", ErrorCases::invalidConfig);
        cases.add("error_config_of_unknown_topic", ErrorCases::unknownConfigTopic);
        cases.add("error_delete_records_beyond_the_end", ErrorCases::deleteRecords);
        cases.add("error_null_key_in_a_compacted_topic", ErrorCases::compactedNullKey);
        cases.add("error_timestamp_out_of_bounds", ErrorCases::timestamps);
        cases.add("error_unknown_partition", ErrorCases::unknownPartition);
    }

    private interface WithAdmin {
        void run(Admin admin) throws Exception;
    }

    private static <T extends Throwable> void refused(Class<T> type, WithAdmin body) throws Exception {
        try (Admin admin = Peer.admin()) {
            Cases.fails(type, () -> body.run(admin));
        }
    }

    private static <T extends Throwable> void createRefused(Class<T> type, NewTopic topic) throws Exception {
        refused(type, admin -> admin.createTopics(List.of(topic)).all().get());
    }

    private static void unknownTopic() throws Exception {
        String name = Peer.freshName("unknown");
        refused(UnknownTopicOrPartitionException.class, admin -> admin.describeTopics(List.of(name)).allTopicNames().get());
        refused(UnknownTopicOrPartitionException.class, admin -> admin.deleteTopics(List.of(name)).all().get());
        refused(UnknownTopicOrPartitionException.class,
            admin -> admin.createPartitions(Map.of(name, NewPartitions.increaseTo(2))).all().get());
    }

    private static void unknownTopicId() throws Exception {
        TopicCollection ids = TopicCollection.ofTopicIds(List.of(Uuid.randomUuid()));
        refused(UnknownTopicIdException.class, admin -> admin.describeTopics(ids).allTopicIds().get());
        refused(UnknownTopicIdException.class, admin -> admin.deleteTopics(ids).all().get());
    }

    private static void invalidNames() throws Exception {
        for (String name : List.of("", ".", "..", "with space", "slash/inside", "\u00fcmlaut", "x".repeat(250))) {
            createRefused(InvalidTopicException.class, new NewTopic(name, 1, (short) 1));
        }
    }

    private static void collidingNames() throws Exception {
        String name = Peer.topic("collide.dot", 1);
        createRefused(InvalidTopicException.class, new NewTopic(name.replace('.', '_'), 1, (short) 1));
    }

    private static void exists() throws Exception {
        createRefused(TopicExistsException.class, new NewTopic(Peer.topic("exists", 1), 1, (short) 1));
    }

    private static void partitionCounts() throws Exception {
        createRefused(InvalidPartitionsException.class, new NewTopic(Peer.freshName("none"), 0, (short) 1));
        createRefused(InvalidPartitionsException.class, new NewTopic(Peer.freshName("negative"), -5, (short) 1));
        String topic = Peer.topic("shrink", 3);
        for (int count : new int[] {3, 2, 0}) {
            refused(InvalidPartitionsException.class,
                admin -> admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(count))).all().get());
        }
    }

    private static void replication() throws Exception {
        createRefused(InvalidReplicationFactorException.class, new NewTopic(Peer.freshName("three"), 1, (short) 3));
        createRefused(InvalidReplicationFactorException.class, new NewTopic(Peer.freshName("zero"), 1, (short) 0));
        createRefused(InvalidReplicaAssignmentException.class, new NewTopic(Peer.freshName("nobody"), Map.of(0, List.of(4711))));
        createRefused(InvalidReplicaAssignmentException.class, new NewTopic(Peer.freshName("gap"), Map.of(1, List.of(1))));
    }

    private static void invalidConfig() throws Exception {
        for (Map<String, String> config : List.of(Map.of("no.such.config", "1"), Map.of("retention.ms", "soon"),
            Map.of("cleanup.policy", "burn"), Map.of("max.message.bytes", "-1"), Map.of("compression.type", "rar"))) {
            createRefused(InvalidConfigurationException.class,
                new NewTopic(Peer.freshName("bad-config"), 1, (short) 1).configs(config));
        }
    }

    private static void unknownConfigTopic() throws Exception {
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, Peer.freshName("unknown"));
        refused(UnknownTopicOrPartitionException.class, admin -> admin.describeConfigs(List.of(resource)).all().get());
        AlterConfigOp set = new AlterConfigOp(new ConfigEntry("retention.ms", "1"), AlterConfigOp.OpType.SET);
        refused(UnknownTopicOrPartitionException.class,
            admin -> admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get());
    }

    private static void deleteRecords() throws Exception {
        String topic = Peer.topic("beyond", 1);
        Peer.fill(topic, 0, 5);
        TopicPartition where = new TopicPartition(topic, 0);
        refused(OffsetOutOfRangeException.class,
            admin -> admin.deleteRecords(Map.of(where, RecordsToDelete.beforeOffset(6))).all().get());
    }

    private static void compactedNullKey() throws Exception {
        String topic = Peer.topic("compacted", 1, "cleanup.policy", "compact");
        try (KafkaProducer<byte[], byte[]> producer = Peer.producer()) {
            Cases.fails(org.apache.kafka.common.InvalidRecordException.class,
                () -> producer.send(new ProducerRecord<>(topic, 0, null, Peer.bytes("v"))).get());
            producer.send(new ProducerRecord<>(topic, 0, Peer.bytes("k"), Peer.bytes("v"))).get();
        }
    }

    private static void timestamps() throws Exception {
        String topic = Peer.topic("bounds", 1, "message.timestamp.before.max.ms", "60000", "message.timestamp.after.max.ms", "60000");
        long now = System.currentTimeMillis();
        try (KafkaProducer<byte[], byte[]> producer = Peer.producer()) {
            for (long timestamp : new long[] {now - 600_000, now + 600_000}) {
                Cases.fails(InvalidTimestampException.class,
                    () -> producer.send(new ProducerRecord<>(topic, 0, timestamp, null, Peer.bytes("v"))).get());
            }
            producer.send(new ProducerRecord<>(topic, 0, now, null, Peer.bytes("v"))).get();
        }
    }

    private static void unknownPartition() throws Exception {
        TopicPartition where = new TopicPartition(Peer.topic("one-partition", 1), 7);
        Properties quick = Peer.properties("default.api.timeout.ms", "3000", "request.timeout.ms", "2000");
        try (Admin admin = Admin.create(quick)) {
            // The client asks again until its time is over: the error is retriable.
            Cases.fails(Exception.class, () -> admin.listOffsets(Map.of(where, OffsetSpec.latest())).all().get());
        }
    }
}
