//! What of the available records one answer takes: all of a batch, or a part of one that has failed often, so that a bad record
//! ends up alone (Kafka's throttled delivery).

use super::Limits;
use super::in_flight_batches::InFlightBatches;

/// From this delivery count on portions are halved with every attempt.
const THROTTLE_FROM_MIN: i16 = 2;

/// Consecutive available records of one in-flight batch that were delivered equally often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Portion {
    pub(super) first_offset: i64,
    pub(super) last_offset: i64,
    /// How often they were delivered until now.
    pub(super) delivery_count: i16,
    /// First and last offset of the batch.
    batch: (i64, i64),
}

/// Cuts available records where in-flight batches begin and end.
pub(super) fn portions(
    available: impl Iterator<Item = (i64, i64, i16)>,
    batches: &InFlightBatches,
) -> impl Iterator<Item = Portion> {
    available.flat_map(move |(first, last, delivery_count)| {
        let mut next = Some(first);
        std::iter::from_fn(move || {
            let first_offset = next.filter(|offset| *offset <= last)?;
            let gap = || (first_offset, batches.gap_end(first_offset).map_or(last, |end| end.min(last)));
            let batch = batches.of(first_offset).unwrap_or_else(gap);
            let last_offset = batch.1.min(last);
            next = last_offset.checked_add(1);
            Some(Portion { first_offset, last_offset, delivery_count, batch })
        })
    })
}

/// Takes up to `records_max` of these, batch by batch. Whether that is everything, so that new records may follow.
pub(super) fn take(portions: &[Portion], records_max: i64, limits: &Limits) -> (Vec<Portion>, bool) {
    let mut taken = Vec::new();
    let mut left = records_max;
    for batch in portions.chunk_by(|a, b| a.batch == b.batch) {
        let is_throttled = batch.iter().any(|portion| is_throttled(portion, limits));
        if left <= 0 || is_throttled && !taken.is_empty() {
            return (taken, false);
        }
        let part = is_throttled.then(|| throttled(batch, limits));
        for portion in part.as_deref().unwrap_or(batch) {
            let some = portion.cut_to(left);
            left -= some.len();
            taken.extend(some.if_any());
            if some.len() < portion.len() {
                return (taken, false);
            }
        }
        if is_throttled {
            return (taken, false);
        }
    }
    (taken, true)
}

/// What is handed out of a batch that has failed often: half of the whole batch, a quarter of it and so on, as the first such
/// record says, and a record alone before it is given up.
fn throttled(batch: &[Portion], limits: &Limits) -> Vec<Portion> {
    let mut taken = Vec::new();
    let (mut count, mut count_max) = (0, None);
    for portion in batch {
        let is_last_attempt = is_last_attempt(portion, limits);
        if is_last_attempt && count > 0 {
            break;
        }
        if count_max.is_none() && is_throttled(portion, limits) {
            count_max = Some(portion.throttled_count(limits));
        }
        let wanted = match (is_last_attempt, count_max) {
            (true, _) => 1,
            (false, Some(count_max)) => count_max - count,
            (false, None) => portion.len(),
        };
        let some = portion.cut_to(wanted);
        count += some.len();
        taken.extend(some.if_any());
        if is_last_attempt || some.len() < portion.len() {
            break;
        }
    }
    taken
}

impl Portion {
    pub(super) fn len(&self) -> i64 {
        self.last_offset - self.first_offset + 1
    }

    /// Its first records, at most this many, perhaps none.
    fn cut_to(self, count: i64) -> Portion {
        Portion { last_offset: self.first_offset + count.clamp(0, self.len()) - 1, ..self }
    }

    fn if_any(self) -> Option<Portion> {
        (self.len() > 0).then_some(self)
    }

    /// How many records of a batch come together when one of them was delivered this often.
    fn throttled_count(&self, limits: &Limits) -> i64 {
        let halvings = u32::try_from(self.delivery_count - throttle_from(limits) + 1).unwrap_or(0);
        let batch_len = self.batch.1 - self.batch.0 + 1;
        batch_len.checked_shr(halvings).unwrap_or(0).max(1)
    }
}

fn is_throttled(portion: &Portion, limits: &Limits) -> bool {
    portion.delivery_count >= throttle_from(limits)
}

fn is_last_attempt(portion: &Portion, limits: &Limits) -> bool {
    limits.delivery_count_limit > 2 && portion.delivery_count >= limits.delivery_count_limit - 1
}

fn throttle_from(limits: &Limits) -> i16 {
    THROTTLE_FROM_MIN.max(limits.delivery_count_limit.saturating_add(1) / 2)
}
