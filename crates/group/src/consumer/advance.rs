//! The three steps that every request of a member takes the group through:
//!
//! 1. The member is written down when it changed; the group epoch rises when the change, or the topics, call for another
//!    assignment. 2. A new target assignment is made when the group epoch is ahead of it and enough time has passed since the
//!    last one. 3. The member moves towards its target.
//!
//! A request that changes nothing passes through in constant time and writes nothing.

use super::ConsumerChange;
use super::current_assignment::Reconciliation;
use super::error::GroupError;
use super::group::ConsumerGroup;
use super::member::{Member, MemberState};
use super::step::{Step, timeout_ms};
use super::subscriptions::Subscriptions;
use super::{metadata_hash, records, regex, target};
use crate::assignor::Assignment;
use crate::event::RequestContext;
use crate::timer::TimerKind;
use ottla_protocol::consumer_group_heartbeat_request::TopicPartitions;
use std::borrow::Cow;
use std::sync::Arc;

/// Topics are looked at again after this long even when nobody said that they changed, milliseconds.
const METADATA_REFRESH_INTERVAL_MS: i64 = i32::MAX as i64;

/// A member on its way through the steps.
pub(crate) struct Advance<'a> {
    pub(crate) group: &'a ConsumerGroup,
    /// The member before the request.
    pub(crate) before: &'a Arc<Member>,
    /// The member as the request wants it.
    pub(crate) after: Arc<Member>,
    /// Whether it wants other topics than before.
    pub(crate) subscription_changed: bool,
    pub(crate) group_epoch: i32,
    /// The group's subscriptions with this member's.
    subscriptions: Cow<'a, Subscriptions>,
}

/// When a changed regular expression raises the group epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RegexBump {
    /// When it is resolved: another rise follows the resolution otherwise (members of the consumer protocol).
    WhenResolved,
    /// Always (classic members, which give regular expressions up).
    Always,
}

impl<'a> Advance<'a> {
    /// Step 1.
    ///
    /// # Errors
    /// INVALID_REGULAR_EXPRESSION.
    pub(crate) fn subscribe(
        step: &mut Step<'_>,
        group: &'a ConsumerGroup,
        before: &'a Arc<Member>,
        after: Arc<Member>,
        bump: RegexBump,
        caller: &RequestContext,
    ) -> Result<Advance<'a>, GroupError> {
        let names_changed = write_member(step, before, &after);
        let regex = regex::update(step, group, before, &after, caller)?;
        let subscription_changed = names_changed || regex.is_changed();
        let must_raise = names_changed
            || match bump {
                RegexBump::WhenResolved => regex == regex::RegexUpdate::Resolved,
                RegexBump::Always => regex.is_changed(),
            };
        let subscriptions = Cow::Borrowed(&group.subscriptions);
        let group_epoch = group.group_epoch;
        let mut advance = Advance { group, before, after, subscription_changed, group_epoch, subscriptions };
        if must_raise || step.context.now_ms >= group.volatile.metadata_refresh_ms {
            advance.raise_epoch(step, must_raise);
        }
        Ok(advance)
    }

    /// Step 2: the target's epoch and this member's part of it.
    ///
    /// # Errors
    /// UNKNOWN_SERVER_ERROR when the assignor fails.
    pub(crate) fn assign(&self, step: &mut Step<'_>) -> Result<(i32, Arc<Assignment>), GroupError> {
        if self.group.target.epoch >= self.group_epoch || !target::is_due(step, self.group) {
            return Ok((self.group.target.epoch, self.last_target()));
        }
        let assignment = target::compute(step, self, &self.subscriptions)?;
        Ok((self.group_epoch, assignment))
    }

    /// Step 3: the member as it is now.
    ///
    /// # Errors
    /// FENCED_MEMBER_EPOCH, see [`Reconciliation::step`].
    pub(crate) fn reconcile(
        self,
        step: &mut Step<'_>,
        (target_epoch, target): (i32, Arc<Assignment>),
        owned: Option<&[TopicPartitions]>,
    ) -> Result<Arc<Member>, GroupError> {
        if !self.subscription_changed && self.after.is_reconciled_to(target_epoch) {
            return Ok(self.after);
        }
        let topics = &step.shard.topics;
        let subscription_changed = self.subscription_changed;
        let with =
            Reconciliation { group: self.group, topics, target_epoch, target: &target, subscription_changed, owned };
        let Some(next) = with.step(&self.after)? else { return Ok(self.after) };
        step.record(records::current(&self.group.group_id, &next));
        // Classic members have a join and a sync timer instead.
        if !next.uses_classic_protocol() {
            if next.state == MemberState::UnrevokedPartitions {
                step.schedule(TimerKind::ConsumerRebalance, &next.member_id, timeout_ms(next.rebalance_timeout_ms));
            } else {
                step.cancel(TimerKind::ConsumerRebalance, &next.member_id);
            }
        }
        Ok(Arc::new(next))
    }

    /// The member's part of the last target, or that of the static member whose place it takes.
    pub(crate) fn last_target(&self) -> Arc<Assignment> {
        match self.after.instance_id.as_deref() {
            None => self.group.target_of(&self.after.member_id),
            Some(instance_id) => match self.group.static_member(instance_id) {
                Some(previous) => self.group.target_of(&previous.member_id),
                None => Arc::default(),
            },
        }
    }

    /// Members with this one.
    pub(crate) fn member_count(&self) -> usize {
        let instance = self.after.instance_id.as_deref();
        let replaces = instance.is_some_and(|instance_id| self.group.static_member(instance_id).is_some());
        let is_there = self.group.member(&self.after.member_id).is_some() || replaces;
        self.group.member_count() + usize::from(!is_there)
    }

    fn raise_epoch(&mut self, step: &mut Step<'_>, must_raise: bool) {
        let subscriptions = self.subscriptions.to_mut();
        subscriptions.replace(Some(self.before), Some(&self.after));
        if let Some(regex) = self.before.regex().filter(|regex| subscriptions.regex_members(regex) == 0) {
            subscriptions.resolve(regex, None);
        }
        let hash = metadata_hash::of_group(subscriptions, &step.shard.topics);
        if must_raise || hash != self.group.metadata_hash {
            self.group_epoch += 1;
            tracing::debug!(
                group_id = &*self.group.group_id,
                epoch = self.group_epoch,
                "raised the epoch of a consumer group"
            );
            step.raise_epoch(self.group, self.group_epoch, hash);
        }
        let refresh_ms = step.context.now_ms.saturating_add(METADATA_REFRESH_INTERVAL_MS);
        step.change(ConsumerChange::RefreshMetadataAt(refresh_ms));
        if self.group.has_subscription_metadata_record {
            step.record(records::partition_metadata_tombstone(&self.group.group_id));
        }
    }
}

/// Writes the member when it changed, and answers whether it wants other topics by name.
fn write_member(step: &mut Step<'_>, before: &Arc<Member>, after: &Arc<Member>) -> bool {
    if Arc::ptr_eq(before, after) || before == after {
        return false;
    }
    step.record(records::member(&step.group_id.clone(), after));
    before.subscribed_topic_names != after.subscribed_topic_names
}
