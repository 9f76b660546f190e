// What the configs of a share group change: where it begins, how long a lock lasts, what it sees of transactions, and what
// becomes of records that are given up.

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.InvalidConfigurationException;

final class ShareConfigCases {
    private ShareConfigCases() {}

    static void register(Cases cases) {
        cases.add("share_group_begins_at_the_latest_offset", ShareConfigCases::latest);
        cases.add("share_group_begins_a_while_ago", ShareConfigCases::byDuration);
        cases.add("share_group_reads_committed_records_only", ShareConfigCases::committed);
        cases.add("share_group_reads_everything_by_default", ShareConfigCases::uncommitted);
        cases.add("share_group_configs_are_checked", ShareConfigCases::checked);
        cases.add("share_group_keeps_its_place_in_its_topics", ShareConfigCases::resumes);
        if (Peer.OTTLA) {
            cases.add("share_group_has_a_dead_letter_topic", ShareConfigCases::deadLetters);
            cases.add("share_group_delays_redelivery", ShareConfigCases::delay);
        }
    }

    static void set(ConfigResource.Type type, String name, String config, String value) throws Exception {
        try (Admin admin = Peer.admin()) {
            Collection<AlterConfigOp> ops = List.of(new AlterConfigOp(new ConfigEntry(config, value), AlterConfigOp.OpType.SET));
            admin.incrementalAlterConfigs(Map.of(new ConfigResource(type, name), ops)).all().get();
        }
    }

    private static Set<String> texts(List<String> values) {
        return new TreeSet<>(values);
    }

    private static void latest() throws Exception {
        String topic = Peer.topic("share-latest", 1);
        Peer.fill(topic, 0, 10);
        String group = ShareCases.group("share.auto.offset.reset", "latest");
        List<Long> offsets = new ArrayList<>();
        try (KafkaShareConsumer<byte[], byte[]> consumer = ShareCases.member(group, topic)) {
            // Where the group begins is decided when a member asks for records the first time, and Kafka tells nobody: what is
            // written before that does not come.
            long deadline = System.nanoTime() + 60_000_000_000L;
            while (offsets.size() < 5) {
                Cases.check(System.nanoTime() < deadline, "only " + offsets.size() + " of 5 records came");
                Peer.fill(topic, 0, 1);
                consumer.poll(java.time.Duration.ofMillis(500)).forEach(record -> offsets.add(record.offset()));
            }
        }
        Cases.check(offsets.get(0) >= 10, "an old record came, with offset " + offsets.get(0));
        for (int i = 0; i < offsets.size(); i++) Cases.equal(offsets.get(0) + i, offsets.get(i), "offset " + i);
    }

    private static void byDuration() throws Exception {
        String topic = Peer.topic("share-duration", 1);
        try (KafkaProducer<byte[], byte[]> producer = Peer.producer()) {
            long now = System.currentTimeMillis();
            for (int i = 0; i < 10; i++) {
                long timestamp = now - (10 - i) * 3_600_000L;
                producer.send(new ProducerRecord<>(topic, 0, timestamp, null, Peer.bytes("hours-" + (10 - i)))).get();
            }
        }
        String group = ShareCases.group("share.auto.offset.reset", "by_duration:PT3H30M");
        try (KafkaShareConsumer<byte[], byte[]> consumer = ShareCases.member(group, topic)) {
            Cases.equal(texts(List.of("hours-3", "hours-2", "hours-1")), texts(ShareCases.take(consumer, 3, record -> {})), "values");
            ShareCases.nothingMore(consumer);
        }
    }

