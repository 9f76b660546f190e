//! Records and partitions as short text.

use crate::records;
use ottla_coordinator::{Position, Record};
use ottla_protocol::{GroupRecordKey as Key, GroupRecordValue as Value};
use ottla_types::Uuid;
use std::collections::BTreeMap;

pub(crate) type Names = BTreeMap<Uuid, String>;

/// ` foo=0,1 bar=2`
pub(super) fn partitions<'a>(topics: impl IntoIterator<Item = (Uuid, &'a [i32])>, names: &Names) -> String {
    let mut topics: Vec<String> = topics
        .into_iter()
        .map(|(id, partitions)| {
            let partitions: Vec<String> = partitions.iter().map(i32::to_string).collect();
            format!(" {}={}", names.get(&id).map_or("?", String::as_str), partitions.join(","))
        })
        .collect();
    topics.sort();
    if topics.is_empty() { " nothing".to_string() } else { topics.concat() }
}

/// One line per record; tombstones begin with a minus sign.
pub(crate) fn record(record: &Record, position: Position, names: &Names) -> String {
    let (key, value) = records::decode(record, position).expect("a valid record").expect("a known record");
    match (key, value) {
        (Key::GroupMetadata(_), Some(Value::GroupMetadata(value))) => {
            let members: Vec<&str> = value.members.iter().map(|member| member.member_id.as_str()).collect();
            format!("classic group: generation {} [{}]", value.generation, members.join(" "))
        }
        (Key::GroupMetadata(_), _) => "- classic group".to_string(),
        (Key::ConsumerGroupMetadata(_), Some(Value::ConsumerGroupMetadata(value))) => format!("epoch {}", value.epoch),
        (Key::ConsumerGroupMetadata(_), _) => "- group".to_string(),
        (Key::ConsumerGroupPartitionMetadata(_), _) => "- partition metadata".to_string(),
        (Key::ConsumerGroupMemberMetadata(key), Some(Value::ConsumerGroupMemberMetadata(value))) => {
            let instance = value.instance_id.map(|id| format!(" instance {id}")).unwrap_or_default();
            let regex = value.subscribed_topic_regex.filter(|regex| !regex.is_empty());
            let regex = regex.map(|regex| format!(" /{regex}/")).unwrap_or_default();
            let classic = if value.classic_member_metadata.is_some() { " classic" } else { "" };
            let topics = value.subscribed_topic_names.join(",");
            format!("member {}{instance}{classic} [{topics}]{regex}", key.member_id)
        }
        (Key::ConsumerGroupMemberMetadata(key), _) => format!("- member {}", key.member_id),
        (Key::ConsumerGroupTargetAssignmentMetadata(_), Some(Value::ConsumerGroupTargetAssignmentMetadata(value))) => {
            format!("target epoch {}", value.assignment_epoch)
        }
        (Key::ConsumerGroupTargetAssignmentMetadata(_), _) => "- target epoch".to_string(),
        (Key::ConsumerGroupTargetAssignmentMember(key), Some(Value::ConsumerGroupTargetAssignmentMember(value))) => {
            let topics = value.topic_partitions.iter().map(|topic| (topic.topic_id, topic.partitions.as_slice()));
            format!("target {}:{}", key.member_id, partitions(topics, names))
        }
        (Key::ConsumerGroupTargetAssignmentMember(key), _) => format!("- target {}", key.member_id),
        (Key::ConsumerGroupCurrentMemberAssignment(key), Some(Value::ConsumerGroupCurrentMemberAssignment(value))) => {
            let list =
                |topics: &[ottla_protocol::consumer_group_current_member_assignment_value::TopicPartitions]| {
                    partitions(topics.iter().map(|topic| (topic.topic_id, topic.partitions.as_slice())), names)
                };
            let pending = &value.partitions_pending_revocation;
            let revoking = if pending.is_empty() { String::new() } else { format!(" revoking{}", list(pending)) };
            let state = ["stable", "unrevoked", "unreleased"][value.state as usize];
            let epochs = format!("{}->{}", value.previous_member_epoch, value.member_epoch);
            format!("current {}: {state} {epochs}{}{revoking}", key.member_id, list(&value.assigned_partitions))
        }
        (Key::ConsumerGroupCurrentMemberAssignment(key), _) => format!("- current {}", key.member_id),
        (Key::ConsumerGroupRegularExpression(key), Some(Value::ConsumerGroupRegularExpression(value))) => {
            format!("regex /{}/ [{}]", key.regular_expression, value.topics.join(","))
        }
        (Key::ConsumerGroupRegularExpression(key), _) => format!("- regex /{}/", key.regular_expression),
        (key, value) => crate::streams::tests::show::record(key, value),
    }
}
