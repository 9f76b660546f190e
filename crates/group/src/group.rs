//! A group of any kind, and all groups of a shard.

use crate::classic::ClassicGroup;
use crate::consumer::ConsumerGroup;
use crate::share::ShareGroup;
use crate::streams::StreamsGroup;
use std::collections::BTreeMap;
use std::sync::Arc;

/// `group.id`.
pub type GroupId = Arc<str>;

/// A group. Cloning shares the members.
#[derive(Debug, Clone, PartialEq)]
pub enum Group {
    /// Members assign partitions themselves. Also a group that only commits offsets.
    Classic(ClassicGroup),
    /// The coordinator assigns partitions (KIP-848).
    Consumer(ConsumerGroup),
    /// The coordinator assigns tasks of Kafka Streams (KIP-1071).
    Streams(StreamsGroup),
    /// Members share the partitions (KIP-932).
    Share(ShareGroup),
}

impl Group {
    /// `group_type` in ListGroups; Kafka writes it in lower case.
    pub fn type_name(&self) -> &'static str {
        match self {
            Group::Classic(_) => "classic",
            Group::Consumer(_) => "consumer",
            Group::Streams(_) => "streams",
            Group::Share(_) => "share",
        }
    }

    /// `group_state` in ListGroups.
    pub fn state_name(&self) -> &'static str {
        match self {
            Group::Classic(group) => group.state.name(),
            Group::Consumer(group) => group.state_name(),
            Group::Streams(group) => group.state_name(),
            Group::Share(group) => group.state_name(),
        }
    }

    /// `protocol_type` in ListGroups.
    pub fn protocol_type(&self) -> &str {
        match self {
            Group::Classic(group) => group.protocol_type.as_deref().unwrap_or(""),
            Group::Consumer(_) => "consumer",
            Group::Streams(_) => "streams",
            Group::Share(_) => "share",
        }
    }

    /// Whether it has no members, and none that are joining.
    pub fn is_empty(&self) -> bool {
        match self {
            Group::Classic(group) => group.is_empty(),
            Group::Consumer(group) => group.is_empty(),
            Group::Streams(group) => group.is_empty(),
            Group::Share(group) => group.is_empty(),
        }
    }

    /// Whether a member is known to read the topic: its offsets neither expire nor may be deleted.
    pub fn is_subscribed_to_topic(&self, topic: &str) -> bool {
        match self {
            Group::Classic(group) => group.is_subscribed_to_topic(topic),
            Group::Consumer(group) => group.is_subscribed_to_topic(topic),
            Group::Streams(group) => group.is_subscribed_to_topic(topic),
            Group::Share(group) => group.is_subscribed_to_topic(topic),
        }
    }
}

/// The groups of a shard.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Groups {
    by_id: BTreeMap<GroupId, Group>,
}

impl Groups {
    /// The group, of whatever kind.
    pub fn get(&self, group_id: &str) -> Option<&Group> {
        self.by_id.get(group_id)
    }

    /// The group, to be changed by a replay.
    pub fn get_mut(&mut self, group_id: &str) -> Option<&mut Group> {
        self.by_id.get_mut(group_id)
    }

    /// The group if it is a classic one.
    pub fn classic(&self, group_id: &str) -> Option<&ClassicGroup> {
        match self.by_id.get(group_id) {
            Some(Group::Classic(group)) => Some(group),
            _ => None,
        }
    }

    /// The group if it is one of KIP-848.
    pub fn consumer(&self, group_id: &str) -> Option<&ConsumerGroup> {
        match self.by_id.get(group_id) {
            Some(Group::Consumer(group)) => Some(group),
            _ => None,
        }
    }

    /// The group if it is a streams group.
    pub fn streams(&self, group_id: &str) -> Option<&StreamsGroup> {
        match self.by_id.get(group_id) {
            Some(Group::Streams(group)) => Some(group),
            _ => None,
        }
    }

    /// The group if it is a share group.
    pub fn share(&self, group_id: &str) -> Option<&ShareGroup> {
        match self.by_id.get(group_id) {
            Some(Group::Share(group)) => Some(group),
            _ => None,
        }
    }

    /// Puts a group in place of what has this id.
    pub fn put(&mut self, group_id: GroupId, group: Group) {
        self.by_id.insert(group_id, group);
    }

    /// Forgets a group.
    pub fn remove(&mut self, group_id: &str) -> Option<Group> {
        self.by_id.remove(group_id)
    }

    /// All groups by id.
    pub fn iter(&self) -> impl Iterator<Item = (&GroupId, &Group)> {
        self.by_id.iter()
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }
}
