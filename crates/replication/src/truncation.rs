//! Where two logs part (KIP-101, KIP-279, KIP-595): a follower names the epoch of its last record; the leader answers
//! with a diverging epoch if its own log does not contain that; the follower truncates and fetches again, until they
//! agree.
//!
//! Both sides look into their leader epoch cache, which is an argument: `end_offset_for(epoch)` is the largest known
//! epoch not above `epoch` and the offset after its last record, or `None` if it knows nothing of it.

use ottla_types::LeaderEpoch;

/// An epoch and the offset after its last record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EpochEnd {
    /// The epoch.
    pub epoch: LeaderEpoch,
    /// The offset after its last record.
    pub end_offset: i64,
}

/// What a leader makes of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchPosition {
    /// The follower's log is a prefix of the leader's.
    Consistent,
    /// The follower has records that the leader has not: it truncates by this answer.
    Diverging(EpochEnd),
    /// The leader knows nothing of that epoch: OFFSET_OUT_OF_RANGE.
    Unknown,
}

/// The leader's half: a follower fetches from `fetch_offset`, and its last record is of `last_fetched_epoch`.
pub fn check_fetch(
    last_fetched_epoch: LeaderEpoch,
    fetch_offset: i64,
    end_offset_for: impl Fn(LeaderEpoch) -> Option<EpochEnd>,
) -> FetchPosition {
    match end_offset_for(last_fetched_epoch) {
        None => FetchPosition::Unknown,
        Some(end) if end.epoch < last_fetched_epoch || end.end_offset < fetch_offset => FetchPosition::Diverging(end),
        Some(_) => FetchPosition::Consistent,
    }
}

/// Where a follower has to cut its log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Truncation {
    /// Everything from this offset on goes; not above the log end.
    pub offset: i64,
    /// Whether the logs agree below it; else the follower asks again from there.
    pub is_complete: bool,
}

/// The follower's half: the leader answered `diverging`; the follower's log ends at `log_end_offset`.
pub fn truncation(
    diverging: EpochEnd,
    log_end_offset: i64,
    end_offset_for: impl Fn(LeaderEpoch) -> Option<EpochEnd>,
) -> Truncation {
    let (offset, is_complete) = match end_offset_for(diverging.epoch) {
        // The follower has not got the leader's epoch: all above its own next lower one is not the leader's.
        Some(own) if own.epoch != diverging.epoch => (own.end_offset, false),
        Some(own) => (own.end_offset.min(diverging.end_offset), true),
        None => (diverging.end_offset, true),
    };
    Truncation { offset: offset.min(log_end_offset), is_complete }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A log is the epoch of each of its records.
    fn end_offset_for(log: &[i32], epoch: LeaderEpoch) -> Option<EpochEnd> {
        let newest = *log.last()?;
        if epoch.0 > newest {
            return None;
        }
        match log.iter().rposition(|&record| record <= epoch.0) {
            Some(last) => Some(EpochEnd { epoch: LeaderEpoch(log[last]), end_offset: last as i64 + 1 }),
            None => Some(EpochEnd { epoch, end_offset: 0 }),
        }
    }

    /// Truncates `follower` until the leader finds it consistent; returns how many rounds that took.
    fn reconcile(leader: &[i32], follower: &mut Vec<i32>) -> usize {
        for round in 0..100 {
            let Some(&last) = follower.last() else { return round };
            match check_fetch(LeaderEpoch(last), follower.len() as i64, |epoch| end_offset_for(leader, epoch)) {
                FetchPosition::Consistent => return round,
                FetchPosition::Unknown => panic!("a leader's epoch is not below its followers'"),
                FetchPosition::Diverging(end) => {
                    let own = |epoch| end_offset_for(follower, epoch);
                    let cut = truncation(end, follower.len() as i64, own);
                    assert!(cut.offset < follower.len() as i64, "each round takes something off");
                    follower.truncate(cut.offset as usize);
                }
            }
        }
        panic!("no agreement");
    }

    #[test]
    fn a_prefix_is_consistent() {
        let leader = [0, 0, 1, 3];
        for len in 0..=leader.len() {
            assert_eq!(reconcile(&leader, &mut leader[..len].to_vec()), 0);
        }
    }

    #[test]
    fn records_of_a_deposed_leader_go() {
        let mut follower = vec![0, 0, 1, 1, 1];
        reconcile(&[0, 0, 1, 2], &mut follower);
        assert_eq!(follower, [0, 0, 1]);
        let mut follower = vec![0, 0, 1, 1, 1];
        reconcile(&[0, 0, 0, 2], &mut follower);
        assert_eq!(follower, [0, 0]);
    }

    #[test]
    fn fast_leader_changes_take_several_rounds() {
        let mut follower = vec![0, 1, 1, 3, 3];
        let rounds = reconcile(&[0, 2, 2, 4], &mut follower);
        assert_eq!(follower, [0]);
        assert!(rounds > 1);
    }

    proptest! {
        #[test]
        fn reconciled_logs_agree_on_all_that_is_left(
            common in proptest::collection::vec(0i32..2, 0..10),
            leader_steps in proptest::collection::vec(0i32..3, 0..10),
            follower_steps in proptest::collection::vec(0i32..3, 0..10),
        ) {
            // Epochs rise along a log; after the parting the two have no epoch in common, and the leader's is newest.
            let mut epoch = 0;
            let common: Vec<i32> = common.into_iter().map(|step| { epoch += step; epoch }).collect();
            let grow = |steps: Vec<i32>, parity: i32| {
                let mut next = epoch + 1;
                steps.into_iter().map(|step| { next += step; next * 2 + parity }).collect::<Vec<_>>()
            };
            let doubled: Vec<i32> = common.iter().map(|epoch| epoch * 2).collect();
            let mut leader = [doubled.clone(), grow(leader_steps, 0)].concat();
            leader.push(1000);
            let mut follower = [doubled.clone(), grow(follower_steps, 1)].concat();
            reconcile(&leader, &mut follower);
            prop_assert_eq!(follower, doubled);
        }
    }
}
