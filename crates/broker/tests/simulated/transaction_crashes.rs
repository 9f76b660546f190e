//! Crashes and power losses at every step of a transaction's end: prepare appended, prepare committed, some markers written, all
//! markers written, complete appended; the same with offsets of a group in the transaction. What was answered stays, nothing is
//! seen in part or twice, and no transaction hangs. The same at every step of a TxnOffsetCommit: partition added, offset appended,
//! offset committed, answered.

use crate::kit::*;
use ottla_runtime::sim::Outage;
use ottla_testkit::batches;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// The outage comes with the first to the last of so many changes of the disk; the last ones are after a transaction's end.
const STEPS: u64 = 60;

/// States of a transaction that outages have to meet.
const STATES: [&str; 3] = ["Ongoing", "PrepareCommit", "CompleteCommit"];

/// As many for a TxnOffsetCommit.
const OFFSET_STEPS: u64 = 16;

/// Ends a transaction until an outage; the state that was durable then.
async fn one_outage(node: Node, txn: &mut Txn, round: u64, committed: bool, outage: Outage) -> (Node, String) {
    let value = format!("{round}");
    for (topic, partition) in [("t", 0), ("t", 1), ("u", 0)] {
        assert_eq!(txn.send(&node, topic, partition, &value).await, "NONE");
    }
    assert_eq!(txn.send_offset(&node, "g", "t", i64::try_from(round).unwrap()).await, "NONE");
    let (world, controller) = (node.world.clone(), Arc::clone(&node.controller));
    world.disk_faults(NODE).plan_outage(1 + round % STEPS, outage);
    let was_answered = Arc::new(AtomicBool::new(false));
    let ((version, request), answered, id) =
        (txn.end_request(committed), Arc::clone(&was_answered), txn.transactional_id.clone());
    let client = node.clone();
    node.runtime.spawn("client", async move {
        if client.call(version, &request).await.error_code == 0 {
            answered.store(true, Ordering::Release);
        }
        client.completed(&id).await;
        // The disk goes on changing until the outage.
        loop {
            client.produce_batch("noise", 0, batches::batch(&["noise"]), -1).await;
            client.runtime.sleep(Duration::from_millis(1)).await;
        }
    });
    drop(node);
    world.down(NODE).await;
    let node = Node::start(&world, &controller).await;
    let state = node.describe_txn(&txn.transactional_id).await.transaction_state;
    if was_answered.load(Ordering::Acquire) {
        assert!(state.ends_with(if committed { "Commit" } else { "Abort" }), "{state} after it was answered");
    }
    // The client asks again, as it would.
    assert_eq!(txn.end(&node, committed).await, "NONE", "in round {round}, {state}");
    node.completed(&txn.transactional_id).await;
    (node, state)
}

fn outages_at_every_step(seed: u64, version: i16, outage: Outage) {
    with_node(seed, &[], |node| async move {
        node.create_topic("t", 2, &[]).await;
        node.create_topic("u", 1, &[]).await;
        node.create_topic("noise", 1, &[]).await;
        node.coordinate("g").await;
        let mut txn = Txn::new("tx", version);
        txn.init(&node).await;
        let (mut node, mut seen, mut committed_offset) = (node, BTreeMap::new(), -1);
        let mut expected = Vec::new();
        // As many more as it takes to meet a transaction in every state.
        for round in 0..4 * STEPS {
            let has_met_all = STATES.iter().all(|state| seen.contains_key(*state));
            if round >= STEPS && has_met_all {
                break;
            }
            let committed = round % 4 != 3;
            let (restarted, state) = one_outage(node, &mut txn, round, committed, outage).await;
            node = restarted;
            *seen.entry(state).or_insert(0) += 1;
            if committed {
                expected.push(format!("{round}"));
                committed_offset = i64::try_from(round).unwrap();
            }
            node.coordinate("g").await;
            assert_eq!(node.committed("g", "t", 0).await, committed_offset, "offsets in step, round {round}");
        }
        for (topic, partition) in [("t", 0), ("t", 1), ("u", 0)] {
            node.ready(topic, partition).await;
            let found = node.read_committed(topic, partition).await;
            assert_eq!(found.values, expected, "{topic}-{partition}");
            let end = node.list_offset(topic, partition, LATEST).await.offset;
            assert_eq!(found.last_stable_offset, end, "no transaction hangs");
        }
        for state in STATES {
            assert!(seen.contains_key(state), "no outage in {state}: {seen:?}");
        }
    });
}

#[test]
fn crashes_at_every_step_of_version_1() {
    outages_at_every_step(720, 1, Outage::Crash);
}

#[test]
fn crashes_at_every_step_of_version_2() {
    outages_at_every_step(721, 2, Outage::Crash);
}

#[test]
fn power_losses_at_every_step_of_version_1() {
    outages_at_every_step(722, 1, Outage::PowerLoss);
}

#[test]
fn power_losses_at_every_step_of_version_2() {
    outages_at_every_step(723, 2, Outage::PowerLoss);
}

/// What an outage found of a TxnOffsetCommit.
#[derive(Debug, Default)]
struct Steps {
    /// The offset was not pending after the restart.
    lost: u32,
    /// It was, answered or not.
    pending: u32,
    answered: u32,
}

