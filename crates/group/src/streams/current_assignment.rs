//! How a member gets from the tasks that it has to its target assignment, so that no task is ever active twice and no process
//! ever has two copies of one (KIP-1071).
//!
//! 1. A member that has what is not its own any more keeps its epoch and is told to give it up (UNREVOKED_TASKS) until it no
//!    longer reports it. 2. Then it moves to the target's epoch and gets those of its tasks that are free. 3. If others still
//!    have some it waits for them (UNRELEASED_TASKS), 4. and has arrived (STABLE) when it has all.

use super::group::StreamsGroup;
use super::member::{MemberState, StreamsMember};
use super::tasks::{AssignedTasks, TaskEpochs, TaskSets, Tasks};
use crate::consumer::error::GroupError;
use ottla_types::ErrorCode;
use std::sync::Arc;

/// What a member is reconciled with.
pub(crate) struct Reconciliation<'a> {
    /// Who has which tasks now.
    pub(crate) group: &'a StreamsGroup,
    pub(crate) target_epoch: i32,
    pub(crate) target: &'a TaskSets,
    /// What the member says that it has; None when it does not say.
    pub(crate) owned: Option<&'a TaskSets>,
}

impl Reconciliation<'_> {
    /// The member one step further; None when it stays as it is.
    ///
    /// # Errors
    /// FENCED_MEMBER_EPOCH when the member is in a state of a newer Kafka and still has tasks.
    pub(crate) fn step(&self, member: &StreamsMember) -> Result<Option<StreamsMember>, GroupError> {
        let next = match member.state {
            MemberState::Stable if member.member_epoch == self.target_epoch => return Ok(None),
            MemberState::UnrevokedTasks if self.has_any_of(&member.tasks_pending_revocation) => return Ok(None),
            MemberState::UnrevokedTasks => self.next(member, member.member_epoch.saturating_add(1)),
            MemberState::Stable | MemberState::UnreleasedTasks => self.next(member, member.member_epoch),
            MemberState::Unknown if self.owned.is_none_or(|owned| !owned.is_empty()) => {
                return Err(GroupError::new(
                    ErrorCode::FencedMemberEpoch,
                    "The streams group member is in a unknown state. The member must abandon all its tasks and rejoin.",
                ));
            }
            MemberState::Unknown => self.next(member, self.target_epoch),
        };
        Ok(Some(next).filter(|next| next != member))
    }

    fn next(&self, member: &StreamsMember, member_epoch: i32) -> StreamsMember {
        let mut parts = self.compare(member);
        if !parts.revoked.is_empty() && self.has_any_of(&parts.revoked) {
            return StreamsMember {
                state: MemberState::UnrevokedTasks,
                assigned_tasks: Arc::new(parts.kept),
                tasks_pending_revocation: Arc::new(parts.revoked),
                ..member.in_epoch(member_epoch)
            };
        }
        for (id, partitions) in parts.free.active {
            let kept = parts.kept.active.entry(id).or_default();
            kept.extend(partitions.into_iter().map(|partition| (partition, self.target_epoch)));
        }
        merge(&mut parts.kept.standby, parts.free.standby);
        merge(&mut parts.kept.warmup, parts.free.warmup);
        let unchanged = *member.assigned_tasks == parts.kept;
        StreamsMember {
            state: if parts.waits { MemberState::UnreleasedTasks } else { MemberState::Stable },
            assigned_tasks: if unchanged { member.assigned_tasks.clone() } else { Arc::new(parts.kept) },
            tasks_pending_revocation: Arc::default(),
            ..member.in_epoch(self.target_epoch)
        }
    }

    fn compare(&self, member: &StreamsMember) -> Comparison {
        let mut parts = Comparison::default();
        let (assigned, target) = (&*member.assigned_tasks, self.target);
        for (id, partition, epoch) in each_epoch(&assigned.active) {
            let side = if has(&target.active, id, partition) { &mut parts.kept } else { &mut parts.revoked };
            side.active.entry(id.clone()).or_default().insert(partition, epoch);
        }
        for (id, partition) in each(&assigned.standby) {
            let side = if has(&target.standby, id, partition) { &mut parts.kept } else { &mut parts.revoked };
            side.standby.entry(id.clone()).or_default().insert(partition);
        }
        for (id, partition) in each(&assigned.warmup) {
            let side = if has(&target.warmup, id, partition) { &mut parts.kept } else { &mut parts.revoked };
            side.warmup.entry(id.clone()).or_default().insert(partition);
        }
        self.want_new(member, &mut parts);
        parts
    }

    /// Tasks of the target that the member does not have: free, or not yet. What the member itself was giving up is free for it:
    /// it has confirmed that it did before it gets here.
    fn want_new(&self, member: &StreamsMember, parts: &mut Comparison) {
        let (assigned, given_up, target) = (&*member.assigned_tasks, &*member.tasks_pending_revocation, self.target);
        let process_id = &*member.process_id;
        let active_owner = |id: &str, partition| {
            let owner = self.group.active_owner(id, partition);
            owner.filter(|_| given_up.active_epoch(id, partition).is_none())
        };
        let has_copy = |id: &str, partition| {
            let own =
                [&given_up.standby, &given_up.warmup].into_iter().filter(|tasks| has(tasks, id, partition)).count();
            self.group.copies_in(process_id, id, partition) > own
        };
        for (id, partition) in each(&target.active) {
            if assigned.active_epoch(id, partition).is_none() {
                let is_taken = active_owner(id, partition).is_some() || has_copy(id, partition);
                parts.want(is_taken, |free| &mut free.active, id, partition);
            }
        }
        // A process that has the task in any form must first be rid of it.
        let is_here = |id: &str, partition| active_owner(id, partition) == Some(process_id) || has_copy(id, partition);
        for (id, partition) in each(&target.standby).filter(|(id, partition)| !has(&assigned.standby, id, *partition)) {
            parts.want(is_here(id, partition), |free| &mut free.standby, id, partition);
        }
        for (id, partition) in each(&target.warmup).filter(|(id, partition)| !has(&assigned.warmup, id, *partition)) {
            parts.want(is_here(id, partition), |free| &mut free.warmup, id, partition);
        }
    }

    /// Whether the member has any of these, or does not say.
    fn has_any_of(&self, tasks: &AssignedTasks) -> bool {
        self.owned.is_none_or(|owned| owned.contains_any_of(tasks))
    }
}

