// Protocol sweep: every API in every version that the broker advertises gets a small well-formed request by hand.
//
// A case is one API. APIs that have an entry in Requests must answer without an error code in every version; of the
// others only the shape of the answer is checked. Answers are compared with those that Apache Kafka gave (recorded in
// kafka-4.3.json by COMPAT_RECORD=FILE and --peer kafka); each difference is a finding.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.File;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.message.ApiVersionsRequestData;
import org.apache.kafka.common.message.ApiVersionsResponseData;
import org.apache.kafka.common.message.MetadataRequestData;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;

public final class SweepSuite {
    private static final ObjectMapper JSON = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
    /** What these APIs answer is refused by design until their time has come: versions below 3 carry old batches. */
    private static final short PRODUCE_MIN = 3;

    private final TreeMap<Short, ApiVersionsResponseData.ApiVersion> advertised = new TreeMap<>();
    private final ObjectNode answers = JSON.createObjectNode();
    private Requests requests;

    public static void main(String[] args) throws Exception {
        SweepSuite suite = new SweepSuite();
        Cases cases = new Cases();
        cases.add("sweep_api_versions", suite::readVersions);
        cases.add("sweep_prepares_a_topic", suite::prepare);
        for (ApiKeys key : ApiKeys.values()) cases.add("sweep_" + key.name, () -> suite.sweep(key));
        cases.add("sweep_versions_that_are_not_advertised_close_the_connection", suite::unsupportedVersions);
        cases.add("sweep_answers_are_compared_with_kafka", suite::compare);
        System.exit(cases.run());
    }

    private void readVersions() throws Exception {
        short version = ApiKeys.API_VERSIONS.latestVersion();
        ApiMessage request = new ApiVersionsRequestData().setClientSoftwareName("sweep").setClientSoftwareVersion("1");
        ApiVersionsResponseData response = (ApiVersionsResponseData) Wire.ask(ApiKeys.API_VERSIONS, version, request);
        response.apiKeys().forEach(api -> advertised.put(api.apiKey(), api));
        Cases.check(advertised.size() >= 15, "only " + advertised.size() + " APIs are advertised");
    }

    private void prepare() throws Exception {
        String topic = Peer.topic("sweep", 1);
        Peer.fill(topic, 0, 3);
        try (Admin admin = Peer.admin()) {
            Uuid id = admin.describeTopics(List.of(topic)).allTopicNames().get().get(topic).topicId();
            requests = new Requests(topic, id);
        }
    }

    private void sweep(ApiKeys key) throws Exception {
        ApiVersionsResponseData.ApiVersion range = advertised.get(key.id);
        ObjectNode node = answers.putObject(key.name);
        if (range == null) {
            node.put("advertised", "no");
            return;
        }
        node.put("advertised", range.minVersion() + "-" + range.maxVersion());
        List<String> broken = new ArrayList<>();
        for (short version = range.minVersion(); version <= range.maxVersion(); version++) {
            if (key == ApiKeys.PRODUCE && version < PRODUCE_MIN || version > key.messageType.highestSupportedVersion(true)) continue;
            try {
                ApiMessage answer = Wire.ask(key, version, requests.build(key, version));
                JsonNode json = Normal.json(key, answer, version);
                node.set("v" + version, json);
                List<String> errors = Normal.errors(json);
                if (requests.known(key) && !errors.isEmpty()) broken.add("v" + version + " " + errors);
            } catch (Wire.Closed closed) {
                node.put("v" + version, closed.getMessage());
                if (requests.known(key)) broken.add("v" + version + " " + closed.getMessage());
            } catch (Exception | AssertionError error) {
                broken.add("v" + version + " " + error);
            }
        }
        Cases.check(broken.isEmpty(), String.join("; ", broken));
    }

    /** ApiVersions answers UNSUPPORTED_VERSION in version 0; every other API is closed. */
    private void unsupportedVersions() throws Exception {
        for (var range : advertised.values()) {
            short version = (short) (range.maxVersion() + 1);
            ApiKeys key = ApiKeys.forId(range.apiKey());
            short headerVersion = key.messageType.requestHeaderVersion(range.maxVersion());
            var frame = Wire.frame(Wire.header(key.id, version), headerVersion, new MetadataRequestData().setTopics(null), (short) 1);
            if (key == ApiKeys.API_VERSIONS) {
                Cases.equal((short) 35, Wire.exchange(frame).getShort(4), "error of ApiVersions");
            } else {
                Cases.fails(Wire.Closed.class, () -> Wire.exchange(frame));
            }
        }
    }

    private void compare() throws Exception {
        String record = System.getenv("COMPAT_RECORD");
        if (record != null) JSON.writeValue(new File(record), answers);
        JsonNode kafka = JSON.readTree(new File(System.getenv("COMPAT_DIR"), "sweep/kafka-4.3.json"));
        List<String> absent = new ArrayList<>();
        for (var api : kafka.properties()) {
            // What Kafka answers here depends on whether it has loaded its coordinators yet.
            if (api.getKey().equals(ApiKeys.LIST_GROUPS.name)) continue;
            JsonNode ours = answers.path(api.getKey());
            if (ours.path("advertised").asText().equals("no") && !api.getValue().path("advertised").asText().equals("no")) {
                absent.add(api.getKey());
            } else {
                api.getValue().properties().forEach(field -> Normal.differences(
                    api.getKey() + " " + field.getKey(), field.getValue(), ours.path(field.getKey())));
            }
        }
        if (!absent.isEmpty()) Cases.finding("sweep_not_advertised", String.join(", ", absent));
    }
}
