//! Whatever was acknowledged to acks=all is there after any outage.

use crate::kit::*;
use ottla_runtime::sim::{Outage, World};
use ottla_testkit::batches::batch;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Producers write until the node goes down; afterwards every acknowledged value stands at its offset.
fn outage_under_load(seed: u64, outage: Outage) {
    let world = World::new(seed);
    world.run(async {
        let controller = FakeController::new(&[]);
        let acknowledged: Arc<Mutex<Vec<(i32, i64, String)>>> = Arc::default();
        for round in 0..3 {
            let node = Node::start(&world, &controller).await;
            if round == 0 {
                node.create_topic("t", 3, &[("segment.bytes", "1048576")]).await;
            }
            for index in 0..3 {
                node.ready("t", index).await;
                let known = acknowledged.lock().unwrap().clone();
                check(&node, index, &known).await;
            }
            for index in 0..3 {
                let (writer, acknowledged) = (node.clone(), Arc::clone(&acknowledged));
                node.runtime.spawn("producer", async move {
                    for n in 0.. {
                        let value = format!("{round}-{index}-{n}-{}", "x".repeat(3000));
                        let answer = writer.produce_batch("t", index, batch(&[&value]), -1).await;
                        match answer.error_code {
                            0 => acknowledged.lock().unwrap().push((index, answer.base_offset, value)),
                            _ => writer.runtime.sleep(Duration::from_millis(1)).await,
                        }
                    }
                });
            }
            world.disk_faults(NODE).plan_outage(world.random_range(50..2000), outage);
            world.down(NODE).await;
        }
        let node = Node::start(&world, &controller).await;
        for index in 0..3 {
            node.ready("t", index).await;
            let known = acknowledged.lock().unwrap().clone();
            check(&node, index, &known).await;
        }
        assert!(acknowledged.lock().unwrap().len() > 20);
    });
}

async fn check(node: &Node, index: i32, acknowledged: &[(i32, i64, String)]) {
    let all = node.read_all("t", index, 0).await;
    for (_, offset, value) in acknowledged.iter().filter(|(of, _, _)| *of == index) {
        assert_eq!(all.get(usize::try_from(*offset).unwrap()), Some(value), "offset {offset} of partition {index}");
    }
}

#[test]
fn acknowledged_records_survive_a_power_loss() {
    (0..12).for_each(|seed| outage_under_load(2000 + seed, Outage::PowerLoss));
}

#[test]
fn acknowledged_records_survive_a_crash() {
    (0..12).for_each(|seed| outage_under_load(3000 + seed, Outage::Crash));
}

#[test]
fn consumers_see_nothing_that_a_power_loss_takes_back() {
    for seed in 4000..4010 {
        with_node(seed, &[], |node| async move {
            node.create_topic("t", 1, &[]).await;
            let mut seen = Vec::new();
            for n in 0..20 {
                node.produce_batch("t", 0, batch(&[&n.to_string()]), 1).await;
                if n % 3 == 0 {
                    seen = node.read_all("t", 0, 0).await;
                    node.runtime.sleep(Duration::from_millis(5)).await;
                }
            }
            let node = node.power_loss().await;
            node.ready("t", 0).await;
            let after = node.read_all("t", 0, 0).await;
            assert_eq!(after[..seen.len()], seen, "seed {seed}");
        });
    }
}

#[test]
fn equal_seeds_give_equal_runs() {
    let trace = |seed: u64| {
        let world = World::new(seed);
        world.run(async {
            let controller = FakeController::new(&[]);
            let node = Node::start(&world, &controller).await;
            node.create_topic("t", 3, &[]).await;
            for n in 0..30 {
                node.produce_batch("t", n % 3, batch(&["a"]), if n % 2 == 0 { 1 } else { -1 }).await;
            }
            node.delete_topic("t").await;
            node.broker.shutdown().await;
        });
        world.trace_hash()
    };
    assert_eq!(trace(1), trace(1));
    assert_ne!(trace(1), trace(2));
}
