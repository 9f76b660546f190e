//! The batches of one partition: in which order they are sent, with which sequence numbers, and what becomes of them.
//!
//! A decision core: no clock, no lock, no network. A batch goes through these states:
//!
//! 1. waiting: open for records, then full or lingered; sent from the front when [`PartitionQueue::is_ready`].
//! 2. in flight: it has its sequence number. The queue keeps a note of it, the batch itself is with the sender.
//! 3. back by [`PartitionQueue::complete`]: acknowledged, refused, or waiting again for the next try. A retry keeps number
//!    and bytes, so that the broker recognises what it has, and is sent alone, so that nothing overtakes it.
//!
//! Numbers are consecutive for the broker. Hence, when a batch is refused for good, the numbers go to those behind it
//! ([`Rewind`]), and when nobody knows whether the broker has a batch, the numbers of this producer epoch cannot go on
//! (`is_lost`): the queue asks for a new epoch. Batches that the broker may have are then given up rather than sent under
//! other numbers, because that could write them twice.

use super::batch::{Batch, BatchId};
use super::record::Outcome;
use crate::error::ClientError;
use crate::produce::Produced;
use crate::simple_producer::ProducerIdentity;
use ottla_records::increment_sequence;
use ottla_runtime::{Instant, watch};
use ottla_types::{ErrorCode, Uuid};
use std::collections::VecDeque;
use std::time::Duration;

/// What the decisions go by.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules {
    pub(super) batch_size: usize,
    pub(super) linger: Duration,
    pub(super) delivery_timeout: Duration,
    pub(super) retries: u32,
    pub(super) in_flight_max: usize,
    pub(super) idempotence: bool,
    /// Batches belong to transactions: what loses the sequence ends with an error, and so does the transaction.
    pub(super) is_transactional: bool,
}

/// A batch that is with the sender.
#[derive(Debug)]
struct InFlight {
    id: BatchId,
    order: (u64, u64),
    is_numbered: bool,
    is_lost: bool,
    outcome: watch::Receiver<Outcome>,
}

/// Which number is given next, to the batches behind which one.
#[derive(Debug, Clone, Copy)]
struct Rewind {
    order: (u64, u64),
    sequence: i32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct PartitionQueue {
    pub(super) leader: Option<i32>,
    pub(super) topic_id: Uuid,
    pub(super) waiting: VecDeque<Batch>,
    in_flight: Vec<InFlight>,
    identity: Option<ProducerIdentity>,
    next_sequence: i32,
    /// A batch was refused for good: numbering behind it goes on from its number once nothing is in flight.
    rewind: Option<Rewind>,
    /// Nobody knows what the broker has: a new identity is needed.
    is_lost: bool,
}

/// What a completion leads to.
#[derive(Debug, Default)]
pub(super) struct Completion {
    /// Batches that have come to their end.
    pub(super) ended: Vec<(Batch, Result<Produced, ClientError>)>,
    /// The leader may be another one.
    pub(super) needs_metadata: bool,
    /// The identity that cannot go on.
    pub(super) lost: Option<ProducerIdentity>,
    /// Too large for the broker; the halves come back by [`PartitionQueue::put_back`].
    pub(super) too_large: Option<Batch>,
}

impl PartitionQueue {
    /// Batches that wait or are in flight.
    pub(super) fn load(&self) -> usize {
        self.waiting.len() + self.in_flight.len()
    }

    /// Whether the front may be sent now; `hurry` says that nothing lingers (flush, close, no memory left).
    pub(super) fn is_ready(
        &self,
        rules: &Rules,
        hurry: bool,
        identity: Option<ProducerIdentity>,
        now: Instant,
    ) -> bool {
        let Some(front) = self.waiting.front() else { return false };
        if self.in_flight.len() >= rules.in_flight_max || front.not_before.is_some_and(|at| now < at) {
            return false;
        }
        let must_be_alone = front.attempts > 0 || self.rewind.is_some() || self.is_lost;
        if must_be_alone && !self.in_flight.is_empty() {
            return false;
        }
        if rules.idempotence && front.sequence.is_none() {
            let starts_anew = self.identity.is_none() || self.is_lost;
            let has_new = identity.is_some() && identity != self.identity;
            if starts_anew && !has_new {
                return false;
            }
        }
        self.waiting.len() > 1 || hurry || self.is_due(front, rules, now)
    }

