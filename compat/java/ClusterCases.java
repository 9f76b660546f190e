// Leaders, reassignments, the metadata quorum, features, registrations: what one node answers.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AddRaftVoterOptions;
import org.apache.kafka.clients.admin.FeatureUpdate;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.QuorumInfo;
import org.apache.kafka.clients.admin.RaftVoterEndpoint;
import org.apache.kafka.clients.admin.UpdateFeaturesOptions;
import org.apache.kafka.common.ElectionType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.errors.ApiException;
import org.apache.kafka.common.errors.BrokerIdNotRegisteredException;
import org.apache.kafka.common.errors.ElectionNotNeededException;
import org.apache.kafka.common.errors.InconsistentClusterIdException;
import org.apache.kafka.common.errors.InvalidReplicaAssignmentException;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.InvalidUpdateVersionException;
import org.apache.kafka.common.errors.NoReassignmentInProgressException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;
import org.apache.kafka.common.errors.UnsupportedVersionException;
import org.apache.kafka.common.errors.VoterNotFoundException;

final class ClusterCases {
    private ClusterCases() {}

    static void register(Cases cases) {
        cases.add("leaders_are_where_they_should_be", ClusterCases::electLeaders);
        cases.add("kafka_leader_election_runs", ClusterCases::leaderElectionTool);
        cases.add("partitions_are_reassigned_to_the_only_broker", ClusterCases::reassign);
        cases.add("kafka_reassign_partitions_runs", ClusterCases::reassignTool);
        cases.add("the_metadata_quorum_is_described", ClusterCases::quorum);
        cases.add("kafka_metadata_quorum_runs", ClusterCases::quorumTool);
        cases.add("voters_that_make_no_sense_are_refused", ClusterCases::voters);
        cases.add("features_are_described_and_updated", ClusterCases::features);
        cases.add("kafka_features_runs", ClusterCases::featuresTool);
        cases.add("an_unknown_broker_cannot_be_unregistered", ClusterCases::unregister);
        cases.add("kafka_cluster_unregister_runs", ClusterCases::unregisterTool);
        if (Peer.OTTLA) cases.add("the_serving_node_stays_registered", ClusterCases::unregisterSelf);
    }

    private static int node(Admin admin) throws Exception {
        return admin.describeCluster().nodes().get().iterator().next().id();
    }

    private static void electLeaders() throws Exception {
        TopicPartition partition = new TopicPartition(Peer.topic("elect", 2), 0);
        TopicPartition unknown = new TopicPartition(partition.topic(), 9);
        try (Admin admin = Peer.admin()) {
            for (ElectionType type : ElectionType.values()) {
                Map<TopicPartition, Optional<Throwable>> results = admin.electLeaders(type, Set.of(partition, unknown)).partitions().get();
                Throwable error = results.get(partition).orElseThrow();
                Cases.check(error instanceof ElectionNotNeededException, type + " answers " + error);
                Cases.equal("Leader election not needed for topic partition.", error.getMessage(), "text");
                error = results.get(unknown).orElseThrow();
                Cases.check(error instanceof UnknownTopicOrPartitionException, type + " answers " + error);
                Cases.equal("No such partition as " + unknown, error.getMessage(), "text");
                Cases.equal(Map.of(), admin.electLeaders(type, null).partitions().get(), "elections of all partitions");
            }
        }
    }

    private static void leaderElectionTool() throws Exception {
        String topic = Peer.topic("elect-tool", 1);
        Tool tool = Tool.run("org.apache.kafka.tools.LeaderElectionCommand", "--bootstrap-server", Peer.BOOTSTRAP,
            "--election-type", "preferred", "--topic", topic, "--partition", "0");
        Cases.equal(0, tool.exitCode, "exit code");
        Cases.check(tool.out.contains("Valid replica already elected for partitions " + topic + "-0"), tool.out);
        tool = Tool.run("org.apache.kafka.tools.LeaderElectionCommand", "--bootstrap-server", Peer.BOOTSTRAP,
            "--election-type", "preferred", "--all-topic-partitions");
        Cases.equal(0, tool.exitCode, "exit code");
    }

