//! What the metrics tell of topics, partitions, the cluster and transactions.

use crate::kit::*;
use std::time::Duration;

/// The value of a series.
#[track_caller]
fn value(text: &str, series: &str) -> i64 {
    let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok()).unwrap_or_else(|| panic!("{series} is not in\n{text}"))
}

#[test]
fn topics_and_partitions_have_series_of_their_own() {
    with_node(2200, &[], |node| async move {
        node.create_topic("a", 2, &[]).await;
        node.create_topic("b", 1, &[]).await;
        node.produce("a", 0, &["one", "two"]).await;
        node.produce("a", 1, &["three"]).await;
        node.produce("b", 0, &["four"]).await;
        node.call(FETCH, &fetch_request("b", 0, 0, 0)).await;
        node.call(FETCH, &fetch_request("b", 9, 0, 0)).await;
        let text = node.metrics.scrape().await;
        let of = |series: &str| value(&text, series);
        let messages = "kafka_server_brokertopicmetrics_messagesin_total";
        assert_eq!((of(messages), of(&format!("{messages}{{topic=\"a\"}}"))), (4, 3));
        let bytes_in = "kafka_server_brokertopicmetrics_bytesin_total";
        let by_topic = ["a", "b"].map(|topic| of(&format!("{bytes_in}{{topic=\"{topic}\"}}")));
        assert!(by_topic[1] > 0);
        assert_eq!(of(bytes_in), by_topic[0] + by_topic[1]);
        let bytes_out = "kafka_server_brokertopicmetrics_bytesout_total";
        assert_eq!(of(&format!("{bytes_out}{{topic=\"a\"}}")), 0);
        assert_eq!((of(&format!("{bytes_out}{{topic=\"b\"}}")), of(bytes_out)), (by_topic[1], by_topic[1]));
        assert_eq!(of("kafka_log_log_logendoffset{topic=\"a\",partition=\"0\"}"), 2);
        assert_eq!(of("kafka_log_log_logstartoffset{topic=\"a\",partition=\"0\"}"), 0);
        assert_eq!(of("kafka_log_log_size{topic=\"b\",partition=\"0\"}"), by_topic[1]);
        assert_eq!(of("kafka_log_log_numlogsegments{topic=\"a\",partition=\"1\"}"), 1);
        assert_eq!(of("kafka_server_brokertopicmetrics_totalproducerequests_total"), 3);
        assert_eq!(of("kafka_server_brokertopicmetrics_failedproducerequests_total"), 0);
        assert_eq!(of("kafka_server_brokertopicmetrics_totalfetchrequests_total"), 2);
        assert_eq!(of("kafka_server_brokertopicmetrics_failedfetchrequests_total"), 1);
        for (series, count) in [
            ("kafka_controller_kafkacontroller_activecontrollercount", 1),
            ("kafka_controller_kafkacontroller_offlinepartitionscount", 0),
            ("kafka_controller_kafkacontroller_globaltopiccount", 2),
            ("kafka_controller_kafkacontroller_globalpartitioncount", 3),
            ("kafka_controller_kafkacontroller_activebrokercount", 1),
            ("kafka_server_replicamanager_underreplicatedpartitions", 0),
            ("ottla_topics_not_shown", 0),
            ("ottla_partitions_not_shown", 0),
        ] {
            assert_eq!(of(series), count, "{series}");
        }
        node.delete_topic("a").await;
        let text = node.metrics.scrape().await;
        assert!(!text.contains("topic=\"a\""), "{text}");
        assert_eq!(value(&text, messages), 4, "totals stay");
    });
}

#[test]
fn series_are_bounded_and_what_is_beyond_is_counted() {
    with_node(2201, &[], |node| async move {
        node.create_topic("many", 2005, &[]).await;
        let text = node.metrics.scrape().await;
        assert_eq!(text.matches("kafka_log_log_logendoffset{").count(), 2000);
        assert_eq!(value(&text, "ottla_partitions_not_shown"), 5);
        assert_eq!(value(&text, "kafka_server_brokertopicmetrics_messagesin_total{topic=\"many\"}"), 0);
    });
}

#[test]
fn open_transactions_and_share_groups_are_counted() {
    with_node(2202, &[], |node| async move {
        let text = node.metrics.scrape().await;
        assert_eq!(value(&text, "ottla_transactions{state=\"Ongoing\"}"), 0);
        assert_eq!(value(&text, "ottla_transaction_oldest_open_seconds"), 0);
        prepared(&node, &["one"]).await;
        let mut producer = Txn::new("id", 2);
        producer.init(&node).await;
        assert_eq!(producer.send(&node, "t", 0, "two").await, "NONE");
        node.runtime.sleep(Duration::from_secs(7)).await;
        let text = node.metrics.scrape().await;
        assert_eq!(value(&text, "ottla_transactions{state=\"Ongoing\"}"), 1);
        assert!((7..9).contains(&value(&text, "ottla_transaction_oldest_open_seconds")), "{text}");
        assert_eq!(value(&text, "kafka_server_group_coordinator_metrics_share_group_count{state=\"stable\"}"), 1);
        assert_eq!(value(&text, "kafka_server_group_coordinator_metrics_group_count{protocol=\"share\"}"), 1);
        assert!(!text.contains("classic_group_count{state=\"stable\"}"), "a share group is no classic one");
    });
}
