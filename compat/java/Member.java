// One member of a consumer group on a thread of its own: it polls all the time and keeps all that happens to it.

import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.function.BiConsumer;
import java.util.function.Function;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.CloseOptions.GroupMembershipOperation;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.TopicPartition;

final class Member implements AutoCloseable, ConsumerRebalanceListener {
    /** "+a-0 a-1" when partitions came, "-a-0" when they were revoked, "!a-0" when they were lost. */
    final List<String> events = new CopyOnWriteArrayList<>();
    final List<ConsumerRecord<byte[], byte[]>> records = new CopyOnWriteArrayList<>();
    volatile Throwable failure;

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final BlockingQueue<Runnable> tasks = new LinkedBlockingQueue<>();
    private final Thread thread;
    private volatile Set<String> assignment = Set.of();
    private volatile boolean ending;
    private volatile GroupMembershipOperation end = GroupMembershipOperation.DEFAULT;

    private Member(BiConsumer<KafkaConsumer<byte[], byte[]>, ConsumerRebalanceListener> subscribe, String... configs) {
        consumer = Peer.consumer(configs);
        subscribe.accept(consumer, this);
        thread = new Thread(this::run, "member");
        thread.setDaemon(true);
        thread.start();
    }

    static Member join(Collection<String> topics, String... configs) {
        return new Member((consumer, listener) -> consumer.subscribe(topics, listener), configs);
    }

    static Member join(Pattern topics, String... configs) {
        return new Member((consumer, listener) -> consumer.subscribe(topics, listener), configs);
    }

    static Member join(SubscriptionPattern topics, String... configs) {
        return new Member((consumer, listener) -> consumer.subscribe(topics, listener), configs);
    }

    private void run() {
        try {
            while (!ending) {
                consumer.poll(Duration.ofMillis(50)).forEach(records::add);
                assignment = names(consumer.assignment());
                for (Runnable task = tasks.poll(); task != null; task = tasks.poll()) task.run();
            }
        } catch (Throwable error) {
            failure = error;
        } finally {
            consumer.close(CloseOptions.groupMembershipOperation(end).withTimeout(Duration.ofSeconds(10)));
        }
    }

    static Set<String> names(Collection<TopicPartition> partitions) {
        return partitions.stream().map(TopicPartition::toString).collect(Collectors.toCollection(TreeSet::new));
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
        if (!partitions.isEmpty()) events.add("+" + String.join(" ", names(partitions)));
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> partitions) {
        if (!partitions.isEmpty()) events.add("-" + String.join(" ", names(partitions)));
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> partitions) {
        if (!partitions.isEmpty()) events.add("!" + String.join(" ", names(partitions)));
    }

    Set<String> assignment() {
        return assignment;
    }

    /** What it did not keep, in order: revoked and lost partitions. */
    List<String> gaveUp() {
        List<String> all = new ArrayList<>();
        for (String event : events) {
            if (!event.startsWith("+")) all.addAll(List.of(event.substring(1).split(" ")));
        }
        return all;
    }

    /** Runs this between two polls, on the member's thread, and returns what it returns or throws. */
    <T> T call(Function<KafkaConsumer<byte[], byte[]>, T> task) throws Exception {
        CompletableFuture<T> result = new CompletableFuture<>();
        tasks.add(() -> {
            try {
                result.complete(task.apply(consumer));
            } catch (Throwable error) {
                result.completeExceptionally(error);
            }
        });
        try {
            return result.get(20, TimeUnit.SECONDS);
        } catch (ExecutionException error) {
            throw error.getCause() instanceof Exception exception ? exception : error;
        }
    }

    /** Its generation (classic) or member epoch. */
    int generation() throws Exception {
        return call(consumer -> consumer.groupMetadata().generationId());
    }

    /** Leaves the group in the way that is usual for it: a static member does not say good-bye for good. */
    @Override
    public void close() throws InterruptedException {
        end(GroupMembershipOperation.DEFAULT);
    }

    /** Tells the group that it leaves, static or not. */
    void leave() throws InterruptedException {
        end(GroupMembershipOperation.LEAVE_GROUP);
    }

    /** Ends without a word, like a process that is killed. */
    void vanish() throws InterruptedException {
        end(GroupMembershipOperation.REMAIN_IN_GROUP);
    }

    private void end(GroupMembershipOperation operation) throws InterruptedException {
        if (!ending) end = operation;
        ending = true;
        thread.join(20_000);
        Cases.check(!thread.isAlive(), "a member does not end");
    }

    /** Waits until these members hold all partitions of the topic, each at least {@code least} of them and none twice. */
    static void share(String topic, int partitions, int least, Member... members) throws InterruptedException {
        Set<String> all = new TreeSet<>();
        for (int i = 0; i < partitions; i++) all.add(topic + "-" + i);
        Cases.eventually(members.length + " members share " + all, () -> {
            List<String> held = new ArrayList<>();
            for (Member member : members) {
                if (member.failure != null) throw new AssertionError("a member failed: " + member.failure, member.failure);
                if (member.assignment().size() < least) return false;
                held.addAll(member.assignment());
            }
            return held.size() == all.size() && all.equals(new TreeSet<>(held));
        });
    }

    void awaitRecords(int count) throws InterruptedException {
        Cases.eventually(count + " records arrive", () -> {
            if (failure != null) throw new AssertionError("the member failed: " + failure, failure);
            return records.size() >= count;
        });
        Cases.equal(count, records.size(), "number of records");
    }
}
