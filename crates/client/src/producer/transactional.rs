//! The calls of a transactional producer.
//!
//! One call at a time. A call that ends with `Timeout` has left its work unfinished: calling it again goes on with it.
//! What is asked of the coordinators stands in `coordinated.rs`.

use super::transaction::{Phase, Step, Transactions};
use super::{Producer, Shared, housekeeping};
use crate::call::Call;
use crate::consumer::{ConsumerGroupMetadata, Offsets};
use crate::error::ClientError;
use crate::simple_producer::ProducerIdentity;
use ottla_runtime::Instant;
use std::sync::Arc;

impl Producer {
    /// Becomes the producer of `transactional.id`: older ones are fenced, their unfinished transaction is aborted. Must be
    /// called once, before anything else.
    ///
    /// # Errors
    /// `Invalid` without `transactional.id`; `Timeout` after `max.block.ms` (call it again);
    /// TRANSACTIONAL_ID_AUTHORIZATION_FAILED; `TransactionFatal`.
    pub fn init_transactions<'a>(&'a self) -> Call<'a, ()> {
        Box::pin(async move {
            let shared = &self.handle.shared;
            let _one = shared.transacting.lock().await;
            let deadline = shared.block_deadline();
            shared.transactions(Transactions::begin_init)?;
            shared.init(None, deadline, true).await
        })
    }

    /// Opens a transaction: everything that is sent from now on belongs to it.
    ///
    /// # Errors
    /// `Invalid` before [`Producer::init_transactions`] and inside of a transaction; `TransactionAbortable`,
    /// `TransactionFatal`.
    pub fn begin_transaction(&self) -> Result<(), ClientError> {
        self.handle.shared.transactions(Transactions::begin)
    }

    /// Commits offsets of a consumer group as part of the transaction: they count when it is committed. `group` says for whom
    /// ([`crate::Consumer::group_metadata`]), so that a consumer that lost its partitions meanwhile is refused.
    ///
    /// # Errors
    /// `Invalid` outside of a transaction; `TransactionAbortable` (also when the group has gone on without this consumer),
    /// `TransactionFatal`; `Timeout` after `max.block.ms`.
    pub fn send_offsets_to_transaction<'a>(
        &'a self,
        offsets: &'a Offsets,
        group: &'a ConsumerGroupMetadata,
    ) -> Call<'a, ()> {
        Box::pin(async move {
            let shared = &self.handle.shared;
            let _one = shared.transacting.lock().await;
            shared.transactions(|transactions| transactions.check_open())?;
            if offsets.is_empty() {
                return Ok(());
            }
            let deadline = shared.block_deadline();
            if shared.transactions(|transactions| Ok(transactions.is_v2))? {
                shared.transactions(|transactions| {
                    transactions.has_started = true;
                    Ok(())
                })?;
            } else {
                shared.add_offsets(group, deadline).await?;
            }
            shared.commit_offsets(offsets, group, deadline).await
        })
    }

    /// Sends what is there, waits for its acknowledgement, and commits the transaction: readers with
    /// `isolation.level=read_committed` see all of it.
    ///
    /// # Errors
    /// `Invalid` outside of a transaction; `TransactionAbortable` when a record or anything else of it failed;
    /// `TransactionFatal`, for one that was fenced ([`ClientError::is_fenced`]); `Timeout` after `max.block.ms`: call it again.
    pub fn commit_transaction<'a>(&'a self) -> Call<'a, ()> {
        Box::pin(async move { self.end_transaction(true).await })
    }

    /// Aborts the transaction: readers with `isolation.level=read_committed` see nothing of it. Records that are not sent
    /// yet end with `Aborted`.
    ///
    /// # Errors
    /// As for [`Producer::commit_transaction`].
    pub fn abort_transaction<'a>(&'a self) -> Call<'a, ()> {
        Box::pin(async move { self.end_transaction(false).await })
    }

    async fn end_transaction(&self, committed: bool) -> Result<(), ClientError> {
        let shared = &self.handle.shared;
        let _one = shared.transacting.lock().await;
        let deadline = shared.block_deadline();
        shared.transactions(|transactions| transactions.begin_end(committed))?;
        housekeeping::settle(shared);
        let left = deadline.saturating_duration_since(shared.runtime().now());
        shared.runtime().timeout(left, self.flush()).await.map_err(|_| shared.late("the end of the transaction"))?;
        // A batch may have failed meanwhile.
        shared.transactions(|transactions| transactions.begin_end(committed))?;
        shared.end(committed, deadline).await
    }

    /// Whether a transaction is open or not ended.
    pub(super) fn is_in_transaction(&self) -> bool {
        let state = self.handle.shared.lock();
        let phase = state.transactions.as_ref().map(|transactions| &transactions.phase);
        matches!(phase, Some(Phase::Open | Phase::Committing | Phase::Aborting | Phase::Abortable(_)))
    }
}

impl Shared {
    /// # Errors
    /// `Invalid` without `transactional.id`, and what `step` says.
    pub(super) fn transactions<T>(
        &self,
        step: impl FnOnce(&mut Transactions) -> Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        let mut state = self.lock();
        let missing = || ClientError::Invalid("this needs transactional.id".to_string());
        step(state.transactions.as_mut().ok_or_else(missing)?)
    }

    pub(super) fn block_deadline(&self) -> Instant {
        self.runtime().now() + self.options.max_block
    }

    pub(super) fn late(&self, api: &'static str) -> ClientError {
        ClientError::Timeout { api, after: self.options.max_block }
    }

    pub(super) fn transactional_id(&self) -> String {
        self.options.transactional_id.clone().unwrap_or_default()
    }

    /// Takes a failure in: the transaction's phase changes, batches that cannot go any more end.
    pub(super) fn failed(self: &Arc<Self>, step: Step, error: ClientError) -> ClientError {
        let told = self.transactions(|transactions| Ok(transactions.fail(step, error)));
        housekeeping::settle(self);
        told.unwrap_or_else(|error| error)
    }

    pub(super) fn known_identity(&self) -> Result<ProducerIdentity, ClientError> {
        let missing = || ClientError::Invalid("init_transactions must come first".to_string());
        self.lock().identity.ok_or_else(missing)
    }
}
