//! Share sessions: the partitions that each member of a share group fetches from this node, so that a request names only
//! what changes.
//!
//! A session is opened by epoch 0, goes on with the next epoch in every request, and ends with epoch -1, when its connection
//! is gone, or when its member opens another one. Its connection is that of its last request: a member that lost one and goes
//! on over another keeps its session, since the epoch shows that it has missed nothing. There are at most
//! `group.share.max.share.sessions`.

use ottla_types::Uuid;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Opens a session.
pub const INITIAL_EPOCH: i32 = 0;
/// Ends one.
pub const FINAL_EPOCH: i32 = -1;

/// Most partitions of one session. A member that fetches more of one node asks for what does not exist.
const SESSION_PARTITIONS_MAX: usize = 20_000;

/// A partition, by the id of its topic.
pub type TopicIdPartition = (Uuid, i32);

/// Whose session it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct SessionKey {
    /// The share group.
    pub group_id: Arc<str>,
    /// Its member.
    pub member_id: Arc<str>,
}

/// Why a request has no session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SessionError {
    /// SHARE_SESSION_NOT_FOUND.
    #[error("the member has no share session here; it opens one with epoch 0")]
    NotFound,
    /// INVALID_SHARE_SESSION_EPOCH.
    #[error("the share session is at epoch {expected}, the request at {found}")]
    WrongEpoch {
        /// What the next request has to carry.
        expected: i32,
        /// What it carried.
        found: i32,
    },
    /// SHARE_SESSION_LIMIT_REACHED.
    #[error("there are {0} share sessions already (group.share.max.share.sessions)")]
    LimitReached(usize),
    /// SHARE_SESSION_LIMIT_REACHED.
    #[error("a share session holds at most {SESSION_PARTITIONS_MAX} partitions")]
    TooManyPartitions,
    /// INVALID_REQUEST.
    #[error("the request that opens a share session acknowledges records")]
    AcknowledgesFirst,
}

/// A session that was opened. What the member acquired in an earlier one over the same connection it still has: it may only have
/// lost an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened<C> {
    /// The partitions of the member's earlier session, which is gone, and the connection that it had.
    pub replaced: Option<(Vec<TopicIdPartition>, C)>,
}

#[derive(Debug)]
struct Session<C> {
    epoch: i32,
    /// In the order in which the partitions came.
    partitions: Vec<TopicIdPartition>,
    known: BTreeSet<TopicIdPartition>,
    /// Partitions that the next answer names even without records: they are new, or the last answer had an error of theirs.
    unanswered: BTreeSet<TopicIdPartition>,
    connection: C,
}

/// The sessions of a node. `C` tells whether a session's connection is still there.
#[derive(Debug)]
pub struct ShareSessions<C> {
    sessions: BTreeMap<SessionKey, Session<C>>,
    sessions_max: usize,
}

