// What several members of a group must see: each assignor, joining, leaving, crashing, static members, kept partitions.

import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.errors.FencedInstanceIdException;
import org.apache.kafka.common.errors.UnreleasedInstanceIdException;
import org.apache.kafka.common.errors.UnsupportedAssignorException;

final class RebalanceCases {
    private static final String ASSIGNORS = "org.apache.kafka.clients.consumer.";

    private final Protocol protocol;

    RebalanceCases(Protocol protocol) {
        this.protocol = protocol;
    }

    void register(Cases cases) {
        if (protocol == Protocol.CLASSIC) {
            for (String name : List.of("Range", "RoundRobin", "Sticky", "CooperativeSticky")) {
                String assignor = ASSIGNORS + name + "Assignor";
                add(cases, "assignor_" + name.toLowerCase(java.util.Locale.ROOT),
                    () -> assignor("partition.assignment.strategy", assignor));
            }
            add(cases, "eager_members_give_up_everything", () -> kept(4, "RangeAssignor"));
            add(cases, "cooperative_members_keep_their_partitions", () -> kept(2, "CooperativeStickyAssignor"));
            add(cases, "enforced_rebalance", this::enforced);
        } else {
            for (String name : List.of("uniform", "range")) {
                add(cases, "assignor_" + name, () -> assignor("group.remote.assignor", name));
            }
            add(cases, "unknown_assignor_is_refused", this::unknownAssignor);
            add(cases, "members_keep_their_partitions", () -> kept(2, null));
        }
        add(cases, "members_join_and_leave", this::joinAndLeave);
        add(cases, "member_crashes", this::crash);
        add(cases, "static_member_returns_without_rebalance", this::staticReturns);
        add(cases, "static_member_leaves_for_good", this::staticLeaves);
        add(cases, "two_members_of_one_instance_id", this::sameInstance);
        add(cases, "partitions_added_later_are_assigned", this::morePartitions);
        add(cases, "every_record_reaches_the_group_through_rebalances", this::everyRecord);
    }

    private void add(Cases cases, String name, Cases.Body body) {
        cases.add(protocol.word() + "_" + name, body);
    }

    private Member join(String topic, String group, String... more) {
        return Member.join(List.of(topic), protocol.member(group, more));
    }

    private void assignor(String config, String assignor) throws Exception {
        String topic = Peer.topic("assignor", 4);
        String group = Peer.freshName("assignor");
        try (Member first = join(topic, group, config, assignor); Member second = join(topic, group, config, assignor)) {
            Member.share(topic, 4, 2, first, second);
        }
    }

    private void unknownAssignor() throws Exception {
        String topic = Peer.topic("unknown-assignor", 1);
        try (Member member = join(topic, Peer.freshName("unknown-assignor"), "group.remote.assignor", "nonsense")) {
            Cases.eventually("the member is told", () -> member.failure != null);
            Cases.fails(UnsupportedAssignorException.class, () -> {
                throw (Exception) member.failure;
            });
        }
    }

    /** A second member joins one that holds four partitions; this many are taken from it on the way. */
    private void kept(int givenUp, String assignor) throws Exception {
        String topic = Peer.topic("kept", 4);
        String group = Peer.freshName("kept");
        String[] more = assignor == null ? new String[0]
            : new String[] {"partition.assignment.strategy", ASSIGNORS + assignor};
        try (Member first = join(topic, group, more)) {
            Member.share(topic, 4, 4, first);
            try (Member second = join(topic, group, more)) {
                Member.share(topic, 4, 2, first, second);
                Cases.equal(givenUp, first.gaveUp().size(), "partitions that the first gave up: " + first.events);
                if (givenUp == 2) Cases.equal(second.assignment(), new TreeSet<>(first.gaveUp()), "given to the second");
                Cases.equal(List.of(), second.gaveUp(), "the second gave up nothing");
            }
            Member.share(topic, 4, 4, first);
            Cases.equal(givenUp == 4 ? 6 : 2, first.gaveUp().size(), "and it got back what the second had: " + first.events);
        }
    }

    private void enforced() throws Exception {
        String topic = Peer.topic("enforced", 2);
        try (Member member = join(topic, Peer.freshName("enforced"))) {
            Member.share(topic, 2, 2, member);
            int generation = member.generation();
            member.call(consumer -> {
                consumer.enforceRebalance("asked for");
                return null;
            });
            Cases.eventually("there is a new generation", () -> generation(member) > generation);
        }
    }

    private static int generation(Member member) {
        try {
            return member.generation();
        } catch (Exception error) {
            throw new AssertionError(error);
        }
    }

    private void joinAndLeave() throws Exception {
        String topic = Peer.topic("join-leave", 6);
        String group = Peer.freshName("join-leave");
        try (Member first = join(topic, group)) {
            Member.share(topic, 6, 6, first);
            try (Member second = join(topic, group)) {
                Member.share(topic, 6, 3, first, second);
                try (Member third = join(topic, group)) {
                    Member.share(topic, 6, 2, first, second, third);
                    second.close();
                    Member.share(topic, 6, 3, first, third);
                }
            }
            Member.share(topic, 6, 6, first);
        }
    }