    /** Commits and aborts transactions in turn; the values that were committed. */
    private static List<String> transactions(String topic) throws Exception {
        List<String> committed = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = Peer.producer("transactional.id", topic)) {
            producer.initTransactions();
            for (int turn = 0; turn < 6; turn++) {
                producer.beginTransaction();
                for (int i = 0; i < 5; i++) {
                    String value = turn + "-" + i;
                    producer.send(new ProducerRecord<>(topic, 0, null, Peer.bytes(value)));
                    if (turn % 2 == 0) committed.add(value);
                }
                producer.flush();
                if (turn % 2 == 0) producer.commitTransaction();
                else producer.abortTransaction();
            }
        }
        return committed;
    }

    private static void committed() throws Exception {
        String topic = Peer.topic("share-committed", 1);
        List<String> committed = transactions(topic);
        String group = ShareCases.group("share.isolation.level", "read_committed");
        try (KafkaShareConsumer<byte[], byte[]> consumer = ShareCases.member(group, topic)) {
            List<String> values = ShareCases.take(consumer, committed.size(), record -> {});
            Cases.equal(texts(committed), texts(values), "values");
            ShareCases.nothingMore(consumer);
        }
    }

    private static void uncommitted() throws Exception {
        String topic = Peer.topic("share-uncommitted", 1);
        transactions(topic);
        try (KafkaShareConsumer<byte[], byte[]> consumer = ShareCases.member(ShareCases.group(), topic)) {
            Cases.equal(30, texts(ShareCases.take(consumer, 30, record -> {})).size(), "values");
            ShareCases.nothingMore(consumer);
        }
    }

    private static void checked() throws Exception {
        String group = Peer.freshName("share-checked");
        for (String[] bad : new String[][] {
            {"share.delivery.count.limit", "11"}, {"share.record.lock.duration.ms", "1000"}, {"share.record.lock.duration.ms", "600000"},
            {"share.session.timeout.ms", "1"}, {"share.heartbeat.interval.ms", "100000"}, {"share.auto.offset.reset", "middle"},
            {"share.isolation.level", "serializable"}, {"share.partition.max.record.locks", "1"}}) {
            Cases.fails(InvalidConfigurationException.class, () -> set(ConfigResource.Type.GROUP, group, bad[0], bad[1]));
        }
        set(ConfigResource.Type.GROUP, group, "share.delivery.count.limit", "10");
        try (Admin admin = Peer.admin()) {
            ConfigResource resource = new ConfigResource(ConfigResource.Type.GROUP, group);
            var configs = admin.describeConfigs(List.of(resource)).all().get().get(resource);
            Cases.equal("10", configs.get("share.delivery.count.limit").value(), "its own");
            Cases.equal("30000", configs.get("share.record.lock.duration.ms").value(), "the broker's");
        }
    }

    /** Members come and go; everything is delivered once. */
    private static void resumes() throws Exception {
        String topic = Peer.topic("share-resumes", 2);
        for (int partition = 0; partition < 2; partition++) Peer.fill(topic, partition, 40);
        String group = ShareCases.group();
        Set<String> places = new HashSet<>();
        while (places.size() < 80) {
            try (KafkaShareConsumer<byte[], byte[]> consumer = ShareCases.explicitMember(group, topic, "max.poll.records", "13")) {
                ShareCases.take(consumer, 1, record -> {
                    consumer.acknowledge(record, AcknowledgeType.ACCEPT);
                    Cases.check(places.add(record.partition() + "@" + record.offset()), "a record came twice");
                });
                consumer.commitSync().values().forEach(error -> Cases.check(error.isEmpty(), "commit: " + error));
            }
        }
    }

    private static String header(ConsumerRecord<byte[], byte[]> record, String name) {
        return new String(record.headers().lastHeader(name).value(), StandardCharsets.UTF_8);
    }

    private static void deadLetters() throws Exception {
        String topic = Peer.topic("share-dead", 1);
        String dead = Peer.topic("dlq.share", 1);
        set(ConfigResource.Type.TOPIC, dead, "errors.deadletterqueue.group.enable", "true");
        Peer.fill(topic, 0, 10);
        String group = ShareCases.group("errors.deadletterqueue.topic.name", dead, "errors.deadletterqueue.copy.record.enable", "true",
            "share.delivery.count.limit", "2");
        try (KafkaShareConsumer<byte[], byte[]> consumer = ShareCases.explicitMember(group, topic)) {
            // Number 3 is rejected, number 7 is released as often as it comes.
            ShareCases.take(consumer, 11, record -> consumer.acknowledge(record, switch ((int) record.offset()) {
                case 3 -> AcknowledgeType.REJECT;
                case 7 -> AcknowledgeType.RELEASE;
                default -> AcknowledgeType.ACCEPT;
            }));
            consumer.commitSync();
            List<ConsumerRecord<byte[], byte[]>> letters = Peer.readAll(dead, 0, 2);
            List<String> found = letters.stream().map(letter -> new String(letter.value(), StandardCharsets.UTF_8) + " "
                + header(letter, "__dlq.errors.topic").equals(topic) + " " + header(letter, "__dlq.errors.partition") + " "
                + header(letter, "__dlq.errors.offset") + " " + header(letter, "__dlq.errors.group").equals(group) + " "
                + header(letter, "__dlq.errors.delivery.count")).sorted().collect(Collectors.toList());
            Cases.equal(List.of("value-3 true 0 3 true 1", "value-7 true 0 7 true 2"), found, "dead letters");
            ShareCases.nothingMore(consumer);
        }
    }

    private static void delay() throws Exception {
        String topic = Peer.topic("share-delay", 1);
        Peer.fill(topic, 0, 1);
        String group = ShareCases.group("share.redelivery.delay.ms", "4000");
        try (KafkaShareConsumer<byte[], byte[]> consumer = ShareCases.explicitMember(group, topic)) {
            ShareCases.take(consumer, 1, record -> consumer.acknowledge(record, AcknowledgeType.RELEASE));
            long released = System.nanoTime();
            consumer.commitSync();
            ShareCases.take(consumer, 1, record -> consumer.acknowledge(record, AcknowledgeType.ACCEPT));
            long waited = (System.nanoTime() - released) / 1_000_000;
            Cases.check(waited >= 3_900, "it came again after " + waited + " ms");
        }
    }
}