    fn is_due(&self, front: &Batch, rules: &Rules, now: Instant) -> bool {
        front.attempts > 0 || front.bytes >= rules.batch_size || now >= front.created + rules.linger
    }

    /// The ends of all batches with a lower order.
    pub(super) fn outcomes_before(&self, order: u64) -> Vec<watch::Receiver<Outcome>> {
        let flying = self.in_flight.iter().filter(|flying| flying.order.0 < order).map(|flying| flying.outcome.clone());
        let waiting = self.waiting.iter().filter(|batch| batch.order.0 < order).map(|batch| batch.outcome.subscribe());
        flying.chain(waiting).collect()
    }

    /// When the front becomes ready by time alone, or expires.
    pub(super) fn next_time(&self, rules: &Rules, now: Instant) -> Option<Instant> {
        let front = self.waiting.front()?;
        let ready = front.not_before.unwrap_or(front.created + rules.linger);
        Some(if ready > now { ready } else { front.created + rules.delivery_timeout })
    }

    /// Takes the front to send it. [`PartitionQueue::is_ready`] said so.
    pub(super) fn take(&mut self, rules: &Rules, identity: Option<ProducerIdentity>) -> Batch {
        let mut batch = self.waiting.pop_front().expect("a ready queue has a front");
        if rules.idempotence && batch.sequence.is_none() {
            self.adopt(identity);
            let identity = self.identity.expect("a ready queue has an identity");
            batch.sequence = Some((identity, self.next_sequence));
            self.next_sequence = increment_sequence(self.next_sequence, batch.record_count());
        }
        batch.attempts += 1;
        batch.not_before = None;
        self.in_flight.push(InFlight {
            id: batch.id,
            order: batch.order,
            is_numbered: batch.sequence.is_some(),
            is_lost: false,
            outcome: batch.outcome.subscribe(),
        });
        batch
    }

    /// A queue without batches in flight takes the newest identity and finishes a rewind.
    fn adopt(&mut self, identity: Option<ProducerIdentity>) {
        if !self.in_flight.is_empty() {
            return;
        }
        if let Some(rewind) = self.rewind.take() {
            self.next_sequence = rewind.sequence;
        }
        if (self.is_lost || self.identity.is_none()) && identity != self.identity {
            (self.identity, self.next_sequence, self.is_lost) = (identity, 0, false);
        }
    }