    private static void reassign() throws Exception {
        TopicPartition partition = new TopicPartition(Peer.topic("reassign", 1), 0);
        try (Admin admin = Peer.admin()) {
            int node = node(admin);
            admin.alterPartitionReassignments(Map.of(partition, target(node))).all().get();
            Cases.equal(Map.of(), admin.listPartitionReassignments().reassignments().get(), "reassignments");
            Cases.equal(Map.of(), admin.listPartitionReassignments(Set.of(partition)).reassignments().get(), "reassignments of one");
            Cases.fails(NoReassignmentInProgressException.class,
                () -> admin.alterPartitionReassignments(Map.of(partition, Optional.empty())).all().get());
            Throwable error = Cases.fails(InvalidReplicaAssignmentException.class,
                () -> admin.alterPartitionReassignments(Map.of(partition, target(77))).all().get());
            Cases.equal("The manual partition assignment includes broker 77, but no such broker is registered.", error.getMessage(), "text");
            error = Cases.fails(InvalidReplicaAssignmentException.class,
                () -> admin.alterPartitionReassignments(Map.of(partition, target(node, node))).all().get());
            Cases.equal("The manual partition assignment includes the broker " + node + " more than once.", error.getMessage(), "text");
            TopicPartition unknown = new TopicPartition(partition.topic(), 5);
            error = Cases.fails(UnknownTopicOrPartitionException.class,
                () -> admin.alterPartitionReassignments(Map.of(unknown, target(node))).all().get());
            Cases.equal("Unable to find partition " + partition.topic() + ":5.", error.getMessage(), "text");
        }
    }

    private static Optional<NewPartitionReassignment> target(Integer... nodes) {
        return Optional.of(new NewPartitionReassignment(List.of(nodes)));
    }

    private static void reassignTool() throws Exception {
        String topic = Peer.topic("reassign-tool", 2);
        String command = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
        String node;
        try (Admin admin = Peer.admin()) {
            node = Integer.toString(node(admin));
        }
        Path topics = Files.writeString(Path.of("topics.json"), "{\"version\":1,\"topics\":[{\"topic\":\"" + topic + "\"}]}");
        Tool tool = Tool.run(command, "--bootstrap-server", Peer.BOOTSTRAP, "--generate", "--broker-list", node,
            "--topics-to-move-json-file", topics.toString());
        Cases.equal(0, tool.exitCode, "exit code");
        String plan = tool.out.substring(tool.out.indexOf('{', tool.out.indexOf("Proposed"))).trim();
        Path file = Files.writeString(Path.of("plan.json"), plan);
        tool = Tool.run(command, "--bootstrap-server", Peer.BOOTSTRAP, "--execute", "--reassignment-json-file", file.toString());
        Cases.check(tool.out.contains("Successfully started partition reassignments for " + topic + "-0," + topic + "-1"), tool.out);
        tool = Tool.run(command, "--bootstrap-server", Peer.BOOTSTRAP, "--verify", "--reassignment-json-file", file.toString());
        Cases.check(tool.out.contains("Reassignment of partition " + topic + "-0 is completed."), tool.out);
        tool = Tool.run(command, "--bootstrap-server", Peer.BOOTSTRAP, "--list");
        Cases.check(tool.out.contains("No partition reassignments found."), tool.out);
    }

    private static void quorum() throws Exception {
        try (Admin admin = Peer.admin()) {
            QuorumInfo info = admin.describeMetadataQuorum().quorumInfo().get();
            Cases.equal(node(admin), info.leaderId(), "leader");
            Cases.equal(1, info.voters().size(), "voters");
            Cases.equal(info.leaderId(), info.voters().get(0).replicaId(), "voter");
            Cases.equal(List.of(), info.observers(), "observers");
            Cases.check(info.leaderEpoch() > 0 && info.highWatermark() > 0, info.toString());
            Cases.check(info.voters().get(0).logEndOffset() >= info.highWatermark(), info.toString());
            Cases.check(info.voters().get(0).lastCaughtUpTimestamp().orElse(0) > 1_600_000_000_000L, info.toString());
            Cases.equal(Set.of(info.leaderId()), info.nodes().keySet(), "nodes");
            Cases.check(!info.nodes().get(info.leaderId()).endpoints().isEmpty(), "endpoints");
        }
    }

    private static void quorumTool() throws Exception {
        String command = "org.apache.kafka.tools.MetadataQuorumCommand";
        Tool tool = Tool.run(command, "--bootstrap-server", Peer.BOOTSTRAP, "describe", "--status");
        Cases.equal(0, tool.exitCode, "exit code");
        for (String line : List.of("LeaderId:", "LeaderEpoch:", "HighWatermark:", "CurrentVoters:", "CurrentObservers:")) {
            Cases.check(tool.out.contains(line), line + " is not in " + tool.out);
        }
        tool = Tool.run(command, "--bootstrap-server", Peer.BOOTSTRAP, "describe", "--replication");
        Cases.equal(0, tool.exitCode, "exit code");
        Cases.check(tool.out.contains("Leader"), tool.out);
    }

