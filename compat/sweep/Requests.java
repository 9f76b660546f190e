// A small well-formed request for each API, in any version. APIs without an entry get their default message.

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.compress.Compression;
import org.apache.kafka.common.message.*;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;
import org.apache.kafka.common.record.internal.MemoryRecords;
import org.apache.kafka.common.record.internal.SimpleRecord;

final class Requests {
    interface Builder {
        ApiMessage build(short version) throws Exception;
    }

    private final String topic;
    private final Uuid topicId;
    private final Map<ApiKeys, Builder> builders = new HashMap<>();

    /** The topic has one partition and a few records. */
    Requests(String topic, Uuid topicId) {
        this.topic = topic;
        this.topicId = topicId;
        data();
        topics();
        configs();
        cluster();
    }

    boolean known(ApiKeys key) {
        return builders.containsKey(key);
    }

    ApiMessage build(ApiKeys key, short version) throws Exception {
        Builder builder = builders.get(key);
        return builder == null ? key.messageType.newRequest() : builder.build(version);
    }

    private void data() {
        builders.put(ApiKeys.PRODUCE, version -> produce());
        builders.put(ApiKeys.FETCH, version -> fetch(version));
        builders.put(ApiKeys.LIST_OFFSETS, version -> new ListOffsetsRequestData().setReplicaId(-1).setTopics(List.of(
            new ListOffsetsRequestData.ListOffsetsTopic().setName(topic).setPartitions(List.of(
                new ListOffsetsRequestData.ListOffsetsPartition().setPartitionIndex(0).setTimestamp(-2))))));
        builders.put(ApiKeys.OFFSET_FOR_LEADER_EPOCH, version -> {
            var topics = new OffsetForLeaderEpochRequestData.OffsetForLeaderTopicCollection();
            topics.add(new OffsetForLeaderEpochRequestData.OffsetForLeaderTopic().setTopic(topic).setPartitions(List.of(
                new OffsetForLeaderEpochRequestData.OffsetForLeaderPartition().setPartition(0).setLeaderEpoch(0))));
            return new OffsetForLeaderEpochRequestData().setReplicaId(version >= 3 ? -1 : -2).setTopics(topics);
        });
        builders.put(ApiKeys.DELETE_RECORDS, version -> new DeleteRecordsRequestData().setTimeoutMs(5000).setTopics(List.of(
            new DeleteRecordsRequestData.DeleteRecordsTopic().setName(topic).setPartitions(List.of(
                new DeleteRecordsRequestData.DeleteRecordsPartition().setPartitionIndex(0).setOffset(0))))));
        builders.put(ApiKeys.INIT_PRODUCER_ID, version -> new InitProducerIdRequestData().setTransactionalId(null).setTransactionTimeoutMs(1000));
        builders.put(ApiKeys.DESCRIBE_PRODUCERS, version -> new DescribeProducersRequestData().setTopics(List.of(
            new DescribeProducersRequestData.TopicRequest().setName(topic).setPartitionIndexes(List.of(0)))));
    }

    private ApiMessage produce() {
        MemoryRecords records = MemoryRecords.withRecords(Compression.NONE, new SimpleRecord(1L, "k".getBytes(), "v".getBytes()));
        var topics = new ProduceRequestData.TopicProduceDataCollection();
        topics.add(new ProduceRequestData.TopicProduceData().setName(topic).setTopicId(topicId).setPartitionData(List.of(
            new ProduceRequestData.PartitionProduceData().setIndex(0).setRecords(records))));
        return new ProduceRequestData().setAcks((short) -1).setTimeoutMs(5000).setTopicData(topics);
    }

    private ApiMessage fetch(short version) {
        var partition = new FetchRequestData.FetchPartition().setPartition(0).setFetchOffset(0).setPartitionMaxBytes(1 << 20);
        var request = new FetchRequestData().setMaxWaitMs(0).setMinBytes(0).setMaxBytes(1 << 20).setTopics(List.of(
            new FetchRequestData.FetchTopic().setTopic(topic).setTopicId(topicId).setPartitions(List.of(partition))));
        return version < 15 ? request.setReplicaId(-1) : request;
    }

