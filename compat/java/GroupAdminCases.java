// What the Java admin client must get of groups: listings, descriptions, offsets, configs, and every refusal.

import java.util.List;
import java.util.Map;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.admin.ListConsumerGroupOffsetsSpec;
import org.apache.kafka.clients.admin.ListGroupsOptions;
import org.apache.kafka.clients.admin.MemberDescription;
import org.apache.kafka.clients.admin.MemberToRemove;
import org.apache.kafka.clients.admin.RemoveMembersFromConsumerGroupOptions;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.errors.GroupSubscribedToTopicException;
import org.apache.kafka.common.errors.InvalidConfigurationException;
import org.apache.kafka.common.errors.UnknownMemberIdException;
import org.apache.kafka.common.errors.UnknownTopicOrPartitionException;

final class GroupAdminCases {
    private GroupAdminCases() {}

    static void register(Cases cases) {
        for (Protocol protocol : Protocol.values()) {
            String word = protocol.word();
            cases.add(word + "_admin_describes_a_group", () -> describe(protocol));
            cases.add(word + "_admin_lists_groups_by_state_and_type", () -> list(protocol));
            cases.add(word + "_admin_refuses_what_an_active_group_forbids", () -> active(protocol));
            cases.add(word + "_admin_deletes_groups", () -> delete(protocol));
        }
        cases.add("admin_offsets_of_a_group_without_members", GroupAdminCases::offsets);
        cases.add("admin_offsets_of_several_groups", GroupAdminCases::severalGroups);
        cases.add("admin_removes_members", GroupAdminCases::removeMembers);
        cases.add("admin_unknown_groups", GroupAdminCases::unknown);
        cases.add("admin_group_configs", GroupAdminCases::configs);
        cases.add("admin_deleted_topic_takes_its_offsets_along", GroupAdminCases::deletedTopic);
    }

