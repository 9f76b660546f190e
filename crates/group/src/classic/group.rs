//! The state of a classic group, and the small steps that keep it consistent.
//!
//! Invariants: `supported_protocols` counts the members that support each protocol; `awaiting_join_count` those whose
//! JoinGroup waits; `static_members` names exactly the members with an instance id; a member is never pending too.

use super::member::{ClassicMember, Protocols};
use super::state::ClassicState;
use crate::group::GroupId;
use ottla_coordinator::ReplySlot;
use ottla_protocol::join_group_request::JoinGroupRequestProtocol;
use ottla_protocol::{ConsumerProtocolSubscription, Message, Reader};
use ottla_types::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// `protocol_type` of consumers.
pub const CONSUMER_PROTOCOL_TYPE: &str = "consumer";

/// A classic group. Cloning shares the members.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassicGroup {
    /// `group.id`.
    pub group_id: GroupId,
    /// What it is doing.
    pub state: ClassicState,
    /// Since when, milliseconds since the epoch; None where the log does not say.
    pub state_timestamp_ms: Option<i64>,
    /// What its members are: `consumer`, `connect`; None for a group that only commits offsets.
    pub protocol_type: Option<Arc<str>>,
    /// The protocol of this generation.
    pub protocol_name: Option<Arc<str>>,
    /// Counts rebalances.
    pub generation_id: i32,
    /// Who assigns.
    pub leader_id: Option<Arc<str>>,
    /// The members by id. Change them with the methods below.
    pub members: imbl::OrdMap<Arc<str>, Arc<ClassicMember>>,
    /// Instance id to member id.
    pub static_members: imbl::OrdMap<Arc<str>, Arc<str>>,
    /// Member ids that were handed out (MEMBER_ID_REQUIRED) and have not joined yet.
    pub pending_join: imbl::OrdSet<Arc<str>>,
    /// Members of this generation that have not synced yet.
    pub pending_sync: imbl::OrdSet<Arc<str>>,
    /// Topics that the members of a `consumer` group read; None where that is not known.
    pub subscribed_topics: Option<Arc<BTreeSet<String>>>,
    /// Somebody joined during the initial delay, which is then prolonged.
    pub new_member_added: bool,
    /// The rebalance waits out `group.initial.rebalance.delay.ms`: what is left of the rebalance timeout after it,
    /// milliseconds.
    pub initial_delay_left_ms: Option<u64>,
    supported_protocols: imbl::OrdMap<Arc<str>, usize>,
    awaiting_join_count: usize,
}

impl ClassicGroup {
    /// A group without members.
    pub fn new(group_id: GroupId, state_timestamp_ms: Option<i64>) -> ClassicGroup {
        ClassicGroup {
            group_id,
            state: ClassicState::Empty,
            state_timestamp_ms,
            protocol_type: None,
            protocol_name: None,
            generation_id: 0,
            leader_id: None,
            members: imbl::OrdMap::new(),
            static_members: imbl::OrdMap::new(),
            pending_join: imbl::OrdSet::new(),
            pending_sync: imbl::OrdSet::new(),
            subscribed_topics: None,
            new_member_added: false,
            initial_delay_left_ms: None,
            supported_protocols: imbl::OrdMap::new(),
            awaiting_join_count: 0,
        }
    }

    /// Whether it is in state `Empty`. Member ids may be pending.
    pub fn is_empty(&self) -> bool {
        self.state == ClassicState::Empty
    }

    /// Whether it only commits offsets.
    pub fn is_simple(&self) -> bool {
        self.protocol_type.is_none() && self.is_empty() && self.pending_join.is_empty()
    }

    /// Whether its members are consumers.
    pub fn uses_consumer_protocol(&self) -> bool {
        self.protocol_type.as_deref() == Some(CONSUMER_PROTOCOL_TYPE)
    }

    /// Whether this member is the leader.
    pub fn is_leader(&self, member_id: &str) -> bool {
        self.leader_id.as_deref() == Some(member_id)
    }

    /// Whether every member has joined, and nobody holds an id without having joined.
    pub fn has_all_members_joined(&self) -> bool {
        self.members.len() == self.awaiting_join_count && self.pending_join.is_empty()
    }

    /// How many JoinGroups wait.
    pub fn awaiting_join_count(&self) -> usize {
        self.awaiting_join_count
    }

    /// The longest rebalance timeout of the members.
    pub fn rebalance_timeout_ms(&self) -> u64 {
        let longest = self.members.values().map(|member| member.rebalance_timeout_ms).max().unwrap_or(0);
        u64::try_from(longest).unwrap_or(0)
    }

