//! DescribeShareGroupOffsets (key 90), versions 0 and 1 (KIP-932): start offsets and lags of share groups.
//!
//! v1 the lag (KIP-1226): records between start and end of the partition that are not done with; -1 where nothing was consumed
//! yet. Without topics all partitions that have a state are described. Topics that do not exist come last, with the zero id; like
//! a state that cannot be read, that is the absence of a start offset (-1), no error. Errors of a group: UNSUPPORTED_VERSION, and
//! without topics those of its coordinator; of a partition LEADER_NOT_AVAILABLE, NETWORK_EXCEPTION and what its leader answers.

use super::codec::{Handled, decode, respond};
use super::groups::ask_each;
use super::share_groups::{are_enabled, ask_share};
use crate::Broker;
use futures_util::FutureExt;
use ottla_group::{GroupReply, ShareReply, ShareRequest};
use ottla_metadata::MetadataImage;
use ottla_net::{Outcome, Request};
use ottla_protocol::generated::describe_share_group_offsets_request::{
    DescribeShareGroupOffsetsRequest, DescribeShareGroupOffsetsRequestGroup, DescribeShareGroupOffsetsRequestTopic,
};
use ottla_protocol::generated::describe_share_group_offsets_response::{
    DescribeShareGroupOffsetsResponse, DescribeShareGroupOffsetsResponseGroup,
    DescribeShareGroupOffsetsResponsePartition, DescribeShareGroupOffsetsResponseTopic,
};
use ottla_share::state::{StateAnswer, StateKey, StateReply, StateRequest};
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
    let (known, unknown) = match asked.topics {
        Some(topics) => by_existence(&broker.image(), topics),
        None => match ask_share(&broker, ShareRequest::Partitions(group_id.clone())).await {
            GroupReply::Share(ShareReply::Partitions(topics)) => {
                let image = broker.image();
                let known =
                    topics.into_iter().filter_map(|(id, partitions)| Some((image.topic_by_id(id)?, partitions)));
                (known.map(|(topic, partitions)| (topic.name.to_string(), topic.id, partitions)).collect(), Vec::new())
            }
            GroupReply::Share(ShareReply::Done(error)) => return failed(error),
            other => panic!("partitions of a share group were answered with {other:?}"),
        },
    };
    let id: Arc<str> = Arc::from(group_id.as_str());
    let mut response = DescribeShareGroupOffsetsResponseGroup { group_id: group_id.clone(), ..Default::default() };
    for (topic_name, topic_id, indexes) in known {
        let key = |partition| StateKey { group_id: Arc::clone(&id), topic_id, partition };
        let partitions = ask_each(indexes, |index| partition(Arc::clone(&broker), key(index)).boxed()).await;
        response.topics.push(DescribeShareGroupOffsetsResponseTopic { topic_name, topic_id, partitions });
    }
    response.topics.extend(unknown);
    response
}

/// Name, id and partitions of a topic that is described.
type Described = (String, Uuid, Vec<i32>);

/// The topics that exist, and the answers about the others.
fn by_existence(
    image: &MetadataImage,
    asked: Vec<DescribeShareGroupOffsetsRequestTopic>,
) -> (Vec<Described>, Vec<DescribeShareGroupOffsetsResponseTopic>) {
    let (mut known, mut unknown) = (Vec::new(), Vec::new());
    for DescribeShareGroupOffsetsRequestTopic { topic_name, partitions } in asked {
        match image.topic(&topic_name) {
            Some(topic) => known.push((topic_name, topic.id, partitions)),
            None => {
                let partitions = partitions.into_iter().map(without_offset).collect();
                let topic_id = Uuid::ZERO;
                unknown.push(DescribeShareGroupOffsetsResponseTopic { topic_name, topic_id, partitions });
            }
        }
    }
    (known, unknown)
}

async fn partition(broker: Arc<Broker>, key: StateKey) -> DescribeShareGroupOffsetsResponsePartition {
    let (topic_id, partition_index) = (key.topic_id, key.partition);
    let summary = broker.share_states().ask(key, StateRequest::Summary).await;
    let end_offset = match &summary {
        Ok(summary) if has_lag(summary) => Some(end_offset(&broker, topic_id, partition_index).await),
        _ => None,
    };
    described(partition_index, summary, end_offset)
}

