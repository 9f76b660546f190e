//! One partition of `__consumer_offsets`: its groups, their offsets, and who answers which event.
//!
//! A group is loaded of its records, then changed by decisions. Records change what is durable; [`GroupVolatile::Put`]
//! replaces a group as a whole, so a decision that writes a record of a classic group puts the group after it. Replies
//! depend on the group that they are about and on nothing else of the shard.

use crate::config::GroupConfig;
use crate::consumer::{self, ConsumerChange};
use crate::effect::GroupEffect;
use crate::event::{GroupEvent, GroupReply, GroupRequest, RequestContext};
use crate::group::{Group, GroupId, Groups};
use crate::offsets::{self, Offsets};
use crate::share::{self, ShareChange};
use crate::streams::{self, StreamsChange};
use crate::timer::{GroupTimer, TimerKind};
use crate::topics::GroupTopics;
use crate::{admin, classic, records};
use ottla_coordinator::{Context, Decision, Position, Record, ReplayError, ReplySlot, Shard, TimerChange};
use ottla_protocol::GroupRecordKey;
use std::sync::Arc;

/// What a group shard decides.
pub type GroupDecision = Decision<GroupShard>;

/// A change that is not in the log.
#[derive(Debug)]
pub enum GroupVolatile {
    /// The group is now this.
    Put(GroupId, Box<Group>),
    /// The group is forgotten.
    Remove(GroupId),
    /// A change of a KIP-848 group.
    Consumer(GroupId, ConsumerChange),
    /// A change of a streams group.
    Streams(GroupId, StreamsChange),
    /// A change of a share group.
    Share(GroupId, ShareChange),
    /// The cluster's topics.
    Topics(GroupTopics),
    /// The configs.
    Config(Arc<GroupConfig>),
}

/// The state of one partition of `__consumer_offsets`.
#[derive(Debug, Clone)]
pub struct GroupShard {
    /// The configs of the broker and of single groups.
    pub config: Arc<GroupConfig>,
    /// The cluster's topics.
    pub topics: GroupTopics,
    /// The groups.
    pub groups: Groups,
    /// What they have committed.
    pub offsets: Offsets,
}

impl GroupShard {
    /// A shard without groups, before its log is replayed.
    pub fn new(config: Arc<GroupConfig>, topics: GroupTopics) -> GroupShard {
        GroupShard { config, topics, groups: Groups::default(), offsets: Offsets::default() }
    }

    fn request(
        &self,
        caller: &RequestContext,
        request: GroupRequest,
        slot: ReplySlot,
        context: &Context,
    ) -> GroupDecision {
        match request {
            GroupRequest::JoinGroup(request) => classic::join::handle(self, caller, request, slot, context),
            GroupRequest::SyncGroup(request) => classic::sync::handle(self, caller, request, slot, context),
            GroupRequest::Heartbeat(request) => classic::heartbeat::handle(self, caller, &request, slot, context),
            GroupRequest::LeaveGroup(request) => classic::leave::handle(self, caller, request, slot, context),
            GroupRequest::OffsetCommit(request) => offsets::commit::handle(self, caller, &request, slot, context),
            GroupRequest::TxnOffsetCommit(request, guard) => {
                offsets::txn_commit::handle(self, caller, &request, guard, slot, context)
            }
            GroupRequest::OffsetFetch(request) => offsets::fetch::handle(self, &request, slot),
            GroupRequest::OffsetDelete(request) => offsets::delete::handle(self, &request, slot),
            GroupRequest::DescribeGroup(group_id) => admin::describe::handle(self, caller, &group_id, slot),
            GroupRequest::ListGroups(request) => admin::list::handle(self, &request, slot),
            GroupRequest::DeleteGroup(group_id) => admin::delete::handle(self, &group_id, slot),
            GroupRequest::Observe(offsets_max) => admin::observe::handle(self, offsets_max, slot),
            GroupRequest::ConsumerGroupHeartbeat(request) => consumer::heartbeat(self, caller, request, slot, context),
            GroupRequest::Share(request) => share::request(self, caller, request, slot, context),
            GroupRequest::ConsumerGroupDescribe(group_id) => {
                let subject = GroupId::from(group_id.as_str());
                let described = consumer::describe(self, &group_id);
                Decision::about(subject).reply(slot, GroupReply::ConsumerGroupDescribe(described))
            }
            GroupRequest::StreamsGroupHeartbeat(request) => streams::heartbeat(self, caller, &request, slot, context),
            GroupRequest::StreamsGroupDescribe(group_id) => {
                let described = streams::describe(self, &group_id);
                let subject = GroupId::from(group_id);
                Decision::about(subject).reply(slot, GroupReply::StreamsGroupDescribe(described))
            }
        }
    }
}

impl Shard for GroupShard {
    type Event = GroupEvent;
    type Reply = GroupReply;
    type Volatile = GroupVolatile;
    type Timer = GroupTimer;
    type Subject = GroupId;
    type Effect = GroupEffect;

