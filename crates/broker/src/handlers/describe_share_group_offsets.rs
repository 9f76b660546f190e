//! DescribeShareGroupOffsets (key 90), versions 0 and 1 (KIP-932): start offsets and lags of share groups.
//!
//! v1 the lag (KIP-1226): records between start and end of the partition that are not done with; -1 where nothing was consumed
//! yet. Without topics all partitions that have a state are described. Errors of a group: UNSUPPORTED_VERSION,
//! INVALID_GROUP_ID; of a partition UNKNOWN_TOPIC_OR_PARTITION and why its state cannot be read.

use super::codec::{Handled, decode, respond};
use super::groups::ask_each;
use super::share_groups::{are_enabled, ask_share};
use crate::Broker;
use futures_util::FutureExt;
use ottla_group::{GroupReply, ShareReply, ShareRequest};
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequestGroup,
};
use ottla_protocol::generated::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponse, DescribeShareGroupOffsetsResponseGroup,
    DescribeShareGroupOffsetsResponsePartition, DescribeShareGroupOffsetsResponseTopic,
};
use ottla_share::state::{StateAnswer, StateKey, StateRequest};
use ottla_types::{ErrorCode, Uuid};
use std::sync::Arc;

pub(super) fn handle(broker: &Arc<Broker>, request: Request) -> Handled {
    let body: DescribeShareGroupOffsetsRequest = decode(&request)?;
    let header = request.header;
    let broker = Arc::clone(broker);
    Ok(Outcome::Later(Box::pin(async move {
        let groups = ask_each(body.groups, |group| describe(Arc::clone(&broker), group).boxed()).await;
        respond(&broker, &header, &DescribeShareGroupOffsetsResponse { groups, ..Default::default() })
    })))
}

async fn describe(
    broker: Arc<Broker>,
    asked: DescribeShareGroupOffsetsRequestGroup,
) -> DescribeShareGroupOffsetsResponseGroup {
    let group_id = asked.group_id;
    let failed = |error: ErrorCode| DescribeShareGroupOffsetsResponseGroup {
        group_id: group_id.clone(),
        error_code: error.code(),
        error_message: Some(error.name().to_string()),
        ..DescribeShareGroupOffsetsResponseGroup::default()
    };
    if !are_enabled(&broker) {
        return failed(ErrorCode::UnsupportedVersion);
    }
    if group_id.is_empty() {
        return failed(ErrorCode::InvalidGroupId);
    }
    let topics: Vec<(String, Option<Uuid>, Vec<i32>)> = match asked.topics {
        Some(topics) => {
            let image = broker.image();
            let id = |name: &str| image.topic(name).map(|topic| topic.id);
            topics.into_iter().map(|t| (t.topic_name.clone(), id(&t.topic_name), t.partitions)).collect()
        }
        None => match ask_share(&broker, ShareRequest::Partitions(group_id.clone())).await {
            GroupReply::Share(ShareReply::Partitions(topics)) => {
                let image = broker.image();
                let known =
                    topics.into_iter().filter_map(|(id, partitions)| Some((image.topic_by_id(id)?, partitions)));
                known.map(|(topic, partitions)| (topic.name.to_string(), Some(topic.id), partitions)).collect()
            }
            GroupReply::Share(ShareReply::Done(error)) => return failed(error),
            other => panic!("partitions of a share group were answered with {other:?}"),
        },
    };
    let id: Arc<str> = Arc::from(group_id.as_str());
    let mut response = DescribeShareGroupOffsetsResponseGroup { group_id: group_id.clone(), ..Default::default() };
    for (topic_name, topic_id, indexes) in topics {
        let topic_id = topic_id.unwrap_or(Uuid::ZERO);
        let key = |partition| StateKey { group_id: Arc::clone(&id), topic_id, partition };
        let partitions = ask_each(indexes, |index| partition(Arc::clone(&broker), key(index)).boxed()).await;
        response.topics.push(DescribeShareGroupOffsetsResponseTopic { topic_name, topic_id, partitions });
    }
    response
}

async fn partition(broker: Arc<Broker>, key: StateKey) -> DescribeShareGroupOffsetsResponsePartition {
    let (topic_id, partition_index) = (key.topic_id, key.partition);
    let unknown = DescribeShareGroupOffsetsResponsePartition {
        partition_index,
        start_offset: -1,
        lag: -1,
        ..DescribeShareGroupOffsetsResponsePartition::default()
    };
    match broker.share_states().ask(key, StateRequest::Summary).await {
        Ok(summary) => DescribeShareGroupOffsetsResponsePartition {
            start_offset: summary.start_offset,
            leader_epoch: summary.leader_epoch,
            lag: lag(&broker, topic_id, partition_index, &summary).await.unwrap_or(-1),
            ..unknown
        },
        Err(error) => DescribeShareGroupOffsetsResponsePartition {
            error_code: error.code.code(),
            error_message: Some(error.message),
            ..unknown
        },
    }
}

async fn lag(broker: &Arc<Broker>, topic_id: Uuid, index: i32, summary: &StateAnswer) -> Option<i64> {
    if summary.start_offset < 0 || summary.delivery_complete_count < 0 {
        return None;
    }
    let leader = broker.image().topic_by_id(topic_id)?.partition(index)?.leader?;
    let end = broker.peers().latest_offset(leader, topic_id, index).await.ok()?.ok()?;
    Some((end - summary.start_offset - i64::from(summary.delivery_complete_count)).max(0))
}
