//! Which records were acquired together the first time: Kafka's in-flight batches, of which those that fail again and again are
//! handed out in parts.

use std::collections::BTreeMap;

/// Batches by their first offset; they do not overlap. What lies between two of them was never handed out since it was loaded.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct InFlightBatches {
    last_offsets: BTreeMap<i64, i64>,
}

impl InFlightBatches {
    /// First and last offset of the batch that an offset belongs to, whole, even where its front is done with.
    pub(super) fn of(&self, offset: i64) -> Option<(i64, i64)> {
        let (first, last) = self.last_offsets.range(..=offset).next_back()?;
        (*last >= offset).then_some((*first, *last))
    }

    /// The last offset before the batch that begins behind `offset`.
    pub(super) fn gap_end(&self, offset: i64) -> Option<i64> {
        let (next, _) = self.last_offsets.range(offset.checked_add(1)?..).next()?;
        Some(next - 1)
    }

    /// Records are acquired. Those of a batch stay in it; the others are a new one, up to `last` or the next batch.
    pub(super) fn add(&mut self, first: i64, last: i64) {
        let first = self.of(first).map_or(first, |(_, last)| last + 1);
        let last = self.gap_end(first).map_or(last, |end| end.min(last));
        if first <= last && self.of(first).is_none() {
            self.last_offsets.insert(first, last);
        }
    }

    /// Forgets the batches that end below `offset`.
    pub(super) fn remove_below(&mut self, offset: i64) {
        while let Some(ended) = self.last_offsets.first_entry().filter(|batch| *batch.get() < offset) {
            ended.remove();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batches(added: &[(i64, i64)]) -> InFlightBatches {
        let mut batches = InFlightBatches::default();
        added.iter().for_each(|(first, last)| batches.add(*first, *last));
        batches
    }

    #[test]
    fn a_record_stays_in_the_batch_that_it_was_first_acquired_in() {
        let batches = batches(&[(0, 9), (3, 5), (5, 19), (25, 29), (22, 40)]);
        let of = [0, 9, 10, 19, 20, 22, 24, 25, 30].map(|offset| batches.of(offset));
        let (a, b, c, d) = (Some((0, 9)), Some((10, 19)), Some((22, 24)), Some((25, 29)));
        assert_eq!(of, [a, a, b, b, None, c, c, d, None]);
        assert_eq!((batches.gap_end(20), batches.gap_end(30)), (Some(21), None));
    }

    #[test]
    fn a_batch_keeps_its_size_until_its_last_record_is_gone() {
        let mut batches = batches(&[(0, 9), (10, 19)]);
        batches.remove_below(9);
        assert_eq!(batches.of(9), Some((0, 9)));
        batches.remove_below(10);
        assert_eq!((batches.of(9), batches.of(10)), (None, Some((10, 19))));
    }
}
