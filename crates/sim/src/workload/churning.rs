//! Topics that come and go under the same name: created, written, read back, deleted, and gone.

use super::producing::Producing;
use super::{Actor, changing, deleting, setup};
use crate::oracle::{Check, PartitionKey};
use crate::verify;
use ottla_client::{Admin, ClientError};
use ottla_types::ErrorCode;

/// Creates and deletes until the run is over.
pub(super) async fn run(actor: Actor, name: &'static str) -> Check {
    while actor.pause(if actor.hurries { 300 } else { 2500 }).await {
        let partitions = 1 + actor.below(3) as i32;
        let configs = [("internal.segment.bytes", "4000"), ("retention.ms", "-1"), ("file.delete.delay.ms", "200")];
        let configs: Vec<_> = configs.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string())).collect();
        let incarnation = actor.oracle.creating(name, partitions, &configs, false);
        if !setup::create(&actor, name, partitions, &configs).await? {
            return Ok(());
        }
        let key = PartitionKey::new(name, incarnation, actor.below(partitions as u64) as i32);
        // A producer of its own for each creation: what it holds back does not end up in the next one.
        let mut producing = Producing::new(&actor);
        for _ in 0..actor.below(4) {
            producing.send(&actor, &key, 1 + actor.below(6)).await?;
        }
        if actor.chance(30)
            && let Err(error) = deleting::delete(&actor, &key, None).await?
        {
            actor.expect("DeleteRecords", &error, &[])?;
        }
        if actor.chance(30) && !changing::alter(&actor, name, "file.delete.delay.ms", "50").await? {
            return Ok(());
        }
        actor.pause(2000).await;
        verify::read_back(&actor, &key).await?;
        if !delete(&actor, name).await? {
            return Ok(());
        }
    }
    Ok(())
}

/// Deletes a topic, again and again until it is gone; `false` when the run is over before.
async fn delete(actor: &Actor, name: &str) -> Check<bool> {
    actor.oracle.deleting(name);
    let mut is_first_try = true;
    loop {
        match Admin::new(&actor.client).delete_topic(name).await {
            Ok(()) => break,
            // Our own earlier try.
            Err(ClientError::Broker { code: ErrorCode::UnknownTopicOrPartition, .. }) if !is_first_try => break,
            Err(error) => actor.expect(&format!("DeleteTopics {name}"), &error, &[])?,
        }
        is_first_try = false;
        if !actor.pause(300).await {
            return Ok(false);
        }
    }
    actor.oracle.tell(actor.now(), format!("{name} is deleted"));
    actor.oracle.deleted(name);
    Ok(true)
}
