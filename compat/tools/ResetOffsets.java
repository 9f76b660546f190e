// kafka-consumer-groups --reset-offsets in each of its ways.

import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.TopicPartition;

final class ResetOffsets {
    private ResetOffsets() {}

    static void register(Cases cases) {
        cases.add("reset_offsets_dry_run_changes_nothing", ResetOffsets::dryRun);
        cases.add("reset_offsets_to_offset_earliest_latest_current", ResetOffsets::edges);
        cases.add("reset_offsets_shift_datetime_duration", ResetOffsets::relative);
        cases.add("reset_offsets_export_and_from_file", ResetOffsets::file);
        cases.add("reset_offsets_of_all_topics", ResetOffsets::allTopics);
        cases.add("reset_offsets_refuses_an_active_group", ResetOffsets::active);
    }

    private static Tool reset(String group, String... arguments) throws Exception {
        return GroupTools.consumerGroups(TopicTools.join(new String[] {"--reset-offsets", "--group", group}, arguments));
    }

    private static long committed(String group, String topic) throws Exception {
        try (Admin admin = Peer.admin()) {
            return admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get().get(new TopicPartition(topic, 0)).offset();
        }
    }

    /** Resets, and checks both what the tool says and what the broker has. */
    private static void resets(String group, String topic, long expected, String... how) throws Exception {
        Tool tool = reset(group, TopicTools.join(how, "--topic", topic, "--execute"));
        Cases.equal(Long.toString(expected), GroupTools.row(tool, topic).get(3), "new offset of " + List.of(how));
        Cases.equal(expected, committed(group, topic), "committed after " + List.of(how));
    }

    private static String filled() throws Exception {
        String topic = Peer.topic("reset", 1);
        Peer.fill(topic, 0, 100);
        return topic;
    }

    private static void dryRun() throws Exception {
        String topic = filled();
        String group = GroupTools.emptyGroup(topic, 40);
        Tool tool = reset(group, "--topic", topic, "--to-earliest", "--dry-run");
        Cases.equal("0", GroupTools.row(tool, topic).get(3), "offset that it would set");
        Cases.equal(40L, committed(group, topic), "committed after the dry run");
    }

    private static void edges() throws Exception {
        String topic = filled();
        String group = GroupTools.emptyGroup(topic, 40);
        resets(group, topic, 7, "--to-offset", "7");
        resets(group, topic, 100, "--to-offset", "5000");
        resets(group, topic, 0, "--to-earliest");
        resets(group, topic, 100, "--to-latest");
        resets(group, topic, 100, "--to-current");
    }

    /** The records carry the times 1,000,000 and on. */
    private static void relative() throws Exception {
        String topic = filled();
        String group = GroupTools.emptyGroup(topic, 40);
        resets(group, topic, 30, "--shift-by", "-10");
        resets(group, topic, 0, "--shift-by", "-500");
        resets(group, topic, 50, "--to-datetime", Instant.ofEpochMilli(1_000_050).toString().replace("Z", ""));
        resets(group, topic, 100, "--by-duration", "P1D");
    }

    private static void file() throws Exception {
        String topic = filled();
        String group = GroupTools.emptyGroup(topic, 40);
        String plan = reset(group, "--topic", topic, "--to-current", "--export", "--dry-run").good().strip();
        Cases.check(plan.contains("\"" + topic + "\",0,40") || plan.contains(topic + ",0,40"), plan);
        Path file = Files.createTempFile("reset", ".csv");
        Files.writeString(file, plan.replace(",40", ",33") + "\n");
        Tool tool = reset(group, "--from-file", file.toString(), "--execute");
        Files.delete(file);
        tool.good();
        Cases.equal(33L, committed(group, topic), "committed from the file");
    }

    private static void allTopics() throws Exception {
        String topic = filled();
        String group = GroupTools.emptyGroup(topic, 40);
        reset(group, "--all-topics", "--to-earliest", "--execute").good();
        Cases.equal(0L, committed(group, topic), "committed");
    }

    private static void active() throws Exception {
        String topic = filled();
        String group = Peer.freshName("active");
        try (Member member = Member.join(List.of(topic), Protocol.CLASSIC.member(group))) {
            Member.share(topic, 1, 1, member);
            member.call(consumer -> {
                consumer.commitSync();
                return consumer.committed(Set.of(new TopicPartition(topic, 0)));
            });
            Tool refused = reset(group, "--topic", topic, "--to-earliest", "--execute");
            Cases.check(refused.all().contains("inactive") || refused.all().contains("current state is Stable"), refused.all());
        }
    }
}
