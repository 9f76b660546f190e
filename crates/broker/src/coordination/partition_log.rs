//! A partition as the log of a shard.

use crate::partition::Partition;
use crate::watchers::{Registration, Waiter};
use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ottla_coordinator::{AppendFailed, BatchKind, LogView, ReadFailed, ShardLog, Term};
use ottla_records::ValidatedBatch;
use std::sync::{Arc, Mutex, PoisonError};

/// The log of one shard.
pub(crate) struct PartitionLog {
    partition: Arc<Partition>,
    /// Woken when the partition has something new.
    waiter: Arc<Waiter>,
    registration: Mutex<Option<Registration>>,
}

impl PartitionLog {
    pub(crate) fn new(partition: Arc<Partition>) -> PartitionLog {
        PartitionLog { partition, waiter: Waiter::new(), registration: Mutex::default() }
    }

    fn watched_view(&self) -> LogView {
        let mut registration = self.registration.lock().unwrap_or_else(PoisonError::into_inner);
        self.partition.view(Some((&self.waiter, &mut registration)))
    }
}

impl ShardLog for PartitionLog {
    fn view(&self) -> LogView {
        self.partition.view(None)
    }

    fn changed(&self, seen: LogView) -> BoxFuture<'_, LogView> {
        async move {
            loop {
                let view = self.watched_view();
                if view != seen {
                    return view;
                }
                self.waiter.woken().await;
            }
        }
        .boxed()
    }

    fn batch_bytes_max(&self) -> usize {
        self.partition.batch_bytes_max()
    }

    fn bounds(&self, term: Term) -> Result<(i64, i64), ReadFailed> {
        self.partition.bounds_in(term)
    }

    fn read(&self, term: Term, offset: i64, bytes_max: usize) -> BoxFuture<'_, Result<Bytes, ReadFailed>> {
        self.partition.read_in(term, offset, bytes_max).boxed()
    }

    fn append(&self, term: Term, batch: ValidatedBatch, kind: BatchKind) -> BoxFuture<'_, Result<i64, AppendFailed>> {
        async move { self.partition.append_in(term, &batch, kind).await }.boxed()
    }
}
