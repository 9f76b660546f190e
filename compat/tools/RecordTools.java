// kafka-console-producer, kafka-console-consumer, kafka-get-offsets, kafka-delete-records, kafka-producer-perf-test.

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

final class RecordTools {
    private static final String PRODUCER = "org.apache.kafka.tools.ConsoleProducer";
    private static final String CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer";

    private RecordTools() {}

    static void register(Cases cases) {
        for (String codec : List.of("none", "gzip", "snappy", "lz4", "zstd")) {
            cases.add("console_producer_and_consumer_" + codec, () -> console(codec));
        }
        cases.add("console_keys_headers_nulls_and_timestamps", RecordTools::everything);
        cases.add("console_consumer_seeks", RecordTools::seeks);
        cases.add("kafka_get_offsets", RecordTools::getOffsets);
        cases.add("kafka_delete_records", RecordTools::deleteRecords);
        cases.add("kafka_producer_perf_test", RecordTools::perfTest);
    }

    private static Tool produce(String topic, String lines, String... arguments) throws Exception {
        return Tool.feed(lines, PRODUCER, TopicTools.with(TopicTools.join(arguments, "--topic", topic)));
    }

    private static String consume(String topic, int count, String offset, String... arguments) throws Exception {
        String[] all = TopicTools.join(arguments, "--topic", topic, "--partition", "0", "--offset", offset, "--max-messages",
            "" + count, "--timeout-ms", "15000");
        return Tool.run(CONSUMER, TopicTools.with(all)).good();
    }

    private static String numbers(int from, int to) {
        return IntStream.range(from, to).mapToObj(i -> "message " + i + "\n").collect(Collectors.joining());
    }

    private static void console(String codec) throws Exception {
        String topic = Peer.topic("console-" + codec, 1);
        produce(topic, numbers(0, 500), "--compression-codec", codec).good();
        Cases.equal(numbers(0, 500), consume(topic, 500, "earliest"), "messages");
    }

    private static void everything() throws Exception {
        String topic = Peer.topic("console-all", 1);
        String lines = "a:1,b:2\tkey one\tvalue one\nNULL\tNULL\tvalue two\na:x\tkey three\tNULL\n";
        produce(topic, lines, "--reader-property", "parse.key=true", "--reader-property", "parse.headers=true",
            "--reader-property", "null.marker=NULL").good();
        String out = consume(topic, 3, "0", "--formatter-property", "print.key=true", "--formatter-property", "print.headers=true",
            "--formatter-property", "print.offset=true", "--formatter-property", "print.timestamp=true");
        List<String> expected = List.of("Offset:0\ta:1,b:2\tkey one\tvalue one", "Offset:1\tNO_HEADERS\tnull\tvalue two",
            "Offset:2\ta:x\tkey three\tnull");
        List<String> found = out.lines().map(line -> line.replaceFirst("^CreateTime:\\d{13}\t", "")).toList();
        Cases.equal(expected, found, "messages");
    }

    private static void seeks() throws Exception {
        String topic = Peer.topic("console-seek", 1);
        produce(topic, numbers(0, 100)).good();
        Cases.equal(numbers(90, 95), consume(topic, 5, "90"), "from offset 90");
        String committed = consume(topic, 100, "earliest", "--isolation-level", "read_committed");
        Cases.equal(numbers(0, 100), committed, "read committed");
    }

    private static String offsets(String... arguments) throws Exception {
        return Tool.run("org.apache.kafka.tools.GetOffsetShell", TopicTools.with(arguments)).good().strip();
    }

    private static void getOffsets() throws Exception {
        String topic = Peer.topic("get-offsets", 2);
        Peer.fill(topic, 0, 30);
        Cases.equal(topic + ":0:30\n" + topic + ":1:0", offsets("--topic", topic), "latest");
        Cases.equal(topic + ":0:0", offsets("--topic-partitions", topic + ":0", "--time", "-2"), "earliest");
        Cases.equal(topic + ":0:29", offsets("--topic-partitions", topic + ":0", "--time", "max-timestamp"), "max timestamp");
        Cases.equal(topic + ":0:12", offsets("--topic-partitions", topic + ":0", "--time", "1000012"), "by time");
        Cases.equal(topic + ":0:0", offsets("--topic-partitions", topic + ":0", "--time", "earliest-local"), "earliest local");
    }

    private static void deleteRecords() throws Exception {
        String topic = Peer.topic("delete-records", 1);
        Peer.fill(topic, 0, 30);
        Path file = Files.createTempFile("delete-records", ".json");
        Files.writeString(file, "{\"version\":1,\"partitions\":[{\"topic\":\"" + topic + "\",\"partition\":0,\"offset\":10}]}");
        String out = Tool.run("org.apache.kafka.tools.DeleteRecordsCommand",
            TopicTools.with("--offset-json-file", file.toString())).good();
        Files.delete(file);
        Cases.check(out.contains("partition: " + topic + "-0\tlow_watermark: 10"), out);
        Cases.equal(topic + ":0:10", offsets("--topic", topic, "--time", "earliest"), "earliest");
    }

    private static void perfTest() throws Exception {
        String topic = Peer.topic("perf", 3);
        String out = Tool.run("org.apache.kafka.tools.ProducerPerformance", "--topic", topic, "--num-records", "30000",
            "--record-size", "500", "--throughput", "-1", "--bootstrap-server", Peer.BOOTSTRAP, "--command-property", "acks=all").good();
        Cases.check(out.contains("30000 records sent, "), out);
        int sum = offsets("--topic", topic).lines().mapToInt(line -> Integer.parseInt(line.split(":")[2])).sum();
        Cases.equal(30000, sum, "records in the topic");
    }
}