    private void topics() {
        builders.put(ApiKeys.METADATA, version -> new MetadataRequestData().setTopics(List.of(
            new MetadataRequestData.MetadataRequestTopic().setName(topic))));
        builders.put(ApiKeys.CREATE_TOPICS, version -> {
            var topics = new CreateTopicsRequestData.CreatableTopicCollection();
            topics.add(new CreateTopicsRequestData.CreatableTopic().setName(topic + "-created-" + version).setNumPartitions(2).setReplicationFactor((short) 1));
            return new CreateTopicsRequestData().setTimeoutMs(5000).setTopics(topics);
        });
        builders.put(ApiKeys.DELETE_TOPICS, version -> {
            String name = Peer.topic("sweep-deleted", 1);
            var request = new DeleteTopicsRequestData().setTimeoutMs(5000);
            return version < 6 ? request.setTopicNames(List.of(name))
                : request.setTopics(List.of(new DeleteTopicsRequestData.DeleteTopicState().setName(name)));
        });
        builders.put(ApiKeys.CREATE_PARTITIONS, version -> {
            var topics = new CreatePartitionsRequestData.CreatePartitionsTopicCollection();
            topics.add(new CreatePartitionsRequestData.CreatePartitionsTopic().setName(Peer.topic("sweep-grown", 1)).setCount(3).setAssignments(null));
            return new CreatePartitionsRequestData().setTimeoutMs(5000).setTopics(topics);
        });
        builders.put(ApiKeys.DESCRIBE_TOPIC_PARTITIONS, version -> new DescribeTopicPartitionsRequestData().setTopics(List.of(
            new DescribeTopicPartitionsRequestData.TopicRequest().setName(topic))));
    }

    private void configs() {
        byte ofTopic = 2;
        builders.put(ApiKeys.DESCRIBE_CONFIGS, version -> {
            var resource = new DescribeConfigsRequestData.DescribeConfigsResource().setResourceType(ofTopic).setResourceName(topic)
                .setConfigurationKeys(List.of("segment.bytes", "cleanup.policy", "min.insync.replicas"));
            return new DescribeConfigsRequestData().setResources(List.of(resource)).setIncludeSynonyms(true);
        });
        builders.put(ApiKeys.ALTER_CONFIGS, version -> {
            var configs = new AlterConfigsRequestData.AlterableConfigCollection();
            configs.add(new AlterConfigsRequestData.AlterableConfig().setName("segment.bytes").setValue("20000000"));
            var resources = new AlterConfigsRequestData.AlterConfigsResourceCollection();
            resources.add(new AlterConfigsRequestData.AlterConfigsResource().setResourceType(ofTopic)
                .setResourceName(Peer.topic("sweep-altered", 1)).setConfigs(configs));
            return new AlterConfigsRequestData().setResources(resources);
        });
        builders.put(ApiKeys.INCREMENTAL_ALTER_CONFIGS, version -> {
            var configs = new IncrementalAlterConfigsRequestData.AlterableConfigCollection();
            configs.add(new IncrementalAlterConfigsRequestData.AlterableConfig().setName("segment.bytes").setValue("20000000"));
            var resources = new IncrementalAlterConfigsRequestData.AlterConfigsResourceCollection();
            resources.add(new IncrementalAlterConfigsRequestData.AlterConfigsResource().setResourceType(ofTopic)
                .setResourceName(Peer.topic("sweep-altered", 1)).setConfigs(configs));
            return new IncrementalAlterConfigsRequestData().setResources(resources);
        });
        // Version 0 knows only client metrics, of which there are none.
        builders.put(ApiKeys.LIST_CONFIG_RESOURCES, version -> version == 0 ? new ListConfigResourcesRequestData()
            : new ListConfigResourcesRequestData().setResourceTypes(List.of((byte) 16)));
    }

    private void cluster() {
        builders.put(ApiKeys.API_VERSIONS, version -> new ApiVersionsRequestData().setClientSoftwareName("sweep").setClientSoftwareVersion("1"));
        builders.put(ApiKeys.DESCRIBE_CLUSTER, version -> new DescribeClusterRequestData());
        builders.put(ApiKeys.DESCRIBE_LOG_DIRS, version -> {
            var topics = new DescribeLogDirsRequestData.DescribableLogDirTopicCollection();
            topics.add(new DescribeLogDirsRequestData.DescribableLogDirTopic().setTopic(topic).setPartitions(List.of(0)));
            return new DescribeLogDirsRequestData().setTopics(topics);
        });
    }
}