    fn handle(&self, event: GroupEvent, slot: Option<ReplySlot>, context: &Context) -> GroupDecision {
        match (event, slot) {
            (GroupEvent::Request(caller, request), Some(slot)) => self.request(&caller, request, slot, context),
            (GroupEvent::Request(..), None) => Decision::none(),
            (GroupEvent::MetadataChanged(topics), _) => {
                let mut decision = consumer::metadata_changed(self, &topics, context);
                streams::metadata_changed(self, &topics, &mut decision);
                decision.changes.insert(0, ottla_coordinator::Change::Volatile(GroupVolatile::Topics(topics)));
                decision
            }
            (GroupEvent::ConfigChanged(config), _) => Decision::none().volatile(GroupVolatile::Config(config)),
            (GroupEvent::TopicsDeleted(topics), _) => offsets::delete::topics_deleted(self, &Arc::from(topics)),
            (GroupEvent::ForgetTopics(group_id, topics), _) => offsets::delete::forget_topics(self, &group_id, &topics),
            (GroupEvent::ExpireOffsets, _) => offsets::expire::handle(self, context),
            (GroupEvent::ExpireGroup(group_id), _) => offsets::expire::expire_group(self, &group_id, context),
            (GroupEvent::ForgetDeleted, _) => offsets::delete::forget_deleted(self),
            (GroupEvent::Consumer(event), _) => consumer::event(self, event, context),
        }
    }

    fn expired(&self, timer: GroupTimer, context: &Context) -> GroupDecision {
        match timer.kind {
            TimerKind::ClassicHeartbeat => classic::heartbeat::expired(self, &timer, context),
            TimerKind::ClassicJoin => classic::join::expired(self, &timer, context),
            TimerKind::ClassicSync => classic::sync::expired(self, &timer, context),
            TimerKind::ExpireOffsets => offsets::expire::expired(self),
            TimerKind::ForgetDeleted => Decision::none().then(GroupEvent::ForgetDeleted),
            TimerKind::ConsumerSession
            | TimerKind::ConsumerRebalance
            | TimerKind::ConsumerJoin
            | TimerKind::ConsumerSync => consumer::expired(self, timer, context),
            TimerKind::StreamsSession | TimerKind::StreamsRebalance | TimerKind::StreamsInitialRebalance => {
                streams::expired(self, &timer, context)
            }
            TimerKind::ShareSession => share::expired(self, &timer, context),
        }
    }

    fn loaded(&self, context: &Context) -> GroupDecision {
        let mut decision = Decision::none();
        decision.timers.push(TimerChange::Schedule {
            key: GroupTimer::expire_offsets(),
            after_ms: self.config.offsets_retention_check_interval_ms,
        });
        let key = GroupTimer::forget_deleted();
        decision.timers.push(TimerChange::Schedule { key, after_ms: offsets::delete::FORGET_DELETED_AFTER_MS });
        for (group_id, group) in self.groups.iter() {
            match group {
                Group::Classic(group) => classic::loaded::loaded(self, group, context, &mut decision),
                Group::Consumer(group) => consumer::loaded(self, group_id, group, context, &mut decision),
                Group::Streams(group) => streams::loaded(self, group_id, group, &mut decision),
                Group::Share(group) => share::loaded(self, group_id, group, &mut decision),
            }
        }
        decision
    }

    fn replay(&mut self, record: &Record, position: Position) -> Result<(), ReplayError> {
        let Some((key, value)) = records::decode(record, position)? else { return Ok(()) };
        match key {
            GroupRecordKey::LegacyOffsetCommit(_) | GroupRecordKey::OffsetCommit(_) => {
                offsets::replay::replay(self, key, value, position);
                Ok(())
            }
            GroupRecordKey::GroupMetadata(key) => {
                classic::replay::replay(&mut self.groups, &key, value, position);
                Ok(())
            }
            key @ (GroupRecordKey::StreamsGroupMetadata(_)
            | GroupRecordKey::StreamsGroupTopology(_)
            | GroupRecordKey::StreamsGroupMemberMetadata(_)
            | GroupRecordKey::StreamsGroupTargetAssignmentMetadata(_)
            | GroupRecordKey::StreamsGroupTargetAssignmentMember(_)
            | GroupRecordKey::StreamsGroupCurrentMemberAssignment(_)) => {
                streams::replay(&mut self.groups, key, value);
                Ok(())
            }
            key => {
                let Some((key, value)) = share::replay(&mut self.groups, key, value, position) else { return Ok(()) };
                consumer::replay(&mut self.groups, key, value, position)
                    .map_err(|reason| ReplayError { offset: position.offset, reason })
            }
        }
    }

    fn replay_end_of_transaction(&mut self, producer_id: i64, is_commit: bool) -> Vec<GroupId> {
        self.offsets.end_transaction(producer_id, is_commit)
    }

    fn apply(&mut self, change: GroupVolatile) {
        match change {
            GroupVolatile::Put(group_id, group) => self.groups.put(group_id, *group),
            GroupVolatile::Remove(group_id) => drop(self.groups.remove(&group_id)),
            GroupVolatile::Consumer(group_id, change) => consumer::apply(&mut self.groups, &group_id, change),
            GroupVolatile::Streams(group_id, change) => streams::apply(&mut self.groups, &group_id, change),
            GroupVolatile::Share(group_id, change) => share::apply(&mut self.groups, &group_id, &change),
            GroupVolatile::Topics(topics) => self.topics = topics,
            GroupVolatile::Config(config) => self.config = config,
        }
    }
}