    /// A batch is back from the sender. `retry_at` is when a next try may be.
    pub(super) fn complete(
        &mut self,
        mut batch: Batch,
        result: Result<Produced, ClientError>,
        rules: &Rules,
        now: Instant,
        retry_at: Instant,
    ) -> Completion {
        let place = self.in_flight.iter().position(|flying| flying.id == batch.id);
        let noted = self.in_flight.remove(place.expect("the batch was in flight"));
        let mut completion = Completion::default();
        let error = match normalized(result) {
            Ok(produced) => {
                if let (true, Some((_, base))) = (self.is_behind_rewind(&batch), batch.sequence) {
                    // The broker took it all the same: it remembers nothing of this producer.
                    let sequence = increment_sequence(base, batch.record_count());
                    self.rewind = Some(Rewind { order: batch.order, sequence });
                }
                completion.ended.push((batch, Ok(produced)));
                return completion;
            }
            Err(error) => error,
        };
        batch.maybe_appended |= error.is_outcome_unknown();
        if noted.is_lost && rules.idempotence && (batch.maybe_appended || rules.is_transactional) {
            completion.ended.push(gone(batch, error));
            return completion;
        }
        let expired = now >= batch.created + rules.delivery_timeout || batch.attempts > rules.retries;
        if noted.is_lost {
            batch.forget_sequence();
            if loses_the_sequence(&error) && !expired {
                // Refused with the old epoch, so it can be sent under the new one.
                self.retry(batch, error, retry_at);
                return completion;
            }
        }
        if loses_the_sequence(&error) && batch.sequence.is_some() {
            let is_final = expired || (rules.is_transactional && !is_gap(&error));
            self.out_of_sequence(batch, &error, is_final, rules, retry_at, &mut completion);
        } else if error.code() == Some(ErrorCode::MessageTooLarge) && batch.records.len() > 1 && !batch.maybe_appended {
            self.rewind(&mut batch);
            completion.too_large = Some(batch);
        } else if error.is_retriable() && !expired {
            completion.needs_metadata = !waits_for_coordinator(&error);
            self.retry(batch, error, retry_at);
        } else if error.is_retriable() || batch.maybe_appended {
            self.give_up(batch, error, &mut completion);
        } else {
            self.rewind(&mut batch);
            completion.ended.push((batch, Err(error)));
        }
        completion
    }

    /// The broker saw a gap before the batch: natural behind a batch that is tried again, else records are missing.
    fn out_of_sequence(
        &mut self,
        mut batch: Batch,
        error: &ClientError,
        is_final: bool,
        rules: &Rules,
        retry_at: Instant,
        completion: &mut Completion,
    ) {
        let before = |order, sequence: bool| sequence && order < batch.order;
        let is_first = !self.in_flight.iter().any(|flying| before(flying.order, flying.is_numbered))
            && !self.waiting.iter().any(|other| before(other.order, other.sequence.is_some()));
        let is_rewound = self.is_behind_rewind(&batch);
        if is_rewound {
            batch.forget_sequence();
        }
        if is_final || (is_first && !is_rewound) {
            let may_be_there = batch.maybe_appended;
            self.lose(completion);
            if may_be_there || is_final || rules.is_transactional {
                completion.ended.push(gone(batch, error.clone()));
                return;
            }
            batch.forget_sequence();
        }
        self.retry(batch, error.clone(), retry_at);
    }

    /// Time or tries are used up.
    fn give_up(&mut self, mut batch: Batch, error: ClientError, completion: &mut Completion) {
        if batch.sequence.is_some() && batch.maybe_appended {
            self.lose(completion);
        } else {
            self.rewind(&mut batch);
        }
        completion.ended.push(gone(batch, error));
    }

    /// Gives the batch's numbers to those behind it.
    fn rewind(&mut self, batch: &mut Batch) {
        let Some((_, base)) = batch.sequence else { return };
        batch.forget_sequence();
        if self.is_lost {
            return;
        }
        if self.rewind.is_none_or(|rewind| batch.order < rewind.order) {
            self.rewind = Some(Rewind { order: batch.order, sequence: base });
        }
        for behind in self.waiting.iter_mut().filter(|behind| behind.order > batch.order) {
            behind.forget_sequence();
        }
    }

    fn is_behind_rewind(&self, batch: &Batch) -> bool {
        self.rewind.is_some_and(|rewind| batch.order > rewind.order)
    }

    /// This epoch's numbers cannot go on.
    fn lose(&mut self, completion: &mut Completion) {
        completion.lost = self.identity;
        self.is_lost = true;
        self.rewind = None;
        self.in_flight.iter_mut().for_each(|flying| flying.is_lost = true);
        let mut kept = VecDeque::with_capacity(self.waiting.len());
        for mut batch in self.waiting.drain(..) {
            if batch.sequence.is_some() && batch.maybe_appended {
                let why = batch.last_error.clone().unwrap_or(ClientError::Closed("the sequence"));
                completion.ended.push(gone(batch, why));
            } else {
                batch.forget_sequence();
                kept.push_back(batch);
            }
        }
        self.waiting = kept;
    }

