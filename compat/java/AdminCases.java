// What the Java admin client must get: topics, partitions, offsets, records, cluster, log directories, producers.

import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.CreateTopicsResult;
import org.apache.kafka.clients.admin.DescribeClusterResult;
import org.apache.kafka.clients.admin.DescribeTopicsOptions;
import org.apache.kafka.clients.admin.ListOffsetsResult.ListOffsetsResultInfo;
import org.apache.kafka.clients.admin.LogDirDescription;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.admin.TopicDescription;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicCollection;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;

final class AdminCases {
    private AdminCases() {}

    static void register(Cases cases) {
        cases.add("admin_creates_describes_lists_and_deletes_topics", AdminCases::lifecycle);
        cases.add("admin_describes_and_deletes_topics_by_id", AdminCases::byId);
        cases.add("admin_recreated_topic_has_a_new_id_and_no_records", AdminCases::recreated);
        cases.add("admin_create_answers_with_what_it_made", AdminCases::createAnswer);
        cases.add("admin_validate_only_creates_nothing", AdminCases::validateOnly);
        cases.add("admin_creates_partitions", AdminCases::createPartitions);
        cases.add("admin_describe_topics_in_pages", AdminCases::describePages);
        cases.add("admin_lists_offsets_for_every_spec", AdminCases::listOffsets);
        cases.add("admin_deletes_records", AdminCases::deleteRecords);
        cases.add("admin_describes_the_cluster", AdminCases::describeCluster);
        cases.add("admin_describes_log_dirs", AdminCases::describeLogDirs);
        cases.add("admin_describes_producers", AdminCases::describeProducers);
    }

