//! The state of one share group.

use super::partitions::StatePartitions;
use crate::assignor::Assignment;
use crate::group::GroupId;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A member as the log tells it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ShareMember {
    pub(crate) member_id: Arc<str>,
    pub(crate) member_epoch: i32,
    pub(crate) previous_member_epoch: i32,
    pub(crate) rack_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    pub(crate) subscribed_topic_names: Arc<BTreeSet<String>>,
    pub(crate) assigned: Arc<Assignment>,
}

/// A group whose members share partitions (KIP-932).
#[derive(Debug, Clone, PartialEq)]
pub struct ShareGroup {
    pub(crate) group_id: GroupId,
    pub(crate) group_epoch: i32,
    /// Hash of the subscribed topics as they were when the epoch was last raised.
    pub(crate) metadata_hash: i64,
    pub(crate) target_epoch: i32,
    /// When the target was made, milliseconds since the epoch; 0 when that is not known.
    pub(crate) target_timestamp_ms: i64,
    pub(crate) target: BTreeMap<Arc<str>, Arc<Assignment>>,
    pub(crate) members: BTreeMap<Arc<str>, Arc<ShareMember>>,
    /// What is known of states at the share coordinator.
    pub(crate) partitions: StatePartitions,
    /// Not in the log: the topics have to be looked at again.
    pub(crate) topics_have_changed: bool,
}

impl ShareMember {
    /// A member that is about to join.
    pub(crate) fn new(member_id: &str) -> ShareMember {
        ShareMember {
            member_id: Arc::from(member_id),
            member_epoch: 0,
            previous_member_epoch: -1,
            rack_id: None,
            client_id: String::new(),
            client_host: String::new(),
            subscribed_topic_names: Arc::default(),
            assigned: Arc::default(),
        }
    }
}

impl ShareGroup {
    /// A group without members.
    pub(crate) fn new(group_id: GroupId) -> ShareGroup {
        ShareGroup {
            group_id,
            group_epoch: 1,
            metadata_hash: 0,
            target_epoch: 1,
            target_timestamp_ms: 0,
            target: BTreeMap::new(),
            members: BTreeMap::new(),
            partitions: StatePartitions::default(),
            topics_have_changed: true,
        }
    }

    /// `group_state`: Kafka knows two.
    pub(crate) fn state_name(&self) -> &'static str {
        if self.is_empty() { "Empty" } else { "Stable" }
    }

    /// Whether it has no members.
    pub(crate) fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// How many members it has.
    pub(crate) fn member_count(&self) -> usize {
        self.members.len()
    }

    /// Whether a member wants the topic.
    pub(crate) fn is_subscribed_to_topic(&self, topic: &str) -> bool {
        self.members.values().any(|member| member.subscribed_topic_names.contains(topic))
    }

    /// What the members want, as if `after` stood in the place of the member `member_id`, or that one were gone.
    pub(crate) fn subscribed_topics(&self, member_id: &str, after: Option<&ShareMember>) -> BTreeSet<String> {
        let others = self.members.values().filter(|member| *member.member_id != *member_id);
        let all = others.map(|member| &**member).chain(after);
        all.flat_map(|member| member.subscribed_topic_names.iter().cloned()).collect()
    }

    /// The target assignment of a member; empty when it has none.
    pub(crate) fn target_of(&self, member_id: &str) -> Arc<Assignment> {
        self.target.get(member_id).cloned().unwrap_or_default()
    }
}
