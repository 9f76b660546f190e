// What administrators see of transactions, and kafka-transactions and kafka-dump-log.

import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.AbortTransactionSpec;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListTransactionsOptions;
import org.apache.kafka.clients.admin.ProducerState;
import org.apache.kafka.clients.admin.TransactionDescription;
import org.apache.kafka.clients.admin.TransactionListing;
import org.apache.kafka.clients.admin.TransactionState;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TransactionalIdNotFoundException;

final class TransactionAdminCases {
    private static final String TOOL = "org.apache.kafka.tools.TransactionsCommand";

    private TransactionAdminCases() {}

    static void register(Cases cases) {
        cases.add("admin_describes_and_lists_transactions", TransactionAdminCases::describes);
        cases.add("admin_fences_a_producer", TransactionAdminCases::fences);
        cases.add("admin_aborts_a_transaction_by_its_producer", TransactionAdminCases::aborts);
        cases.add("kafka_transactions_lists_describes_and_aborts", TransactionAdminCases::tool);
        if (Peer.DATA_DIR != null) cases.add("kafka_dump_log_reads_the_transaction_log", TransactionAdminCases::dump);
    }

    private static void describes() throws Exception {
        String topic = Peer.topic("txn-admin", 2);
        try (Admin admin = Peer.admin(); KafkaProducer<byte[], byte[]> producer = TransactionCases.producer(topic)) {
            producer.beginTransaction();
            producer.send(TransactionCases.record(topic, 1, "x")).get();
            TransactionDescription found = admin.describeTransactions(List.of(topic)).description(topic).get();
            Cases.equal(TransactionState.ONGOING, found.state(), "state");
            Cases.equal(Set.of(new TopicPartition(topic, 1)), found.topicPartitions(), "partitions");
            ProducerState state = admin.describeProducers(List.of(new TopicPartition(topic, 1)))
                .partitionResult(new TopicPartition(topic, 1)).get().activeProducers().get(0);
            Cases.equal(found.producerId(), state.producerId(), "producer id");
            Cases.equal(0L, state.currentTransactionStartOffset().getAsLong(), "start offset");
            ListTransactionsOptions ongoing = new ListTransactionsOptions().filterStates(Set.of(TransactionState.ONGOING))
                .filterOnTransactionalIdPattern(topic + ".*");
            List<String> ids = admin.listTransactions(ongoing).all().get().stream().map(TransactionListing::transactionalId).toList();
            Cases.equal(List.of(topic), ids, "ongoing");
            Cases.fails(TransactionalIdNotFoundException.class, () -> admin.describeTransactions(List.of("nobody")).description("nobody").get());
            producer.commitTransaction();
            Cases.eventually("it is complete", () -> {
                try {
                    return admin.describeTransactions(List.of(topic)).description(topic).get().state() == TransactionState.COMPLETE_COMMIT;
                } catch (Exception error) {
                    throw new AssertionError(error);
                }
            });
        }
    }

    private static void fences() throws Exception {
        String topic = Peer.topic("txn-admin", 1);
        try (Admin admin = Peer.admin(); KafkaProducer<byte[], byte[]> producer = TransactionCases.producer(topic)) {
            producer.beginTransaction();
            producer.send(TransactionCases.record(topic, 0, "x")).get();
            admin.fenceProducers(List.of(topic)).all().get();
            Cases.fails(Exception.class, producer::commitTransaction);
        }
    }

    private static void aborts() throws Exception {
        String topic = Peer.topic("txn-admin", 1);
        TopicPartition partition = new TopicPartition(topic, 0);
        try (Admin admin = Peer.admin(); KafkaProducer<byte[], byte[]> plain = Peer.producer();
             KafkaProducer<byte[], byte[]> producer = TransactionCases.producer(topic)) {
            producer.beginTransaction();
            producer.send(TransactionCases.record(topic, 0, "hanging")).get();
            plain.send(TransactionCases.record(topic, 0, "plain")).get();
            ProducerState state = admin.describeProducers(List.of(partition)).partitionResult(partition).get().activeProducers().stream()
                .filter(found -> found.currentTransactionStartOffset().isPresent()).findFirst().orElseThrow();
            admin.abortTransaction(new AbortTransactionSpec(partition, state.producerId(), (short) state.producerEpoch(),
                state.coordinatorEpoch().orElse(0))).all().get();
            Cases.equal(List.of("plain"), TransactionCases.committed(topic, 0, 1), "committed");
        }
    }

    private static void tool() throws Exception {
        String topic = Peer.topic("txn-tool", 1);
        try (KafkaProducer<byte[], byte[]> producer = TransactionCases.producer(topic)) {
            producer.beginTransaction();
            producer.send(TransactionCases.record(topic, 0, "x")).get();
            String[] at = {"--bootstrap-server", Peer.BOOTSTRAP};
            Cases.check(run(at, "list").contains(topic), "list");
            String described = run(at, "describe", "--transactional-id", topic);
            Cases.check(described.contains("Ongoing") && described.contains(topic + "-0"), described);
            Cases.check(run(at, "describe-producers", "--topic", topic, "--partition", "0").contains("ProducerId"), "producers");
            String hanging = run(at, "find-hanging", "--broker-id", brokerId());
            Cases.check(!hanging.contains(topic), "nothing hangs: " + hanging);
            run(at, "abort", "--topic", topic, "--partition", "0", "--start-offset", "0");
            producer.abortTransaction();
        }
    }

    private static String brokerId() throws Exception {
        try (Admin admin = Peer.admin()) {
            return admin.describeCluster().nodes().get().iterator().next().idString();
        }
    }

    private static String run(String[] at, String... more) throws Exception {
        return Tool.run(TOOL, Stream.concat(Stream.of(at), Stream.of(more)).toArray(String[]::new)).good();
    }

    private static void dump() throws Exception {
        String topic = Peer.topic("txn-dump", 1);
        try (KafkaProducer<byte[], byte[]> producer = TransactionCases.producer(topic)) {
            for (boolean commits : List.of(true, false)) {
                producer.beginTransaction();
                producer.send(TransactionCases.record(topic, 0, "x")).get();
                if (commits) producer.commitTransaction(); else producer.abortTransaction();
            }
        }
        int partition = Math.abs(topic.hashCode()) % partitions();
        Path log = DataDir.partition("__transaction_state-" + partition).resolve("00000000000000000000.log");
        Cases.eventually("the log tells the story", () -> {
            try {
                String out = Tool.run("org.apache.kafka.tools.DumpLogSegments", "--transaction-log-decoder", "--files", log.toString()).good();
                // Empty, Ongoing, PrepareCommit, PrepareAbort, CompleteCommit, CompleteAbort.
                return out.contains("\"transactionalId\":\"" + topic + "\"")
                    && java.util.stream.IntStream.range(0, 6).allMatch(state -> out.contains("\"transactionStatus\":" + state));
            } catch (Exception error) {
                throw new AssertionError(error);
            }
        });
        String data = Tool.run("org.apache.kafka.tools.DumpLogSegments", "--deep-iteration", "--print-data-log", "--files",
            DataDir.partition(topic + "-0").resolve("00000000000000000000.log").toString()).good();
        Cases.check(data.contains("endTxnMarker: COMMIT") && data.contains("endTxnMarker: ABORT"), data);
        Cases.check(!data.contains("isvalid: false"), data);
    }

    private static int partitions() throws Exception {
        try (Admin admin = Peer.admin()) {
            return admin.describeTopics(List.of("__transaction_state")).allTopicNames().get().get("__transaction_state").partitions().size();
        }
    }
}
