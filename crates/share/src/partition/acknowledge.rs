//! What a member says of the records that it has (KIP-932, renewal KIP-1222).

use super::in_flight::{InFlight, Outcome, State};
use super::{GivenUp, Limits, SharePartition, Write};
use crate::state::StateBatch;
use std::sync::Arc;

/// What happened to a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AckType {
    /// There is no such record.
    Gap,
    /// It was processed.
    Accept,
    /// It is to be delivered again.
    Release,
    /// It cannot be processed, now or later.
    Reject,
    /// It is still being processed: the lock begins anew.
    Renew,
}

/// Acknowledgements of consecutive offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AckBatch {
    /// First offset.
    pub first_offset: i64,
    /// Last offset.
    pub last_offset: i64,
    /// One for all of them, or one for each.
    pub types: Vec<AckType>,
}

/// Why acknowledgements were refused, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    /// INVALID_REQUEST.
    #[error("the batches of acknowledgements are not in order, or do not have one type or one for each offset")]
    Malformed,
    /// INVALID_REQUEST.
    #[error("the acknowledgement goes beyond the records that were delivered; the last one of them has offset {last}")]
    BeyondDelivered {
        /// The last offset that was ever handed out.
        last: i64,
    },
    /// INVALID_RECORD_STATE.
    #[error("offset {offset} is not acquired by this member (any more)")]
    NotAcquired {
        /// The first such offset.
        offset: i64,
    },
    /// INVALID_RECORD_STATE.
    #[error("renewing acquisition locks is switched off for the group (share.renew.acknowledge.enable)")]
    RenewDisabled,
}

impl AckType {
    /// By its number in requests.
    pub fn from_code(code: i8) -> Option<AckType> {
        Some(match code {
            0 => AckType::Gap,
            1 => AckType::Accept,
            2 => AckType::Release,
            3 => AckType::Reject,
            4 => AckType::Renew,
            _ => return None,
        })
    }

    /// None renews the lock.
    fn outcome(self, delivery_count: i16, now_ms: i64, limits: &Limits) -> Option<Outcome> {
        match self {
            AckType::Accept => Some(Outcome::Acknowledged),
            AckType::Release => Some(Outcome::of_failure(delivery_count, now_ms, limits)),
            AckType::Reject => Some(Outcome::given_up(GivenUp::Rejected, limits)),
            AckType::Gap => Some(Outcome::Archived),
            AckType::Renew => None,
        }
    }
}

impl AckBatch {
    /// The parts of the batch from `start` on: first offset, last offset, type.
    fn parts(&self, start: i64) -> Vec<(i64, i64, AckType)> {
        if let [only] = self.types.as_slice() {
            return vec![(self.first_offset.max(start), self.last_offset, *only)];
        }
        let mut parts: Vec<(i64, i64, AckType)> = Vec::new();
        for (offset, kind) in (self.first_offset..).zip(&self.types).filter(|(offset, _)| *offset >= start) {
            match parts.last_mut() {
                Some((_, last, before)) if before == kind => *last = offset,
                _ => parts.push((offset, offset, *kind)),
            }
        }
        parts
    }
}

impl SharePartition {
    /// Takes a member's acknowledgements, all of them or none. What is to be written; None when nothing is.
    ///
    /// # Errors
    /// See [`AckError`].
    pub fn acknowledge(
        &mut self,
        member: &Arc<str>,
        batches: &[AckBatch],
        now_ms: i64,
        limits: &Limits,
    ) -> Result<Option<Write>, AckError> {
        check_order(batches)?;
        let start = self.start_offset;
        // What lies before the start is done with, whatever the member says.
        let parts: Vec<(i64, i64, AckType)> =
            batches.iter().filter(|batch| batch.last_offset >= start).flat_map(|batch| batch.parts(start)).collect();
        for (first, last, kind) in &parts {
            self.check(member, *first, *last)?;
            if *kind == AckType::Renew && !limits.may_renew {
                return Err(AckError::RenewDisabled);
            }
        }
        let write = self.new_write_id();
        let mut states = Vec::new();
        let renewed_until_ms = now_ms.saturating_add(limits.lock_duration_ms);
        for (first, last, kind) in parts {
            self.runs.change(first, last, |first, last, record| {
                let count = record.delivery_count;
                let Some(outcome) = kind.outcome(count, now_ms, limits) else {
                    return Some(InFlight::acquired(member, renewed_until_ms, count));
                };
                states.push(StateBatch::new(first, last, outcome.delivery_state(), count));
                let State::Acquired { until_ms, .. } = record.state else { return None };
                let state = State::Writing { write, outcome, member: Arc::clone(member), until_ms };
                Some(InFlight { state, delivery_count: count })
            });
        }
        Ok(self.write(Some(write), states))
    }

    /// Whether the member has every offset of `first..=last`.
    fn check(&self, member: &Arc<str>, first: i64, last: i64) -> Result<(), AckError> {
        if last >= self.end_offset {
            return Err(AckError::BeyondDelivered { last: self.end_offset - 1 });
        }
        let is_theirs =
            |record: &InFlight| matches!(&record.state, State::Acquired { member: owner, .. } if owner == member);
        let other = self.runs.within(first, last).find(|(_, _, record)| !is_theirs(record));
        other.map_or(Ok(()), |(offset, _, _)| Err(AckError::NotAcquired { offset }))
    }
}

fn check_order(batches: &[AckBatch]) -> Result<(), AckError> {
    let mut end = -1;
    for batch in batches {
        let span = batch.last_offset.checked_sub(batch.first_offset).and_then(|span| span.checked_add(1));
        let count = i64::try_from(batch.types.len()).unwrap_or(i64::MAX);
        let fits = span.is_some_and(|span| span > 0 && (count == 1 || count == span));
        if !fits || batch.first_offset <= end {
            return Err(AckError::Malformed);
        }
        end = batch.last_offset;
    }
    Ok(())
}
