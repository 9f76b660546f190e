//! How a trace shows what happened: one line each. The UUID in a member id is shown as `#` and its number.

use super::rig::Happened;
use bytes::Bytes;
use ottla_coordinator::{Position, Record, ReplySlot};
use ottla_group::{Group, GroupReply, records};
use ottla_protocol::{GroupRecordKey, GroupRecordValue};
use ottla_types::ErrorCode;
use std::collections::BTreeMap;

/// The text before the number in the UUIDs that a rig draws.
const UUID_PREFIX: &str = "00000000-0000-4000-8000-";

/// Puts UUIDs in place of `#` and a number.
pub(crate) fn expand(text: &str) -> String {
    let mut parts = text.split('#');
    let mut expanded = parts.next().unwrap_or("").to_string();
    for part in parts {
        let end = part.find(|c: char| !c.is_ascii_digit()).unwrap_or(part.len());
        let number: u64 = part[..end].parse().expect("a number after #");
        expanded.push_str(&format!("{UUID_PREFIX}{number:012x}{}", &part[end..]));
    }
    expanded
}

fn shorten(text: &str) -> String {
    let mut parts = text.split(UUID_PREFIX);
    let mut short = parts.next().unwrap_or("").to_string();
    for part in parts {
        let number = u64::from_str_radix(&part[..12], 16).expect("a UUID of the rig");
        short.push_str(&format!("#{number}{}", &part[12..]));
    }
    short
}

/// One line of a trace.
pub(crate) fn line(happened: &Happened, names: &BTreeMap<ReplySlot, String>) -> String {
    let line = match happened {
        Happened::Appended(record) => format!("append {}", self::record(record)),
        Happened::Fired(timer) => format!("timer {:?} {} {}", timer.kind, timer.group, timer.member),
        Happened::Replied(slot, reply) => {
            let name = names.get(slot).map_or("?", String::as_str);
            format!("{name}: {}", self::reply(reply))
        }
    };
    shorten(line.trim_end())
}

fn error(code: i16) -> &'static str {
    ErrorCode::from_code(code).map_or("?", ErrorCode::name)
}

fn text(bytes: &Bytes) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn option(text: &Option<String>) -> &str {
    text.as_deref().unwrap_or("-")
}

fn record(record: &Record) -> String {
    let position = Position { offset: 0, timestamp_ms: 0, producer_id: None };
    let decoded = records::decode(record, position).expect("a record that was just written");
    let (key, value) = decoded.expect("a record of a known type");
    let key = match key {
        GroupRecordKey::GroupMetadata(key) => format!("group {}", key.group),
        GroupRecordKey::OffsetCommit(key) => format!("offset {} {}-{}", key.group, key.topic, key.partition),
        other => format!("{other:?}"),
    };
    let value = match value {
        None => "deleted".to_string(),
        Some(GroupRecordValue::OffsetCommit(value)) => {
            let expiry = if value.expire_timestamp < 0 { String::new() } else { " expires".to_string() };
            format!("= {}{expiry}", value.offset)
        }
        Some(GroupRecordValue::GroupMetadata(value)) => {
            let members: Vec<String> = value
                .members
                .iter()
                .map(|member| format!("{}={}", member.member_id, text(&member.assignment)))
                .collect();
            let (protocol, leader) = (option(&value.protocol), option(&value.leader));
            format!("generation {} {protocol} leader {leader} [{}]", value.generation, members.join(" "))
        }
        Some(other) => format!("{other:?}"),
    };
    format!("{key} {value}")
}

