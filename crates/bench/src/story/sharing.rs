//! Members of share groups: who gets which record, how often, and what becomes of it.

use crate::broker::Broker;
use crate::stage::{Outcome, PATIENCE, Stage, equal, text};
use ottla_client::{
    AcknowledgeType, AcknowledgementMode, AcquireMode, ConfigChange, ConfigResource, ConsumerRecord, ProducerRecord,
    ShareConsumer, ShareConsumerOptions,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

const TURN: Duration = Duration::from_millis(50);
/// Nothing came for so long: nothing will.
const SILENCE: Duration = Duration::from_secs(2);

/// A group that begins at the beginning, with these configs of its own.
async fn group(stage: &Stage, configs: &[(&str, &str)]) -> Result<String, Failure> {
    let group = stage.fresh("share");
    let all = configs.iter().chain(&[("share.auto.offset.reset", "earliest")]);
    let changes: Vec<ConfigChange> =
        all.map(|(name, value)| ConfigChange::Set { name: name.to_string(), value: value.to_string() }).collect();
    stage.admin.alter_configs(&ConfigResource::Group(group.clone()), &changes, false).await?;
    Ok(group)
}

fn explicit(group: &str) -> ShareConsumerOptions {
    let acknowledgement_mode = AcknowledgementMode::Explicit;
    ShareConsumerOptions { acknowledgement_mode, ..ShareConsumerOptions::group(group) }
}

fn member(stage: &Stage, topic: &str, options: ShareConsumerOptions) -> Result<ShareConsumer, Failure> {
    let mut member = ShareConsumer::new(&stage.client, options)?;
    member.subscribe(&[topic])?;
    Ok(member)
}

/// The records of the next poll that has any.
async fn some(member: &mut ShareConsumer) -> Result<Vec<ConsumerRecord>, Failure> {
    match member.poll(PATIENCE).await? {
        records if records.is_empty() => Err(format!("no records for {:?}", member.assignment()).into()),
        records => Ok(records),
    }
}

fn seen(records: &[ConsumerRecord]) -> Vec<(String, i16)> {
    records.iter().map(|record| (text(record), record.delivery_count.unwrap_or(0))).collect()
}

fn expected(records: &[(&str, i16)]) -> Vec<(String, i16)> {
    records.iter().map(|(value, count)| (value.to_string(), *count)).collect()
}

/// Fails unless all that was committed was taken.
async fn commit(member: &mut ShareConsumer) -> Outcome {
    member.commit().await?.into_iter().try_for_each(|acknowledged| acknowledged.outcome)?;
    Ok(())
}

/// Two members read two partitions together: every record once.
pub(crate) async fn two_members(stage: &Stage) -> Outcome {
    const RECORDS: i32 = 2000;
    let (topic, group) = (stage.topic(2).await?, group(stage, &[]).await?);
    let options = || ShareConsumerOptions { max_poll_records: 50, ..ShareConsumerOptions::group(&group) };
    let mut members = vec![member(stage, &topic, options())?, member(stage, &topic, options())?];
    let producer = stage.producer()?;
    for number in 0..RECORDS {
        let record = ProducerRecord::new(topic.as_str(), number.to_string()).partition(number % 2);
        producer.send(record).await?;
        if number % 50 == 0 {
            // One batch for each partition, so that both members have something to take.
            producer.flush().await;
        }
    }
    producer.close(PATIENCE).await?;
    let mut counts: BTreeMap<String, i32> = BTreeMap::new();
    let mut by_member = [0, 0];
    let deadline = Instant::now() + PATIENCE;
    while counts.len() < RECORDS as usize {
        for (index, member) in members.iter_mut().enumerate() {
            let records = member.poll(TURN).await?;
            by_member[index] += records.len();
            records.iter().for_each(|record| *counts.entry(text(record)).or_default() += 1);
        }
        equal("in time", Instant::now() < deadline, true)?;
    }
    equal("each once", counts.values().all(|count| *count == 1), true)?;
    equal("both had some", by_member.iter().all(|count| *count > 0), true)?;
    let described = stage.admin.describe_share_groups(&[&group]).await.remove(&group).ok_or("not described")??;
    equal("described", (described.state.as_str(), described.members.len()), ("Stable", 2))?;
    for member in &mut members {
        commit(member).await?;
        equal("nothing is left", member.poll(TURN).await?.len(), 0)?;
    }
    for member in members {
        member.close().await?;
    }
    Ok(stage.admin.delete_group(&group).await?)
}

/// Accepted and rejected records do not come again, released ones do at once; the callback hears of all.
pub(crate) async fn acknowledge_types(stage: &Stage) -> Outcome {
    let (topic, group) = (stage.topic(1).await?, group(stage, &[]).await?);
    stage.send(&topic, &["accept", "release", "reject"]).await?;
    let mut member = member(stage, &topic, explicit(&group))?;
    let heard = Arc::new(Mutex::new(BTreeSet::new()));
    let hears = heard.clone();
    member.set_acknowledgement_commit_callback(move |acknowledged| {
        if acknowledged.outcome.is_ok() {
            let offsets = acknowledged.offsets.iter().cloned().flatten();
            hears.lock().expect("nobody panicked").extend(offsets);
        }
    });
    let mut records = Vec::new();
    while records.len() < 3 {
        let more = some(&mut member).await?;
        for record in &more {
            let kind = match text(record).as_str() {
                "accept" => AcknowledgeType::Accept,
                "release" => AcknowledgeType::Release,
                _ => AcknowledgeType::Reject,
            };
            member.acknowledge(record, kind)?;
        }
        records.extend(more);
    }
    equal("first", seen(&records[..3]), expected(&[("accept", 1), ("release", 1), ("reject", 1)]))?;
    if records.len() == 3 {
        commit(&mut member).await?;
        records.extend(some(&mut member).await?);
        member.acknowledge(&records[3], AcknowledgeType::Accept)?;
    }
    equal("again", seen(&records[3..]), expected(&[("release", 2)]))?;
    commit(&mut member).await?;
    equal("no more", member.poll(SILENCE).await?.len(), 0)?;
    let all = heard.lock().expect("nobody panicked").clone();
    equal("what the callback heard of", all, BTreeSet::from([0, 1, 2]))?;
    Ok(member.close().await?)
}

/// Explicit mode asks for a word about every record, implicit mode allows none.
pub(crate) async fn modes(stage: &Stage) -> Outcome {
    let (topic, group) = (stage.topic(1).await?, group(stage, &[]).await?);
    stage.send(&topic, &["a"]).await?;
    let mut careful = member(stage, &topic, explicit(&group))?;
    let records = some(&mut careful).await?;
    let owed = careful.poll(TURN).await.map_err(|error| error.to_string());
    equal("a poll that owes a word", owed.is_err_and(|error| error.contains("not acknowledged")), true)?;
    careful.acknowledge(&records[0], AcknowledgeType::Release)?;
    careful.close().await?;
    let mut simple = member(stage, &topic, ShareConsumerOptions::group(&group))?;
    let records = some(&mut simple).await?;
    equal("again", seen(&records), expected(&[("a", 2)]))?;
    let refused = simple.acknowledge(&records[0], AcknowledgeType::Accept);
    equal("implicit mode", refused.is_err_and(|error| error.to_string().contains("explicit")), true)?;
    commit(&mut simple).await?;
    equal("accepted", simple.poll(SILENCE).await?.len(), 0)?;
    Ok(simple.close().await?)
}

/// The records of a member that vanishes come to another one, counted.
pub(crate) async fn crash(stage: &Stage) -> Outcome {
    let (topic, group) = (stage.topic(1).await?, group(stage, &[("share.record.lock.duration.ms", "5000")]).await?);
    stage.send(&topic, &["a", "b"]).await?;
    let mut doomed = member(stage, &topic, explicit(&group))?;
    let mut count = 0;
    while count < 2 {
        let records = some(&mut doomed).await?;
        count += records.len();
        if count < 2 {
            // The rest is not here yet: all of it is to be in flight at the end.
            for record in &records {
                doomed.acknowledge(record, AcknowledgeType::Release)?;
            }
            count = 0;
        }
    }
    let mut heir = member(stage, &topic, explicit(&group))?;
    equal("locked", heir.poll(Duration::from_millis(500)).await?.len(), 0)?;
    drop(doomed);
    let mut values = BTreeSet::new();
    while values.len() < 2 {
        for record in some(&mut heir).await? {
            equal("delivered again", record.delivery_count >= Some(2), true)?;
            heir.acknowledge(&record, AcknowledgeType::Accept)?;
            values.insert(text(&record));
        }
    }
    commit(&mut heir).await?;
    Ok(heir.close().await?)
}

/// A lock ends although its member lives: acknowledging comes too late, and says so.
pub(crate) async fn expiry(stage: &Stage) -> Outcome {
    let (topic, group) = (stage.topic(1).await?, group(stage, &[("share.record.lock.duration.ms", "2000")]).await?);
    stage.send(&topic, &["a"]).await?;
    let mut slow = member(stage, &topic, explicit(&group))?;
    let records = some(&mut slow).await?;
    equal("lock", slow.acquisition_lock_timeout(), Some(Duration::from_secs(2)))?;
    let mut other = member(stage, &topic, explicit(&group))?;
    let again = some(&mut other).await?;
    equal("delivered again", seen(&again), expected(&[("a", 2)]))?;
    // While somebody else has it: of a record that is done and gone, nothing is said.
    slow.acknowledge(&records[0], AcknowledgeType::Accept)?;
    let late = slow.commit().await?;
    let refused =
        late.first().and_then(|acknowledged| acknowledged.outcome.clone().err()).and_then(|error| error.code());
    equal("too late", refused, Some(ottla_types::ErrorCode::InvalidRecordState))?;
    other.acknowledge(&again[0], AcknowledgeType::Accept)?;
    commit(&mut other).await?;
    other.close().await?;
    Ok(slow.close().await?)
}

/// A renewed record stays with its member for longer than a lock lasts.
pub(crate) async fn renewal(stage: &Stage) -> Outcome {
    let (topic, group) = (stage.topic(1).await?, group(stage, &[("share.record.lock.duration.ms", "3000")]).await?);
    stage.send(&topic, &["a"]).await?;
    let mut owner = member(stage, &topic, explicit(&group))?;
    let mut other = member(stage, &topic, explicit(&group))?;
    let mut records = some(&mut owner).await?;
    other.poll(TURN).await?;
    let end = Instant::now() + Duration::from_secs(5);
    while Instant::now() < end {
        owner.acknowledge(&records[0], AcknowledgeType::Renew)?;
        commit(&mut owner).await?;
        records = some(&mut owner).await?;
        equal("it is handed out again", seen(&records), expected(&[("a", 1)]))?;
        equal("nobody else has it", other.poll(Duration::from_millis(500)).await?.len(), 0)?;
    }
    owner.acknowledge(&records[0], AcknowledgeType::Accept)?;
    commit(&mut owner).await?;
    equal("done", other.poll(SILENCE).await?.len(), 0)?;
    other.close().await?;
    Ok(owner.close().await?)
}

/// With `record_limit` a poll never returns more than `max.poll.records`, however large the batch.
pub(crate) async fn record_limit(stage: &Stage) -> Outcome {
    let (topic, group) = (stage.topic(1).await?, group(stage, &[]).await?);
    let producer = stage.producer()?;
    for number in 0..25 {
        producer.send(ProducerRecord::new(topic.as_str(), number.to_string()).partition(0)).await?;
    }
    producer.close(PATIENCE).await?;
    let acquire_mode = AcquireMode::RecordLimit;
    let options = ShareConsumerOptions { acquire_mode, max_poll_records: 10, ..ShareConsumerOptions::group(&group) };
    let mut member = member(stage, &topic, options)?;
    let mut values = Vec::new();
    while values.len() < 25 {
        let records = some(&mut member).await?;
        equal("limit", records.len() <= 10, true)?;
        values.extend(records.iter().map(text));
    }
    equal("in order", values, (0..25).map(|number| number.to_string()).collect())?;
    commit(&mut member).await?;
    Ok(member.close().await?)
}

/// A poll is ended from elsewhere, and what was polled before is acknowledged all the same.
pub(crate) async fn wakeup(stage: &Stage) -> Outcome {
    let (topic, group) = (stage.topic(1).await?, group(stage, &[]).await?);
    stage.send(&topic, &["a"]).await?;
    let mut member = member(stage, &topic, ShareConsumerOptions::group(&group))?;
    some(&mut member).await?;
    let waker = member.waker();
    let waking = stage.client.runtime().spawn("story.waker", async move { waker.wakeup() });
    let woken = member.poll(PATIENCE).await;
    let _ = waking.await;
    equal("woken", woken.map_err(|error| error.to_string()), Err(ottla_client::ClientError::Wakeup.to_string()))?;
    commit(&mut member).await?;
    member.unsubscribe().await;
    member.subscribe(&[topic.as_str()])?;
    equal("accepted", member.poll(SILENCE).await?.len(), 0)?;
    Ok(member.close().await?)
}

/// A member goes on over a restart of the broker: what was accepted does not come again, all the rest does come.
pub(crate) async fn restart(stage: &Stage, broker: &mut Broker) -> Outcome {
    let (topic, group) = (stage.topic(1).await?, group(stage, &[]).await?);
    let values: Vec<String> = (0..20).map(|number| number.to_string()).collect();
    let texts: Vec<&str> = values.iter().map(String::as_str).collect();
    stage.send(&topic, &texts[..10]).await?;
    let mut member = member(stage, &topic, explicit(&group))?;
    let mut accepted = BTreeSet::new();
    while accepted.len() < 10 {
        for record in some(&mut member).await? {
            member.acknowledge(&record, AcknowledgeType::Accept)?;
            accepted.insert(text(&record));
        }
    }
    commit(&mut member).await?;
    stage.send(&topic, &texts[10..15]).await?;
    let held = some(&mut member).await?;
    broker.restart()?;
    for record in &held {
        member.acknowledge(record, AcknowledgeType::Accept)?;
    }
    // Its locks are gone with the broker, so these come again, unless they were taken.
    let taken = member.commit().await?.iter().all(|acknowledged| acknowledged.outcome.is_ok());
    if taken {
        accepted.extend(held.iter().map(text));
    }
    stage.send(&topic, &texts[15..]).await?;
    let before = accepted.clone();
    while accepted.len() < 20 {
        for record in some(&mut member).await? {
            equal("accepted before", before.contains(&text(&record)), false)?;
            member.acknowledge(&record, AcknowledgeType::Accept)?;
            accepted.insert(text(&record));
        }
    }
    commit(&mut member).await?;
    equal("all", accepted, values.into_iter().collect())?;
    Ok(member.close().await?)
}
