// Client metrics (KIP-714): subscriptions, and clients that get one.

import java.time.Duration;
import java.util.List;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.serialization.ByteArraySerializer;

final class ClientMetricsCases {
    private static final String COMMAND = "org.apache.kafka.tools.ClientMetricsCommand";

    private ClientMetricsCases() {}

    static void register(Cases cases) {
        cases.add("kafka_client_metrics_manages_subscriptions", ClientMetricsCases::tool);
        // Apache Kafka has client telemetry only with a plugin.
        if (Peer.OTTLA) cases.add("a_client_gets_an_instance_id_and_pushes", ClientMetricsCases::push);
    }

    private static void tool() throws Exception {
        String name = Peer.freshName("subscription");
        Tool tool = Tool.run(COMMAND, "--bootstrap-server", Peer.BOOTSTRAP, "--alter", "--name", name,
            "--metrics", "org.apache.kafka.producer.", "--interval", "5000", "--match", "client_id=" + name + ".*");
        Cases.equal(0, tool.exitCode, "exit code");
        listed(name, true);
        tool = Tool.run(COMMAND, "--bootstrap-server", Peer.BOOTSTRAP, "--describe", "--name", name);
        Cases.check(tool.out.contains("interval.ms=5000") && tool.out.contains("metrics=org.apache.kafka.producer."), tool.out);
        tool = Tool.run(COMMAND, "--bootstrap-server", Peer.BOOTSTRAP, "--delete", "--name", name);
        Cases.equal(0, tool.exitCode, "exit code");
        listed(name, false);
    }

    private static void listed(String name, boolean expected) throws Exception {
        Cases.eventually(name + " is listed: " + expected, () -> {
            try {
                return expected == Tool.run(COMMAND, "--bootstrap-server", Peer.BOOTSTRAP, "--list").out.contains(name);
            } catch (Exception error) {
                throw new AssertionError(error);
            }
        });
    }

    private static void push() throws Exception {
        String client = Peer.freshName("pushing");
        Tool tool = Tool.run(COMMAND, "--bootstrap-server", Peer.BOOTSTRAP, "--alter", "--name", client,
            "--metrics", "*", "--interval", "200", "--match", "client_id=" + client);
        Cases.equal(0, tool.exitCode, "exit code");
        String topic = Peer.topic("pushing", 1);
        try (var producer = new KafkaProducer<>(Peer.properties("client.id", client), new ByteArraySerializer(), new ByteArraySerializer())) {
            producer.send(new ProducerRecord<>(topic, null, new byte[10])).get();
            Uuid id = producer.clientInstanceId(Duration.ofSeconds(10));
            Cases.check(id != null && !id.equals(Uuid.ZERO_UUID), "instance id " + id);
        }
        Tool.run(COMMAND, "--bootstrap-server", Peer.BOOTSTRAP, "--delete", "--name", client);
    }
}
