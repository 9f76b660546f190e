// Black-box suite: share groups (KIP-932) with Apache Kafka's own Java share consumer, and the tools for share groups that it
// ships are in compat/tools.

public final class JavaShareSuite {
    private JavaShareSuite() {}

    public static void main(String[] args) {
        Cases cases = new Cases();
        ShareCases.register(cases);
        System.exit(cases.run(3));
    }
}
