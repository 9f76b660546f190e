// What kafka-broker-api-versions lists, beside what it lists of Apache Kafka.

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

final class ApiVersionsCases {
    /** Security has an issue of its own. */
    private static final Set<String> SECURITY = Set.of("SaslHandshake", "SaslAuthenticate", "DescribeAcls", "CreateAcls", "DeleteAcls",
        "CreateDelegationToken", "RenewDelegationToken", "ExpireDelegationToken", "DescribeDelegationToken",
        "DescribeUserScramCredentials", "AlterUserScramCredentials");
    /** What is left beside those. */
    private static final Set<String> LEFT = Set.of();

    private ApiVersionsCases() {}

    static void register(Cases cases) {
        cases.add("api_versions_are_those_of_kafka", ApiVersionsCases::compare);
    }

    private static void compare() throws Exception {
        Map<String, String> listed = listed();
        JsonNode kafka = new ObjectMapper().readTree(new File(System.getenv("COMPAT_DIR"), "sweep/kafka-4.3.json"));
        Set<String> left = new TreeSet<>();
        for (var api : kafka.properties()) {
            String range = api.getValue().path("advertised").asText();
            if (range.equals("no")) continue;
            String ours = listed.get(api.getKey());
            if (ours == null) left.add(api.getKey());
            else Cases.equal(range, ours, "versions of " + api.getKey());
        }
        Cases.finding("api_versions_left", left.toString());
        left.removeAll(SECURITY);
        Cases.equal(Peer.OTTLA ? new TreeSet<>(LEFT) : Set.of(), left, "what is left");
    }

    private static Map<String, String> listed() throws Exception {
        Tool tool = Tool.run("org.apache.kafka.tools.BrokerApiVersionsCommand", "--bootstrap-server", Peer.BOOTSTRAP);
        Cases.equal(0, tool.exitCode, "exit code");
        Matcher line = Pattern.compile("^\\s*(\\w+)\\(\\d+\\): (\\d+)(?: to (\\d+))?", Pattern.MULTILINE).matcher(tool.out);
        Map<String, String> listed = new TreeMap<>();
        while (line.find()) listed.put(line.group(1), line.group(2) + "-" + (line.group(3) == null ? line.group(2) : line.group(3)));
        Cases.check(listed.size() > 20, "only " + listed.size() + " APIs are listed");
        return listed;
    }
}
