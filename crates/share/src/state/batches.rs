//! States of offsets put together: what is later known of an offset takes the place of what was known before.

use super::StateBatch;
use crate::runs::Runs;

/// `before` and `after` as batches that do not overlap, from `start_offset` on (-1: from the beginning). Where both speak of
/// an offset the higher delivery count wins, and then the higher state, so that the order of records does not matter
/// (Kafka's `PersisterStateBatchCombiner`). Neighbours in one state are one batch.
pub(super) fn combine(before: &[StateBatch], after: &[StateBatch], start_offset: i64) -> Vec<StateBatch> {
    let mut runs = Runs::default();
    for batch in before.iter().chain(after) {
        let (first, last) = (batch.first_offset.max(start_offset).max(0), batch.last_offset);
        if first <= last && last < i64::MAX {
            put(&mut runs, first, last, (batch.delivery_count, batch.delivery_state));
        }
    }
    runs.iter().map(|(first, last, (count, state))| StateBatch::new(first, last, *state, *count)).collect()
}

fn put<T: Copy + Ord>(runs: &mut Runs<T>, first: i64, last: i64, value: T) {
    let known: Vec<(i64, i64, T)> =
        runs.within(first, last).map(|(first, last, known)| (first, last, *known)).collect();
    let mut from = first;
    for (known_first, known_last, known) in known {
        if from < known_first {
            runs.set(from, known_first - 1, value);
        }
        runs.set(known_first, known_last, known.max(value));
        from = known_last + 1;
    }
    if from <= last {
        runs.set(from, last, value);
    }
}

#[cfg(test)]
mod tests {
    use super::super::DeliveryState::{Acknowledged, Archived, Available};
    use super::*;

    fn batch(first: i64, last: i64, state: super::super::DeliveryState, count: i16) -> StateBatch {
        StateBatch::new(first, last, state, count)
    }

    #[test]
    fn higher_counts_and_then_higher_states_win() {
        let before = [batch(0, 9, Available, 1)];
        let after = [batch(3, 5, Acknowledged, 1), batch(5, 7, Available, 2)];
        let combined = combine(&before, &after, -1);
        let expected = [
            batch(0, 2, Available, 1),
            batch(3, 4, Acknowledged, 1),
            batch(5, 7, Available, 2),
            batch(8, 9, Available, 1),
        ];
        assert_eq!(combined, expected);
        assert_eq!(combine(&after, &before, -1), expected, "in whatever order they come");
    }

    #[test]
    fn neighbours_join_and_what_lies_before_the_start_goes() {
        let before = [batch(0, 4, Archived, 1), batch(5, 9, Archived, 1)];
        assert_eq!(combine(&before, &[], 3), [batch(3, 9, Archived, 1)]);
        assert_eq!(combine(&before, &[], 10), []);
        assert_eq!(combine(&before, &[batch(12, 12, Available, 1)], -1).len(), 2);
    }
}
