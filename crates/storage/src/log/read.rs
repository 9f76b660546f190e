//! Reads: from an offset to a range of a segment file, which the network sends without copying it.
//!
//! A read at the tail is answered from memory: the boundaries of the last batches are known. Any other read becomes a job
//! that finds its batch through the offset index and a bounded scan of batch headers.

use super::{Log, LogIdentity, Segments};
use crate::limits::LOCATE_CHUNK_BYTES;
use crate::segment::{BatchReader, ScanStop, TailPosition};
use crate::{LogError, OffsetOutOfRange};
use ottla_runtime::{File, FileRange};
use std::path::Path;
use std::sync::Arc;

/// Records from one segment, as a slice of its file.
#[derive(Debug, Clone)]
pub struct LogSlice {
    /// Starts with the batch that holds the offset; ends at the upper offset or at the byte limit, so that the last batch
    /// may be cut. `None` if there is nothing to read. It holds the file open, also after the segment was deleted.
    pub range: Option<FileRange>,
    /// The first batch does not fit into the byte limit, and was not asked for regardless: nothing is returned.
    pub first_batch_incomplete: bool,
}

/// A read: known already, or still to be located.
#[derive(Debug)]
pub struct ReadPlan {
    step: Step,
}

#[derive(Debug)]
enum Step {
    Known(LogSlice),
    Locate(Box<Locate>),
}

/// What is wanted.
#[derive(Debug, Clone, Copy)]
struct Wanted {
    offset: i64,
    max_bytes: u64,
    min_one_batch: bool,
}

/// A read whose position is not known.
#[derive(Debug)]
struct Locate {
    identity: Arc<LogIdentity>,
    segments: Segments,
    active: ActiveView,
    wanted: Wanted,
    upper_offset: i64,
}

/// The active segment as it was when the job was made.
#[derive(Debug, Clone)]
pub(super) struct ActiveView {
    pub(super) base_offset: i64,
    pub(super) file: File,
    pub(super) size: u64,
    /// Where to start looking for the offset and for the upper offset.
    start_hint: u64,
    end_hint: Option<u64>,
}

/// A batch that was found, or the gap behind it.
#[derive(Debug, Clone, Copy)]
struct Located {
    position: u64,
    len: u64,
}

impl Log {
    /// Plans a read from `offset` on, of records below `upper_offset` (the high watermark or the last stable offset), of
    /// about `max_bytes`. With `min_one_batch` the first batch is returned whole even if it is larger.
    pub fn plan_read(
        &self,
        offset: i64,
        max_bytes: u64,
        upper_offset: i64,
        min_one_batch: bool,
    ) -> Result<ReadPlan, OffsetOutOfRange> {
        if offset < self.log_start_offset || offset > self.log_end_offset {
            return Err(OffsetOutOfRange {
                requested: offset,
                log_start_offset: self.log_start_offset,
                log_end_offset: self.log_end_offset,
            });
        }
        let upper_offset = upper_offset.min(self.log_end_offset);
        if offset >= upper_offset {
            return Ok(ReadPlan { step: Step::Known(LogSlice::empty()) });
        }
        let wanted = Wanted { offset, max_bytes, min_one_batch };
        if let Some(slice) = self.read_tail(&wanted, upper_offset) {
            return Ok(ReadPlan { step: Step::Known(slice) });
        }
        let locate = Locate {
            identity: self.identity.clone(),
            segments: self.segments.clone(),
            active: self.active_view(offset, upper_offset),
            wanted,
            upper_offset,
        };
        Ok(ReadPlan { step: Step::Locate(Box::new(locate)) })
    }

    /// A read that the boundaries of the last batches answer.
    fn read_tail(&self, wanted: &Wanted, upper_offset: i64) -> Option<LogSlice> {
        if wanted.offset < self.active.base_offset() {
            return None;
        }
        let tail = self.active.tail();
        let TailPosition { position, next_position } = tail.find(wanted.offset)?;
        let end = match upper_offset == self.log_end_offset {
            true => self.active.size(),
            false => tail.find(upper_offset)?.position,
        };
        let first = Located { position, len: next_position.unwrap_or(self.active.size()) - position };
        // A closed file is opened by the job.
        Some(wanted.slice(&self.active.log().hold_if_open()?, first, end))
    }

    fn active_view(&self, offset: i64, upper_offset: i64) -> ActiveView {
        let offsets = self.active.indexes().offsets();
        let end_hint = (upper_offset < self.log_end_offset).then(|| offsets.lookup(upper_offset));
        ActiveView {
            base_offset: self.active.base_offset(),
            file: self.active.log().clone(),
            size: self.active.size(),
            start_hint: offsets.lookup(offset),
            end_hint,
        }
    }
}

