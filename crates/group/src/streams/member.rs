//! One member of a streams group: a thread of an application.

use super::tasks::AssignedTasks;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a member stands on its way to the target assignment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum MemberState {
    /// Has all of its target that it may have.
    Stable,
    /// Must give tasks up before anything else.
    UnrevokedTasks,
    /// Waits for tasks that others still have.
    UnreleasedTasks,
    /// A newer Kafka wrote a state that this one does not know.
    Unknown,
}

/// A member as the log tells it. Its larger parts are shared, so that a changed copy is cheap.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct StreamsMember {
    pub(crate) member_id: Arc<str>,
    pub(crate) member_epoch: i32,
    pub(crate) previous_member_epoch: i32,
    pub(crate) state: MemberState,
    /// Kafka 4.3 writes none, a later one may.
    pub(crate) instance_id: Option<String>,
    pub(crate) rack_id: Option<String>,
    pub(crate) client_id: String,
    pub(crate) client_host: String,
    /// -1 when the member never said.
    pub(crate) rebalance_timeout_ms: i32,
    /// -1 when the member never said.
    pub(crate) topology_epoch: i32,
    /// Threads of one process share state stores: a task is there once at most.
    pub(crate) process_id: Arc<str>,
    /// Host and port for interactive queries.
    pub(crate) user_endpoint: Option<(String, u16)>,
    pub(crate) client_tags: Arc<BTreeMap<String, String>>,
    pub(crate) assigned_tasks: Arc<AssignedTasks>,
    pub(crate) tasks_pending_revocation: Arc<AssignedTasks>,
}

impl MemberState {
    /// By its number in records.
    pub(crate) fn from_record(value: i8) -> MemberState {
        match value {
            1 => MemberState::Stable,
            2 => MemberState::UnrevokedTasks,
            3 => MemberState::UnreleasedTasks,
            _ => MemberState::Unknown,
        }
    }

    /// Its number in records.
    pub(crate) fn to_record(self) -> i8 {
        match self {
            MemberState::Stable => 1,
            MemberState::UnrevokedTasks => 2,
            MemberState::UnreleasedTasks => 3,
            MemberState::Unknown => 127,
        }
    }
}

impl StreamsMember {
    /// A member that is about to join.
    pub(crate) fn new(member_id: &str) -> StreamsMember {
        StreamsMember {
            member_id: Arc::from(member_id),
            member_epoch: 0,
            previous_member_epoch: 0,
            state: MemberState::Stable,
            instance_id: None,
            rack_id: None,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout_ms: -1,
            topology_epoch: -1,
            process_id: Arc::from(""),
            user_endpoint: None,
            client_tags: Arc::default(),
            assigned_tasks: Arc::default(),
            tasks_pending_revocation: Arc::default(),
        }
    }

    /// Whether it has arrived at the target assignment of this epoch.
    pub(crate) fn is_reconciled_to(&self, assignment_epoch: i32) -> bool {
        self.state == MemberState::Stable && self.member_epoch == assignment_epoch
    }

    /// A copy in another epoch that remembers the present one.
    #[must_use]
    pub(crate) fn in_epoch(&self, member_epoch: i32) -> StreamsMember {
        StreamsMember { member_epoch, previous_member_epoch: self.member_epoch, ..self.clone() }
    }
}
