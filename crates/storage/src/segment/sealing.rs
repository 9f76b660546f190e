//! What a seal leaves behind to be made durable: the segment itself, its indexes, and the producer state at its end.

use crate::LogError;
use crate::files::SegmentFile;
use crate::segment::SegmentFiles;
use crate::sites;
use crate::txn_index::{AbortedTxn, TransactionIndex};
use futures_util::future::join_all;
use ottla_runtime::{Disk, File, OpenMode};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// A segment that was sealed (or closed) and is not wholly durable.
#[derive(Debug, Clone)]
pub(crate) struct SealedFiles {
    /// First offset.
    pub(crate) base_offset: i64,
    /// Bytes of batches.
    pub(crate) size: u64,
    /// Those of them that are not synced.
    pub(crate) dirty_bytes: u64,
    /// The open files; the indexes are complete.
    pub(crate) files: SegmentFiles,
    /// What its transaction index holds.
    pub(crate) aborted: Arc<[AbortedTxn]>,
    /// Producer state at its end, unless that was durable before.
    pub(crate) snapshot: Option<File>,
}

impl SealedFiles {
    /// Writes the transaction index, an empty one if no transaction was aborted: one that is missing is built again. Returns
    /// the file if there is something in it to sync.
    pub(crate) async fn write_txn_index(&self, disk: &Disk, dir: &Path) -> io::Result<Option<File>> {
        let bytes = TransactionIndex::from_entries(self.base_offset, &self.aborted).encode();
        let file = disk.open(&SegmentFile::TxnIndex.path(dir, self.base_offset), OpenMode::Create).await?;
        if bytes.is_empty() && file.len()? == 0 {
            return Ok(None);
        }
        file.set_len(0)?;
        file.write_at(0, &[&bytes])?;
        Ok(Some(file))
    }

    /// Syncs all files, at once. `txn_index` is what [`SealedFiles::write_txn_index`] returned.
    pub(crate) async fn sync(&self, txn_index: Option<File>, dir: &Path) -> Result<(), LogError> {
        let files = [
            // Also where no record is unsynced: a write that failed was cut back, and a power loss must not bring it back.
            (Some(self.files.log.clone()), SegmentFile::Log, sites::SEGMENT),
            (Some(self.files.index.clone()), SegmentFile::Index, sites::INDEX),
            (Some(self.files.time_index.clone()), SegmentFile::TimeIndex, sites::TIME_INDEX),
            (txn_index, SegmentFile::TxnIndex, sites::TXN_INDEX),
            (self.snapshot.clone(), SegmentFile::Snapshot, sites::SNAPSHOT),
        ];
        let syncs = files.into_iter().map(async |(file, kind, site)| match file {
            Some(file) => file.sync(site).await.map_err(LogError::io("sync", &kind.path(dir, self.base_offset))),
            None => Ok(()),
        });
        join_all(syncs).await.into_iter().collect()
    }
}