    /// Goes to another state.
    pub fn transition_to(&mut self, state: ClassicState, now_ms: i64) {
        assert!(self.state.may_become(state), "group {} goes from {:?} to {state:?}", self.group_id, self.state);
        self.state = state;
        self.state_timestamp_ms = Some(now_ms);
    }

    /// Adds a member, which must fit; the first one becomes the leader and sets the protocol type.
    pub fn add_member(&mut self, member: ClassicMember, protocol_type: &str) {
        if let Some(instance_id) = &member.group_instance_id {
            let before = self.static_members.insert(instance_id.clone(), member.member_id.clone());
            assert!(before.is_none(), "static member {instance_id} is in group {} twice", self.group_id);
        }
        if self.members.is_empty() {
            self.protocol_type = Some(Arc::from(protocol_type));
        }
        if self.leader_id.is_none() {
            self.leader_id = Some(member.member_id.clone());
        }
        self.count_protocols(&member.protocols);
        self.awaiting_join_count += usize::from(member.awaiting_join.is_some());
        self.pending_join.remove(&member.member_id);
        let before = self.members.insert(member.member_id.clone(), Arc::new(member));
        assert!(before.is_none(), "a member is in group {} twice", self.group_id);
    }

    /// Removes a member or a pending id; another member takes the lead.
    pub fn remove_member(&mut self, member_id: &str) -> Option<Arc<ClassicMember>> {
        let removed = self.members.remove(member_id);
        if let Some(member) = &removed {
            self.uncount_protocols(&member.protocols);
            self.awaiting_join_count -= usize::from(member.awaiting_join.is_some());
            if let Some(instance_id) = &member.group_instance_id {
                self.static_members.remove(instance_id);
            }
        }
        if self.is_leader(member_id) {
            self.leader_id = self.members.keys().next().cloned();
        }
        self.pending_join.remove(member_id);
        self.pending_sync.remove(member_id);
        removed
    }

    /// Gives the place of a static member to a new member id. What the old one waited for is taken out: the caller
    /// answers it with FENCED_INSTANCE_ID.
    pub fn replace_static_member(&mut self, old_id: &str, new_id: Arc<str>) -> Arc<ClassicMember> {
        let Some(old) = self.members.remove(old_id) else {
            panic!("group {} has no member to be replaced", self.group_id);
        };
        self.awaiting_join_count -= usize::from(old.awaiting_join.is_some());
        let mut new = ClassicMember::clone(&old);
        new.member_id = new_id.clone();
        new.awaiting_join = None;
        new.awaiting_sync = None;
        new.is_new = false;
        if let Some(instance_id) = &new.group_instance_id {
            self.static_members.insert(instance_id.clone(), new_id.clone());
        }
        if self.is_leader(old_id) {
            self.leader_id = Some(new_id.clone());
        }
        if self.pending_sync.remove(old_id).is_some() {
            self.pending_sync.insert(new_id.clone());
        }
        self.members.insert(new_id, Arc::new(new));
        old
    }

    /// Changes a member. Protocols and what waits for a JoinGroup have methods of their own.
    pub fn edit(&mut self, member_id: &str, change: impl FnOnce(&mut ClassicMember)) {
        if let Some(member) = self.members.get_mut(member_id) {
            let waits = member.awaiting_join.is_some();
            let member = Arc::make_mut(member);
            change(member);
            assert_eq!(member.awaiting_join.is_some(), waits, "set_awaiting_join counts");
        }
    }

    /// A member that joins again may support other protocols.
    pub fn set_protocols(&mut self, member_id: &str, protocols: Protocols) {
        let Some(before) = self.members.get(member_id).map(|member| member.protocols.clone()) else { return };
        self.uncount_protocols(&before);
        self.count_protocols(&protocols);
        self.edit(member_id, |member| member.protocols = protocols);
    }

    /// A JoinGroup waits now, or no longer does. Returns the one that did.
    pub fn set_awaiting_join(&mut self, member_id: &str, slot: Option<ReplySlot>) -> Option<ReplySlot> {
        let member = Arc::make_mut(self.members.get_mut(member_id)?);
        let before = std::mem::replace(&mut member.awaiting_join, slot);
        self.awaiting_join_count += usize::from(slot.is_some());
        self.awaiting_join_count -= usize::from(before.is_some());
        before
    }

    fn count_protocols(&mut self, protocols: &[JoinGroupRequestProtocol]) {
        for name in distinct_names(protocols) {
            *self.supported_protocols.entry(Arc::from(name)).or_insert(0) += 1;
        }
    }

