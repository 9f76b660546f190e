//! One partition of `__transaction_state`: its transactional ids, and who answers which event.

use crate::config::TxnConfig;
use crate::event::{MarkersToWrite, Producer, TransactionalId, TxnEffect, TxnEvent, TxnReply, TxnRequest, Wanted};
use crate::state::TransactionState;
use crate::transaction::Transaction;
use crate::{add_partitions, admin, end_txn, init_producer_id, markers, records, timeouts};
use ottla_coordinator::{Context, Decision, Position, Record, ReplayError, ReplySlot, Shard};
use ottla_types::{ErrorCode, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// What a transaction shard decides.
pub type TxnDecision = Decision<TxnShard>;

/// Names a timer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TxnTimer {
    /// Time to look for transactions that have timed out.
    AbortTimedOut,
    /// Time to look for ids that are unused for too long.
    RemoveExpired,
    /// Markers that did not get written are tried again.
    RetryMarkers(TransactionalId),
}

/// A change that is not in the log.
#[derive(Debug)]
pub enum TxnVolatile {
    /// The epoch before the last InitProducerId.
    LastEpoch(TransactionalId, i16),
    /// These markers are written; an attempt has ended.
    MarkersWritten(TransactionalId, Vec<TopicPartition>),
    /// The configs.
    Config(Arc<TxnConfig>),
}

/// Markers that are not known to be written yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PendingMarkers {
    /// Where.
    pub partitions: BTreeSet<TopicPartition>,
    /// Attempts that left some over.
    pub attempts: u32,
}

/// The state of one partition of `__transaction_state`.
#[derive(Debug, Clone, PartialEq)]
pub struct TxnShard {
    /// The configs.
    pub config: Arc<TxnConfig>,
    /// The transactional ids.
    pub transactions: BTreeMap<TransactionalId, Transaction>,
    /// Of those that are ending.
    pub pending_markers: BTreeMap<TransactionalId, PendingMarkers>,
}

impl TxnShard {
    /// A shard without ids, before its log is replayed.
    pub fn new(config: Arc<TxnConfig>) -> TxnShard {
        TxnShard { config, transactions: BTreeMap::new(), pending_markers: BTreeMap::new() }
    }

    /// Puts the next state of an id into the log.
    pub(crate) fn put(&self, id: &TransactionalId, next: &Transaction) -> Result<TxnDecision, ErrorCode> {
        let record = records::encode(id, next, self.config.transaction_version);
        // An id that is longer than a string may be.
        let record = record.map_err(|_| ErrorCode::InvalidRequest)?;
        let decision = Decision::about(Arc::clone(id)).record(record);
        Ok(decision.volatile(TxnVolatile::LastEpoch(Arc::clone(id), next.last_producer_epoch)))
    }

    /// As [`TxnShard::put`] of a state that ends a transaction: markers go out once it is committed.
    pub(crate) fn put_prepared(
        &self,
        id: &TransactionalId,
        next: &Transaction,
        context: &Context,
    ) -> Result<TxnDecision, ErrorCode> {
        let mut decision = self.put(id, next)?;
        if next.partitions.is_empty() {
            return Ok(decision.then(TxnEvent::Complete(Arc::clone(id))));
        }
        decision.effects.push(markers(id, next, &next.partitions, context));
        Ok(decision)
    }

    fn request(&self, wanted: Wanted, slot: ReplySlot, context: &Context) -> TxnDecision {
        let fresh = wanted.fresh_producer_id;
        match wanted.request {
            TxnRequest::InitProducerId(request) => init_producer_id::handle(self, &request, fresh, slot, context),
            TxnRequest::AddPartitions(request) => add_partitions::handle(self, &request, slot, context),
            TxnRequest::EndTxn(request) => end_txn::handle(self, &request, fresh, slot, context),
            TxnRequest::Describe(id) => admin::describe(self, &id, slot),
            TxnRequest::Observe => Decision::none().reply(slot, TxnReply::Observed(admin::observe(self))),
            TxnRequest::List(filter) => {
                Decision::none().reply(slot, TxnReply::Listed(admin::list(self, &filter, context)))
            }
        }
    }
}

