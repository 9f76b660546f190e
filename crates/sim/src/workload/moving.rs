//! Partitions move between the node's log directories (AlterReplicaLogDirs), also those of the coordinators' topics.

use super::Actor;
use crate::oracle::Check;
use crate::{LOG_DIRS, NODE_ID};
use ottla_client::Admin;
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::BTreeMap;

/// Longest pause between two moves. Milliseconds.
const PAUSE_MAX_MS: u64 = 3000;
/// Topics of coordinators, which are there when somebody needs them.
const INTERNAL: &[&str] = &["__consumer_offsets", "__transaction_state", "__share_group_state"];
/// Each of them has so many partitions.
const INTERNAL_PARTITIONS: u64 = 2;
/// What is answered for a partition that is not there yet, or not any more.
const AWAY: &[ErrorCode] = &[ErrorCode::UnknownTopicOrPartition, ErrorCode::ReplicaNotAvailable];

/// Moves one partition after the other until the run is over.
pub(super) async fn run(actor: Actor) -> Check {
    while actor.pause(PAUSE_MAX_MS).await {
        let Some(partition) = choose(&actor) else { continue };
        let target = (*actor.one_of(LOG_DIRS).expect("the node has some")).to_string();
        let wanted = BTreeMap::from([(partition.clone(), target.clone())]);
        let answer = Admin::cautious(&actor.client).alter_replica_log_dirs(NODE_ID, &wanted).await;
        match answer.and_then(|mut results| results.remove(&partition).unwrap_or(Ok(()))) {
            Ok(()) => actor.oracle.tell(actor.now(), format!("{partition} is to be in {target}")),
            Err(error) => actor.expect(&format!("AlterReplicaLogDirs of {partition}"), &error, AWAY)?,
        }
    }
    Ok(())
}

fn choose(actor: &Actor) -> Option<TopicPartition> {
    if actor.chance(30) {
        let topic = *actor.one_of(INTERNAL)?;
        return Some(TopicPartition::new(topic, actor.below(INTERNAL_PARTITIONS) as i32));
    }
    let partitions = actor.oracle.partitions(true);
    actor.one_of(&partitions).map(|key| TopicPartition::new(&*key.topic, key.partition))
}
