// The two protocols in which a consumer can be a member of a group.

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.common.config.ConfigResource;

enum Protocol {
    /** JoinGroup, SyncGroup, Heartbeat: a member of the group assigns. */
    CLASSIC,
    /** ConsumerGroupHeartbeat (KIP-848): the broker assigns. */
    CONSUMER;

    /** The word for {@code group.protocol}, also the first word of the names of its cases. */
    String word() {
        return name().toLowerCase(java.util.Locale.ROOT);
    }

    /** Configs of a member, and more of them as name, value, name, value. */
    String[] member(String group, String... more) {
        List<String> configs = new ArrayList<>(List.of("group.id", group, "group.protocol", word()));
        if (this == CLASSIC) configs.addAll(List.of("heartbeat.interval.ms", "200"));
        configs.addAll(List.of(more));
        return configs.toArray(new String[0]);
    }

    /** Configs of a member that is missed after two seconds; the group has to know it before in the newer protocol. */
    String[] shortLived(String group, String... more) throws Exception {
        if (this == CLASSIC) {
            List<String> configs = new ArrayList<>(List.of("session.timeout.ms", "2000"));
            configs.addAll(List.of(more));
            return member(group, configs.toArray(new String[0]));
        }
        setGroupConfig(group, "consumer.session.timeout.ms", "2000");
        return member(group, more);
    }

    static void setGroupConfig(String group, String name, String value) throws Exception {
        AlterConfigOp set = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
        try (Admin admin = Peer.admin()) {
            admin.incrementalAlterConfigs(Map.of(new ConfigResource(ConfigResource.Type.GROUP, group), List.of(set))).all().get();
        }
    }
}
