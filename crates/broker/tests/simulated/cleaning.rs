//! Compacted topics: the cleaner works by itself, beside produce and fetch.

use crate::kit::*;
use bytes::Bytes;
use ottla_records::{BatchBuilder, Compression, TimestampType};
use std::time::Duration;

/// A batch of one record of about 300 kB; its value begins with `value`.
fn keyed(key: Option<&str>, value: &str) -> Bytes {
    let mut builder = BatchBuilder::new(Compression::None, TimestampType::CreateTime);
    let value = format!("{value}{}", ".".repeat(300_000));
    builder.append(1000, key.map(str::as_bytes), Some(value.as_bytes()), &[]).expect("fits");
    builder.build().expect("is built").to_bytes()
}

#[test]
fn a_compacted_topic_keeps_the_last_value_of_each_key() {
    with_node(230, &[("log.cleaner.backoff.ms", "500")], |node| async move {
        let configs =
            [("cleanup.policy", "compact"), ("segment.bytes", "1048576"), ("min.cleanable.dirty.ratio", "0.01")];
        node.create_topic("t", 1, &configs).await;
        let refused = node.produce_batch("t", 0, keyed(None, "x"), -1).await;
        assert_eq!(error(refused.error_code), "INVALID_RECORD");
        for round in 0..4 {
            for key in ["a", "b", "c"] {
                let batch = keyed(Some(key), &format!("{key}{round}"));
                assert_eq!(error(node.produce_batch("t", 0, batch, -1).await.error_code), "NONE");
            }
        }
        let short = |values: Vec<String>| values.iter().map(|value| value[..2].to_string()).collect::<Vec<_>>();
        node.runtime.sleep(Duration::from_secs(10)).await;
        // Three batches are in the active segment, which is left alone. What is left before them may be batches without
        // records, so that a segment ends where the next one begins.
        let expected = ["a2", "b2", "c2", "a3", "b3", "c3"];
        let older = short(values(&node.fetch("t", 0, 0).await));
        assert!(older.iter().all(|value| expected.contains(&value.as_str())), "{older:?}");
        assert_eq!(short(node.read_all("t", 0, 6).await), expected);
        assert_eq!(node.list_offset("t", 0, EARLIEST).await.offset, 0);
        let node = node.power_loss().await;
        node.ready("t", 0).await;
        assert_eq!(short(node.read_all("t", 0, 6).await), expected);
        let batch = keyed(Some("a"), "a4");
        assert_eq!(node.produce_batch("t", 0, batch, -1).await.base_offset, 12);
    });
}
