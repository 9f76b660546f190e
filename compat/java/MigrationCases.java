// A group whose members change from the classic protocol to the newer one and back while it works (KIP-848).

import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;

final class MigrationCases {
    private static final String COOPERATIVE = "org.apache.kafka.clients.consumer.CooperativeStickyAssignor";

    private MigrationCases() {}

    static void register(Cases cases) {
        cases.add("migration_upgrade_member_by_member", MigrationCases::upgrade);
        cases.add("migration_downgrade_with_the_last_new_member", MigrationCases::downgrade);
        cases.add("migration_of_an_empty_group_keeps_its_offsets", MigrationCases::empty);
    }

    private static Member join(Protocol protocol, String topic, String group) {
        String[] more = protocol == Protocol.CLASSIC ? new String[] {"partition.assignment.strategy", COOPERATIVE} : new String[0];
        return Member.join(List.of(topic), protocol.member(group, more));
    }

    private static GroupType type(String group) {
        try (Admin admin = Peer.admin()) {
            return admin.describeConsumerGroups(List.of(group)).all().get().get(group).type();
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private static void upgrade() throws Exception {
        String topic = Peer.topic("upgrade", 4);
        String group = Peer.freshName("upgrade");
        try (Member a = join(Protocol.CLASSIC, topic, group); Member b = join(Protocol.CLASSIC, topic, group)) {
            Member.share(topic, 4, 2, a, b);
            Cases.equal(GroupType.CLASSIC, type(group), "type");
            b.close();
            try (Member c = join(Protocol.CONSUMER, topic, group)) {
                Member.share(topic, 4, 2, a, c);
                Cases.equal(GroupType.CONSUMER, type(group), "type with the first new member");
                a.close();
                try (Member d = join(Protocol.CONSUMER, topic, group)) {
                    Member.share(topic, 4, 2, c, d);
                }
            }
        }
    }

    private static void downgrade() throws Exception {
        String topic = Peer.topic("downgrade", 4);
        String group = Peer.freshName("downgrade");
        try (Member a = join(Protocol.CONSUMER, topic, group)) {
            // The other way round at the same time is a race that Kafka may answer with UNKNOWN_SERVER_ERROR.
            Member.share(topic, 4, 4, a);
            try (Member b = join(Protocol.CLASSIC, topic, group)) {
                Member.share(topic, 4, 2, a, b);
                Cases.equal(GroupType.CONSUMER, type(group), "type");
                a.close();
                Member.share(topic, 4, 4, b);
                Cases.eventually("the group is classic again", () -> type(group) == GroupType.CLASSIC);
            }
        }
    }

    private static void empty() throws Exception {
        String topic = Peer.topic("empty-migration", 1);
        String group = Peer.freshName("empty-migration");
        TopicPartition where = new TopicPartition(topic, 0);
        Peer.fill(topic, 0, 20);
        long next = 0;
        for (Protocol protocol : List.of(Protocol.CLASSIC, Protocol.CONSUMER, Protocol.CLASSIC)) {
            long expected = next;
            try (Member member = join(protocol, topic, group)) {
                member.awaitRecords((int) (20 - expected));
                Cases.equal(expected, member.records.get(0).offset(), "first offset in the " + protocol.word() + " protocol");
                next = expected + 5;
                OffsetAndMetadata committed = new OffsetAndMetadata(next);
                member.call(consumer -> {
                    consumer.commitSync(java.util.Map.of(where, committed));
                    return consumer.committed(Set.of(where));
                });
            }
        }
    }
}