/// The member's tasks against its target.
#[derive(Default)]
struct Comparison {
    kept: AssignedTasks,
    revoked: AssignedTasks,
    /// Wanted and to be had.
    free: TaskSets,
    /// Wanted, but not free yet.
    waits: bool,
}

impl Comparison {
    fn want(&mut self, is_taken: bool, list: impl FnOnce(&mut TaskSets) -> &mut Tasks, id: &str, partition: i32) {
        if is_taken {
            self.waits = true;
        } else {
            list(&mut self.free).entry(id.to_string()).or_default().insert(partition);
        }
    }
}

fn each(tasks: &Tasks) -> impl Iterator<Item = (&String, i32)> {
    tasks.iter().flat_map(|(id, partitions)| partitions.iter().map(move |partition| (id, *partition)))
}

fn each_epoch(tasks: &TaskEpochs) -> impl Iterator<Item = (&String, i32, i32)> {
    tasks.iter().flat_map(|(id, partitions)| partitions.iter().map(move |(partition, epoch)| (id, *partition, *epoch)))
}

fn has(tasks: &Tasks, id: &str, partition: i32) -> bool {
    tasks.get(id).is_some_and(|partitions| partitions.contains(&partition))
}

fn merge(tasks: &mut Tasks, more: Tasks) {
    for (id, partitions) in more {
        tasks.entry(id).or_default().extend(partitions);
    }
}
