// Answers as JSON that is the same in every run: what must differ between brokers and runs is replaced by "*".

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.jackson.databind.node.TextNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import org.apache.kafka.common.protocol.ApiKeys;
import org.apache.kafka.common.protocol.ApiMessage;

final class Normal {
    private static final Set<String> VOLATILE = Set.of("throttleTimeMs", "topicId", "clusterId", "host", "port", "producerId",
        "brokerEpoch", "brokerId", "nodeId", "controllerId", "leaderId", "totalBytes", "usableBytes", "logDir", "partitionSize", "sessionId",
        "finalizedFeaturesEpoch", "finalizedFeatures", "supportedFeatures", "apiKeys", "lastTimestamp", "errorMessage",
        "replicaNodes", "isrNodes", "endOffset", "highWatermark", "lastStableOffset", "baseOffset", "recordsSizeInBytes",
        "activeProducers", "memberId", "clientInstanceId", "topics.name", "isCordoned");

    private Normal() {}

    static JsonNode json(ApiKeys key, ApiMessage answer, short version) throws Exception {
        Class<?> converter = Class.forName(answer.getClass().getName() + "JsonConverter");
        JsonNode node = (JsonNode) converter.getMethod("write", answer.getClass(), short.class).invoke(null, answer, version);
        // Read again, so that equal numbers are of equal type.
        node = new ObjectMapper().readTree(node.toString());
        return scrub(node);
    }

    private static JsonNode scrub(JsonNode node) {
        if (node instanceof ObjectNode object) {
            for (String name : new ArrayList<>(names(object))) {
                JsonNode value = object.get(name);
                boolean ofThisRun = value.isTextual() && value.asText().matches(".*-[0-9a-z]{3,6}-\\d+(-created-\\d+)?");
                object.set(name, VOLATILE.contains(name) || ofThisRun ? TextNode.valueOf("*") : scrub(value));
            }
        } else if (node instanceof ArrayNode array) {
            for (int i = 0; i < array.size(); i++) array.set(i, scrub(array.get(i)));
        }
        return node;
    }

    private static Set<String> names(ObjectNode object) {
        Set<String> names = new TreeSet<>();
        object.fieldNames().forEachRemaining(names::add);
        return names;
    }

    /** Every error code that is not zero, as {@code name=code}. */
    static List<String> errors(JsonNode node) {
        List<String> errors = new ArrayList<>();
        collect(node, errors);
        return errors;
    }

    private static void collect(JsonNode node, List<String> errors) {
        if (node instanceof ObjectNode object) {
            for (String name : names(object)) {
                JsonNode value = object.get(name);
                if (name.toLowerCase().endsWith("errorcode") && value.asInt() != 0) errors.add(name + "=" + value.asInt());
                collect(value, errors);
            }
        }
        node.forEach(child -> {
            if (child.isObject() && node.isArray()) collect(child, errors);
        });
    }

    /** A list of things with different names, whose order means nothing. */
    private static boolean named(JsonNode node) {
        return node.isArray() && !node.isEmpty() && byName(node).size() == node.size();
    }

    private static ObjectNode byName(JsonNode array) {
        ObjectNode object = new ObjectMapper().createObjectNode();
        for (JsonNode element : array) if (element.has("name")) object.set(element.get("name").asText(), element);
        return object;
    }

    /** Prints a finding for every place where two answers differ. */
    static void differences(String path, JsonNode kafka, JsonNode ours) {
        if (kafka.isObject() && ours.isObject()) {
            Set<String> names = names((ObjectNode) kafka);
            names.addAll(names((ObjectNode) ours));
            for (String name : names) differences(path + "." + name, kafka.path(name), ours.path(name));
        } else if (named(kafka) && named(ours)) {
            differences(path, byName(kafka), byName(ours));
        } else if (kafka.isArray() && ours.isArray() && kafka.size() == ours.size()) {
            for (int i = 0; i < kafka.size(); i++) differences(path + "[" + i + "]", kafka.get(i), ours.get(i));
        } else if (!kafka.equals(ours)) {
            Cases.finding("sweep", path + " is " + ours + ", with Kafka " + kafka);
        }
    }
}
