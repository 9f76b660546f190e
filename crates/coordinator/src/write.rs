//! How what a shard decides gets into its log: with the rest of the round, in a batch of a transaction, or as a marker.
//!
//! Records of the shard's own are replayed first and appended at the end of the round: nothing can refuse them but a failure,
//! after which the shard is loaded again. A batch of a transaction, and a marker, can be refused by the log's rules for
//! producers, so they are appended first, behind everything that the round has written before, and replayed then.

use crate::batch::{record_len, transactional_batch};
use crate::decision::{Change, Decision, ReplySlot};
use crate::error::CoordinatorError;
use crate::handle::MarkerAnswer;
use crate::serve::{Active, Ended, Failure};
use crate::shard::{Position, Record, Shard};
use crate::transactional::{BatchKind, EndTransaction, TransactionalWrite};

/// The offset of the last record that was written, if any was; or why nothing was done.
type Written = Result<Option<i64>, CoordinatorError>;

impl<S: Shard> Active<'_, S> {
    /// Writes and applies the changes of a decision, and takes them out of it. When nothing could be done they stay in it.
    pub(super) async fn write(&mut self, decision: &mut Decision<S>) -> Result<Written, Ended> {
        let (count, bytes) = records_of(decision);
        if let Some(transaction) = decision.transaction.filter(|_| count > 0) {
            return self.write_transactional(decision, transaction, count, bytes).await;
        }
        let fits = self.make_room(count, bytes).await?;
        if !fits && decision.is_atomic {
            return Ok(Err(CoordinatorError::TooLarge));
        }
        let changes = std::mem::take(&mut decision.changes);
        Ok(Ok(match fits {
            true => self.apply_changes(decision.subject.as_ref(), changes)?,
            false => self.apply_in_parts(decision.subject.clone(), changes).await?,
        }))
    }

    async fn write_transactional(
        &mut self,
        decision: &mut Decision<S>,
        transaction: TransactionalWrite,
        count: usize,
        bytes: usize,
    ) -> Result<Written, Ended> {
        self.flush().await?;
        if !self.make_room(count, bytes).await? {
            return Ok(Err(CoordinatorError::TooLarge));
        }
        let timestamp_ms = self.parts.runtime.wall_clock_ms();
        let records = decision.changes.iter().filter_map(record_of);
        let batch = transactional_batch(records, timestamp_ms, &transaction, self.parts.compression);
        let batch = batch.map_err(|error| Ended::Failed(error.into()))?;
        if let Err(code) = self.append(batch, BatchKind::Transactional(transaction.guard), self.next_offset).await? {
            return Ok(Err(CoordinatorError::Refused(code)));
        }
        let mut last = None;
        for change in std::mem::take(&mut decision.changes) {
            match change {
                Change::Volatile(change) => self.shard.apply(change),
                Change::Record(record) => {
                    let producer_id = Some(transaction.producer_id.0);
                    let position = Position { offset: self.next_offset, timestamp_ms, producer_id };
                    self.replay(&record, position)?;
                    last = Some(self.next_offset);
                    self.next_offset += 1;
                }
            }
        }
        if let Some(last) = last {
            self.replies.wrote(decision.subject.as_ref(), last);
        }
        Ok(Ok(last))
    }

    /// Writes a marker, unless whoever wanted it has gone.
    pub(super) async fn end_transaction(&mut self, end: EndTransaction, answer: MarkerAnswer) -> Result<(), Ended> {
        self.flush().await?;
        if answer.is_closed() {
            return Ok(());
        }
        let EndTransaction { producer_id, producer_epoch, marker, transaction_version } = end;
        let batch = marker.to_batch(producer_id, producer_epoch, self.parts.runtime.wall_clock_ms());
        let offset = self.next_offset;
        if let Err(code) = self.append(batch, BatchKind::Marker(transaction_version), offset).await? {
            // A caller that went away needs no answer.
            let _ = answer.send(Err(CoordinatorError::Refused(code)));
            return Ok(());
        }
        self.next_offset += 1;
        for subject in self.shard.replay_end_of_transaction(producer_id.0, marker.committed) {
            self.replies.wrote(Some(&subject), offset);
        }
        self.replies.marker(answer, offset);
        self.see_committed()
    }

    /// Makes sure that so many records of so many bytes fit into the batch; `false` when they fit into none.
    async fn make_room(&mut self, count: usize, bytes: usize) -> Result<bool, Ended> {
        if count == 0 {
            return Ok(true);
        }
        let bytes_max = self.parts.log.batch_bytes_max();
        if !self.batch.has_room(count, bytes, bytes_max) {
            self.flush().await?;
        }
        Ok(self.batch.has_room(count, bytes, bytes_max))
    }

    /// Applies changes that fit into no batch together.
    async fn apply_in_parts(
        &mut self,
        subject: Option<S::Subject>,
        changes: Vec<Change<S::Volatile>>,
    ) -> Result<Option<i64>, Ended> {
        let mut last = None;
        for change in changes {
            let len = record_of(&change).map(record_len);
            if let Some(len) = len
                && !self.make_room(1, len).await?
            {
                tracing::error!(
                    shard = %self.parts.name, ?subject, bytes = len,
                    "a record does not fit into a batch and is left out; raise max.message.bytes of the coordinator's topic"
                );
                continue;
            }
            last = self.apply_changes(subject.as_ref(), vec![change])?.or(last);
        }
        Ok(last)
    }

    /// Nothing of the decision was done: whoever it would have answered is told.
    pub(super) fn refuse(&mut self, decision: &Decision<S>, slot: Option<ReplySlot>, error: CoordinatorError) {
        if error == CoordinatorError::TooLarge {
            tracing::error!(
                shard = %self.parts.name, subject = ?decision.subject, records = decision.changes.len(),
                "a change does not fit into one batch; raise max.message.bytes of the coordinator's topic"
            );
        }
        for slot in decision.replies.iter().map(|(slot, _)| *slot).chain(slot) {
            self.replies.refuse(slot, error);
        }
    }

    /// The offset of the decision's last record, if it has any.
    fn apply_changes(
        &mut self,
        subject: Option<&S::Subject>,
        changes: Vec<Change<S::Volatile>>,
    ) -> Result<Option<i64>, Ended> {
        let mut last = None;
        let now_ms = self.parts.runtime.wall_clock_ms();
        for change in changes {
            let record = match change {
                Change::Volatile(change) => {
                    self.shard.apply(change);
                    continue;
                }
                Change::Record(record) => record,
            };
            let timestamp_ms = self.batch.timestamp_ms(now_ms);
            self.replay(&record, Position { offset: self.next_offset, timestamp_ms, producer_id: None })?;
            self.batch.push(record, now_ms);
            last = Some(self.next_offset);
            self.next_offset += 1;
        }
        if let Some(last) = last {
            self.replies.wrote(subject, last);
        }
        Ok(last)
    }

    /// What a shard decides it must be able to read again, or the next load fails. A record of the shard's own is not in the
    /// log yet, and goes with the shard.
    fn replay(&mut self, record: &Record, position: Position) -> Result<(), Ended> {
        self.shard.replay(record, position).map_err(|error| {
            tracing::error!(
                shard = %self.parts.name, offset = position.offset, %error,
                "a record that was just decided cannot be replayed. This is a bug, please report it"
            );
            Ended::Failed(Failure::Replay(error))
        })
    }
}

/// How many records a decision has, and how many bytes they take in a batch.
fn records_of<S: Shard>(decision: &Decision<S>) -> (usize, usize) {
    let records = decision.changes.iter().filter_map(record_of).map(record_len);
    records.fold((0, 0), |(count, bytes), len| (count + 1, bytes + len))
}

fn record_of<T>(change: &Change<T>) -> Option<&Record> {
    match change {
        Change::Record(record) => Some(record),
        Change::Volatile(_) => None,
    }
}