    private static TopicDescription describe(Admin admin, String topic) throws Exception {
        return admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic);
    }

    private static Uuid id(Admin admin, String topic) {
        try {
            return describe(admin, topic).topicId();
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private static int partitions(Admin admin, String topic) {
        try {
            return describe(admin, topic).partitions().size();
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private static boolean listed(Admin admin, String topic) {
        try {
            return admin.listTopics().names().get().contains(topic);
        } catch (InterruptedException | ExecutionException error) {
            throw new AssertionError(error);
        }
    }

    private static void lifecycle() throws Exception {
        String topic = Peer.topic("lifecycle", 4);
        try (Admin admin = Peer.admin()) {
            Cases.check(listed(admin, topic), "is listed");
            TopicDescription description = describe(admin, topic);
            Cases.equal(4, description.partitions().size(), "partitions");
            Cases.equal(false, description.isInternal(), "internal");
            Cases.check(!description.topicId().equals(Uuid.ZERO_UUID), "has an id");
            description.partitions().forEach(partition -> {
                Cases.equal(1, partition.replicas().size(), "replicas");
                Cases.equal(1, partition.isr().size(), "in-sync replicas");
                Cases.check(partition.leader() != null, "has a leader");
            });
            admin.deleteTopics(List.of(topic)).all().get();
            Cases.eventually("the deleted topic is gone from the list", () -> !listed(admin, topic));
        }
    }

    private static void byId() throws Exception {
        String topic = Peer.topic("by-id", 2);
        try (Admin admin = Peer.admin()) {
            Uuid id = describe(admin, topic).topicId();
            TopicCollection ids = TopicCollection.ofTopicIds(List.of(id));
            Cases.equal(topic, admin.describeTopics(ids).allTopicIds().get().get(id).name(), "name");
            admin.deleteTopics(ids).all().get();
            Cases.eventually("the topic deleted by id is gone", () -> !listed(admin, topic));
        }
    }

    private static void recreated() throws Exception {
        String topic = Peer.topic("recreated", 1);
        Peer.fill(topic, 0, 10);
        try (Admin admin = Peer.admin()) {
            Uuid first = describe(admin, topic).topicId();
            admin.deleteTopics(List.of(topic)).all().get();
            Cases.eventually("the topic can be created again", () -> {
                try {
                    admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1))).all().get();
                    return true;
                } catch (InterruptedException | ExecutionException error) {
                    return false;
                }
            });
            Cases.eventually("the new id is known", () -> Peer.isKnown(admin, topic) && !id(admin, topic).equals(first));
            TopicPartition where = new TopicPartition(topic, 0);
            Cases.equal(0L, admin.listOffsets(Map.of(where, OffsetSpec.latest())).partitionResult(where).get().offset(), "end");
        }
    }

    private static void createAnswer() throws Exception {
        String topic = Peer.freshName("answer");
        try (Admin admin = Peer.admin()) {
            NewTopic request = new NewTopic(topic, 3, (short) 1).configs(Map.of("retention.ms", "1234567"));
            CreateTopicsResult result = admin.createTopics(List.of(request));
            Cases.equal(3, result.numPartitions(topic).get(), "partitions");
            Cases.equal(1, result.replicationFactor(topic).get(), "replication factor");
            Cases.equal("1234567", result.config(topic).get().get("retention.ms").value(), "retention.ms");
            Cases.eventually("the new topic is known", () -> Peer.isKnown(admin, topic));
            Cases.equal(id(admin, topic), result.topicId(topic).get(), "id");
            String defaults = Peer.freshName("defaults");
            result = admin.createTopics(List.of(new NewTopic(defaults, java.util.Optional.empty(), java.util.Optional.empty())));
            Cases.equal(1, result.numPartitions(defaults).get(), "partitions by default");
        }
    }

    private static void validateOnly() throws Exception {
        String topic = Peer.freshName("validate-only");
        try (Admin admin = Peer.admin()) {
            admin.createTopics(List.of(new NewTopic(topic, 1, (short) 1)), new CreateTopicsOptions().validateOnly(true)).all().get();
            Cases.check(!listed(admin, topic), "is not there");
        }
    }

    private static void createPartitions() throws Exception {
        String topic = Peer.topic("grow", 1);
        Peer.fill(topic, 0, 5);
        try (Admin admin = Peer.admin()) {
            admin.createPartitions(Map.of(topic, NewPartitions.increaseTo(4))).all().get();
            Cases.eventually("four partitions are known", () -> Peer.isKnown(admin, topic) && partitions(admin, topic) == 4);
            Peer.fill(topic, 3, 5);
            Cases.equal(5, Peer.readAll(topic, 3, 5).size(), "records in the new partition");
            Cases.equal(5, Peer.readAll(topic, 0, 5).size(), "records in the old partition");
        }
    }

    private static void describePages() throws Exception {
        String topic = Peer.topic("pages", 25);
        try (Admin admin = Peer.admin()) {
            DescribeTopicsOptions options = new DescribeTopicsOptions().partitionSizeLimitPerResponse(7);
            TopicDescription description = admin.describeTopics(List.of(topic), options).allTopicNames().get().get(topic);
            Cases.equal(25, description.partitions().size(), "partitions");
            for (int i = 0; i < 25; i++) Cases.equal(i, description.partitions().get(i).partition(), "order");
        }
    }

    private static void listOffsets() throws Exception {
        String topic = Peer.topic("offsets", 1);
        TopicPartition where = new TopicPartition(topic, 0);
        try (Admin admin = Peer.admin(); KafkaProducer<byte[], byte[]> producer = Peer.producer("linger.ms", "0")) {
            Cases.equal(-1L, offset(admin, where, OffsetSpec.maxTimestamp()).offset(), "max timestamp of an empty log");
            for (long timestamp : new long[] {100, 300, 200}) {
                producer.send(new ProducerRecord<>(topic, 0, timestamp, null, Peer.bytes("v"))).get();
            }
            Cases.equal(0L, offset(admin, where, OffsetSpec.earliest()).offset(), "earliest");
            Cases.equal(3L, offset(admin, where, OffsetSpec.latest()).offset(), "latest");
            Cases.equal(1L, offset(admin, where, OffsetSpec.maxTimestamp()).offset(), "max timestamp");
            Cases.equal(300L, offset(admin, where, OffsetSpec.maxTimestamp()).timestamp(), "time of max timestamp");
            Cases.equal(1L, offset(admin, where, OffsetSpec.forTimestamp(150)).offset(), "by time");
            Cases.equal(300L, offset(admin, where, OffsetSpec.forTimestamp(150)).timestamp(), "time found by time");
            Cases.equal(-1L, offset(admin, where, OffsetSpec.forTimestamp(301)).offset(), "after the last");
            Cases.equal(0L, offset(admin, where, OffsetSpec.earliestLocal()).offset(), "earliest local");
            Cases.equal(-1L, offset(admin, where, OffsetSpec.latestTiered()).offset(), "latest tiered");
            Cases.equal(-1L, offset(admin, where, OffsetSpec.earliestPendingUpload()).offset(), "earliest pending upload");
            Cases.equal(0, offset(admin, where, OffsetSpec.latest()).leaderEpoch().orElse(-1), "leader epoch");
        }
    }

    private static ListOffsetsResultInfo offset(Admin admin, TopicPartition where, OffsetSpec spec) throws Exception {
        return admin.listOffsets(Map.of(where, spec)).partitionResult(where).get();
    }

    private static void deleteRecords() throws Exception {
        String topic = Peer.topic("delete-records", 1);
        TopicPartition where = new TopicPartition(topic, 0);
        Peer.fill(topic, 0, 50);
        try (Admin admin = Peer.admin(); KafkaConsumer<byte[], byte[]> consumer = Peer.consumer()) {
            Map<TopicPartition, RecordsToDelete> before20 = Map.of(where, RecordsToDelete.beforeOffset(20));
            Cases.equal(20L, admin.deleteRecords(before20).lowWatermarks().get(where).get().lowWatermark(), "low watermark");
            Cases.equal(20L, offset(admin, where, OffsetSpec.earliest()).offset(), "earliest");
            consumer.assign(List.of(where));
            Cases.equal(20L, Peer.poll(consumer, 30).get(0).offset(), "first record left");
            Map<TopicPartition, RecordsToDelete> all = Map.of(where, RecordsToDelete.beforeOffset(-1));
            Cases.equal(50L, admin.deleteRecords(all).lowWatermarks().get(where).get().lowWatermark(), "up to the end");
            Peer.fill(topic, 0, 1);
            Cases.equal(51L, offset(admin, where, OffsetSpec.latest()).offset(), "offsets go on");
        }
    }

    private static void describeCluster() throws Exception {
        try (Admin admin = Peer.admin()) {
            DescribeClusterResult cluster = admin.describeCluster();
            Cases.equal(22, cluster.clusterId().get().length(), "length of the cluster id");
            Cases.equal(1, cluster.nodes().get().size(), "nodes");
            Cases.equal(Peer.BOOTSTRAP, address(cluster.nodes().get()), "address");
            Cases.check(cluster.controller().get() != null, "has a controller");
        }
    }

    private static String address(Collection<org.apache.kafka.common.Node> nodes) {
        org.apache.kafka.common.Node node = nodes.iterator().next();
        return node.host() + ":" + node.port();
    }

    private static void describeLogDirs() throws Exception {
        String topic = Peer.topic("log-dirs", 1);
        Peer.fill(topic, 0, 100);
        try (Admin admin = Peer.admin()) {
            int broker = admin.describeCluster().nodes().get().iterator().next().id();
            Map<String, LogDirDescription> dirs = admin.describeLogDirs(Set.of(broker)).allDescriptions().get().get(broker);
            long size = -1;
            for (LogDirDescription dir : dirs.values()) {
                Cases.check(dir.error() == null, "no error");
                Cases.check(dir.totalBytes().orElse(-1) > dir.usableBytes().orElse(-1), "total and usable bytes");
                var replica = dir.replicaInfos().get(new TopicPartition(topic, 0));
                if (replica != null) size = replica.size();
            }
            Cases.check(size > 100, "size of the partition is " + size);
        }
    }

    private static void describeProducers() throws Exception {
        String topic = Peer.topic("producers", 1);
        TopicPartition where = new TopicPartition(topic, 0);
        try (Admin admin = Peer.admin(); KafkaProducer<byte[], byte[]> producer = Peer.producer("enable.idempotence", "true", "linger.ms", "0")) {
            for (int i = 0; i < 3; i++) producer.send(new ProducerRecord<>(topic, 0, null, Peer.bytes("v" + i))).get();
            List<ProducerState> states = admin.describeProducers(List.of(where)).partitionResult(where).get().activeProducers();
            Cases.equal(1, states.size(), "active producers");
            Cases.equal(2, states.get(0).lastSequence(), "last sequence");
            Cases.check(states.get(0).producerId() >= 0, "producer id");
            Cases.check(states.get(0).currentTransactionStartOffset().isEmpty(), "no open transaction");
        }
    }
}