fn reply(reply: &GroupReply) -> String {
    match reply {
        GroupReply::JoinGroup(join) if join.error_code != 0 => {
            format!("{} member {}", error(join.error_code), join.member_id)
        }
        GroupReply::JoinGroup(join) => {
            let skip = if join.skip_assignment { " skip-assignment" } else { "" };
            let members: Vec<&str> = join.members.iter().map(|member| member.member_id.as_str()).collect();
            let members = if members.is_empty() { String::new() } else { format!(" [{}]", members.join(" ")) };
            let protocol = option(&join.protocol_name);
            let (generation, leader, member) = (join.generation_id, &join.leader, &join.member_id);
            format!("joined generation {generation} {protocol} as {member}, leader {leader}{skip}{members}")
        }
        GroupReply::SyncGroup(sync) if sync.error_code != 0 => error(sync.error_code).to_string(),
        GroupReply::SyncGroup(sync) => format!("assigned '{}'", text(&sync.assignment)),
        GroupReply::Heartbeat(heartbeat) => error(heartbeat.error_code).to_string(),
        GroupReply::LeaveGroup(leave) => {
            let members: Vec<String> = leave
                .members
                .iter()
                .map(|member| {
                    format!("{}@{} {}", member.member_id, option(&member.group_instance_id), error(member.error_code))
                })
                .collect();
            format!("{} [{}]", error(leave.error_code), members.join(", "))
        }
        GroupReply::DeleteGroup(code) => code.name().to_string(),
        GroupReply::ListGroups(groups) => {
            let groups: Vec<String> = groups
                .iter()
                .map(|group| {
                    format!("{} {} {} {}", group.group_id, group.protocol_type, group.group_state, group.group_type)
                })
                .collect();
            format!("[{}]", groups.join(", "))
        }
        GroupReply::DescribeGroup(group) => {
            let members: Vec<String> = group
                .members
                .iter()
                .map(|member| {
                    let instance = option(&member.group_instance_id);
                    format!("{}@{instance} {}={}", member.member_id, member.client_id, text(&member.member_assignment))
                })
                .collect();
            let (state, protocol) = (&group.group_state, &group.protocol_data);
            format!("{} {state} {} {protocol} [{}]", error(group.error_code), group.protocol_type, members.join(", "))
        }
        other => offsets_reply(other),
    }
}

fn offsets_reply(reply: &GroupReply) -> String {
    let place = |topic: &str, partition: i32, rest: String| format!("{topic}-{partition} {rest}");
    match reply {
        GroupReply::OffsetCommit(commit) => {
            let all = commit.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |p| (topic, p)));
            let all = all.map(|(topic, p)| place(&topic.name, p.partition_index, error(p.error_code).to_string()));
            all.collect::<Vec<_>>().join(", ")
        }
        GroupReply::OffsetFetch(fetch) => {
            let all = fetch.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |p| (topic, p)));
            let all = all.map(|(topic, p)| {
                let shown =
                    if p.error_code == 0 { p.committed_offset.to_string() } else { error(p.error_code).to_string() };
                place(&topic.name, p.partition_index, shown)
            });
            format!("{} [{}]", error(fetch.error_code), all.collect::<Vec<_>>().join(", "))
        }
        GroupReply::OffsetDelete(delete) => {
            let all = delete.topics.iter().flat_map(|topic| topic.partitions.iter().map(move |p| (topic, p)));
            let all = all.map(|(topic, p)| place(&topic.name, p.partition_index, error(p.error_code).to_string()));
            format!("{} [{}]", error(delete.error_code), all.collect::<Vec<_>>().join(", "))
        }
        other => format!("{other:?}"),
    }
}

/// What a group is, in one line.
pub(crate) fn group(group: &Group) -> String {
    let Group::Classic(group) = group else { return group.state_name().to_string() };
    let members: Vec<&str> = group.members.keys().map(|id| &**id).collect();
    let pending: Vec<&str> = group.pending_join.iter().map(|id| &**id).collect();
    let (state, leader) = (group.state.name(), group.leader_id.as_deref().unwrap_or("-"));
    shorten(&format!(
        "{state} generation {} leader {leader} members [{}] pending [{}]",
        group.generation_id,
        members.join(" "),
        pending.join(" ")
    ))
}
