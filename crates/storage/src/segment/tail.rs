//! The boundaries of the last batches of the active segment: a reader at the tail needs no scan.

use crate::limits::TAIL_BATCHES_MAX;
use std::collections::VecDeque;

/// First offsets and positions of the last [`TAIL_BATCHES_MAX`] batches, oldest first.
#[derive(Debug, Default)]
pub(crate) struct TailBatches {
    batches: VecDeque<(i64, u64)>,
}

/// Where a batch lies, as far as the tail knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct TailPosition {
    /// Where the batch starts.
    pub(crate) position: u64,
    /// Where the next one starts; `None` for the last batch, which ends with the segment.
    pub(crate) next_position: Option<u64>,
}

impl TailBatches {
    /// A batch was appended.
    pub(crate) fn push(&mut self, base_offset: i64, position: u64) {
        if self.batches.len() == TAIL_BATCHES_MAX {
            self.batches.pop_front();
        }
        self.batches.push_back((base_offset, position));
    }

    /// The batch that holds `offset` (or lies before the gap that does); `None` if it is older than the tail.
    pub(crate) fn find(&self, offset: i64) -> Option<TailPosition> {
        let above = self.batches.partition_point(|&(base_offset, _)| base_offset <= offset);
        let slot = above.checked_sub(1)?;
        let next_position = self.batches.get(above).map(|&(_, position)| position);
        Some(TailPosition { position: self.batches[slot].1, next_position })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_recent_batches_and_forgets_old_ones() {
        let mut tail = TailBatches::default();
        assert_eq!(tail.find(0), None);
        let batches = TAIL_BATCHES_MAX as i64 + 10;
        for i in 0..batches {
            tail.push(i * 5, i as u64 * 100);
        }
        assert_eq!(tail.find(49), None);
        assert_eq!(tail.find(52), Some(TailPosition { position: 1000, next_position: Some(1100) }));
        let last = TailPosition { position: (batches as u64 - 1) * 100, next_position: None };
        assert_eq!(tail.find(batches * 5 - 1), Some(last));
    }
}
