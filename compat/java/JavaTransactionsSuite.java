// Black-box suite: transactions with Apache Kafka's own Java clients, admin calls and tools.

public final class JavaTransactionsSuite {
    private JavaTransactionsSuite() {}

    public static void main(String[] args) {
        Cases cases = new Cases();
        TransactionCases.register(cases);
        TransactionAdminCases.register(cases);
        System.exit(cases.run());
    }
}