    fn uncount_protocols(&mut self, protocols: &[JoinGroupRequestProtocol]) {
        for name in distinct_names(protocols) {
            let left = self.supported_protocols.get(name).map_or(0, |count| count - 1);
            match left {
                0 => drop(self.supported_protocols.remove(name)),
                left => drop(self.supported_protocols.insert(Arc::from(name), left)),
            }
        }
    }

    fn is_supported_by_all(&self, name: &str) -> bool {
        self.supported_protocols.get(name).copied().unwrap_or(0) == self.members.len()
    }

    /// Whether a member with these protocols fits: one of them is supported by all members.
    pub fn supports_protocols(&self, protocol_type: &str, protocols: &[JoinGroupRequestProtocol]) -> bool {
        if self.is_empty() {
            return !protocol_type.is_empty() && !protocols.is_empty();
        }
        self.protocol_type.as_deref() == Some(protocol_type)
            && protocols.iter().any(|protocol| self.is_supported_by_all(&protocol.name))
    }

    /// The protocol with the most votes. Each member votes for the first of its protocols that all members support; among
    /// equals the first by name is taken.
    pub fn select_protocol(&self) -> Option<Arc<str>> {
        let mut votes = BTreeMap::<&str, usize>::new();
        for member in self.members.values() {
            let vote = member.protocols.iter().find(|protocol| self.is_supported_by_all(&protocol.name));
            if let Some(protocol) = vote {
                *votes.entry(&protocol.name).or_insert(0) += 1;
            }
        }
        let (name, _) = votes.into_iter().rev().max_by_key(|(_, count)| *count)?;
        Some(Arc::from(name))
    }

    /// Starts the next generation with the members that the group has.
    pub fn init_next_generation(&mut self, now_ms: i64) {
        self.generation_id = self.generation_id.checked_add(1).unwrap_or(1);
        self.protocol_name = self.select_protocol();
        self.subscribed_topics = self.compute_subscribed_topics();
        let next = if self.members.is_empty() { ClassicState::Empty } else { ClassicState::CompletingRebalance };
        self.transition_to(next, now_ms);
        self.pending_sync = imbl::OrdSet::new();
    }

    /// The topics that the members of a `consumer` group have subscribed to. None when that cannot be known.
    pub fn compute_subscribed_topics(&self) -> Option<Arc<BTreeSet<String>>> {
        if !self.uses_consumer_protocol() {
            return None;
        }
        if self.members.is_empty() {
            return Some(Arc::default());
        }
        let protocol_name = self.protocol_name.as_deref()?;
        let mut topics = BTreeSet::new();
        for member in self.members.values() {
            topics.extend(subscription_topics(&member.metadata(protocol_name))?);
        }
        Some(Arc::new(topics))
    }

    /// Whether a member is known to read the topic. When a `consumer` group does not say what it reads, it may be anything.
    pub fn is_subscribed_to_topic(&self, topic: &str) -> bool {
        self.subscribed_topics.as_ref().map_or(self.uses_consumer_protocol(), |topics| topics.contains(topic))
    }

    /// Whether the member may act for the group.
    ///
    /// # Errors
    /// UNKNOWN_MEMBER_ID, or FENCED_INSTANCE_ID when another member has taken its place.
    pub fn validate_member(
        &self,
        member_id: &str,
        group_instance_id: Option<&str>,
    ) -> Result<(&Arc<str>, &Arc<ClassicMember>), ErrorCode> {
        if let Some(instance_id) = group_instance_id {
            match self.static_members.get(instance_id) {
                None => return Err(ErrorCode::UnknownMemberId),
                Some(existing) if **existing != *member_id => return Err(ErrorCode::FencedInstanceId),
                Some(_) => {}
            }
        }
        self.members.get_key_value(member_id).ok_or(ErrorCode::UnknownMemberId)
    }
}

fn distinct_names(protocols: &[JoinGroupRequestProtocol]) -> BTreeSet<&str> {
    protocols.iter().map(|protocol| protocol.name.as_str()).collect()
}

/// The topics of a consumer's subscription: its version, then fields of which version 0 begins every version.
fn subscription_topics(metadata: &bytes::Bytes) -> Option<Vec<String>> {
    let version = i16::from_be_bytes(metadata.get(..2)?.try_into().ok()?);
    let fields = metadata.slice(2..);
    let subscription = ConsumerProtocolSubscription::decode(&mut Reader::new(&fields), 0).ok()?;
    (version >= 0).then_some(subscription.topics)
}
