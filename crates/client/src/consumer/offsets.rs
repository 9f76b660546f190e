//! OffsetCommit and OffsetFetch for a consumer and for the admin client.

use super::Shared;
use super::record::{OffsetAndMetadata, Offsets};
use crate::backoff::Backoff;
use crate::client::Client;
use crate::coordinator::Coordinated;
use crate::error::ClientError;
use ottla_protocol::offset_commit_request::{OffsetCommitRequestPartition, OffsetCommitRequestTopic};
use ottla_protocol::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use ottla_protocol::{OffsetCommitRequest, OffsetFetchRequest, OffsetFetchResponse};
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::BTreeMap;

/// The first version with several groups in one request.
const GROUPS_VERSION: i16 = 8;
/// The last version that names topics.
const NAMES_VERSION: i16 = 9;

/// Who commits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Committer {
    /// Empty for who is no member.
    pub(crate) member_id: String,
    pub(crate) group_instance_id: Option<String>,
    /// Generation or member epoch; -1 for who is no member.
    pub(crate) epoch: i32,
}

/// Commits for a consumer, again while the coordinator asks for it.
pub(super) async fn commit(shared: &Shared, offsets: &Offsets) -> Result<(), ClientError> {
    let group_id = shared.group_id()?;
    let runtime = shared.runtime();
    let deadline = runtime.now() + shared.client.options().api_timeout;
    let mut backoff = Backoff::new(shared.client.options());
    let _in_order = shared.committing.lock().await;
    loop {
        let committer = shared.committer();
        let done = commit_once(&shared.coordinating, &group_id, &committer, offsets).await;
        let Err(error) = done else { return Ok(()) };
        let is_stale = error.code() == Some(ErrorCode::StaleMemberEpoch);
        let may_try = error.is_transient() || is_stale;
        if !may_try || runtime.now() >= deadline || shared.lock().is_closed {
            return Err(error);
        }
        backoff.pause(runtime).await;
    }
}

/// One OffsetCommit; the first error of a partition is the whole's.
pub(crate) async fn commit_once(
    client: &Client,
    group_id: &str,
    committer: &Committer,
    offsets: &Offsets,
) -> Result<(), ClientError> {
    if offsets.is_empty() {
        return Ok(());
    }
    let request = OffsetCommitRequest {
        group_id: group_id.to_string(),
        generation_id_or_member_epoch: committer.epoch,
        member_id: committer.member_id.clone(),
        group_instance_id: committer.group_instance_id.clone(),
        retention_time_ms: -1,
        topics: by_topic(offsets),
    };
    let done = async {
        let coordinator = client.group_coordinator(group_id).await?;
        let version = coordinator.version_within::<OffsetCommitRequest>((2, NAMES_VERSION))?;
        let response = coordinator.begin(&request, version, &[]).await?.wait().await?;
        for topic in response.topics {
            for partition in topic.partitions {
                let subject = || format!("commit of {}-{}", topic.name, partition.partition_index);
                ClientError::check(partition.error_code, None, subject)?;
            }
        }
        Ok(())
    };
    client.forgetting(Coordinated::Group, group_id, done.await)
}

fn by_topic(offsets: &Offsets) -> Vec<OffsetCommitRequestTopic> {
    let mut topics: Vec<OffsetCommitRequestTopic> = Vec::new();
    for (partition, offset) in offsets {
        let row = OffsetCommitRequestPartition {
            partition_index: partition.partition,
            committed_offset: offset.offset,
            committed_leader_epoch: offset.leader_epoch,
            committed_metadata: Some(offset.metadata.clone()),
        };
        match topics.last_mut().filter(|topic| *topic.name == *partition.topic) {
            Some(topic) => topic.partitions.push(row),
            None => topics.push(OffsetCommitRequestTopic {
                name: partition.topic.to_string(),
                partitions: vec![row],
                ..Default::default()
            }),
        }
    }
    topics
}

/// Fetches for a consumer, as the member it is: with KIP-848 the coordinator checks the epoch.
pub(super) async fn fetch(
    shared: &Shared,
    group_id: &str,
    partitions: Option<&[TopicPartition]>,
) -> Result<Offsets, ClientError> {
    let committer =
        if shared.is_modern() { shared.committer() } else { Committer { epoch: -1, ..Committer::default() } };
    fetch_once(&shared.coordinating, group_id, &committer, partitions).await
}

/// One OffsetFetch: of these partitions, or of all with `None`. What has no offset is left out.
pub(crate) async fn fetch_once(
    client: &Client,
    group_id: &str,
    committer: &Committer,
    partitions: Option<&[TopicPartition]>,
) -> Result<Offsets, ClientError> {
    let mut topics: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for partition in partitions.unwrap_or_default() {
        topics.entry(partition.topic.to_string()).or_default().push(partition.partition);
    }
    let done = async {
        let coordinator = client.group_coordinator(group_id).await?;
        let version = coordinator.version_within::<OffsetFetchRequest>((1, NAMES_VERSION))?;
        let mut request = OffsetFetchRequest { require_stable: version >= 7, ..Default::default() };
        let asks_all = partitions.is_none();
        if version >= GROUPS_VERSION {
            let topic =
                |(name, partition_indexes)| OffsetFetchRequestTopics { name, partition_indexes, ..Default::default() };
            let is_member = !committer.member_id.is_empty() && version >= 9;
            request.groups = vec![OffsetFetchRequestGroup {
                group_id: group_id.to_string(),
                member_id: is_member.then(|| committer.member_id.clone()),
                member_epoch: if is_member { committer.epoch } else { -1 },
                topics: (!asks_all).then(|| topics.into_iter().map(topic).collect()),
            }];
        } else {
            let topic = |(name, partition_indexes)| OffsetFetchRequestTopic { name, partition_indexes };
            request.group_id = group_id.to_string();
            request.topics = (!asks_all).then(|| topics.into_iter().map(topic).collect());
        }
        let response = coordinator.begin(&request, version, &[]).await?.wait().await?;
        committed(response, group_id)
    };
    client.forgetting(Coordinated::Group, group_id, done.await)
}

fn committed(response: OffsetFetchResponse, group_id: &str) -> Result<Offsets, ClientError> {
    let subject = || format!("offsets of group '{group_id}'");
    ClientError::check(response.error_code, None, subject)?;
    let mut rows = Vec::new();
    for topic in response.topics {
        let name = topic.name;
        rows.extend(topic.partitions.into_iter().map(|p| {
            (name.clone(), p.partition_index, p.error_code, p.committed_offset, p.committed_leader_epoch, p.metadata)
        }));
    }
    for group in response.groups {
        ClientError::check(group.error_code, None, subject)?;
        for topic in group.topics {
            let name = topic.name;
            rows.extend(topic.partitions.into_iter().map(|p| {
                (
                    name.clone(),
                    p.partition_index,
                    p.error_code,
                    p.committed_offset,
                    p.committed_leader_epoch,
                    p.metadata,
                )
            }));
        }
    }
    let mut offsets = Offsets::new();
    for (topic, partition, error_code, offset, leader_epoch, metadata) in rows {
        let partition = TopicPartition::new(topic, partition);
        ClientError::check(error_code, None, || format!("committed offset of {partition}"))?;
        if offset >= 0 {
            let metadata = metadata.unwrap_or_default();
            offsets.insert(partition, OffsetAndMetadata { offset, leader_epoch, metadata });
        }
    }
    Ok(offsets)
}
