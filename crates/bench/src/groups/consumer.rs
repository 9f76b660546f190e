//! A member of a KIP-848 consumer group: one heartbeat does everything.

use super::{Member, error_code};
use ottla_client::ClientError;
use ottla_protocol::consumer_group_heartbeat_request::{self, ConsumerGroupHeartbeatRequest};
use ottla_protocol::consumer_group_heartbeat_response::Assignment;
use ottla_types::ErrorCode;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

/// `consumer.heartbeat.interval.ms` as the broker tells it by default.
pub(super) const HEARTBEAT_INTERVAL: Duration = Duration::from_secs(5);
/// While it has not been assigned anything yet.
const FORMING_INTERVAL: Duration = Duration::from_millis(100);
const REBALANCE_TIMEOUT_MS: i32 = 300_000;

/// Runs until the bench ends.
pub(super) async fn run(member: Member) -> Result<(), ClientError> {
    let member_id = format!("{}-{}", member.group.id, member.index);
    let mut epoch = 0;
    let mut owned = None;
    let (mut has_partitions, mut is_settled) = (false, false);
    loop {
        let request = heartbeat(&member, &member_id, epoch, owned.take());
        let sent = Instant::now();
        let response = member.connection.send(&request).await?;
        member.counts.heartbeats.fetch_add(1, Ordering::Relaxed);
        let error = error_code(response.error_code);
        if error != ErrorCode::None {
            member.counts.note_error("ConsumerGroupHeartbeat", error);
            if matches!(error, ErrorCode::UnknownMemberId | ErrorCode::FencedMemberEpoch) {
                epoch = 0;
            }
            member.pause(FORMING_INTERVAL).await;
            continue;
        }
        if epoch != 0 && epoch != response.member_epoch {
            member.counts.rebalances.fetch_add(1, Ordering::Relaxed);
        }
        if let Some(assignment) = &response.assignment {
            has_partitions = !assignment.topic_partitions.is_empty();
        }
        // There are as many partitions as members: when everybody has some, the last assignment has been made.
        if has_partitions {
            member.group.note_epoch(member.index, response.member_epoch);
        }
        epoch = response.member_epoch;
        owned = response.assignment.as_ref().map(owned_partitions);
        let interval = if !member.group.is_formed() {
            FORMING_INTERVAL
        } else if is_settled {
            HEARTBEAT_INTERVAL
        } else {
            is_settled = true;
            member.spread(HEARTBEAT_INTERVAL)
        };
        member.pause_since(sent, interval).await;
    }
}

fn heartbeat(
    member: &Member,
    member_id: &str,
    epoch: i32,
    owned: Option<Vec<consumer_group_heartbeat_request::TopicPartitions>>,
) -> ConsumerGroupHeartbeatRequest {
    let mut request = ConsumerGroupHeartbeatRequest {
        group_id: member.group.id.clone(),
        member_id: member_id.to_string(),
        member_epoch: epoch,
        topic_partitions: owned,
        ..ConsumerGroupHeartbeatRequest::default()
    };
    if epoch == 0 {
        request.rebalance_timeout_ms = REBALANCE_TIMEOUT_MS;
        request.subscribed_topic_names = Some(vec![member.topic.clone()]);
        request.topic_partitions = Some(Vec::new());
    }
    request
}

/// A new assignment is taken at once, and acknowledged with the next heartbeat.
fn owned_partitions(assignment: &Assignment) -> Vec<consumer_group_heartbeat_request::TopicPartitions> {
    let topics = assignment.topic_partitions.iter();
    topics
        .map(|topic| consumer_group_heartbeat_request::TopicPartitions {
            topic_id: topic.topic_id,
            partitions: topic.partitions.clone(),
        })
        .collect()
}
