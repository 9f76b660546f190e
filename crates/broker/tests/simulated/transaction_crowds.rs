//! Very many transactions that are open at the same time.

use crate::kit::*;
use ottla_protocol::generated::list_transactions_request::ListTransactionsRequest;
use std::time::Duration;

async fn ongoing(node: &Node) -> usize {
    let state_filters = vec!["Ongoing".to_string()];
    let request = ListTransactionsRequest { state_filters, duration_filter: -1, ..ListTransactionsRequest::default() };
    let listed = node.call(2, &request).await;
    assert_eq!(error(listed.error_code), "NONE");
    listed.transaction_states.len()
}

#[test]
fn thousands_of_open_transactions_disturb_nobody_and_end_with_their_timeouts() {
    const CROWD: usize = 3_000;
    let configs = [("transaction.abort.timed.out.transaction.cleanup.interval.ms", "1000")];
    with_node(720, &configs, |node| async move {
        node.create_topic("crowded", 2, &[]).await;
        node.create_topic("quiet", 1, &[]).await;
        for number in 0..CROWD {
            let mut txn = Txn::new(&format!("crowd-{number}"), 1 + (number % 2) as i16);
            txn.timeout_ms = 600_000;
            txn.init(&node).await;
            assert_eq!(txn.send(&node, "crowded", (number / 2 % 2) as i32, "open").await, "NONE");
        }
        assert_eq!(ongoing(&node).await, CROWD);
        // Somebody else's transaction ends as soon as ever, and its readers see it.
        let begun = node.runtime.now();
        let mut txn = Txn::new("calm", 2);
        txn.init(&node).await;
        assert_eq!(txn.send(&node, "quiet", 0, "committed").await, "NONE");
        assert_eq!(txn.end(&node, true).await, "NONE");
        assert_eq!(node.completed("calm").await, "CompleteCommit");
        assert!(node.runtime.now() - begun < Duration::from_secs(5));
        assert_eq!(node.read_committed("quiet", 0).await.values, ["committed"]);
        for partition in [0, 1] {
            assert_eq!(node.read_committed("crowded", partition).await.last_stable_offset, 0);
        }
        // Nobody ends the crowd's: their timeouts do, and nothing is left open.
        node.runtime.sleep(Duration::from_secs(700)).await;
        assert_eq!(ongoing(&node).await, 0);
        for partition in [0, 1] {
            let read = node.read_committed("crowded", partition).await;
            assert_eq!(read.values, [""; 0]);
            assert_eq!(read.last_stable_offset, node.list_offset("crowded", partition, LATEST).await.offset);
        }
    });
}