    fn retry(&mut self, mut batch: Batch, error: ClientError, retry_at: Instant) {
        batch.last_error = Some(error);
        batch.not_before = Some(retry_at);
        if self.is_behind_rewind(&batch) {
            // A batch before it was refused, so the broker has refused this one too.
            batch.forget_sequence();
        }
        self.put_back(batch);
    }

    /// Puts a batch at its place among those that wait.
    pub(super) fn put_back(&mut self, batch: Batch) {
        let place = self.waiting.iter().position(|other| other.order > batch.order).unwrap_or(self.waiting.len());
        self.waiting.insert(place, batch);
    }

    /// Ends what has waited for longer than `delivery.timeout.ms`.
    pub(super) fn expire(&mut self, rules: &Rules, now: Instant) -> Completion {
        let mut completion = Completion::default();
        while self.waiting.front().is_some_and(|front| now >= front.created + rules.delivery_timeout) {
            let batch = self.waiting.pop_front().expect("there is a front");
            let late = ClientError::Timeout { api: "Produce", after: rules.delivery_timeout };
            let why = batch.last_error.clone().unwrap_or(late);
            self.give_up(batch, why, &mut completion);
        }
        completion
    }

    /// Begins anew with the next identity. Nothing is in flight.
    pub(super) fn restart(&mut self) {
        (self.identity, self.next_sequence, self.rewind, self.is_lost) = (None, 0, None, false);
    }

    /// Ends what waits and has no number yet.
    pub(super) fn fail_unnumbered(&mut self, error: &ClientError) -> Completion {
        let (kept, ended) = self.waiting.drain(..).partition(|batch| batch.sequence.is_some());
        self.waiting = kept;
        let ended: VecDeque<Batch> = ended;
        let ended = ended.into_iter().map(|batch| gone(batch, error.clone())).collect();
        Completion { ended, ..Completion::default() }
    }

    /// Ends everything that waits.
    pub(super) fn fail_all(&mut self, error: &ClientError) -> Completion {
        let ended = self.waiting.drain(..).map(|batch| gone(batch, error.clone())).collect();
        Completion { ended, ..Completion::default() }
    }
}

fn gone(batch: Batch, why: ClientError) -> (Batch, Result<Produced, ClientError>) {
    let error = batch.undelivered(why);
    (batch, Err(error))
}

/// A duplicate that the broker no longer remembers is in the log all the same.
fn normalized(result: Result<Produced, ClientError>) -> Result<Produced, ClientError> {
    match result {
        Err(error) if error.code() == Some(ErrorCode::DuplicateSequenceNumber) => {
            Ok(Produced { base_offset: -1, log_append_time_ms: -1, log_start_offset: -1 })
        }
        other => other,
    }
}

/// Errors after which the numbers of this producer epoch cannot go on, if they name the first batch.
fn loses_the_sequence(error: &ClientError) -> bool {
    use ErrorCode::{InvalidProducerEpoch, OutOfOrderSequenceNumber, UnknownProducerId};
    error.code().is_some_and(|code| [InvalidProducerEpoch, OutOfOrderSequenceNumber, UnknownProducerId].contains(&code))
}

/// A gap before the batch.
fn is_gap(error: &ClientError) -> bool {
    error.code() == Some(ErrorCode::OutOfOrderSequenceNumber)
}

/// The leader is the right one; the transaction before is being completed, or the coordinator is on its way.
fn waits_for_coordinator(error: &ClientError) -> bool {
    use ErrorCode::{ConcurrentTransactions, CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator};
    let codes = [ConcurrentTransactions, CoordinatorLoadInProgress, CoordinatorNotAvailable, NotCoordinator];
    error.code().is_some_and(|code| codes.contains(&code))
}

#[cfg(test)]
mod tests;
