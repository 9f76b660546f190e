//! Records, tasks and answers as short text.

use crate::streams::StreamsHeartbeat;
use ottla_protocol::streams_group_heartbeat_response::{TaskIds, TopicPartition};
use ottla_protocol::{GroupRecordKey as Key, GroupRecordValue as Value};
use ottla_types::ErrorCode;

/// One line per record; tombstones begin with a minus sign.
pub(crate) fn record(key: Key, value: Option<Value>) -> String {
    match (key, value) {
        (Key::StreamsGroupMetadata(_), Some(Value::StreamsGroupMetadata(value))) => {
            let configs = value.last_assignment_configs.unwrap_or_default();
            let configs: Vec<String> =
                configs.iter().map(|config| format!(" {}={}", config.key, config.value)).collect();
            format!("epoch {} validated {}{}", value.epoch, value.validated_topology_epoch, configs.concat())
        }
        (Key::StreamsGroupMetadata(_), _) => "- group".to_string(),
        (Key::StreamsGroupTopology(_), Some(Value::StreamsGroupTopology(value))) => {
            let ids = value.subtopologies.iter().map(|subtopology| subtopology.subtopology_id.as_str());
            format!("topology epoch {} [{}]", value.epoch, ids.collect::<Vec<_>>().join(" "))
        }
        (Key::StreamsGroupTopology(_), _) => "- topology".to_string(),
        (Key::StreamsGroupMemberMetadata(key), Some(Value::StreamsGroupMemberMetadata(value))) => {
            let endpoint = value.user_endpoint.map(|endpoint| format!(" at {}:{}", endpoint.host, endpoint.port));
            let endpoint = endpoint.unwrap_or_default();
            format!("member {} process {} topology {}{endpoint}", key.member_id, value.process_id, value.topology_epoch)
        }
        (Key::StreamsGroupMemberMetadata(key), _) => format!("- member {}", key.member_id),
        (Key::StreamsGroupTargetAssignmentMetadata(_), Some(Value::StreamsGroupTargetAssignmentMetadata(value))) => {
            format!("target epoch {}", value.assignment_epoch)
        }
        (Key::StreamsGroupTargetAssignmentMetadata(_), _) => "- target epoch".to_string(),
        (Key::StreamsGroupTargetAssignmentMember(key), Some(Value::StreamsGroupTargetAssignmentMember(value))) => {
            let list = |tasks: &[ottla_protocol::streams_group_target_assignment_member_value::TaskIds]| {
                tasks_text(tasks.iter().map(|task| (task.subtopology_id.as_str(), task.partitions.as_slice())))
            };
            let (active, standby) = (list(&value.active_tasks), list(&value.standby_tasks));
            format!("target {}: {active} / {standby}", key.member_id)
        }
        (Key::StreamsGroupTargetAssignmentMember(key), _) => format!("- target {}", key.member_id),
        (Key::StreamsGroupCurrentMemberAssignment(key), Some(Value::StreamsGroupCurrentMemberAssignment(value))) => {
            let list = |tasks: &[ottla_protocol::streams_group_current_member_assignment_value::TaskIds]| {
                tasks_text(tasks.iter().map(|task| (task.subtopology_id.as_str(), task.partitions.as_slice())))
            };
            let (active, standby) = (list(&value.active_tasks), list(&value.standby_tasks));
            let revoking = [&value.active_tasks_pending_revocation, &value.standby_tasks_pending_revocation];
            let revoking = if revoking.iter().all(|tasks| tasks.is_empty()) {
                String::new()
            } else {
                format!(" revoking {} / {}", list(revoking[0]), list(revoking[1]))
            };
            let state = ["?", "stable", "unrevoked", "unreleased"][value.state as usize];
            let epochs = format!("{}->{}", value.previous_member_epoch, value.member_epoch);
            format!("current {}: {state} {epochs} {active} / {standby}{revoking}", key.member_id)
        }
        (Key::StreamsGroupCurrentMemberAssignment(key), _) => format!("- current {}", key.member_id),
        (Key::OffsetCommit(key), value) => {
            format!("{}offset {}-{}", if value.is_some() { "" } else { "- " }, key.topic, key.partition)
        }
        (key, _) => format!("{key:?}"),
    }
}

/// `0_0 0_1 1_0`, or a dash.
pub(crate) fn tasks_text<'a>(tasks: impl Iterator<Item = (&'a str, &'a [i32])>) -> String {
    let tasks: Vec<String> = tasks
        .flat_map(|(id, partitions)| partitions.iter().map(move |partition| format!("{id}_{partition}")))
        .collect();
    if tasks.is_empty() { "-".to_string() } else { tasks.join(" ") }
}

/// The answer to a heartbeat.
pub(crate) fn answer(reply: &StreamsHeartbeat) -> String {
    let response = &reply.response;
    if response.error_code != 0 {
        let error = ErrorCode::from_code(response.error_code);
        return format!("{error:?}: {}", response.error_message.clone().unwrap_or_default());
    }
    let mut text = format!("epoch {}", response.member_epoch);
    if let (Some(active), Some(standby)) = (&response.active_tasks, &response.standby_tasks) {
        let list = |tasks: &[TaskIds]| {
            tasks_text(tasks.iter().map(|task| (task.subtopology_id.as_str(), task.partitions.as_slice())))
        };
        text.push_str(&format!(" has {} / {}", list(active), list(standby)));
    }
    for status in response.status.iter().flatten() {
        text.push_str(&format!("\n     status {}: {}", status.status_code, status.status_detail));
    }
    for topic in &reply.internal_topics {
        let configs: Vec<String> = topic
            .configs
            .iter()
            .map(|config| format!(" {}={}", config.name, config.value.clone().unwrap_or_default()))
            .collect();
        let (name, partitions, replicas) = (&topic.name, topic.num_partitions, topic.replication_factor);
        text.push_str(&format!("\n     creates {name} with {partitions} x {replicas}{}", configs.concat()));
    }
    for endpoint in response.partitions_by_user_endpoint.iter().flatten() {
        let list = |topics: &[TopicPartition]| {
            let topics: Vec<String> =
                topics.iter().map(|topic| format!("{}={:?}", topic.topic, topic.partitions)).collect();
            topics.join(" ")
        };
        let (host, port) = (&endpoint.user_endpoint.host, endpoint.user_endpoint.port);
        let (active, standby) = (list(&endpoint.active_partitions), list(&endpoint.standby_partitions));
        text.push_str(&format!("\n     endpoint {host}:{port} {active} / {standby}"));
    }
    text
}
