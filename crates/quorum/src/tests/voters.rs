//! Three voters: elections, lost messages, cuts, power loss, snapshots to those who fell behind.

use super::cluster::Cluster;
use crate::{ProposeError, limits};
use bytes::Bytes;
use ottla_runtime::sim::World;
use std::time::Duration;

async fn started(world: &World) -> Cluster {
    let mut cluster = Cluster::new(world, 3);
    for number in 0..3 {
        cluster.start(number).await;
    }
    cluster.wait_for_leader().await;
    cluster
}

#[test]
fn three_voters_elect_a_leader_and_agree() {
    let world = World::new(1);
    world.run(async {
        let mut cluster = started(&world).await;
        for number in 0..20 {
            cluster.propose(format!("entry {number}")).await;
        }
        assert_eq!(cluster.acknowledged.len(), 20);
        let leader = cluster.leader().unwrap();
        let follower = (leader + 1) % 3;
        let refused = cluster.handle(follower).propose(Bytes::from_static(b"to a follower")).await;
        let expected = cluster.handle(leader).status().borrow().peer_id;
        assert_eq!(refused, Err(ProposeError::NotLeader { leader: Some(expected) }));
        cluster.check_convergence().await;
    });
}

#[test]
fn another_voter_leads_when_the_leader_loses_power() {
    let world = World::new(2);
    world.run(async {
        let mut cluster = started(&world).await;
        cluster.propose("before".to_owned()).await;
        let old = cluster.leader().unwrap();
        cluster.power_loss(old);
        let new = cluster.wait_for_leader().await;
        assert_ne!(old, new);
        cluster.propose("after".to_owned()).await;
        assert_eq!(cluster.acknowledged.len(), 2);
        cluster.check_convergence().await;
    });
}

#[test]
fn a_leader_that_is_cut_off_resigns_and_its_proposals_are_not_acknowledged() {
    let world = World::new(3);
    world.run(async {
        let mut cluster = started(&world).await;
        let old = cluster.leader().unwrap();
        cluster.isolate(old);
        let lost = cluster.handle(old).clone().propose(Bytes::from_static(b"to nobody")).await;
        assert_eq!(lost, Err(ProposeError::LeadershipLost));
        assert_ne!(cluster.wait_for_leader().await, old);
        cluster.check_convergence().await;
    });
}

#[test]
fn a_voter_that_fell_far_behind_is_sent_a_snapshot() {
    let world = World::new(4);
    world.run(async {
        let mut cluster = started(&world).await;
        cluster.propose("first".to_owned()).await;
        let leader = cluster.leader().unwrap();
        let behind = (leader + 1) % 3;
        cluster.power_loss(behind);
        let entries = 2 * limits::EVENTS_QUEUED_MAX as u64;
        let proposals: Vec<_> = (0..entries)
            .map(|number| {
                let handle = cluster.handle(leader).clone();
                let observer = world.node("observer");
                observer.clone().spawn("proposer", async move {
                    // More proposals than the queue takes: the busy ones come again.
                    loop {
                        match handle.propose(Bytes::from(format!("entry {number}"))).await {
                            Err(ProposeError::Busy) => observer.sleep(Duration::from_millis(1)).await,
                            other => return other,
                        }
                    }
                })
            })
            .collect();
        for proposal in proposals {
            proposal.await.unwrap().unwrap();
        }
        for round in 0..30 {
            cluster.propose(format!("later {round} {}", "x".repeat(200))).await;
        }
        cluster.lose_percent(2);
        cluster.start(behind).await;
        let mut status = cluster.handle(behind).status();
        status.wait_for(|status| status.applied_index > entries).await.unwrap();
        assert!(cluster.journals[behind].look().restored.is_some_and(|index| index > entries / 2));
        cluster.check_convergence().await;
        // What it was sent is durable here too.
        cluster.power_loss(behind);
        cluster.check_convergence().await;
    });
}

#[test]
fn nothing_acknowledged_is_lost_whatever_happens_to_the_voters() {
    for seed in 100..160 {
        let world = World::new(seed);
        world.run(async {
            let mut cluster = Cluster::new(&world, 3);
            cluster.lose_percent(world.random_range(0..15));
            cluster.snapshot_after_bytes = world.random_range(200..3000);
            cluster.trailing_entries = world.random_range(0..6);
            for step in 0..120 {
                let number = world.random_range(0..3) as usize;
                match world.random_range(0..20) {
                    0 if cluster.is_up(number) => cluster.power_loss(number),
                    1 if cluster.is_up(number) => cluster.plan_power_loss(number),
                    2 => cluster.isolate(number),
                    3..=5 => cluster.join_all(),
                    6..=8 if !cluster.is_up(number) => cluster.start(number).await,
                    9..=11 => cluster.sleep(world.random_range(1..1500)).await,
                    _ => cluster.propose(format!("seed {seed} step {step} {}", "x".repeat(60))).await,
                }
                cluster.note_applied();
                cluster.note_outages();
            }
            cluster.check_convergence().await;
        });
    }
}