impl<C> ShareSessions<C> {
    /// None yet, and never more than this.
    pub fn new(sessions_max: usize) -> ShareSessions<C> {
        ShareSessions { sessions: BTreeMap::new(), sessions_max }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// Whether a member of the group has one.
    pub fn has_group(&self, group_id: &Arc<str>) -> bool {
        let first = SessionKey { group_id: Arc::clone(group_id), member_id: Arc::from("") };
        self.sessions.range(first..).next().is_some_and(|(key, _)| key.group_id == *group_id)
    }

    /// Opens a session (epoch 0).
    ///
    /// # Errors
    /// [`SessionError::AcknowledgesFirst`], [`SessionError::LimitReached`], [`SessionError::TooManyPartitions`].
    pub fn open(
        &mut self,
        key: &SessionKey,
        partitions: &[TopicIdPartition],
        acknowledges: bool,
        connection: C,
    ) -> Result<Opened<C>, SessionError> {
        if acknowledges {
            return Err(SessionError::AcknowledgesFirst);
        }
        if partitions.len() > SESSION_PARTITIONS_MAX {
            return Err(SessionError::TooManyPartitions);
        }
        if !self.sessions.contains_key(key) && self.sessions.len() >= self.sessions_max {
            return Err(SessionError::LimitReached(self.sessions_max));
        }
        let (known, unanswered) = (BTreeSet::new(), BTreeSet::new());
        let mut session = Session { epoch: 1, partitions: Vec::new(), known, unanswered, connection };
        session.add(partitions);
        // The answer to this request names all of them.
        session.unanswered.clear();
        let replaced = self.sessions.insert(key.clone(), session);
        let replaced = replaced.map(|session| (session.partitions, session.connection));
        Ok(Opened { replaced })
    }

    /// A request of an open session, over this connection: takes what is new and forgets what is not wanted any more. All
    /// partitions of the session; those of an ending session (epoch -1) too, which [`ShareSessions::close`] then ends.
    ///
    /// # Errors
    /// [`SessionError::NotFound`], [`SessionError::WrongEpoch`], [`SessionError::TooManyPartitions`].
    pub fn go_on(
        &mut self,
        key: &SessionKey,
        epoch: i32,
        (added, forgotten): (&[TopicIdPartition], &[TopicIdPartition]),
        connection: C,
    ) -> Result<Vec<TopicIdPartition>, SessionError> {
        let session = self.sessions.get_mut(key).ok_or(SessionError::NotFound)?;
        if epoch != FINAL_EPOCH {
            if session.epoch != epoch {
                return Err(SessionError::WrongEpoch { expected: session.epoch, found: epoch });
            }
            if session.partitions.len().saturating_add(added.len()) > SESSION_PARTITIONS_MAX {
                return Err(SessionError::TooManyPartitions);
            }
            session.add(added);
            session.forget(forgotten);
            session.epoch = next_epoch(epoch);
        }
        session.connection = connection;
        // The next request begins with another one, so that none is left behind.
        if !session.partitions.is_empty() {
            session.partitions.rotate_left(1);
        }
        Ok(session.partitions.clone())
    }

    /// An answer is made for the request of this epoch: whether it has to name a partition that was read, though it has no
    /// records of it. The first answer of a session names all of them.
    pub fn must_name(&mut self, key: &SessionKey, epoch: i32, partition: TopicIdPartition, has_error: bool) -> bool {
        if epoch == INITIAL_EPOCH {
            return true;
        }
        let Some(session) = self.sessions.get_mut(key) else { return has_error };
        let is_due = session.unanswered.remove(&partition);
        if has_error && session.known.contains(&partition) {
            session.unanswered.insert(partition);
        }
        is_due || has_error
    }

    /// Ends a session; what it had.
    pub fn close(&mut self, key: &SessionKey) -> Option<Vec<TopicIdPartition>> {
        self.sessions.remove(key).map(|session| session.partitions)
    }

    /// Ends the sessions whose connections are gone; what they had.
    pub fn close_where(&mut self, is_gone: impl Fn(&C) -> bool) -> Vec<(SessionKey, Vec<TopicIdPartition>)> {
        let gone = self.sessions.extract_if(.., |_, session| is_gone(&session.connection));
        gone.map(|(key, session)| (key, session.partitions)).collect()
    }
}

impl<C> Session<C> {
    fn add(&mut self, partitions: &[TopicIdPartition]) {
        for partition in partitions {
            if self.known.insert(*partition) {
                self.partitions.push(*partition);
                self.unanswered.insert(*partition);
            }
        }
    }

