//! What became of records: by ranges of offsets, as it goes to a broker and comes back.

use crate::error::ClientError;
use ottla_types::{TopicPartition, Uuid};
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// What a member says of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum AcknowledgeType {
    /// Done.
    Accept,
    /// Not done; somebody may try again.
    Release,
    /// Given up: nobody is to try again.
    Reject,
    /// Still at work: the lock begins anew (KIP-1222), and the next poll returns the record again.
    Renew,
}

/// Code of an offset without a record: a marker of a transaction, or compacted away.
const GAP: i8 = 0;

impl AcknowledgeType {
    fn code(self) -> i8 {
        match self {
            AcknowledgeType::Accept => 1,
            AcknowledgeType::Release => 2,
            AcknowledgeType::Reject => 3,
            AcknowledgeType::Renew => 4,
        }
    }
}

/// How the acknowledgement of some records of one partition went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledged {
    /// The partition.
    pub partition: TopicPartition,
    /// Offsets of the records, ascending.
    pub offsets: Vec<RangeInclusive<i64>>,
    /// INVALID_RECORD_STATE when the lock had ended, SHARE_SESSION_NOT_FOUND and NOT_LEADER_OR_FOLLOWER when the broker or the
    /// leader changed since the records came: they are, or were, delivered again. After `Disconnected` nobody knows.
    pub outcome: Result<(), ClientError>,
}

/// Where records came from, and where word of them goes: they are locked there.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) node: i32,
    pub(super) partition: TopicPartition,
    pub(super) topic_id: Uuid,
}

/// First offset, last offset, and the type of each or the one type of all.
pub(super) type AckBatch = (i64, i64, Vec<i8>);

/// Acknowledgements of one partition, by their first offset; they do not overlap.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Acknowledgements {
    runs: BTreeMap<i64, (i64, i8)>,
}

/// Acknowledgements of several partitions.
pub(super) type ByPlace = BTreeMap<Place, Acknowledgements>;

impl Acknowledgements {
    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// All offsets of a range.
    pub(super) fn add(&mut self, offsets: RangeInclusive<i64>, kind: AcknowledgeType) {
        self.add_run(*offsets.start(), *offsets.end(), kind.code());
    }

    /// Offsets that have no record.
    pub(super) fn add_gap(&mut self, offsets: RangeInclusive<i64>) {
        self.add_run(*offsets.start(), *offsets.end(), GAP);
    }

    fn add_run(&mut self, first: i64, last: i64, code: i8) {
        if first > last {
            return;
        }
        // Most often it goes on where the one before ended.
        if let Some((_, (end, kind))) = self.runs.range_mut(..first).next_back()
            && *kind == code
            && *end + 1 == first
        {
            *end = last;
            return;
        }
        self.runs.insert(first, (last, code));
    }

    pub(super) fn merge(&mut self, other: Acknowledgements) {
        for (first, (last, code)) in other.runs {
            self.add_run(first, last, code);
        }
    }

    pub(super) fn renews(&self) -> bool {
        self.runs.values().any(|(_, code)| *code == AcknowledgeType::Renew.code())
    }

    /// Renewals, and the rest.
    fn split_renewals(self) -> (Acknowledgements, Acknowledgements) {
        let is_renewal = |code: i8| code == AcknowledgeType::Renew.code();
        let (renewals, rest) = self.runs.into_iter().partition(|(_, (_, code))| is_renewal(*code));
        (Acknowledgements { runs: renewals }, Acknowledgements { runs: rest })
    }

    /// The offsets whose locks are to be renewed.
    pub(super) fn renewed(&self) -> impl Iterator<Item = RangeInclusive<i64>> {
        let renewed = self.runs.iter().filter(|(_, (_, code))| *code == AcknowledgeType::Renew.code());
        renewed.map(|(first, (last, _))| *first..=*last)
    }

