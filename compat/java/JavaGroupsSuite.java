// Black-box suite: consumer groups with Apache Kafka's own Java clients, in both protocols.

public final class JavaGroupsSuite {
    private JavaGroupsSuite() {}

    public static void main(String[] args) {
        Cases cases = new Cases();
        for (Protocol protocol : Protocol.values()) {
            new GroupCases(protocol).register(cases);
            new RebalanceCases(protocol).register(cases);
        }
        MigrationCases.register(cases);
        GroupAdminCases.register(cases);
        System.exit(cases.run(3));
    }
}
