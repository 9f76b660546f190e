// Black-box suite: the command line tools that Apache Kafka ships, called as its scripts call them.

public final class ToolsSuite {
    private ToolsSuite() {}

    public static void main(String[] args) {
        Cases cases = new Cases();
        TopicTools.register(cases);
        RecordTools.register(cases);
        DumpLog.register(cases);
        CompactedLog.register(cases);
        System.exit(cases.run());
    }
}
