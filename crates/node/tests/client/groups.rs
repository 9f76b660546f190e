//! Membership in groups: eager, cooperative and KIP-848; members that come, leave, crash, and come back as static ones.

use super::kit::{Stage, is_shared, member, poll_until, text};
use ottla_client::{Assignor, Consumer, GroupProtocol, RebalanceListener};
use ottla_types::TopicPartition;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

fn protocols() -> Vec<GroupProtocol> {
    vec![
        GroupProtocol::Classic { assignors: vec![Assignor::Range] },
        GroupProtocol::Classic { assignors: vec![Assignor::CooperativeSticky] },
        GroupProtocol::Consumer { assignor: None },
    ]
}

async fn joined(stage: &Stage, protocol: &GroupProtocol, members: usize) -> Vec<Consumer> {
    let mut consumers: Vec<Consumer> = (0..members).map(|_| stage.consumer(member("g", protocol.clone()))).collect();
    consumers.iter_mut().for_each(|consumer| consumer.subscribe(&["t"]).unwrap());
    poll_until(&mut consumers, |found| is_shared(found, "t", 4)).await;
    consumers
}

#[tokio::test]
async fn members_share_the_partitions_and_go_on_when_one_leaves() {
    for protocol in protocols() {
        let stage = Stage::new().await;
        stage.send("t", &["one", "two"]).await;
        let mut consumers = joined(&stage, &protocol, 3).await;
        let leaver = consumers.remove(0);
        leaver.close().await.unwrap();
        poll_until(&mut consumers, |found| is_shared(found, "t", 4)).await;
        stage.node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_member_that_crashes_is_missed_and_its_records_are_read_again() {
    for protocol in protocols() {
        let stage = Stage::new().await;
        let topic = ottla_client::NewTopic::new("t", 4);
        ottla_client::Admin::new(&stage.client).create_topic(&topic, false).await.unwrap();
        let mut consumers = joined(&stage, &protocol, 2).await;
        let first = TopicPartition::new("t", 0);
        let owner = consumers.iter().position(|consumer| consumer.assignment().contains(&first)).unwrap();
        let mut victim = consumers.remove(owner);
        stage.send("t", &["one"]).await;
        let mut read = Vec::new();
        while read.is_empty() {
            read = victim.poll(std::time::Duration::from_secs(10)).await.unwrap();
        }
        // Dropped without a word, and without a commit.
        drop(victim);
        let mut again = poll_until(&mut consumers, |found| is_shared(found, "t", 4)).await;
        while again.is_empty() {
            again = consumers[0].poll(std::time::Duration::from_secs(10)).await.unwrap();
        }
        assert_eq!(again.iter().map(text).collect::<Vec<_>>(), ["one"]);
        stage.node.shutdown().await.unwrap();
    }
}

/// Notes what comes and goes.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<(&'static str, usize)>>>);

impl RebalanceListener for Notes {
    fn on_assigned(&mut self, partitions: &BTreeSet<TopicPartition>) {
        self.0.lock().unwrap().push(("assigned", partitions.len()));
    }

    fn on_revoked(&mut self, partitions: &BTreeSet<TopicPartition>) -> ottla_client::Offsets {
        self.0.lock().unwrap().push(("revoked", partitions.len()));
        ottla_client::Offsets::new()
    }
}

#[tokio::test]
async fn only_eager_members_give_everything_up_when_another_one_joins() {
    for (protocol, expected) in protocols().into_iter().zip([4, 2, 2]) {
        let stage = Stage::new().await;
        let notes = Notes::default();
        stage.send("t", &["one"]).await;
        let mut consumers = vec![stage.consumer(member("g", protocol.clone()))];
        consumers[0].set_rebalance_listener(notes.clone());
        consumers[0].subscribe(&["t"]).unwrap();
        poll_until(&mut consumers, |found| is_shared(found, "t", 4)).await;
        let mut second = stage.consumer(member("g", protocol.clone()));
        second.subscribe(&["t"]).unwrap();
        consumers.push(second);
        poll_until(&mut consumers, |found| is_shared(found, "t", 4)).await;
        let notes = notes.0.lock().unwrap().clone();
        let revoked: usize = notes.iter().filter(|(what, _)| *what == "revoked").map(|(_, count)| count).sum();
        assert_eq!(revoked, expected, "{protocol:?}: {notes:?}");
        stage.node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn a_static_member_comes_back_to_its_partitions_without_a_rebalance() {
    for protocol in protocols() {
        let stage = Stage::new().await;
        stage.send("t", &["one"]).await;
        let fixed = |name: &str| ottla_client::ConsumerOptions {
            group_instance_id: Some(name.to_string()),
            ..member("g", protocol.clone())
        };
        let mut consumers = vec![stage.consumer(fixed("a")), stage.consumer(fixed("b"))];
        consumers.iter_mut().for_each(|consumer| consumer.subscribe(&["t"]).unwrap());
        poll_until(&mut consumers, |found| is_shared(found, "t", 4)).await;
        let had = consumers[0].assignment();
        let notes = Notes::default();
        consumers[1].set_rebalance_listener(notes.clone());
        consumers.remove(0).close().await.unwrap();
        let mut again = stage.consumer(fixed("a"));
        again.subscribe(&["t"]).unwrap();
        consumers.push(again);
        poll_until(&mut consumers, |found| is_shared(found, "t", 4)).await;
        assert_eq!(consumers[1].assignment(), had, "{protocol:?}");
        let revoked = notes.0.lock().unwrap().iter().any(|(what, _)| *what == "revoked");
        assert!(!revoked, "{protocol:?}: the other member keeps everything");
        stage.node.shutdown().await.unwrap();
    }
}

#[tokio::test]
async fn two_members_with_one_instance_id_are_told_apart() {
    for protocol in protocols() {
        let stage = Stage::new().await;
        stage.send("t", &["one"]).await;
        let options =
            ottla_client::ConsumerOptions { group_instance_id: Some("a".to_string()), ..member("g", protocol.clone()) };
        let mut consumers = vec![stage.consumer(options.clone())];
        consumers[0].subscribe(&["t"]).unwrap();
        poll_until(&mut consumers, |found| is_shared(found, "t", 4)).await;
        let mut second = stage.consumer(options);
        second.subscribe(&["t"]).unwrap();
        let is_modern = matches!(protocol, GroupProtocol::Consumer { .. });
        let mut loser = None;
        while loser.is_none() {
            for (which, consumer) in [("first", &mut consumers[0]), ("second", &mut second)] {
                if let Err(error) = consumer.poll(std::time::Duration::from_millis(50)).await {
                    loser = Some((which, error.code().map(|code| code.to_string()).unwrap_or_default()));
                }
            }
        }
        // The classic protocol fences the older one; with KIP-848 the instance id is taken.
        let expected = if is_modern { ("second", "UNRELEASED_INSTANCE_ID") } else { ("first", "FENCED_INSTANCE_ID") };
        let (which, code) = loser.unwrap();
        assert_eq!((which, code.as_str()), expected);
        stage.node.shutdown().await.unwrap();
    }
}