    fn forget(&mut self, partitions: &[TopicIdPartition]) {
        for partition in partitions {
            self.known.remove(partition);
            self.unanswered.remove(partition);
        }
        if !partitions.is_empty() {
            self.partitions.retain(|partition| self.known.contains(partition));
        }
    }
}

fn next_epoch(epoch: i32) -> i32 {
    if epoch == i32::MAX { 1 } else { epoch + 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FOO: Uuid = Uuid([1; 16]);
    /// Nothing added, nothing forgotten.
    const NONE: (&[TopicIdPartition], &[TopicIdPartition]) = (&[], &[]);

    fn key(member: &str) -> SessionKey {
        SessionKey { group_id: Arc::from("g"), member_id: Arc::from(member) }
    }

    #[test]
    fn epochs_follow_one_another() {
        let mut sessions = ShareSessions::new(10);
        assert_eq!(sessions.go_on(&key("a"), 1, NONE, 1), Err(SessionError::NotFound));
        assert_eq!(sessions.open(&key("a"), &[(FOO, 0)], true, 1), Err(SessionError::AcknowledgesFirst));
        assert_eq!(sessions.open(&key("a"), &[(FOO, 0)], false, 1), Ok(Opened { replaced: None }));
        assert_eq!(sessions.go_on(&key("a"), 1, (&[(FOO, 1)], &[(FOO, 0)]), 1), Ok(vec![(FOO, 1)]));
        let wrong = SessionError::WrongEpoch { expected: 2, found: 1 };
        assert_eq!(sessions.go_on(&key("a"), 1, NONE, 1), Err(wrong));
        assert_eq!(sessions.go_on(&key("a"), 2, NONE, 1), Ok(vec![(FOO, 1)]));
        assert_eq!(sessions.go_on(&key("a"), FINAL_EPOCH, NONE, 1), Ok(vec![(FOO, 1)]));
        assert_eq!(sessions.close(&key("a")), Some(vec![(FOO, 1)]));
        assert_eq!(sessions.go_on(&key("a"), FINAL_EPOCH, NONE, 1), Err(SessionError::NotFound));
        assert_eq!(next_epoch(i32::MAX), 1);
    }

    #[test]
    fn there_are_never_too_many_and_those_of_lost_connections_go() {
        let mut sessions = ShareSessions::new(3);
        for member in ["a", "b", "c"] {
            sessions.open(&key(member), &[(FOO, 0)], false, member).expect("there is room");
        }
        assert_eq!(sessions.open(&key("d"), &[], false, "d"), Err(SessionError::LimitReached(3)));
        let replaced = sessions.open(&key("a"), &[], false, "a").expect("its own place");
        assert_eq!(replaced.replaced, Some((vec![(FOO, 0)], "a")));
        let gone = sessions.close_where(|connection| *connection == "b");
        assert_eq!(gone, [(key("b"), vec![(FOO, 0)])]);
        assert!(sessions.open(&key("d"), &[], false, "d").is_ok());
        assert!(sessions.has_group(&Arc::from("g")) && !sessions.has_group(&Arc::from("f")));
        assert_eq!(sessions.len(), 3);
    }

    #[test]
    fn a_session_that_goes_on_over_another_connection_does_not_end_with_the_first() {
        let mut sessions = ShareSessions::new(3);
        for member in ["a", "b"] {
            sessions.open(&key(member), &[(FOO, 0)], false, "old").expect("there is room");
        }
        let wrong = SessionError::WrongEpoch { expected: 1, found: 7 };
        assert_eq!(sessions.go_on(&key("b"), 7, NONE, "new"), Err(wrong));
        assert_eq!(sessions.go_on(&key("a"), 1, NONE, "new"), Ok(vec![(FOO, 0)]));
        let gone = sessions.close_where(|connection| *connection == "old");
        assert_eq!(gone, [(key("b"), vec![(FOO, 0)])], "a request of another session moves nothing");
        assert_eq!(sessions.go_on(&key("a"), 2, NONE, "new"), Ok(vec![(FOO, 0)]));
        assert_eq!(sessions.close_where(|connection| *connection == "new").len(), 1);
    }

    /// Kafka's ShareSessionContext and CachedSharePartition.
    #[test]
    fn a_partition_without_records_is_named_when_it_is_new_and_after_an_error() {
        let mut sessions = ShareSessions::new(1);
        sessions.open(&key("a"), &[(FOO, 0)], false, ()).expect("there is room");
        assert!(sessions.must_name(&key("a"), INITIAL_EPOCH, (FOO, 0), false), "the first answer names all");
        sessions.go_on(&key("a"), 1, (&[(FOO, 0), (FOO, 1)], &[]), ()).expect("a session");
        assert!(!sessions.must_name(&key("a"), 1, (FOO, 0), false), "it is known already");
        assert!(sessions.must_name(&key("a"), 1, (FOO, 1), false), "it is new");
        let mut is_named = |epoch, has_error| {
            sessions.go_on(&key("a"), epoch, NONE, ()).expect("a session");
            sessions.must_name(&key("a"), epoch, (FOO, 1), has_error)
        };
        let named = [is_named(2, false), is_named(3, true), is_named(4, true), is_named(5, false), is_named(6, false)];
        assert_eq!(named, [false, true, true, true, false], "once more when the error has gone");
        sessions.go_on(&key("a"), 7, (&[(FOO, 2)], &[(FOO, 2)]), ()).expect("a session");
        assert!(!sessions.must_name(&key("a"), 7, (FOO, 2), false), "it is not wanted any more");
        assert!(!sessions.must_name(&key("b"), 7, (FOO, 1), false), "there is no session");
    }

    #[test]
    fn every_partition_comes_first_in_turn() {
        let mut sessions = ShareSessions::new(1);
        let all: Vec<TopicIdPartition> = (0..3).map(|index| (FOO, index)).collect();
        sessions.open(&key("a"), &all, false, ()).expect("there is room");
        let first = |sessions: &mut ShareSessions<()>, epoch| {
            sessions.go_on(&key("a"), epoch, NONE, ()).expect("a session")[0].1
        };
        let firsts: Vec<i32> = (1..=4).map(|epoch| first(&mut sessions, epoch)).collect();
        assert_eq!(firsts, [1, 2, 0, 1]);
    }
}