/// Commits an offset in a transaction until an outage; what was answered is pending after it. The client then asks again, and
/// ends.
async fn one_offset_outage(
    node: Node,
    txn: &mut Txn,
    round: u64,
    committed: bool,
    outage: Outage,
    steps: &mut Steps,
) -> Node {
    assert_eq!(txn.send(&node, "t", 0, &format!("{round}")).await, "NONE");
    let offset = i64::try_from(round).unwrap();
    let (world, controller) = (node.world.clone(), Arc::clone(&node.controller));
    world.disk_faults(NODE).plan_outage(1 + round % OFFSET_STEPS, outage);
    let was_answered = Arc::new(AtomicBool::new(false));
    let (client, answered, mut sender) = (node.clone(), Arc::clone(&was_answered), txn.clone());
    node.runtime.spawn("client", async move {
        if sender.send_offset(&client, "g", "t", offset).await == "NONE" {
            answered.store(true, Ordering::Release);
        }
        loop {
            client.produce_batch("noise", 0, batches::batch(&["noise"]), -1).await;
            client.runtime.sleep(Duration::from_millis(1)).await;
        }
    });
    drop(node);
    world.down(NODE).await;
    let node = Node::start(&world, &controller).await;
    node.coordinate("g").await;
    let is_pending = node.is_unstable("g", "t", 0).await;
    if was_answered.load(Ordering::Acquire) {
        assert!(is_pending, "offset {offset} was answered, and is not pending");
        steps.answered += 1;
    }
    *if is_pending { &mut steps.pending } else { &mut steps.lost } += 1;
    assert_eq!(txn.send_offset(&node, "g", "t", offset).await, "NONE", "in round {round}");
    assert_eq!(txn.end(&node, committed).await, "NONE", "in round {round}");
    node.completed(&txn.transactional_id).await;
    node
}

fn offset_outages_at_every_step(seed: u64, version: i16, outage: Outage) {
    with_node(seed, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        node.create_topic("noise", 1, &[]).await;
        node.coordinate("g").await;
        let mut txn = Txn::new("tx", version);
        txn.init(&node).await;
        let (mut node, mut steps, mut committed_offset) = (node, Steps::default(), -1);
        for round in 0..2 * OFFSET_STEPS {
            let committed = round % 3 != 2;
            node = one_offset_outage(node, &mut txn, round, committed, outage, &mut steps).await;
            if committed {
                committed_offset = i64::try_from(round).unwrap();
            }
            assert!(!node.is_unstable("g", "t", 0).await, "nothing is pending behind the end, round {round}");
            assert_eq!(node.committed("g", "t", 0).await, committed_offset, "round {round}");
        }
        assert!(steps.lost > 0 && steps.pending >= steps.answered && steps.answered > 0, "{steps:?}");
    });
}

#[test]
fn crashes_at_every_step_of_a_transactional_offset_commit() {
    offset_outages_at_every_step(725, 1, Outage::Crash);
    offset_outages_at_every_step(726, 2, Outage::Crash);
}

#[test]
fn power_losses_at_every_step_of_a_transactional_offset_commit() {
    offset_outages_at_every_step(727, 1, Outage::PowerLoss);
    offset_outages_at_every_step(728, 2, Outage::PowerLoss);
}

/// The coordinators are loaded again because an append of theirs failed, not because the process ended.
#[test]
fn coordinators_that_load_again_keep_offsets_of_a_transaction() {
    for version in [1, 2] {
        with_node(729, &[], |node| async move {
            node.create_topic("t", 1, &[]).await;
            node.coordinate("g").await;
            let mut txn = Txn::new("tx", version);
            txn.init(&node).await;
            for (round, committed) in [(0, true), (1, false), (2, true), (3, true)] {
                assert_eq!(txn.send(&node, "t", 0, &format!("{round}")).await, "NONE");
                for place in ["__consumer_offsets", "__transaction_state"] {
                    node.world.disk_faults(NODE).fail_writes(place, 1);
                    assert_eq!(txn.send_offset(&node, "g", "t", round).await, "NONE");
                }
                assert!(node.is_unstable("g", "t", 0).await);
                node.world.disk_faults(NODE).fail_writes("__consumer_offsets", 1);
                assert_eq!(txn.end(&node, committed).await, "NONE");
                node.completed("tx").await;
                let expected = if committed { round } else { 0 };
                assert_eq!(node.committed("g", "t", 0).await, expected, "version {version}");
            }
        });
    }
}

#[test]
fn last_stable_offset_never_covers_an_unflushed_marker() {
    with_node(724, &[], |node| async move {
        node.create_topic("t", 1, &[]).await;
        let mut txn = Txn::new("tx", 2);
        txn.init(&node).await;
        let mut node = node;
        for round in 0..60 {
            assert_eq!(txn.send(&node, "t", 0, "x").await, "NONE");
            let (version, request) = txn.end_request(true);
            let ending = node.spawn_call(version, request);
            // Reads until the power goes: what was stable then is stable for good.
            let mut stable = 0;
            for _ in 0..round * 3 {
                stable = node.fetch_committed("t", 0, 0).await.last_stable_offset.max(stable);
                node.runtime.sleep(Duration::from_micros(50)).await;
            }
            drop(ending);
            node = node.power_loss().await;
            node.ready("t", 0).await;
            let after = node.fetch_committed("t", 0, 0).await.last_stable_offset;
            assert!(after >= stable, "{stable} was stable, and {after} is now");
            assert_eq!(txn.end(&node, true).await, "NONE");
            node.completed("tx").await;
        }
    });
}
