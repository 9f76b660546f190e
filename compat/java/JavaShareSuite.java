// Black-box suite: share groups (KIP-932) with Apache Kafka's own Java share consumer, and the tools for share groups.

public final class JavaShareSuite {
    private JavaShareSuite() {}

    public static void main(String[] args) {
        Cases cases = new Cases();
        ShareCases.register(cases);
        ShareConfigCases.register(cases);
        int code = cases.run(3);
        // Tools take the standard output of the whole process: one at a time.
        Cases tools = new Cases();
        ShareToolCases.register(tools);
        System.exit(Math.max(code, tools.run()));
    }
}
