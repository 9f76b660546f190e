//! Values of consecutive offsets, kept as runs: neighbours with equal values are one entry, so that a million records in
//! one state take as much room as one.

use std::collections::BTreeMap;

/// Runs by their first offset; they never overlap, and neighbours differ or have a gap between them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Runs<T> {
    runs: BTreeMap<i64, (i64, T)>,
}

impl<T> Default for Runs<T> {
    fn default() -> Runs<T> {
        Runs { runs: BTreeMap::new() }
    }
}

impl<T: Clone + PartialEq> Runs<T> {
    /// How many runs there are.
    pub(crate) fn len(&self) -> usize {
        self.runs.len()
    }

    /// First offset, last offset and value of every run.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (i64, i64, &T)> {
        self.runs.iter().map(|(first, (last, value))| (*first, *last, value))
    }

    /// The parts of runs that lie in `first..=last`.
    pub(crate) fn within(&self, first: i64, last: i64) -> impl Iterator<Item = (i64, i64, &T)> {
        let start = self.runs.range(..=first).next_back().map_or(first, |(start, _)| *start);
        let touching = self.runs.range(start..=last.max(start)).map(|(start, (end, value))| (*start, *end, value));
        touching.filter_map(move |(start, end, value)| {
            let (start, end) = (start.max(first), end.min(last));
            (start <= end).then_some((start, end, value))
        })
    }

    /// Gives `first..=last` a value, whatever was there.
    pub(crate) fn set(&mut self, first: i64, last: i64, value: T) {
        assert!(first <= last, "a run of {first} to {last}");
        self.split_at(first);
        self.split_at(last + 1);
        let inside: Vec<i64> = self.runs.range(first..=last).map(|(start, _)| *start).collect();
        for start in inside {
            self.runs.remove(&start);
        }
        self.runs.insert(first, (last, value));
        self.merge_at(last + 1);
        self.merge_at(first);
    }

    /// Changes the values of what lies in `first..=last`; `change` answers None to leave a value as it is.
    pub(crate) fn change(&mut self, first: i64, last: i64, mut change: impl FnMut(i64, i64, &T) -> Option<T>) {
        let parts: Vec<(i64, i64, T)> = self
            .within(first, last)
            .filter_map(|(start, end, value)| change(start, end, value).map(|value| (start, end, value)))
            .collect();
        for (start, end, value) in parts {
            self.set(start, end, value);
        }
    }

    /// Forgets everything below `offset`.
    pub(crate) fn remove_below(&mut self, offset: i64) {
        self.split_at(offset);
        self.runs = self.runs.split_off(&offset);
    }

    /// A run that goes over `offset` becomes two.
    fn split_at(&mut self, offset: i64) {
        let Some((_, (last, value))) = self.runs.range_mut(..offset).next_back() else { return };
        if *last >= offset {
            let rest = (*last, value.clone());
            *last = offset - 1;
            self.runs.insert(offset, rest);
        }
    }

    /// The run that begins at `offset` joins the one before it if their values are equal.
    fn merge_at(&mut self, offset: i64) {
        let Some((last, value)) = self.runs.get(&offset).cloned() else { return };
        let Some((_, (before_last, before))) = self.runs.range_mut(..offset).next_back() else { return };
        if *before_last == offset - 1 && *before == value {
            *before_last = last;
            self.runs.remove(&offset);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn as_offsets(runs: &Runs<u8>) -> BTreeMap<i64, u8> {
        runs.iter().flat_map(|(first, last, value)| (first..=last).map(move |offset| (offset, *value))).collect()
    }

    fn is_merged(runs: &Runs<u8>) -> bool {
        let all: Vec<_> = runs.iter().collect();
        all.windows(2).all(|pair| pair[0].1 < pair[1].0 && (pair[0].1 + 1 < pair[1].0 || pair[0].2 != pair[1].2))
    }

    proptest! {
        #[test]
        fn runs_are_what_single_offsets_would_be(steps in prop::collection::vec((0u8..3, 0i64..40, 0i64..12, 0u8..3), 0..60)) {
            let (mut runs, mut model) = (Runs::<u8>::default(), BTreeMap::new());
            for (what, first, more, value) in steps {
                let last = first + more;
                match what {
                    0 => {
                        runs.set(first, last, value);
                        (first..=last).for_each(|offset| drop(model.insert(offset, value)));
                    }
                    1 => {
                        runs.change(first, last, |_, _, old| (*old != 1).then_some(value));
                        model.range_mut(first..=last).filter(|(_, old)| **old != 1).for_each(|(_, old)| *old = value);
                    }
                    _ => {
                        runs.remove_below(first);
                        model = model.split_off(&first);
                    }
                }
                prop_assert_eq!(&as_offsets(&runs), &model);
                prop_assert!(is_merged(&runs));
                let seen: usize = runs.within(first, last).map(|(start, end, _)| (end - start + 1) as usize).sum();
                prop_assert_eq!(seen, model.range(first..=last).count());
            }
        }
    }
}
