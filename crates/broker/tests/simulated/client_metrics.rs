//! Clients that push their metrics (KIP-714).

use crate::kit::*;
use bytes::Bytes;
use ottla_protocol::generated::get_telemetry_subscriptions_request::GetTelemetrySubscriptionsRequest;
use ottla_protocol::generated::push_telemetry_request::PushTelemetryRequest;
use ottla_types::Uuid;

/// A `MetricsData` with the gauge `org.apache.kafka.x` at 1.5.
fn push_of_one_gauge() -> Vec<u8> {
    let message = |field: u8, content: &[u8]| [&[field << 3 | 2, content.len() as u8], content].concat();
    let point = [&[4 << 3 | 1][..], &1.5f64.to_bits().to_le_bytes()].concat();
    let metric = [message(1, b"org.apache.kafka.x"), message(5, &message(1, &point))].concat();
    message(1, &message(2, &message(2, &metric)))
}

#[test]
fn what_a_client_pushes_is_shown() {
    with_node(420, &[], |node| async move {
        node.set_configs(16, "all", &[("metrics", "*"), ("interval.ms", "1000"), ("match", "client_id=te.*")]).await;
        let subscription = node.call(0, &GetTelemetrySubscriptionsRequest::default()).await;
        assert_eq!((subscription.error_code, subscription.push_interval_ms), (0, 1000));
        assert_eq!(subscription.requested_metrics, ["*"]);
        assert_ne!(subscription.client_instance_id, Uuid::default());
        let again = GetTelemetrySubscriptionsRequest { client_instance_id: subscription.client_instance_id };
        assert_eq!(error(node.call(0, &again).await.error_code), "THROTTLING_QUOTA_EXCEEDED");
        let push = PushTelemetryRequest {
            client_instance_id: subscription.client_instance_id,
            subscription_id: subscription.subscription_id,
            metrics: Bytes::from(push_of_one_gauge()),
            ..Default::default()
        };
        assert_eq!(node.call(0, &push).await.error_code, 0);
        let shown = node.metrics.scrape().await;
        let id = subscription.client_instance_id;
        let line = format!("kafka_client_x{{client_instance_id=\"{id}\",client_id=\"test\"}} 1.5");
        assert!(shown.lines().any(|other| other == line), "{line} is not in\n{shown}");
        assert_eq!(error(node.call(0, &push).await.error_code), "THROTTLING_QUOTA_EXCEEDED");
    });
}

#[test]
fn pushes_that_are_none_are_refused() {
    with_node(421, &[], |node| async move {
        let refused = |id: u8, change: fn(&mut PushTelemetryRequest)| {
            let node = node.clone();
            async move {
                let asked = GetTelemetrySubscriptionsRequest { client_instance_id: Uuid([id; 16]) };
                let subscription = node.call(0, &asked).await;
                let mut push = PushTelemetryRequest {
                    client_instance_id: Uuid([id; 16]),
                    subscription_id: subscription.subscription_id,
                    metrics: Bytes::from(push_of_one_gauge()),
                    ..Default::default()
                };
                change(&mut push);
                error(node.call(0, &push).await.error_code)
            }
        };
        assert_eq!(refused(1, |_| {}).await, "NONE");
        assert_eq!(refused(2, |push| push.subscription_id += 1).await, "UNKNOWN_SUBSCRIPTION_ID");
        assert_eq!(refused(3, |push| push.compression_type = 9).await, "UNSUPPORTED_COMPRESSION_TYPE");
        assert_eq!(refused(4, |push| push.compression_type = 4).await, "INVALID_RECORD");
        assert_eq!(refused(5, |push| push.metrics = Bytes::from_static(b"no metrics")).await, "INVALID_RECORD");
        assert_eq!(refused(6, |push| push.metrics = Bytes::from(vec![0; 2 << 20])).await, "TELEMETRY_TOO_LARGE");
        assert_eq!(refused(7, |push| push.client_instance_id = Uuid::default()).await, "INVALID_REQUEST");
        assert_eq!(node.metrics.client_telemetry.refused.get(), 6);
    });
}