impl ReadPlan {
    /// The result if no file has to be looked at.
    pub fn into_ready(self) -> Result<LogSlice, ReadPlan> {
        match self.step {
            Step::Known(slice) => Ok(slice),
            step => Err(ReadPlan { step }),
        }
    }

    /// Finds the range.
    pub async fn run(self) -> Result<LogSlice, LogError> {
        match self.step {
            Step::Known(slice) => Ok(slice),
            Step::Locate(locate) => locate.run().await,
        }
    }
}

impl LogSlice {
    fn empty() -> LogSlice {
        LogSlice { range: None, first_batch_incomplete: false }
    }
}

impl Wanted {
    /// The range of `file` that starts with the batch `first` and ends at `end` or the byte limit.
    fn slice(&self, file: &File, first: Located, end: u64) -> LogSlice {
        if first.position >= end {
            return LogSlice::empty();
        }
        if first.len > self.max_bytes && !self.min_one_batch {
            return LogSlice { range: None, first_batch_incomplete: true };
        }
        let len = self.max_bytes.max(first.len).min(end - first.position);
        LogSlice {
            range: Some(FileRange { file: file.clone(), offset: first.position, len }),
            first_batch_incomplete: false,
        }
    }
}

impl Locate {
    async fn run(self) -> Result<LogSlice, LogError> {
        // Behind the last batch of a compacted segment there may be a gap up to the next one.
        let first_base = self.segments.range(..=self.wanted.offset).next_back().map_or(i64::MIN, |(&base, _)| base);
        for &base_offset in self.segments.range(first_base..).map(|(base, _)| base) {
            if base_offset >= self.upper_offset || self.wanted.offset >= self.active.base_offset {
                break;
            }
            if let Some(slice) = self.read_sealed(base_offset).await? {
                return Ok(slice);
            }
        }
        if self.active.base_offset >= self.upper_offset {
            return Ok(LogSlice::empty());
        }
        self.read_active().await
    }

    async fn read_sealed(&self, base_offset: i64) -> Result<Option<LogSlice>, LogError> {
        let node = &self.identity.dir.node;
        let segment = &self.segments[&base_offset];
        let opened = node.cache.open(self.identity.number, segment, self.identity.dir.disk()).await?;
        let find = async |offset: i64| {
            let from = opened.offsets.lookup(offset);
            locate(&opened.file, from, segment.size(), offset).await.map_err(|stop| self.error(stop, base_offset))
        };
        let Some(first) = find(self.wanted.offset).await? else { return Ok(None) };
        let next_base =
            self.segments.range(base_offset + 1..).next().map_or(self.active.base_offset, |(&base, _)| base);
        let end = match self.upper_offset >= next_base {
            true => segment.size(),
            false => find(self.upper_offset).await?.map_or(segment.size(), |batch| batch.position),
        };
        Ok(Some(self.wanted.slice(&opened.file, first, end)))
    }

    async fn read_active(&self) -> Result<LogSlice, LogError> {
        let ActiveView { base_offset, file, size, start_hint, end_hint } = &self.active;
        let error = |stop| self.error(stop, *base_offset);
        // Whoever sends the range holds the file, whatever becomes of its name.
        let file = &file.hold().await.map_err(|held| error(ScanStop::Io(held)))?;
        let first = locate(file, *start_hint, *size, self.wanted.offset).await.map_err(error)?;
        let Some(first) = first else { return Ok(LogSlice::empty()) };
        let end = match end_hint {
            Some(hint) => {
                let end = locate(file, *hint, *size, self.upper_offset).await.map_err(error)?;
                end.map_or(*size, |batch| batch.position)
            }
            None => *size,
        };
        Ok(self.wanted.slice(file, first, end))
    }

    fn error(&self, stop: ScanStop, base_offset: i64) -> LogError {
        let dir: &Path = &self.identity.path;
        stop.into_error(dir, &crate::files::SegmentFile::Log.path(dir, base_offset), self.wanted.offset)
    }
}

/// The first batch at or behind `from` that ends at or above `offset`.
async fn locate(file: &File, from: u64, size: u64, offset: i64) -> Result<Option<Located>, ScanStop> {
    let mut reader = BatchReader::new(file.clone(), from, size, LOCATE_CHUNK_BYTES);
    while let Some((position, header)) = reader.next_header().await? {
        if header.last_offset() >= offset {
            return Ok(Some(Located { position, len: header.total_len() as u64 }));
        }
    }
    Ok(None)
}
