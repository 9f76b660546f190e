// Black-box suite: the command line tools for consumer groups that Apache Kafka ships, called as its scripts call them.

public final class ToolsGroupsSuite {
    private ToolsGroupsSuite() {}

    public static void main(String[] args) {
        Cases cases = new Cases();
        GroupTools.register(cases);
        ResetOffsets.register(cases);
        System.exit(cases.run());
    }
}
