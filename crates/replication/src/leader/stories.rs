//! Stories: a line is an event, `=>` what must be true after it. Nodes are numbers; node 1 leads.
//!
//! `local END FLUSHED`, `node N END FLUSHED [epoch E]`, `at MS`, `propose`, `commit N,N`, `withdraw`, `eligible N,N`,
//! `min N`, `caching on|off`. After `=>`: `hw N`, `isr N,N`, `min ok|missing`, `caching on|off|turning-off`,
//! `shrink N,N`, `expand N,N`, `nothing` (of a proposal).

use super::*;
use proptest::prelude::*;

struct Story {
    leader: LeaderState,
    now_ms: i64,
    proposal: Option<IsrProposal>,
}

fn nodes(list: &str) -> Vec<NodeId> {
    list.split(',').map(|node| NodeId(node.parse().expect("a node"))).collect()
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_else(|_| panic!("'{text}' is not a number"))
}

fn leader(replicas: &str, isr: &str, write_caching: bool) -> LeaderState {
    let config = LeaderConfig {
        node: NodeId(1),
        leader_epoch: LeaderEpoch(4),
        replicas: nodes(replicas),
        isr: nodes(isr),
        min_insync_replicas: 1,
        write_caching,
        replica_lag_time_max_ms: 1000,
    };
    LeaderState::new(config, 0, 0, 0, 0)
}

fn check(leader: LeaderState, text: &str) {
    let mut story = Story { leader, now_ms: 0, proposal: None };
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (event, expected) = line.split_once("=>").unwrap_or((line, ""));
        story.play(&event.split_whitespace().collect::<Vec<_>>());
        for fact in expected.split(';').map(str::trim).filter(|fact| !fact.is_empty()) {
            let found = story.fact(fact);
            assert_eq!(found, fact, "after '{line}' of\n{text}");
        }
    }
}

impl Story {
    fn play(&mut self, event: &[&str]) {
        match *event {
            ["local", end, flushed] => self.leader.on_local_progress(number(end), number(flushed)),
            ["node", node, end, flushed] => self.report(node, end, flushed, 1),
            ["node", node, end, flushed, "epoch", epoch] => self.report(node, end, flushed, number(epoch)),
            ["at", ms] => self.now_ms = number(ms),
            ["propose"] => self.proposal = self.leader.propose_isr(self.now_ms),
            ["commit", isr] => self.leader.on_isr_committed(&nodes(isr)),
            ["withdraw"] => self.leader.on_isr_withdrawn(),
            ["eligible", list] => self.leader.set_eligible(nodes(list).into_iter().map(|node| (node, 1)).collect()),
            ["replicas", list] => self.leader.set_replicas(&nodes(list)),
            ["min", least] => self.leader.set_min_insync_replicas(number(least) as usize),
            ["caching", state] => self.leader.set_write_caching(state == "on"),
            _ => panic!("unknown event {event:?}"),
        }
    }

    fn report(&mut self, node: &str, end: &str, flushed: &str, broker_epoch: i64) {
        let report = FollowerReport {
            log_end_offset: number(end),
            flushed_offset: number(flushed),
            log_start_offset: 0,
            broker_epoch,
        };
        self.leader.on_follower_report(nodes(node)[0], &report, self.now_ms).expect("a replica");
    }

    /// What is found, in the words of the fact that was expected.
    fn fact(&self, expected: &str) -> String {
        let list = |isr: &mut dyn Iterator<Item = &NodeId>| isr.map(NodeId::to_string).collect::<Vec<_>>().join(",");
        match expected.split_whitespace().next().expect("a fact") {
            "hw" => format!("hw {}", self.leader.high_watermark()),
            "isr" => format!("isr {}", list(&mut self.leader.isr().iter())),
            "min" => format!("min {}", if self.leader.has_min_isr() { "ok" } else { "missing" }),
            "caching" => match self.leader.write_caching() {
                WriteCaching::On => "caching on".to_string(),
                WriteCaching::Off => "caching off".to_string(),
                WriteCaching::TurningOff => "caching turning-off".to_string(),
            },
            _ => match &self.proposal {
                None => "nothing".to_string(),
                Some(IsrProposal { change: IsrChange::Shrink, isr }) => format!("shrink {}", list(&mut isr.iter())),
                Some(IsrProposal { change: IsrChange::Expand, isr }) => format!("expand {}", list(&mut isr.iter())),
            },
        }
    }
}

#[test]
fn a_single_node_commits_what_it_has_flushed() {
    let leader = leader("1", "1", false);
    assert!(leader.is_alone() && leader.has_min_isr());
    check(
        leader,
        "local 10 0   => hw 0; caching off
         local 10 7   => hw 7
         local 12 10  => hw 10
         min 3        => min ok
         local 12 12  => hw 12",
    );
}

