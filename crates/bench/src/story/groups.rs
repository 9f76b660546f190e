//! Groups in both protocols.

use crate::stage::{Outcome, PATIENCE, Stage, equal, is_shared, poll_until, text};
use ottla_client::{Assignor, Consumer, ConsumerOptions, GroupProtocol, OffsetAndMetadata, Offsets};
use ottla_types::TopicPartition;
use std::time::Instant;

/// A protocol by name, as a value that cases can be given.
pub(crate) enum Kind {
    Classic(Assignor),
    Modern,
}

pub(crate) const EAGER: Kind = Kind::Classic(Assignor::Range);
pub(crate) const COOPERATIVE: Kind = Kind::Classic(Assignor::CooperativeSticky);
pub(crate) const MODERN: Kind = Kind::Modern;

impl Kind {
    pub(crate) fn protocol(&self) -> GroupProtocol {
        match self {
            Kind::Classic(assignor) => GroupProtocol::Classic { assignors: vec![*assignor] },
            Kind::Modern => GroupProtocol::Consumer { assignor: None },
        }
    }
}

pub(crate) async fn membership(stage: &Stage, kind: &Kind) -> Outcome {
    let (topic, group) = (stage.topic(4).await?, stage.fresh("group"));
    let protocol = kind.protocol();
    let join = || -> Result<Consumer, Box<dyn std::error::Error>> {
        let mut consumer = Consumer::new(&stage.client, stage.member(&group, &protocol))?;
        consumer.subscribe(&[topic.as_str()])?;
        Ok(consumer)
    };
    let mut consumers = vec![join()?, join()?];
    poll_until(&mut consumers, |found, _| is_shared(found, &topic, 4)).await?;
    consumers.remove(0).close().await?;
    poll_until(&mut consumers, |found, _| is_shared(found, &topic, 4)).await?;
    stage.send(&topic, &["one", "two"]).await?;
    let read = poll_until(&mut consumers, |_, records| records.len() >= 2).await?;
    equal("values", read.iter().map(text).collect::<Vec<_>>(), vec!["one".to_string(), "two".to_string()])?;
    consumers[0].commit().await?;
    consumers.remove(0).close().await?;
    stage.send(&topic, &["three"]).await?;
    consumers.push(join()?);
    let read = poll_until(&mut consumers, |_, records| !records.is_empty()).await?;
    equal("resumed at", text(&read[0]), "three".to_string())?;
    // Without a word: the session's end tells the others.
    drop(consumers.remove(0));
    consumers.push(join()?);
    let read = poll_until(&mut consumers, |_, records| !records.is_empty()).await?;
    equal("read again", text(&read[0]), "three".to_string())?;
    Ok(consumers.remove(0).close().await?)
}

pub(crate) async fn static_member(stage: &Stage, kind: &Kind) -> Outcome {
    let (topic, group) = (stage.topic(4).await?, stage.fresh("group"));
    let protocol = kind.protocol();
    let join = |name: &str| -> Result<Consumer, Box<dyn std::error::Error>> {
        let group_instance_id = Some(name.to_string());
        let options = ConsumerOptions { group_instance_id, ..stage.member(&group, &protocol) };
        let mut consumer = Consumer::new(&stage.client, options)?;
        consumer.subscribe(&[topic.as_str()])?;
        Ok(consumer)
    };
    let mut consumers = vec![join("a")?, join("b")?];
    poll_until(&mut consumers, |found, _| is_shared(found, &topic, 4)).await?;
    let had = consumers[0].assignment();
    consumers.remove(0).close().await?;
    consumers.push(join("a")?);
    poll_until(&mut consumers, |found, _| is_shared(found, &topic, 4)).await?;
    equal("partitions of the one that came back", consumers[1].assignment(), had)?;
    for consumer in consumers {
        consumer.close().await?;
    }
    Ok(())
}

pub(crate) async fn pattern(stage: &Stage, kind: &Kind) -> Outcome {
    let prefix = stage.fresh("pattern");
    stage.named_topic(&format!("{prefix}-a"), 1).await?;
    let mut consumers = vec![Consumer::new(&stage.client, stage.member(&stage.fresh("group"), &kind.protocol()))?];
    consumers[0].subscribe_pattern(&format!("{prefix}-.*"))?;
    poll_until(&mut consumers, |found, _| found[0].assignment().len() == 1).await?;
    stage.named_topic(&format!("{prefix}-b"), 1).await?;
    poll_until(&mut consumers, |found, _| found[0].assignment().len() == 2).await?;
    Ok(consumers.remove(0).close().await?)
}

pub(crate) async fn admin(stage: &Stage) -> Outcome {
    let (topic, group) = (stage.topic(1).await?, stage.fresh("group"));
    stage.send(&topic, &["one", "two", "three"]).await?;
    let partition = TopicPartition::new(topic.as_str(), 0);
    let offsets: Offsets = [(partition.clone(), OffsetAndMetadata::new(2))].into();
    stage.admin.alter_group_offsets(&group, &offsets).await?;
    equal("committed", stage.admin.list_group_offsets(&group).await?[&partition].offset, 2)?;
    let listed = stage.admin.list_groups(&[], &[]).await?;
    equal("listed", listed.iter().any(|listing| listing.group_id == group), true)?;
    let mut consumers = vec![Consumer::new(&stage.client, stage.member(&group, &EAGER.protocol()))?];
    consumers[0].subscribe(&[topic.as_str()])?;
    let read = poll_until(&mut consumers, |_, records| !records.is_empty()).await?;
    equal("first", text(&read[0]), "three".to_string())?;
    let described = stage.admin.describe_group(&group).await?;
    equal("described", (described.state.as_str(), described.members.len()), ("Stable", 1))?;
    consumers.remove(0).close().await?;
    let deadline = Instant::now() + PATIENCE;
    while let Err(error) = stage.admin.delete_group(&group).await {
        if Instant::now() > deadline {
            return Err(error.into());
        }
    }
    Ok(())
}