    private static void voters() throws Exception {
        Uuid directory = Uuid.randomUuid();
        Set<RaftVoterEndpoint> endpoints = Set.of(new RaftVoterEndpoint("CONTROLLER", "127.0.0.1", 1));
        try (Admin admin = Peer.admin()) {
            AddRaftVoterOptions other = new AddRaftVoterOptions().setClusterId(Optional.of("another"));
            Cases.fails(InconsistentClusterIdException.class, () -> admin.addRaftVoter(7, directory, endpoints, other).all().get());
            Cases.fails(InvalidRequestException.class, () -> admin.addRaftVoter(7, Uuid.ZERO_UUID, endpoints).all().get());
            Cases.fails(InvalidRequestException.class, () -> admin.removeRaftVoter(7, Uuid.ZERO_UUID).all().get());
            // Kafka's quorum may have voters that come and go; ours is fixed (level 0 of kraft.version).
            Class<? extends ApiException> reason = Peer.OTTLA ? UnsupportedVersionException.class : VoterNotFoundException.class;
            Cases.fails(reason, () -> admin.removeRaftVoter(7, directory).all().get());
        }
    }

    private static void features() throws Exception {
        try (Admin admin = Peer.admin()) {
            var described = admin.describeFeatures().featureMetadata().get();
            short level = described.finalizedFeatures().get("metadata.version").maxVersionLevel();
            var same = Map.of("metadata.version", new FeatureUpdate(level, FeatureUpdate.UpgradeType.UPGRADE));
            admin.updateFeatures(same, new UpdateFeaturesOptions()).all().get();
            admin.updateFeatures(same, new UpdateFeaturesOptions().validateOnly(true)).all().get();
            for (String name : List.of("metadata.version", "no.such.feature")) {
                var tooHigh = Map.of(name, new FeatureUpdate((short) 99, FeatureUpdate.UpgradeType.UPGRADE));
                Throwable error = Cases.fails(InvalidUpdateVersionException.class,
                    () -> admin.updateFeatures(tooHigh, new UpdateFeaturesOptions()).all().get());
                Cases.check(error.getMessage().startsWith("The update failed for all features since the following feature had an error: "
                    + "Invalid update version 99 for feature " + name + ". Local controller " + node(admin)), error.getMessage());
            }
        }
    }

    private static void featuresTool() throws Exception {
        String command = "org.apache.kafka.tools.FeatureCommand";
        Tool tool = Tool.run(command, "--bootstrap-server", Peer.BOOTSTRAP, "describe");
        Cases.equal(0, tool.exitCode, "exit code");
        Cases.check(tool.out.contains("Feature: metadata.version"), tool.out);
        tool = Tool.run(command, "--bootstrap-server", Peer.BOOTSTRAP, "upgrade", "--feature", "group.version=1");
        Cases.equal(0, tool.exitCode, "exit code");
        Cases.check(tool.out.contains("group.version was upgraded to 1."), tool.out);
        tool = Tool.run(command, "--bootstrap-server", Peer.BOOTSTRAP, "upgrade", "--feature", "group.version=9");
        Cases.equal(1, tool.exitCode, "exit code");
    }

    private static void unregister() throws Exception {
        try (Admin admin = Peer.admin()) {
            Throwable error = Cases.fails(BrokerIdNotRegisteredException.class, () -> admin.unregisterBroker(77).all().get());
            Cases.equal("Broker ID 77 is not currently registered", error.getMessage(), "text");
        }
    }

    private static void unregisterTool() throws Exception {
        Tool tool = Tool.run("org.apache.kafka.tools.ClusterTool", "unregister", "--bootstrap-server", Peer.BOOTSTRAP, "--id", "77");
        Cases.check(tool.exitCode != 0 && tool.all().contains("Broker ID 77 is not currently registered"), tool.all());
    }

    private static void unregisterSelf() throws Exception {
        try (Admin admin = Peer.admin()) {
            int node = node(admin);
            Cases.fails(InvalidRequestException.class, () -> admin.unregisterBroker(node).all().get());
            Peer.topic("still-there", 1);
        }
    }
}