    private void crash() throws Exception {
        String topic = Peer.topic("crash", 4);
        String group = Peer.freshName("crash");
        String[] configs = protocol.shortLived(group);
        try (Member first = Member.join(List.of(topic), configs); Member second = Member.join(List.of(topic), configs)) {
            Member.share(topic, 4, 2, first, second);
            second.vanish();
            Member.share(topic, 4, 4, first);
        }
    }

    private void staticReturns() throws Exception {
        String topic = Peer.topic("static", 4);
        String group = Peer.freshName("static");
        try (Member other = join(topic, group, "group.instance.id", "other");
             Member before = join(topic, group, "group.instance.id", "back-soon")) {
            Member.share(topic, 4, 2, other, before);
            // The answer to the last heartbeat or SyncGroup may still be under way.
            Set<String> mine = before.assignment();
            int generation = other.generation();
            int events = other.events.size();
            before.close();
            try (Member after = join(topic, group, "group.instance.id", "back-soon")) {
                Member.share(topic, 4, 2, other, after);
                Cases.equal(mine, after.assignment(), "assignment after the return");
                Cases.equal(generation, other.generation(), "generation of the other member");
                Cases.equal(events, other.events.size(), "what the other member saw: " + other.events);
            }
        }
    }

    private void staticLeaves() throws Exception {
        String topic = Peer.topic("static-leaves", 2);
        String group = Peer.freshName("static-leaves");
        try (Member other = join(topic, group, "group.instance.id", "stays");
             Member leaver = join(topic, group, "group.instance.id", "leaves")) {
            Member.share(topic, 2, 1, other, leaver);
            leaver.leave();
            Member.share(topic, 2, 2, other);
        }
        String shortLived = Peer.freshName("static-expires");
        String[] configs = protocol.shortLived(shortLived, "group.instance.id", "vanishes");
        try (Member other = join(topic, shortLived); Member leaver = Member.join(List.of(topic), configs)) {
            Member.share(topic, 2, 1, other, leaver);
            leaver.close();
            Member.share(topic, 2, 2, other);
        }
    }

    /** The newcomer takes the place of the older one in the classic protocol, and is refused in the newer one. */
    private void sameInstance() throws Exception {
        String topic = Peer.topic("instance", 2);
        String group = Peer.freshName("instance");
        String[] configs = protocol.member(group, "group.instance.id", "one");
        try (Member older = Member.join(List.of(topic), configs)) {
            Member.share(topic, 2, 2, older);
            try (Member newer = Member.join(List.of(topic), configs)) {
                boolean classic = protocol == Protocol.CLASSIC;
                Member loser = classic ? older : newer;
                Cases.eventually("one of them is told", () -> loser.failure != null);
                Class<? extends Throwable> error = classic ? FencedInstanceIdException.class : UnreleasedInstanceIdException.class;
                Cases.fails(error, () -> {
                    throw (Exception) loser.failure;
                });
                Member.share(topic, 2, 2, classic ? newer : older);
            }
        }
    }

    private void morePartitions() throws Exception {
        String topic = Peer.topic("grows", 2);
        try (Member member = join(topic, Peer.freshName("grows"), "metadata.max.age.ms", "300"); var admin = Peer.admin()) {
            Member.share(topic, 2, 2, member);
            admin.createPartitions(java.util.Map.of(topic, org.apache.kafka.clients.admin.NewPartitions.increaseTo(5))).all().get();
            Member.share(topic, 5, 5, member);
        }
    }

    /** Members come, go and crash while records flow; together they read every record at least once. */
    private void everyRecord() throws Exception {
        String topic = Peer.topic("every", 4);
        String group = Peer.freshName("every");
        String[] configs = protocol.shortLived(group, "enable.auto.commit", "true", "auto.commit.interval.ms", "100");
        Set<String> read = new TreeSet<>();
        try (Member first = Member.join(List.of(topic), configs)) {
            Member[] others = new Member[3];
            for (int round = 0; round < 3; round++) {
                others[round] = Member.join(List.of(topic), configs);
                for (int partition = 0; partition < 4; partition++) Peer.fill(topic, partition, 100);
                Member.share(topic, 4, 2, first, others[round]);
                if (round == 1) others[round].vanish();
                else others[round].close();
            }
            Cases.eventually("every record was read", () -> {
                read.clear();
                collect(first, read);
                for (Member other : others) collect(other, read);
                return read.size() == 1200;
            });
        }
    }

    private static void collect(Member member, Set<String> read) {
        for (ConsumerRecord<byte[], byte[]> record : member.records) read.add(record.partition() + ":" + record.offset());
    }
}
