// Black-box suite: the broker is killed and restarted in the middle of a share group (KIP-932) with Apache Kafka's own Java share
// consumer. What is known of the group's records must survive in __share_group_state.

import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListShareGroupOffsetsSpec;
import org.apache.kafka.clients.consumer.AcknowledgeType;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaShareConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicIdPartition;

public final class ShareRestartSuite {
    // One partition, so that every member has it; half of what is written is left to the next round.
    private static final int RECORDS = 120, DONE = 60;
    private static final String[] LIMITED = {"share.acquire.mode", "record_limit", "max.poll.records", "10"};

    private static OwnBroker broker;

    private ShareRestartSuite() {}

    public static void main(String[] args) throws Exception {
        broker = new OwnBroker("broker", "group.initial.rebalance.delay.ms=0", "group.share.heartbeat.interval.ms=1000",
            "group.share.min.heartbeat.interval.ms=1000");
        broker.start();
        System.setProperty("compat.bootstrap", broker.bootstrap());
        Cases cases = new Cases();
        cases.add("share_state_survives_kill_9", () -> survives(3, () -> broker.kill()));
        cases.add("share_state_survives_a_clean_restart", () -> survives(2, () -> broker.stop()));
        int code = cases.run();
        broker.stop();
        System.exit(code);
    }

    /** What one group's members were told, by partition and offset. */
    private static final class Ledger {
        /** Accepted or rejected, and the broker said yes: these never come again. */
        final Set<String> done = new HashSet<>();
        /** Released, and the broker said yes: with how many deliveries. */
        final Map<String, Short> released = new TreeMap<>();
        int accepted, rejected;
    }

    private static void survives(int restarts, Cases.Body end) throws Exception {
        String topic = Peer.topic("share-restart", 1);
        String group = ShareCases.group();
        Ledger ledger = new Ledger();
        List<KafkaShareConsumer<byte[], byte[]>> holders = new ArrayList<>();
        try (KafkaShareConsumer<byte[], byte[]> worker = ShareCases.explicitMember(group, topic, LIMITED)) {
            int written = 0;
            for (int restart = 0; restart < restarts; restart++) {
                Peer.fill(topic, 0, RECORDS);
                written += RECORDS;
                work(worker, ledger, ledger.done.size() + DONE);
                // Somebody has records when the broker goes, and never says what became of them.
                KafkaShareConsumer<byte[], byte[]> holder = ShareCases.explicitMember(group, topic, LIMITED);
                holders.add(holder);
                ShareCases.take(holder, 1, record -> {});
                end.run();
                broker.start();
            }
            work(worker, ledger, written);
            Cases.equal(written, ledger.accepted + ledger.rejected, "records that were dealt with");
            Cases.check(!ledger.released.isEmpty(), "none was released");
            Cases.eventually("nothing is behind", () -> isUpToDate(group));
        } finally {
            for (KafkaShareConsumer<byte[], byte[]> holder : holders) holder.close(Duration.ofSeconds(5));
        }
        end.run();
        broker.start();
        try (KafkaShareConsumer<byte[], byte[]> late = ShareCases.explicitMember(group, topic)) {
            ShareCases.nothingMore(late);
        }
    }

    /** Accepts, releases once and rejects a third each, until so many are done for good. */
    private static void work(KafkaShareConsumer<byte[], byte[]> worker, Ledger ledger, int wanted) {
        long deadline = System.nanoTime() + 90_000_000_000L;
        while (ledger.done.size() < wanted) {
            Cases.check(System.nanoTime() < deadline, "only " + ledger.done.size() + " of " + wanted + " are done");
            Map<Integer, List<Runnable>> when = new TreeMap<>();
            for (ConsumerRecord<byte[], byte[]> record : worker.poll(Duration.ofMillis(500))) {
                AcknowledgeType type = choose(record, ledger);
                worker.acknowledge(record, type);
                when.computeIfAbsent(record.partition(), partition -> new ArrayList<>()).add(() -> note(record, type, ledger));
            }
            if (when.isEmpty()) continue;
            Set<Integer> confirmed = new TreeSet<>();
            for (Map.Entry<TopicIdPartition, java.util.Optional<KafkaException>> told : worker.commitSync().entrySet()) {
                if (told.getValue().isEmpty()) confirmed.add(told.getKey().partition());
            }
            confirmed.forEach(partition -> when.getOrDefault(partition, List.of()).forEach(Runnable::run));
        }
    }

    private static AcknowledgeType choose(ConsumerRecord<byte[], byte[]> record, Ledger ledger) {
        String place = place(record);
        short deliveries = record.deliveryCount().orElseThrow();
        Cases.check(!ledger.done.contains(place), place + " came again after it was done, delivery " + deliveries);
        Short before = ledger.released.get(place);
        Cases.check(before == null || deliveries > before, place + " was released after delivery " + before + ", this is " + deliveries);
        return switch ((int) (record.offset() % 3)) {
            case 0 -> AcknowledgeType.ACCEPT;
            case 1 -> before == null ? AcknowledgeType.RELEASE : AcknowledgeType.ACCEPT;
            default -> AcknowledgeType.REJECT;
        };
    }

    private static void note(ConsumerRecord<byte[], byte[]> record, AcknowledgeType type, Ledger ledger) {
        if (type == AcknowledgeType.RELEASE) {
            ledger.released.put(place(record), record.deliveryCount().orElseThrow());
            return;
        }
        ledger.done.add(place(record));
        if (type == AcknowledgeType.ACCEPT) ledger.accepted++; else ledger.rejected++;
    }

    private static String place(ConsumerRecord<byte[], byte[]> record) {
        return record.partition() + "@" + record.offset();
    }

    private static boolean isUpToDate(String group) {
        try (Admin admin = Peer.admin()) {
            var offsets = admin.listShareGroupOffsets(Map.of(group, new ListShareGroupOffsetsSpec())).partitionsToOffsetInfo(group).get();
            return offsets.size() == 1 && offsets.values().stream().allMatch(found -> found.lag().orElse(-1L) == 0);
        } catch (Exception error) {
            return false;
        }
    }
}