#[test]
fn with_write_caching_the_log_end_counts() {
    check(leader("1", "1", true), "local 10 0 => hw 10; caching on\n local 11 5 => hw 11");
}

#[test]
fn acknowledgements_follow_the_high_watermark() {
    let mut leader = leader("1", "1", false);
    leader.on_local_progress(10, 5);
    assert!(leader.acks_all_satisfied(5) && !leader.acks_all_satisfied(6));
}

#[test]
fn every_in_sync_replica_has_to_flush() {
    check(
        leader("1,2,3", "1,2,3", false),
        "local 10 10    => hw 0
         node 2 10 10   => hw 0
         node 3 10 0    => hw 0
         node 3 10 4    => hw 4
         node 3 10 10   => hw 10",
    );
}

#[test]
fn a_follower_may_be_ahead_of_its_leaders_flush() {
    check(
        leader("1,2", "1,2", false),
        "local 10 0
         node 2 10 10  => hw 0
         local 10 10   => hw 10",
    );
}

#[test]
fn below_min_insync_replicas_the_watermark_stands_still() {
    check(
        leader("1,2,3", "1,2,3", false),
        "min 2
         local 10 10
         node 2 10 10
         node 3 10 10  => hw 10; min ok
         commit 1      => min missing
         local 20 20   => hw 10
         min 1         => hw 20; min ok",
    );
}

#[test]
fn min_insync_replicas_is_capped_at_the_replication_factor() {
    check(leader("1,2", "1,2", false), "min 3 => min ok\n commit 1 => min missing");
}

#[test]
fn a_slow_follower_leaves_and_is_waited_for_until_that_is_committed() {
    check(
        leader("1,2", "1,2", false),
        "local 10 10
         at 500
         node 2 4 4     => hw 4
         at 1000
         propose        => nothing
         at 1001
         propose        => shrink 1
         local 11 11    => hw 4
         withdraw       => hw 4
         propose        => shrink 1
         commit 1       => isr 1; hw 11",
    );
}

#[test]
fn a_follower_that_does_not_flush_falls_behind_although_it_fetches() {
    check(
        leader("1,2", "1,2", false),
        "local 10 10
         at 600
         node 2 10 0
         at 1200
         node 2 10 0
         propose      => shrink 1",
    );
    check(
        leader("1,2", "1,2", true),
        "local 10 10
         at 600
         node 2 10 0
         at 1200
         node 2 10 0
         propose      => nothing; hw 10",
    );
}

#[test]
fn under_load_a_follower_stays_by_having_what_the_leader_had_at_its_last_report() {
    check(
        leader("1,2", "1,2", false),
        "local 10 10
         at 900
         node 2 9 9
         local 20 20
         at 1800
         node 2 15 15
         propose       => nothing
         at 1901
         propose       => shrink 1",
    );
}

#[test]
fn a_follower_joins_once_its_flushed_offset_reaches_the_watermark() {
    check(
        leader("1,2", "1", false),
        "local 10 10     => hw 10
         node 2 10 9
         eligible 2
         propose         => nothing
         node 2 10 10
         propose         => expand 1,2
         local 15 15     => hw 10
         node 2 15 12    => hw 12
         commit 1,2      => isr 1,2; hw 12
         node 2 15 15    => hw 15",
    );
}

#[test]
fn who_is_not_eligible_or_from_another_life_does_not_join() {
    check(
        leader("1,2", "1", false),
        "local 10 10
         node 2 10 10
         propose                => nothing
         eligible 2
         node 2 10 10 epoch 2
         propose                => nothing
         node 2 10 10 epoch 1
         propose                => expand 1,2",
    );
}

#[test]
fn the_watermark_waits_for_a_follower_that_is_about_to_join_while_it_reports() {
    check(
        leader("1,2", "1", false),
        "eligible 2
         local 10 10    => hw 10
         node 2 4 4
         local 20 20    => hw 20
         at 500
         node 2 10 10
         local 30 30    => hw 20
         propose        => nothing
         at 1000
         propose        => nothing; hw 20
         at 1001
         propose        => hw 30
         node 2 20 20   => hw 30
         local 40 40    => hw 30
         node 2 30 30
         propose        => expand 1,2",
    );
}

#[test]
fn a_new_leader_waits_for_its_epochs_start() {
    let config = LeaderConfig {
        node: NodeId(1),
        leader_epoch: LeaderEpoch(5),
        replicas: nodes("1,2"),
        isr: nodes("1"),
        min_insync_replicas: 2,
        write_caching: false,
        replica_lag_time_max_ms: 1000,
    };
    let leader = LeaderState::new(config, 10, 10, 3, 0);
    assert_eq!((leader.leader_epoch(), leader.leader_epoch_start_offset()), (LeaderEpoch(5), 10));
    check(
        leader,
        "eligible 2
         node 2 5 5
         propose       => nothing; hw 3
         node 2 10 10
         propose       => expand 1,2; hw 3
         commit 1,2    => hw 10",
    );
}

