//! Changes of topics that stay: `write.caching` on and off, more partitions.

use super::Actor;
use crate::oracle::Check;
use ottla_client::{Admin, ClientError, ConfigChange, NewPartitions};
use ottla_types::ErrorCode;

/// The topic whose `write.caching` is changed.
const TOGGLED: &str = "toggled";
/// The topic that grows.
const GROWING: &str = "durable";
/// It has no more partitions than this.
const PARTITIONS_MAX: i32 = 6;
/// Longest pause between two changes. Milliseconds.
const PAUSE_MAX_MS: u64 = 4000;

/// Changes until the run is over.
pub(super) async fn run(actor: Actor) -> Check {
    let mut caches = false;
    while actor.pause(PAUSE_MAX_MS).await {
        if actor.chance(75) && actor.oracle.incarnation(TOGGLED).is_some() {
            caches = !caches;
            if !alter(&actor, TOGGLED, "write.caching", if caches { "true" } else { "false" }).await? {
                return Ok(());
            }
        } else if !grow(&actor).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Sets a config, again and again until it is set; `false` when the run is over before.
pub(super) async fn alter(actor: &Actor, topic: &str, config: &str, value: &str) -> Check<bool> {
    actor.oracle.altering(topic, config, value);
    if !set(actor, topic, config, value).await? {
        return Ok(false);
    }
    actor.oracle.tell(actor.now(), format!("{topic} has {config}={value}"));
    actor.oracle.altered(topic, config, value);
    Ok(true)
}

/// The same without a word to the oracle.
pub(super) async fn set(actor: &Actor, topic: &str, config: &str, value: &str) -> Check<bool> {
    let change = ConfigChange::Set { name: config.to_string(), value: value.to_string() };
    loop {
        match Admin::cautious(&actor.client).alter_topic_configs(topic, std::slice::from_ref(&change)).await {
            Ok(()) => break,
            Err(error) => actor.expect(&format!("IncrementalAlterConfigs {topic}"), &error, &[])?,
        }
        if !actor.pause(300).await {
            return Ok(false);
        }
    }
    Ok(true)
}

async fn grow(actor: &Actor) -> Check<bool> {
    let partitions = actor.oracle.partitions(true);
    let total = partitions.iter().filter(|key| &*key.topic == GROWING).count() as i32 + 1;
    if !(2..=PARTITIONS_MAX).contains(&total) {
        return Ok(true);
    }
    actor.oracle.growing(GROWING, total);
    let mut is_first_try = true;
    loop {
        let wanted = NewPartitions::increase_to(total);
        match Admin::cautious(&actor.client).create_partitions(GROWING, &wanted, false).await {
            Ok(()) => break,
            // Our own earlier try.
            Err(ClientError::Broker { code: ErrorCode::InvalidPartitions, .. }) if !is_first_try => break,
            Err(error) => actor.expect(&format!("CreatePartitions {GROWING}"), &error, &[])?,
        }
        is_first_try = false;
        if !actor.pause(300).await {
            return Ok(false);
        }
    }
    actor.oracle.tell(actor.now(), format!("{GROWING} has {total} partitions"));
    actor.oracle.grown(GROWING);
    Ok(true)
}