/// Whether something was consumed, so that the end of the partition is needed.
fn has_lag(summary: &StateAnswer) -> bool {
    summary.start_offset >= 0 && summary.delivery_complete_count >= 0
}

fn described(
    partition_index: i32,
    summary: StateReply,
    end_offset: Option<Result<i64, ErrorCode>>,
) -> DescribeShareGroupOffsetsResponsePartition {
    let Ok(summary) = summary else { return without_offset(partition_index) };
    let lag = match end_offset {
        None => -1,
        Some(Ok(end)) => (end - summary.start_offset - i64::from(summary.delivery_complete_count)).max(0),
        Some(Err(error)) => {
            return DescribeShareGroupOffsetsResponsePartition {
                partition_index,
                error_code: error.code(),
                error_message: Some(error.name().to_string()),
                ..DescribeShareGroupOffsetsResponsePartition::default()
            };
        }
    };
    let (start_offset, leader_epoch) = (summary.start_offset, summary.leader_epoch);
    DescribeShareGroupOffsetsResponsePartition { start_offset, leader_epoch, lag, ..without_offset(partition_index) }
}

/// What is said of a partition of which nothing is known.
fn without_offset(partition_index: i32) -> DescribeShareGroupOffsetsResponsePartition {
    DescribeShareGroupOffsetsResponsePartition {
        partition_index,
        start_offset: -1,
        lag: -1,
        ..DescribeShareGroupOffsetsResponsePartition::default()
    }
}

/// The end of a partition, asked of its leader.
async fn end_offset(broker: &Arc<Broker>, topic_id: Uuid, index: i32) -> Result<i64, ErrorCode> {
    let image = broker.image();
    let partition = image.topic_by_id(topic_id).and_then(|topic| topic.partition(index));
    let leader = partition.and_then(|partition| partition.leader).ok_or(ErrorCode::LeaderNotAvailable)?;
    let answered = broker.peers().latest_offset(leader, topic_id, index).await;
    answered.map_err(|_| ErrorCode::NetworkException)?
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_share::state::StateError;

    fn summary(start_offset: i64, delivery_complete_count: i32) -> StateReply {
        Ok(StateAnswer { leader_epoch: 3, start_offset, delivery_complete_count, ..StateAnswer::default() })
    }

    /// GroupCoordinatorService.describeShareGroupOffsets.
    #[test]
    fn a_topic_that_does_not_exist_has_no_offsets_and_no_error() {
        let topic_name = "gone".to_string();
        let asked = DescribeShareGroupOffsetsRequestTopic { topic_name: topic_name.clone(), partitions: vec![4] };
        let (known, unknown) = by_existence(&MetadataImage::empty(), vec![asked]);
        assert!(known.is_empty());
        let partitions = vec![without_offset(4)];
        assert_eq!(unknown, [DescribeShareGroupOffsetsResponseTopic { topic_name, topic_id: Uuid::ZERO, partitions }]);
        let partition = &unknown[0].partitions[0];
        assert_eq!((partition.start_offset, partition.lag, partition.error_code), (-1, -1, 0));
    }

    /// GroupCoordinatorService.computeShareGroupLagAndBuildResponse.
    #[test]
    fn a_state_that_cannot_be_read_is_no_error_and_an_end_that_is_not_known_is() {
        let shown = |summary, end| {
            let partition = described(0, summary, end);
            (partition.start_offset, partition.leader_epoch, partition.lag, partition.error_code)
        };
        assert_eq!(shown(summary(5, 2), Some(Ok(10))), (5, 3, 3, 0));
        assert_eq!(shown(summary(-1, -1), None), (-1, 3, -1, 0));
        let unread = StateError { code: ErrorCode::CoordinatorNotAvailable, message: "later".to_string() };
        assert_eq!(shown(Err(unread), None), (-1, 0, -1, 0));
        let error = ErrorCode::LeaderNotAvailable;
        assert_eq!(shown(summary(5, 2), Some(Err(error))), (0, 0, -1, error.code()));
    }
}
