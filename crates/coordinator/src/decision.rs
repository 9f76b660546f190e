//! What a shard decides about one event: changes, replies, timers, effects and what comes next.

use crate::shard::{Record, Shard};
use crate::transactional::TransactionalWrite;

/// The place of one answer that somebody waits for. The runtime makes it; a shard may keep it in its volatile state and
/// answer it from a later event (a JoinGroup that waits for the rest of the group). A slot is answered at most once; an answer
/// to one whose caller has gone is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct ReplySlot(pub u64);

/// One change of the shard's state, in the order in which they apply.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change<T> {
    /// Appended to the log and replayed.
    Record(Record),
    /// Not in the log: gone when the shard is loaded again.
    Volatile(T),
}

/// A change of one of the shard's timers. Times are milliseconds from now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TimerChange<K> {
    /// Fires once after `after_ms`; takes the place of an earlier one with the same key.
    Schedule {
        /// Which timer.
        key: K,
        /// Milliseconds from now.
        after_ms: u64,
    },
    /// Does not fire; nothing happens when there is none.
    Cancel(K),
}

/// What a shard decides about one event.
///
/// The runtime applies it in this order: changes (replayed at once, appended together with those of the other events of the
/// batch), timers, then `next`, each as an event of its own before any other event. Replies and effects leave when the high
/// watermark has passed the last record that `subject` depends on, whether this decision wrote it or an earlier one.
#[derive(Debug)]
pub struct Decision<S: Shard> {
    /// What the replies depend on: the group or transaction that the event was about. None depends on nothing.
    pub subject: Option<S::Subject>,
    /// Records and volatile changes.
    pub changes: Vec<Change<S::Volatile>>,
    /// Answers, to this event or to earlier ones.
    pub replies: Vec<(ReplySlot, S::Reply)>,
    /// Timers of the shard.
    pub timers: Vec<TimerChange<S::Timer>>,
    /// Calls to others: topic creation, transaction markers.
    pub effects: Vec<S::Effect>,
    /// Events that follow from the changes.
    pub next: Vec<S::Event>,
    /// Whether the records go into one batch: after a crash there are all of them or none. Such a decision is refused when
    /// it does not fit (CoordinatorError::TooLarge); another one is split.
    pub is_atomic: bool,
    /// The transaction that the records belong to. They make a batch of their own, and nothing of the decision happens when
    /// the log refuses it: its slots are answered CoordinatorError::Refused.
    pub transaction: Option<TransactionalWrite>,
}

impl<S: Shard> Decision<S> {
    /// Nothing yet, about nobody in particular. What it changes is independent of one another, and may be split.
    pub fn none() -> Decision<S> {
        Decision {
            subject: None,
            changes: Vec::new(),
            replies: Vec::new(),
            timers: Vec::new(),
            effects: Vec::new(),
            next: Vec::new(),
            is_atomic: false,
            transaction: None,
        }
    }

    /// Nothing yet, about this subject; atomic.
    pub fn about(subject: S::Subject) -> Decision<S> {
        Decision { subject: Some(subject), is_atomic: true, ..Decision::none() }
    }

    /// May be split over several batches when it does not fit into one: Kafka's non-atomic writes (deletions).
    #[must_use]
    pub fn split(mut self) -> Decision<S> {
        self.is_atomic = false;
        self
    }

    /// Writes the records as part of a transaction.
    #[must_use]
    pub fn within(mut self, transaction: TransactionalWrite) -> Decision<S> {
        self.transaction = Some(transaction);
        self
    }

    /// Answers a slot.
    #[must_use]
    pub fn reply(mut self, slot: ReplySlot, reply: S::Reply) -> Decision<S> {
        self.replies.push((slot, reply));
        self
    }

    /// Appends a record.
    #[must_use]
    pub fn record(mut self, record: Record) -> Decision<S> {
        self.changes.push(Change::Record(record));
        self
    }

    /// Changes what is not in the log.
    #[must_use]
    pub fn volatile(mut self, change: S::Volatile) -> Decision<S> {
        self.changes.push(Change::Volatile(change));
        self
    }

    /// Schedules a timer, milliseconds from now.
    #[must_use]
    pub fn schedule(mut self, key: S::Timer, after_ms: u64) -> Decision<S> {
        self.timers.push(TimerChange::Schedule { key, after_ms });
        self
    }

    /// Cancels a timer.
    #[must_use]
    pub fn cancel(mut self, key: S::Timer) -> Decision<S> {
        self.timers.push(TimerChange::Cancel(key));
        self
    }

    /// Adds an event that follows.
    #[must_use]
    pub fn then(mut self, event: S::Event) -> Decision<S> {
        self.next.push(event);
        self
    }
}
