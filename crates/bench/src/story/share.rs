//! Administration of share groups and streams groups, without members of ours.

use crate::stage::{Outcome, PATIENCE, Stage, equal};
use ottla_client::{ClientError, OffsetAndMetadata, Offsets};
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

const TURN: Duration = Duration::from_millis(100);

/// The error code of a call that must fail.
fn refusal<T: std::fmt::Debug>(result: Option<Result<T, ClientError>>) -> Result<Option<ErrorCode>, String> {
    match result {
        Some(Err(error)) => Ok(error.code()),
        other => Err(format!("expected an error, found {other:?}")),
    }
}

pub(crate) async fn offsets(stage: &Stage) -> Outcome {
    let (topic, group) = (stage.topic(2).await?, stage.fresh("share"));
    stage.send(&topic, &["one", "two", "three"]).await?;
    let partition = |index| TopicPartition::new(topic.as_str(), index);
    let unknown = TopicPartition::new(stage.fresh("nothing"), 0);
    let wanted: BTreeMap<TopicPartition, i64> = [(partition(0), 1), (partition(1), 0), (unknown.clone(), 0)].into();
    let mut altered = stage.admin.alter_share_group_offsets(&group, &wanted).await?;
    let refused = refusal(altered.remove(&unknown))?;
    equal("an unknown topic", refused, Some(ErrorCode::UnknownTopicOrPartition))?;
    equal("altered", altered.into_values().collect::<Result<Vec<()>, _>>()?.len(), 2)?;

    let described = stage.admin.describe_share_groups(&[&group]).await.remove(&group).ok_or("not described")??;
    equal("described", (described.state.as_str(), described.members.len()), ("Empty", 0))?;
    let listed = stage.admin.list_groups(&[], &["Share"]).await?;
    equal("listed", listed.iter().any(|listing| listing.group_id == group), true)?;
    let deadline = Instant::now() + PATIENCE;
    loop {
        let offsets = stage.admin.list_share_group_offsets(&group).await?;
        let starts: Vec<Option<i64>> =
            offsets.values().map(|offset| offset.as_ref().map(|offset| offset.start_offset)).collect();
        if starts == [Some(1), Some(0)] {
            break;
        }
        if Instant::now() > deadline {
            return Err(format!("start offsets stay {offsets:?}").into());
        }
        stage.client.runtime().sleep(TURN).await;
    }

    let topics = BTreeSet::from([topic.clone()]);
    let deleted = stage.admin.delete_share_group_offsets(&group, &topics).await?;
    equal("deleted", deleted.into_values().collect::<Result<Vec<()>, _>>()?.len(), 1)?;
    equal("left", stage.admin.list_share_group_offsets(&group).await?.len(), 0)?;
    Ok(stage.admin.delete_group(&group).await?)
}

/// Groups that are not there, or of another type.
pub(crate) async fn strangers(stage: &Stage) -> Outcome {
    let (topic, group) = (stage.topic(1).await?, stage.fresh("group"));
    let offsets: Offsets = [(TopicPartition::new(topic.as_str(), 0), OffsetAndMetadata::new(0))].into();
    stage.admin.alter_group_offsets(&group, &offsets).await?;
    let missing = stage.fresh("missing");
    for name in [missing.as_str(), group.as_str()] {
        let share = stage.admin.describe_share_groups(&[name]).await.remove(name);
        equal("share group", refusal(share)?, Some(ErrorCode::GroupIdNotFound))?;
        let streams = stage.admin.describe_streams_groups(&[name]).await.remove(name);
        equal("streams group", refusal(streams)?, Some(ErrorCode::GroupIdNotFound))?;
        let topics = BTreeSet::from([topic.clone()]);
        let deleted = stage.admin.delete_share_group_offsets(name, &topics).await;
        equal("offsets", refusal(Some(deleted))?, Some(ErrorCode::GroupIdNotFound))?;
    }
    Ok(stage.admin.delete_group(&group).await?)
}
