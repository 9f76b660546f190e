//! The batches of a segment that is being cleaned.

use super::job::{CleanContext, CleanPlan, CleaningError};
use crate::LogError;
use crate::files::SegmentFile;
use crate::segment::{BatchReader, OpenSegment, ScanStop, ScannedBatch, Segment};

/// The batches of one segment, read at the cleaner's pace.
pub(super) struct Source<'a> {
    plan: &'a CleanPlan,
    context: CleanContext<'a>,
    segment: &'a Segment,
    reader: BatchReader,
    pub(super) bytes_read: u64,
    unpaid: u64,
}

impl<'a> Source<'a> {
    /// Reads `segment` from position `from` on.
    pub(super) fn new(
        plan: &'a CleanPlan,
        context: CleanContext<'a>,
        segment: &'a Segment,
        opened: &OpenSegment,
        from: u64,
    ) -> Source<'a> {
        let reader = BatchReader::new(opened.file.clone(), from, segment.size(), context.config.chunk_bytes());
        Source { plan, context, segment, reader, bytes_read: 0, unpaid: 0 }
    }

    /// The next batch, whole and with a right checksum. `None` at the end.
    pub(super) async fn next(&mut self) -> Result<Option<ScannedBatch>, CleaningError> {
        if self.unpaid >= self.context.config.chunk_bytes() as u64 {
            let rt = &self.plan.identity.dir.rt;
            self.context.throttle.pay(rt, std::mem::take(&mut self.unpaid), self.context.is_stopped).await;
            // What is in the page cache takes no waiting: other tasks want the worker, too.
            tokio::task::yield_now().await;
        }
        if (self.context.is_stopped)() {
            return Err(CleaningError::Stopped);
        }
        let batch = self.reader.next_batch().await.map_err(|stop| self.error(stop))?;
        let bytes = batch.as_ref().map_or(0, |batch| batch.bytes.len() as u64);
        self.bytes_read += bytes;
        self.unpaid += bytes;
        Ok(batch)
    }

    fn error(&self, stop: ScanStop) -> LogError {
        stop.into_error(&self.plan.identity.path, &self.segment.path(SegmentFile::Log), self.segment.base_offset())
    }

    /// The error for a batch that makes no sense.
    pub(super) fn damaged(&self, batch: &ScannedBatch, reason: &dyn std::fmt::Display) -> LogError {
        let reason = reason.to_string();
        self.error(ScanStop::Invalid { position: batch.position, reason, is_torn: false })
    }
}
