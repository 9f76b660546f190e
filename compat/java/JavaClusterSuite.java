// Black-box suite: admin calls that are shaped by a cluster, on one node; quotas; client metrics. Java clients and Kafka's tools.

public final class JavaClusterSuite {
    private JavaClusterSuite() {}

    public static void main(String[] args) {
        Cases cases = new Cases();
        ApiVersionsCases.register(cases);
        ClusterCases.register(cases);
        QuotaCases.register(cases);
        ClientMetricsCases.register(cases);
        System.exit(cases.run());
    }
}