/// The markers of a transaction that ends.
pub(crate) fn markers(
    id: &TransactionalId,
    transaction: &Transaction,
    partitions: &BTreeSet<TopicPartition>,
    context: &Context,
) -> TxnEffect {
    TxnEffect::WriteMarkers(MarkersToWrite {
        transactional_id: Arc::clone(id),
        producer: Producer { id: transaction.producer_id, epoch: transaction.producer_epoch },
        coordinator_epoch: context.leader_epoch,
        committed: transaction.state == TransactionState::PrepareCommit,
        transaction_version: transaction.client_version,
        partitions: partitions.iter().cloned().collect(),
    })
}

impl Shard for TxnShard {
    type Event = TxnEvent;
    type Reply = TxnReply;
    type Volatile = TxnVolatile;
    type Timer = TxnTimer;
    type Subject = TransactionalId;
    type Effect = TxnEffect;

    fn handle(&self, event: TxnEvent, slot: Option<ReplySlot>, context: &Context) -> TxnDecision {
        match (event, slot) {
            (TxnEvent::Request(wanted), Some(slot)) => self.request(wanted, slot, context),
            (TxnEvent::Request(_), None) => Decision::none(),
            (TxnEvent::MarkersAnswered(answered), _) => markers::answered(self, &answered, context),
            (TxnEvent::Complete(id), _) => markers::complete(self, &id, context),
            (TxnEvent::AbortTimedOut(id, fresh), _) => timeouts::abort(self, &id, fresh, context),
            (TxnEvent::RemoveExpired(id), _) => timeouts::remove(self, &id, context),
            (TxnEvent::ConfigChanged(config), _) => Decision::none().volatile(TxnVolatile::Config(config)),
        }
    }

    fn expired(&self, timer: TxnTimer, context: &Context) -> TxnDecision {
        match timer {
            TxnTimer::AbortTimedOut => timeouts::find_timed_out(self, context),
            TxnTimer::RemoveExpired => timeouts::find_expired(self, context),
            TxnTimer::RetryMarkers(id) => markers::retry(self, &id, context),
        }
    }

    fn loaded(&self, context: &Context) -> TxnDecision {
        let mut decision = timeouts::schedule(self);
        for (id, pending) in &self.pending_markers {
            let Some(transaction) = self.transactions.get(id) else { continue };
            match pending.partitions.is_empty() {
                true => decision.next.push(TxnEvent::Complete(Arc::clone(id))),
                false => decision.effects.push(markers(id, transaction, &pending.partitions, context)),
            }
        }
        decision
    }

    fn replay(&mut self, record: &Record, position: Position) -> Result<(), ReplayError> {
        let Some((id, transaction)) = records::decode(record, position)? else { return Ok(()) };
        let id: TransactionalId = Arc::from(id);
        match transaction {
            Some(transaction) => {
                match transaction.state.is_preparing() {
                    true => {
                        let partitions = transaction.partitions.clone();
                        self.pending_markers.insert(Arc::clone(&id), PendingMarkers { partitions, attempts: 0 });
                    }
                    false => drop(self.pending_markers.remove(&id)),
                }
                self.transactions.insert(id, transaction);
            }
            None => {
                self.pending_markers.remove(&id);
                self.transactions.remove(&id);
            }
        }
        Ok(())
    }

    fn replay_end_of_transaction(&mut self, _: i64, _: bool) -> Vec<TransactionalId> {
        // Nobody writes to this topic within a transaction.
        Vec::new()
    }

    fn apply(&mut self, change: TxnVolatile) {
        match change {
            TxnVolatile::LastEpoch(id, epoch) => {
                if let Some(transaction) = self.transactions.get_mut(&id) {
                    transaction.last_producer_epoch = epoch;
                }
            }
            TxnVolatile::MarkersWritten(id, written) => {
                if let Some(pending) = self.pending_markers.get_mut(&id) {
                    pending.partitions.retain(|partition| !written.contains(partition));
                    pending.attempts += 1;
                }
            }
            TxnVolatile::Config(config) => self.config = config,
        }
    }
}
