// Black-box suite: Apache Kafka's own Java clients.

public final class JavaSuite {
    private JavaSuite() {}

    public static void main(String[] args) {
        Cases cases = new Cases();
        ProducerCases.register(cases);
        ConsumerCases.register(cases);
        AdminCases.register(cases);
        ConfigCases.register(cases);
        ErrorCases.register(cases);
        System.exit(cases.run());
    }
}