    private static ConsumerGroupDescription described(Admin admin, String group) {
        try {
            return admin.describeConsumerGroups(List.of(group)).all().get().get(group);
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private static Map<TopicPartition, OffsetAndMetadata> offsets(Admin admin, String group) throws Exception {
        return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
    }

    private static GroupType type(Protocol protocol) {
        return protocol == Protocol.CLASSIC ? GroupType.CLASSIC : GroupType.CONSUMER;
    }

    private static void describe(Protocol protocol) throws Exception {
        String topic = Peer.topic("describe", 2);
        String group = Peer.freshName("describe");
        String[] configs = protocol.member(group, "client.id", "the-client", "group.instance.id", "the-instance");
        try (Admin admin = Peer.admin(); Member member = Member.join(List.of(topic), configs)) {
            Member.share(topic, 2, 2, member);
            Cases.eventually("the group is stable", () -> described(admin, group).groupState() == GroupState.STABLE);
            ConsumerGroupDescription description = described(admin, group);
            Cases.equal(type(protocol), description.type(), "type");
            Cases.equal(protocol == Protocol.CLASSIC ? "range" : "uniform", description.partitionAssignor(), "assignor");
            Cases.equal(Peer.BOOTSTRAP, description.coordinator().host() + ":" + description.coordinator().port(), "coordinator");
            Cases.equal(1, description.members().size(), "members");
            MemberDescription described = description.members().iterator().next();
            Cases.equal("the-client", described.clientId(), "client id");
            Cases.equal("/127.0.0.1", described.host(), "host");
            Cases.equal("the-instance", described.groupInstanceId().orElse(null), "instance id");
            Cases.equal(member.assignment(), Member.names(described.assignment().topicPartitions()), "assignment");
            if (protocol == Protocol.CONSUMER) {
                Cases.equal(member.assignment(), Member.names(described.targetAssignment().get().topicPartitions()), "target");
                Cases.equal(description.groupEpoch(), described.memberEpoch(), "epochs");
            }
        }
    }

    private static List<GroupListing> listed(Admin admin, ListGroupsOptions options, String group) {
        try {
            return admin.listGroups(options).all().get().stream().filter(found -> found.groupId().equals(group)).toList();
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private static void list(Protocol protocol) throws Exception {
        String topic = Peer.topic("list", 1);
        String group = Peer.freshName("list");
        ListGroupsOptions stable = new ListGroupsOptions().inGroupStates(Set.of(GroupState.STABLE)).withTypes(Set.of(type(protocol)));
        ListGroupsOptions empty = new ListGroupsOptions().inGroupStates(Set.of(GroupState.EMPTY));
        ListGroupsOptions otherType = new ListGroupsOptions().withTypes(Set.of(GroupType.SHARE));
        try (Admin admin = Peer.admin()) {
            try (Member member = Member.join(List.of(topic), protocol.member(group))) {
                Member.share(topic, 1, 1, member);
                Cases.eventually("it is listed as stable", () -> listed(admin, stable, group).size() == 1);
                GroupListing listing = listed(admin, stable, group).get(0);
                Cases.equal("consumer", listing.protocol(), "protocol");
                Cases.equal(type(protocol), listing.type().orElse(null), "type");
                Cases.equal(List.of(), listed(admin, empty, group), "listed as empty");
                Cases.equal(List.of(), listed(admin, otherType, group), "listed as another type");
            }
            Cases.eventually("it is listed as empty", () -> listed(admin, empty, group).size() == 1);
            Cases.equal(1, listed(admin, ListGroupsOptions.forConsumerGroups(), group).size(), "as a consumer group");
        }
    }

    private static void active(Protocol protocol) throws Exception {
        String topic = Peer.topic("active", 1);
        String group = Peer.freshName("active");
        TopicPartition where = new TopicPartition(topic, 0);
        try (Admin admin = Peer.admin(); Member member = Member.join(List.of(topic), protocol.member(group))) {
            Member.share(topic, 1, 1, member);
            member.call(consumer -> {
                consumer.commitSync(Map.of(where, new OffsetAndMetadata(0)));
                return null;
            });
            Cases.fails(GroupNotEmptyException.class, () -> admin.deleteConsumerGroups(List.of(group)).all().get());
            Cases.fails(UnknownMemberIdException.class,
                () -> admin.alterConsumerGroupOffsets(group, Map.of(where, new OffsetAndMetadata(1))).all().get());
            Cases.fails(GroupSubscribedToTopicException.class,
                () -> admin.deleteConsumerGroupOffsets(group, Set.of(where)).all().get());
        }
    }

    private static void delete(Protocol protocol) throws Exception {
        String topic = Peer.topic("delete", 1);
        String group = Peer.freshName("delete");
        TopicPartition where = new TopicPartition(topic, 0);
        try (Admin admin = Peer.admin()) {
            try (Member member = Member.join(List.of(topic), protocol.member(group))) {
                Member.share(topic, 1, 1, member);
                member.call(consumer -> {
                    consumer.commitSync(Map.of(where, new OffsetAndMetadata(0)));
                    return null;
                });
            }
            Cases.eventually("it is empty", () -> described(admin, group).groupState() == GroupState.EMPTY);
            admin.deleteConsumerGroups(List.of(group)).all().get();
            Cases.equal(List.of(), listed(admin, new ListGroupsOptions(), group), "listed after it was deleted");
            Cases.equal(Map.of(), offsets(admin, group), "offsets after it was deleted");
            Cases.fails(GroupIdNotFoundException.class, () -> admin.deleteConsumerGroups(List.of(group)).all().get());
        }
    }

    private static void offsets() throws Exception {
        String topic = Peer.topic("offsets", 3);
        String group = Peer.freshName("offsets");
        TopicPartition zero = new TopicPartition(topic, 0);
        TopicPartition one = new TopicPartition(topic, 1);
        TopicPartition two = new TopicPartition(topic, 2);
        try (Admin admin = Peer.admin()) {
            admin.alterConsumerGroupOffsets(group, Map.of(zero, new OffsetAndMetadata(7, "note"), one, new OffsetAndMetadata(8)))
                .all().get();
            Map<TopicPartition, OffsetAndMetadata> found = offsets(admin, group);
            Cases.equal(Map.of(zero, new OffsetAndMetadata(7, "note"), one, new OffsetAndMetadata(8)), found, "offsets");
            ListConsumerGroupOffsetsSpec some = new ListConsumerGroupOffsetsSpec().topicPartitions(List.of(zero, two));
            found = admin.listConsumerGroupOffsets(Map.of(group, some)).partitionsToOffsetAndMetadata(group).get();
            Cases.equal(7L, found.get(zero).offset(), "offset that was asked for");
            Cases.check(found.containsKey(two) && found.get(two) == null, "no offset is null: " + found);
            admin.deleteConsumerGroupOffsets(group, Set.of(zero)).all().get();
            Cases.equal(Set.of(one), offsets(admin, group).keySet(), "left after deleting one");
            TopicPartition missing = new TopicPartition(topic + "-missing", 0);
            Cases.fails(UnknownTopicOrPartitionException.class,
                () -> admin.deleteConsumerGroupOffsets(group, Set.of(missing)).partitionResult(missing).get());
            Cases.equal(GroupState.EMPTY, described(admin, group).groupState(), "state");
        }
    }

    private static void severalGroups() throws Exception {
        String topic = Peer.topic("several", 1);
        TopicPartition where = new TopicPartition(topic, 0);
        Map<String, ListConsumerGroupOffsetsSpec> all = new java.util.TreeMap<>();
        try (Admin admin = Peer.admin()) {
            for (int i = 0; i < 5; i++) {
                String group = Peer.freshName("several-" + i);
                admin.alterConsumerGroupOffsets(group, Map.of(where, new OffsetAndMetadata(i))).all().get();
                all.put(group, new ListConsumerGroupOffsetsSpec());
            }
            var result = admin.listConsumerGroupOffsets(all);
            for (String group : all.keySet()) {
                long expected = group.charAt("several-".length()) - '0';
                Cases.equal(expected, result.partitionsToOffsetAndMetadata(group).get().get(where).offset(), "offset of " + group);
            }
        }
    }

    private static void removeMembers() throws Exception {
        String topic = Peer.topic("remove", 2);
        String group = Peer.freshName("remove");
        String[] one = Protocol.CLASSIC.member(group, "group.instance.id", "one");
        String[] two = Protocol.CLASSIC.member(group, "group.instance.id", "two");
        try (Admin admin = Peer.admin(); Member first = Member.join(List.of(topic), one)) {
            try (Member second = Member.join(List.of(topic), two)) {
                Member.share(topic, 2, 1, first, second);
            }
            admin.removeMembersFromConsumerGroup(group,
                new RemoveMembersFromConsumerGroupOptions(Set.of(new MemberToRemove("two")))).all().get();
            Member.share(topic, 2, 2, first);
            first.vanish();
            admin.removeMembersFromConsumerGroup(group, new RemoveMembersFromConsumerGroupOptions()).all().get();
            Cases.eventually("nobody is left", () -> described(admin, group).groupState() == GroupState.EMPTY);
        }
    }

    private static void unknown() throws Exception {
        String group = Peer.freshName("nobody");
        try (Admin admin = Peer.admin()) {
            Cases.fails(GroupIdNotFoundException.class, () -> admin.describeConsumerGroups(List.of(group)).all().get());
            Cases.equal(Map.of(), offsets(admin, group), "offsets");
            Cases.fails(GroupIdNotFoundException.class, () -> admin.deleteConsumerGroups(List.of(group)).all().get());
            TopicPartition where = new TopicPartition(Peer.topic("nobody", 1), 0);
            Cases.fails(GroupIdNotFoundException.class,
                () -> admin.deleteConsumerGroupOffsets(group, Set.of(where)).all().get());
        }
    }

    private static void configs() throws Exception {
        String group = Peer.freshName("configs");
        ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
        try (Admin admin = Peer.admin()) {
            Protocol.setGroupConfig(group, "consumer.session.timeout.ms", "4000");
            Cases.eventually("the config is described", () -> {
                try {
                    return admin.describeConfigs(List.of(resource)).all().get().get(resource)
                        .get("consumer.session.timeout.ms").value().equals("4000");
                } catch (Exception error) {
                    throw new AssertionError(error);
                }
            });
            Cases.fails(InvalidConfigurationException.class,
                () -> Protocol.setGroupConfig(group, "consumer.session.timeout.ms", "10"));
            Cases.fails(InvalidConfigurationException.class, () -> Protocol.setGroupConfig(group, "no.such.config", "10"));
        }
    }

    private static void deletedTopic() throws Exception {
        String topic = Peer.topic("deleted", 1);
        String group = Peer.freshName("deleted");
        TopicPartition where = new TopicPartition(topic, 0);
        try (Admin admin = Peer.admin()) {
            admin.alterConsumerGroupOffsets(group, Map.of(where, new OffsetAndMetadata(3))).all().get();
            admin.deleteTopics(List.of(topic)).all().get();
            Cases.eventually("the offsets are gone", () -> {
                try {
                    return offsets(admin, group).isEmpty();
                } catch (Exception error) {
                    throw new AssertionError(error);
                }
            });
        }
    }
}