    /// The offsets of records.
    pub(super) fn offsets(&self) -> Vec<RangeInclusive<i64>> {
        let mut offsets: Vec<RangeInclusive<i64>> = Vec::new();
        for (first, (last, _)) in self.runs.iter().filter(|(_, (_, code))| *code != GAP) {
            match offsets.last_mut().filter(|before| *before.end() + 1 == *first) {
                Some(before) => *before = *before.start()..=*last,
                None => offsets.push(*first..=*last),
            }
        }
        offsets
    }

    /// As the protocol has it: ranges that follow one another closely are one batch with a type for each offset, unless one
    /// of them is long.
    pub(super) fn batches(&self) -> Vec<AckBatch> {
        const SPELLED_OUT_MAX: i64 = 64;
        let mut batches: Vec<AckBatch> = Vec::new();
        for (first, (last, code)) in &self.runs {
            let length = last - first;
            match batches.last_mut() {
                Some((start, end, types))
                    if *end + 1 == *first && length < SPELLED_OUT_MAX && *end - *start < SPELLED_OUT_MAX =>
                {
                    let before = usize::try_from(*end - *start + 1).unwrap_or(0);
                    if types.len() == 1 {
                        *types = vec![types[0]; before];
                    }
                    types.resize(before + usize::try_from(length + 1).unwrap_or(0), *code);
                    *end = *last;
                }
                _ => batches.push((*first, *last, vec![*code])),
            }
        }
        batches
    }
}

/// Renewals, and the rest.
pub(super) fn split_renewals(all: ByPlace) -> (ByPlace, ByPlace) {
    let (mut renewals, mut rest) = (ByPlace::new(), ByPlace::new());
    for (place, said) in all {
        let (renewed, others) = said.split_renewals();
        for (part, said) in [(&mut renewals, renewed), (&mut rest, others)] {
            if !said.is_empty() {
                part.insert(place.clone(), said);
            }
        }
    }
    (renewals, rest)
}

/// Puts more acknowledgements to those that are there.
pub(super) fn merge_all(all: &mut ByPlace, more: ByPlace) {
    for (place, acknowledgements) in more {
        all.entry(place).or_default().merge(acknowledgements);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AcknowledgeType::{Accept, Reject, Release, Renew};

    fn built(runs: &[(i64, i64, Option<AcknowledgeType>)]) -> Acknowledgements {
        let mut built = Acknowledgements::default();
        for (first, last, kind) in runs {
            match kind {
                Some(kind) => built.add(*first..=*last, *kind),
                None => built.add_gap(*first..=*last),
            }
        }
        built
    }

    #[test]
    fn neighbours_of_one_type_are_one_batch_with_one_type() {
        let built =
            built(&[(0, 0, Some(Accept)), (1, 1, Some(Accept)), (2, 900, Some(Accept)), (902, 902, Some(Accept))]);
        assert_eq!(built.batches(), [(0, 900, vec![1]), (902, 902, vec![1])]);
        assert_eq!(built.offsets(), [0..=900, 902..=902]);
    }

    #[test]
    fn short_neighbours_of_several_types_are_spelled_out_and_long_ones_are_not() {
        let mixed =
            [(5, 6, Some(Accept)), (7, 7, Some(Release)), (8, 8, None), (9, 9, Some(Reject)), (10, 500, Some(Accept))];
        let built = built(&mixed);
        assert_eq!(built.batches(), [(5, 9, vec![1, 1, 2, 0, 3]), (10, 500, vec![1])]);
        assert_eq!(built.offsets(), [5..=7, 9..=500], "a gap is no record");
    }

    #[test]
    fn a_gap_of_any_length_takes_no_room() {
        let built = built(&[(0, i64::MAX - 1, None)]);
        assert_eq!(built.batches(), [(0, i64::MAX - 1, vec![0])]);
        assert!(built.offsets().is_empty() && !built.renews());
    }

    #[test]
    fn renewals_are_told_from_the_rest() {
        let built = built(&[(1, 1, Some(Accept)), (2, 3, Some(Renew))]);
        assert!(built.renews());
        assert_eq!(built.renewed().collect::<Vec<_>>(), [2..=3]);
    }
}
