//! DescribeTransactions (version 0) and ListTransactions (versions 0-2: v1 duration, KIP-994; v2 pattern, KIP-1152).

use crate::event::{ObservedTransactions, TransactionalId, TxnReply};
use crate::shard::{TxnDecision, TxnShard};
use crate::state::TransactionState;
use crate::transaction::Transaction;
use ottla_coordinator::{Context, Decision, ReplySlot};
use ottla_protocol::ListTransactionsRequest;
use ottla_protocol::describe_transactions_response::{TopicData, TransactionState as Described};
use ottla_protocol::list_transactions_response::TransactionState as Listed;
use ottla_re2::Re2Pattern;
use ottla_types::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Which transactions are listed.
#[derive(Debug)]
pub struct TransactionFilter {
    states: Option<Vec<TransactionState>>,
    producer_ids: BTreeSet<i64>,
    /// Open for longer than this; negative for any.
    duration_ms: i64,
    pattern: Option<Re2Pattern>,
}

/// The pattern is no regular expression; answered INVALID_REGULAR_EXPRESSION.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterError(pub String);

impl TransactionFilter {
    /// The filter of a request, and the names in it that are no states.
    ///
    /// # Errors
    /// When the pattern is no regular expression.
    pub fn new(request: &ListTransactionsRequest) -> Result<(TransactionFilter, Vec<String>), FilterError> {
        let named = |name: &String| TransactionState::from_name(name);
        let unknown = request.state_filters.iter().filter(|name| named(name).is_none()).cloned().collect();
        let states = request.state_filters.iter().filter_map(named).collect();
        let pattern = request.transactional_id_pattern.as_deref().filter(|pattern| !pattern.is_empty());
        let filter = TransactionFilter {
            states: (!request.state_filters.is_empty()).then_some(states),
            producer_ids: request.producer_id_filters.iter().copied().collect(),
            duration_ms: request.duration_filter,
            pattern: pattern.map(Re2Pattern::compile).transpose().map_err(FilterError)?,
        };
        Ok((filter, unknown))
    }

    fn takes(&self, id: &str, transaction: &Transaction, now_ms: i64) -> bool {
        (self.producer_ids.is_empty() || self.producer_ids.contains(&transaction.producer_id))
            && self.states.as_ref().is_none_or(|states| states.contains(&transaction.state))
            && (self.duration_ms < 0 || now_ms.saturating_sub(transaction.start_ms) > self.duration_ms)
            && self.pattern.as_ref().is_none_or(|pattern| pattern.matches(id))
    }
}

pub(crate) fn list(shard: &TxnShard, filter: &TransactionFilter, context: &Context) -> Vec<Listed> {
    let taken = shard.transactions.iter().filter(|(id, transaction)| filter.takes(id, transaction, context.now_ms));
    let listed = taken.map(|(id, transaction)| Listed {
        transactional_id: id.to_string(),
        producer_id: transaction.producer_id,
        transaction_state: transaction.state.name().to_string(),
    });
    listed.collect()
}

/// For metrics: counts, however many ids there are.
pub(crate) fn observe(shard: &TxnShard) -> ObservedTransactions {
    let mut observed = ObservedTransactions::default();
    for transaction in shard.transactions.values() {
        *observed.states.entry(transaction.state.name()).or_default() += 1;
        if transaction.state == TransactionState::Ongoing {
            let oldest = observed.oldest_open_ms.unwrap_or(i64::MAX);
            observed.oldest_open_ms = Some(oldest.min(transaction.start_ms));
        }
    }
    observed
}

pub(crate) fn describe(shard: &TxnShard, id: &TransactionalId, slot: ReplySlot) -> TxnDecision {
    let described = match (id.is_empty(), shard.transactions.get(id)) {
        (true, _) => refused(id, ErrorCode::InvalidRequest),
        (false, None) => refused(id, ErrorCode::TransactionalIdNotFound),
        (false, Some(transaction)) => described(shard, id, transaction),
    };
    Decision::about(Arc::clone(id)).reply(slot, TxnReply::Described(described))
}

fn refused(id: &TransactionalId, error: ErrorCode) -> Described {
    Described { error_code: error.code(), transactional_id: id.to_string(), ..Described::default() }
}

/// While it ends: the partitions that have no marker yet.
fn described(shard: &TxnShard, id: &TransactionalId, transaction: &Transaction) -> Described {
    let pending = shard.pending_markers.get(id).map(|pending| &pending.partitions);
    let mut topics: BTreeMap<&str, Vec<i32>> = BTreeMap::new();
    for partition in pending.unwrap_or(&transaction.partitions) {
        topics.entry(&partition.topic).or_default().push(partition.partition);
    }
    let topics = topics.into_iter().map(|(topic, partitions)| TopicData { topic: topic.to_string(), partitions });
    Described {
        error_code: 0,
        transactional_id: id.to_string(),
        transaction_state: transaction.state.name().to_string(),
        transaction_timeout_ms: transaction.timeout_ms,
        transaction_start_time_ms: transaction.start_ms,
        producer_id: transaction.producer_id,
        producer_epoch: transaction.producer_epoch,
        topics: topics.collect(),
    }
}
