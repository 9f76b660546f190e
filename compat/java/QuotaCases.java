// Quotas: set, described, and kept by clients that are told to wait.

import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.CreateTopicsOptions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidRequestException;
import org.apache.kafka.common.errors.ThrottlingQuotaExceededException;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;
import org.apache.kafka.common.quota.ClientQuotaFilter;
import org.apache.kafka.common.quota.ClientQuotaFilterComponent;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class QuotaCases {
    private static final String CONFIGS = "kafka.admin.ConfigCommand";

    private QuotaCases() {}

    static void register(Cases cases) {
        cases.add("quotas_are_set_described_and_removed", QuotaCases::lifecycle);
        cases.add("quotas_that_make_no_sense_are_refused", QuotaCases::refused);
        cases.add("kafka_configs_sets_quotas", QuotaCases::tool);
        cases.add("a_producer_is_held_to_its_byte_rate", QuotaCases::producer);
        cases.add("a_consumer_is_held_to_its_byte_rate", QuotaCases::consumer);
        cases.add("a_client_is_held_to_its_share_of_time", QuotaCases::requests);
        cases.add("topics_are_created_at_a_rate", QuotaCases::mutations);
    }

    private static ClientQuotaEntity entity(String... pairs) {
        Map<String, String> entries = new HashMap<>();
        for (int i = 0; i < pairs.length; i += 2) entries.put(pairs[i], pairs[i + 1]);
        return new ClientQuotaEntity(entries);
    }

    private static void alter(Admin admin, ClientQuotaEntity entity, String key, Double value) throws Exception {
        var op = new ClientQuotaAlteration.Op(key, value);
        admin.alterClientQuotas(List.of(new ClientQuotaAlteration(entity, List.of(op)))).all().get();
    }

    /** Sets a quota, and waits until the broker goes by it. */
    private static void set(Admin admin, ClientQuotaEntity entity, String key, Double value) throws Exception {
        alter(admin, entity, key, value);
        List<ClientQuotaFilterComponent> exact = new ArrayList<>();
        entity.entries().forEach((type, name) -> exact.add(name == null ? ClientQuotaFilterComponent.ofDefaultEntity(type)
            : ClientQuotaFilterComponent.ofEntity(type, name)));
        Cases.eventually(entity + " has " + key + " " + value, () -> {
            try {
                return Objects.equals(value, described(admin, ClientQuotaFilter.containsOnly(exact)).getOrDefault(entity, Map.of()).get(key));
            } catch (Exception error) {
                throw new AssertionError(error);
            }
        });
    }

    private static Map<ClientQuotaEntity, Map<String, Double>> described(Admin admin, ClientQuotaFilter filter) throws Exception {
        return admin.describeClientQuotas(filter).entities().get();
    }

    private static void lifecycle() throws Exception {
        String user = Peer.freshName("user");
        String client = Peer.freshName("client");
        ClientQuotaEntity ofUser = entity("user", user);
        ClientQuotaEntity ofBoth = entity("user", user, "client-id", client);
        ClientQuotaEntity ofDefault = entity("user", user, "client-id", null);
        ClientQuotaEntity ofIp = entity("ip", "10.9.8.7");
        try (Admin admin = Peer.admin()) {
            set(admin, ofUser, "producer_byte_rate", 1024.0);
            set(admin, ofUser, "request_percentage", 50.5);
            set(admin, ofBoth, "consumer_byte_rate", 2048.0);
            set(admin, ofDefault, "controller_mutation_rate", 1.5);
            set(admin, ofIp, "connection_creation_rate", 1000.0);
            var byUser = ClientQuotaFilterComponent.ofEntity("user", user);
            Cases.equal(Map.of(ofUser, Map.of("producer_byte_rate", 1024.0, "request_percentage", 50.5)),
                described(admin, ClientQuotaFilter.containsOnly(List.of(byUser))), "of the user alone");
            Cases.equal(3, described(admin, ClientQuotaFilter.contains(List.of(byUser))).size(), "entities of the user");
            var anyClient = ClientQuotaFilterComponent.ofEntityType("client-id");
            Cases.equal(2, described(admin, ClientQuotaFilter.contains(List.of(byUser, anyClient))).size(), "with client ids");
            var noClient = ClientQuotaFilterComponent.ofDefaultEntity("client-id");
            Cases.equal(Map.of(ofDefault, Map.of("controller_mutation_rate", 1.5)),
                described(admin, ClientQuotaFilter.contains(List.of(byUser, noClient))), "with the default client id");
            Cases.equal(Map.of(ofIp, Map.of("connection_creation_rate", 1000.0)),
                described(admin, ClientQuotaFilter.contains(List.of(ClientQuotaFilterComponent.ofEntity("ip", "10.9.8.7")))), "of the address");
            set(admin, ofUser, "producer_byte_rate", null);
            set(admin, ofUser, "request_percentage", null);
            set(admin, ofBoth, "consumer_byte_rate", null);
            set(admin, ofDefault, "controller_mutation_rate", null);
            set(admin, ofIp, "connection_creation_rate", null);
            Cases.equal(Map.of(), described(admin, ClientQuotaFilter.contains(List.of(byUser))), "after all are removed");
        }
    }

    private static void refused() throws Exception {
        try (Admin admin = Peer.admin()) {
            refuse(admin, entity("user", "x"), "producer_byte_rate", 0.0, "Quota producer_byte_rate must be greater than 0");
            refuse(admin, entity("user", "x"), "producer_byte_rate", 1.5, "producer_byte_rate cannot be a fractional value.");
            refuse(admin, entity("user", "x"), "connection_creation_rate", 1.0, "Invalid configuration key connection_creation_rate");
            refuse(admin, entity("user", "x"), "speed", 1.0, "Invalid configuration key speed");
            refuse(admin, entity("ip", "10.0.0.1"), "producer_byte_rate", 1.0, "Invalid configuration key producer_byte_rate");
            refuse(admin, entity("ip", "10.0.0.1", "user", "x"), "producer_byte_rate", 1.0, null);
            refuse(admin, entity("group", "x"), "producer_byte_rate", 1.0, "Unhandled client quota entity type: group");
        }
    }

    private static void refuse(Admin admin, ClientQuotaEntity entity, String key, double value, String text) throws Exception {
        Throwable error = Cases.fails(InvalidRequestException.class, () -> alter(admin, entity, key, value));
        if (text != null) Cases.equal(text, error.getMessage(), "text");
    }

    private static void tool() throws Exception {
        String client = Peer.freshName("tool-client");
        for (String[] entity : List.of(new String[] {"clients", client}, new String[] {"users", client})) {
            Tool tool = Tool.run(CONFIGS, "--bootstrap-server", Peer.BOOTSTRAP, "--alter", "--entity-type", entity[0],
                "--entity-name", entity[1], "--add-config", "producer_byte_rate=4096,consumer_byte_rate=8192");
            Cases.equal(0, tool.exitCode, "exit code");
            tool = Tool.run(CONFIGS, "--bootstrap-server", Peer.BOOTSTRAP, "--describe", "--entity-type", entity[0], "--entity-name", entity[1]);
            Cases.check(tool.out.contains("producer_byte_rate=4096.0") && tool.out.contains("consumer_byte_rate=8192.0"), tool.out);
            tool = Tool.run(CONFIGS, "--bootstrap-server", Peer.BOOTSTRAP, "--alter", "--entity-type", entity[0],
                "--entity-name", entity[1], "--delete-config", "producer_byte_rate,consumer_byte_rate");
            Cases.equal(0, tool.exitCode, "exit code");
        }
        Tool tool = Tool.run(CONFIGS, "--bootstrap-server", Peer.BOOTSTRAP, "--alter", "--entity-type", "ips",
            "--entity-name", "10.1.2.3", "--add-config", "connection_creation_rate=100");
        Cases.equal(0, tool.exitCode, "exit code");
        tool = Tool.run(CONFIGS, "--bootstrap-server", Peer.BOOTSTRAP, "--describe", "--entity-type", "ips", "--entity-name", "10.1.2.3");
        Cases.check(tool.out.contains("connection_creation_rate=100.0"), tool.out);
        tool = Tool.run(CONFIGS, "--bootstrap-server", Peer.BOOTSTRAP, "--alter", "--entity-type", "ips",
            "--entity-name", "10.1.2.3", "--delete-config", "connection_creation_rate");
        Cases.equal(0, tool.exitCode, "exit code");
    }

    private static double metric(Collection<? extends Metric> metrics, String name) {
        return metrics.stream().filter(metric -> metric.metricName().name().equals(name))
            .map(metric -> (Double) metric.metricValue()).filter(value -> !value.isNaN()).mapToDouble(Double::doubleValue).max().orElse(0);
    }

    /** Sends so many records of 10 KB, and waits for them; the longest throttle time that the client was told. */
    private static double produce(String client, String topic, int records) throws Exception {
        try (var producer = new KafkaProducer<>(Peer.properties("client.id", client, "linger.ms", "5", "enable.metrics.push", "false"),
                new ByteArraySerializer(), new ByteArraySerializer())) {
            List<Future<?>> sent = new ArrayList<>();
            for (int i = 0; i < records; i++) sent.add(producer.send(new ProducerRecord<>(topic, null, new byte[10_000])));
            for (Future<?> one : sent) one.get();
            return metric(producer.metrics().values(), "produce-throttle-time-max");
        }
    }

    private static void producer() throws Exception {
        String topic = Peer.topic("throttled", 1);
        String client = Peer.freshName("throttled-producer");
        ClientQuotaEntity entity = entity("client-id", client);
        try (Admin admin = Peer.admin()) {
            set(admin, entity, "producer_byte_rate", 400_000.0);
            long begun = System.nanoTime();
            // Ten windows' worth is free, the rest takes its time.
            double throttled = produce(client, topic, 500);
            double seconds = (System.nanoTime() - begun) / 1e9;
            Cases.check(throttled > 100, "throttle time " + throttled);
            Cases.check(seconds > 1, "5 MB at 400 KB/s took only " + seconds + " s");
            Cases.equal(0.0, produce(Peer.freshName("free-producer"), topic, 500), "throttle time of another client");
            set(admin, entity, "producer_byte_rate", null);
            Cases.equal(0.0, produce(client, topic, 100), "throttle time without a quota");
        }
    }

    private static double consume(String client, String topic, int records) throws Exception {
        var properties = Peer.properties("client.id", client, "enable.metrics.push", "false", "fetch.max.bytes", "1000000");
        try (var consumer = new KafkaConsumer<>(properties, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            TopicPartition partition = new TopicPartition(topic, 0);
            consumer.assign(List.of(partition));
            consumer.seekToBeginning(List.of(partition));
            int read = 0;
            long deadline = System.nanoTime() + 60_000_000_000L;
            while (read < records && System.nanoTime() < deadline) read += consumer.poll(java.time.Duration.ofMillis(200)).count();
            Cases.equal(records, read, "records");
            return metric(consumer.metrics().values(), "fetch-throttle-time-max");
        }
    }

    private static void consumer() throws Exception {
        String topic = Peer.topic("throttled-reads", 1);
        produce(Peer.freshName("filler"), topic, 500);
        String client = Peer.freshName("throttled-consumer");
        ClientQuotaEntity entity = entity("client-id", client);
        try (Admin admin = Peer.admin()) {
            set(admin, entity, "consumer_byte_rate", 400_000.0);
            double throttled = consume(client, topic, 500);
            Cases.check(throttled > 100, "throttle time " + throttled);
            Cases.equal(0.0, consume(Peer.freshName("free-consumer"), topic, 500), "throttle time of another client");
            set(admin, entity, "consumer_byte_rate", null);
        }
    }

    private static void requests() throws Exception {
        String topic = Peer.topic("slow-requests", 1);
        String client = Peer.freshName("busy-client");
        ClientQuotaEntity entity = entity("client-id", client);
        try (Admin admin = Peer.admin()) {
            set(admin, entity, "request_percentage", 0.001);
            double throttled = produce(client, topic, 20);
            Cases.check(throttled > 0 && throttled <= 1100, "throttle time " + throttled);
            set(admin, entity, "request_percentage", null);
        }
    }

    private static void mutations() throws Exception {
        String client = Peer.freshName("creator");
        ClientQuotaEntity entity = entity("client-id", client);
        try (Admin admin = Peer.admin(); Admin creator = Admin.create(Peer.properties("client.id", client))) {
            set(admin, entity, "controller_mutation_rate", 1.0);
            CreateTopicsOptions atOnce = new CreateTopicsOptions().retryOnQuotaViolation(false);
            var large = new NewTopic(Peer.freshName("large"), 20, (short) 1);
            creator.createTopics(List.of(large), atOnce).all().get();
            var next = new NewTopic(Peer.freshName("next"), 1, (short) 1);
            var error = Cases.fails(ThrottlingQuotaExceededException.class, () -> creator.createTopics(List.of(next), atOnce).all().get());
            Cases.check(error.throttleTimeMs() > 1000, "throttle time " + error.throttleTimeMs());
            admin.createTopics(List.of(next)).all().get();
            set(admin, entity, "controller_mutation_rate", null);
        }
    }
}