#[test]
fn turning_write_caching_off_takes_effect_once_all_below_the_watermark_is_flushed() {
    check(
        leader("1,2", "1,2", true),
        "local 10 2
         node 2 10 3    => hw 10; caching on
         caching off    => hw 10; caching turning-off
         local 20 10    => hw 10
         node 2 20 9    => hw 10; caching turning-off
         node 2 20 10   => hw 10; caching off
         local 20 20
         node 2 20 15   => hw 15
         caching on     => hw 20; caching on",
    );
}

#[test]
fn turning_write_caching_on_again_is_immediate() {
    check(leader("1", "1", true), "local 10 0\n caching off => caching turning-off\n caching on => caching on; hw 10");
}

#[test]
fn a_leader_starts_durable_only_with_everything_below_its_watermark_flushed() {
    let config = LeaderConfig {
        node: NodeId(1),
        leader_epoch: LeaderEpoch(0),
        replicas: nodes("1"),
        isr: nodes("1"),
        min_insync_replicas: 1,
        write_caching: false,
        replica_lag_time_max_ms: 1000,
    };
    check(LeaderState::new(config, 10, 4, 8, 0), "local 10 7 => hw 8; caching turning-off\n local 10 8 => caching off");
}

#[test]
fn a_reassignment_brings_new_replicas_without_progress() {
    check(
        leader("1", "1", false),
        "local 10 10    => hw 10
         replicas 1,2
         eligible 2
         local 11 11    => hw 11
         node 2 11 11
         propose        => expand 1,2
         commit 1,2
         local 12 12    => hw 11",
    );
}

#[test]
fn the_low_watermark_is_that_of_the_slowest_live_replica() {
    let mut leader = leader("1,2,3", "1,2,3", false);
    let report = FollowerReport { log_end_offset: 0, flushed_offset: 0, log_start_offset: 4, broker_epoch: 1 };
    leader.on_follower_report(NodeId(2), &report, 0).expect("a replica");
    assert_eq!(leader.low_watermark(9, |node| node == NodeId(2)), 4);
    assert_eq!(leader.low_watermark(9, |_| true), -1, "node 3 has not reported");
    assert_eq!(leader.low_watermark(9, |_| false), 9);
    assert_eq!(leader.on_follower_report(NodeId(7), &report, 0), Err(UnknownReplica(NodeId(7))));
}

proptest! {
    #[test]
    fn whatever_is_below_the_watermark_is_flushed_on_every_in_sync_replica(
        steps in proptest::collection::vec((0u8..8, 0i64..6, 0i64..6), 1..120),
    ) {
        let mut leader = leader("1,2,3", "1,2,3", false);
        leader.set_min_insync_replicas(2);
        leader.set_eligible([(NodeId(2), 1), (NodeId(3), 1)].into());
        let (mut now_ms, mut end, mut flushed) = (0, 0, 0);
        let mut followers = [(0i64, 0i64); 2];
        let mut proposed: Option<Vec<NodeId>> = None;
        for (step, a, b) in steps {
            let before = leader.high_watermark();
            now_ms += 150;
            match step {
                0 | 1 => {
                    end += a;
                    flushed = (flushed + b).min(end);
                    leader.on_local_progress(end, flushed);
                }
                2..=5 => {
                    let follower = &mut followers[usize::from(step % 2)];
                    follower.0 = (follower.0 + a * 2).min(end);
                    follower.1 = (follower.1 + b * 2).min(follower.0);
                    let (log_end_offset, flushed_offset) = *follower;
                    let report = FollowerReport { log_end_offset, flushed_offset, log_start_offset: 0, broker_epoch: 1 };
                    leader.on_follower_report(NodeId(2 + i32::from(step % 2)), &report, now_ms).expect("a replica");
                }
                6 => proposed = leader.propose_isr(now_ms).map(|proposal| proposal.isr).or(proposed),
                _ => match proposed.take() {
                    Some(isr) if a > 1 => leader.on_isr_committed(&isr),
                    _ => leader.on_isr_withdrawn(),
                },
            }
            let watermark = leader.high_watermark();
            prop_assert!(watermark >= before, "never back");
            prop_assert!(watermark == before || leader.has_min_isr());
            for node in leader.isr() {
                let progress = leader.replica(*node).expect("a replica");
                prop_assert!(progress.flushed_offset.max(0) >= watermark, "node {} at {:?}, watermark {}", node, progress, watermark);
            }
        }
    }
}
