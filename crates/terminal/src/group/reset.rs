//! Where offsets of a group are moved to: the rules that `ottla group reset-offsets`, `ottla share reset-offsets` and Kafka's
//! tools share.

use super::offsets::{existing, listed};
use crate::failure::Failure;
use crate::times::now_ms;
use ottla_client::{Admin, ClientError, OffsetAndMetadata, OffsetSpec, Offsets};
use ottla_types::TopicPartition;
use std::collections::{BTreeMap, BTreeSet};

/// Where offsets are moved to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// The first record.
    Earliest,
    /// The end.
    Latest,
    /// Where the group stands; the end where it has not committed.
    Current,
    /// This offset.
    Offset(i64),
    /// So many records further, or back.
    ShiftBy(i64),
    /// The first record at or after this time; the end where there is none.
    Timestamp(i64),
    /// A plan.
    Plan(BTreeMap<TopicPartition, i64>),
}

/// Something that a user should know about a new offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Note {
    /// The offset lies behind the end, which is taken instead.
    AboveLatest(TopicPartition, i64, i64),
    /// The offset lies before the first record, which is taken instead.
    BelowEarliest(TopicPartition, i64, i64),
    /// No record is as young: the end is taken instead.
    NothingSince(TopicPartition),
}

/// Why there are no new offsets.
#[derive(Debug)]
pub enum ResetError {
    /// Partitions that do not exist.
    Missing(Vec<TopicPartition>),
    /// Partitions without a leader.
    Leaderless(Vec<TopicPartition>),
    /// A shift from nowhere.
    NothingCommitted(TopicPartition),
    /// A broker refused.
    Client(ClientError),
}

impl From<ClientError> for ResetError {
    fn from(error: ClientError) -> ResetError {
        ResetError::Client(error)
    }
}

/// The offsets that `target` means for `partitions` of a group that has committed `committed`. Changes nothing.
pub async fn new_offsets(
    admin: &Admin,
    committed: &Offsets,
    partitions: &BTreeSet<TopicPartition>,
    target: &Target,
) -> Result<(BTreeMap<TopicPartition, i64>, Vec<Note>), ResetError> {
    let partitions = match target {
        Target::Plan(plan) => &plan.keys().cloned().collect(),
        _ => partitions,
    };
    check(admin, partitions).await?;
    let all_at = |offset: i64| partitions.iter().map(|partition| (partition.clone(), offset)).collect();
    let wanted: BTreeMap<TopicPartition, i64> = match target {
        Target::Earliest => return Ok((listed(admin, partitions, OffsetSpec::Earliest).await?, Vec::new())),
        Target::Latest => return Ok((listed(admin, partitions, OffsetSpec::Latest).await?, Vec::new())),
        Target::Timestamp(timestamp) => return since(admin, partitions, *timestamp).await,
        Target::Current => {
            let mut offsets = listed(admin, partitions, OffsetSpec::Latest).await?;
            offsets.extend(committed.iter().filter(|(partition, _)| partitions.contains(*partition)).map(offset_of));
            return Ok((offsets, Vec::new()));
        }
        Target::Offset(offset) => all_at(*offset),
        Target::Plan(plan) => plan.clone(),
        Target::ShiftBy(shift) => {
            let shifted = |partition: &TopicPartition| match committed.get(partition) {
                Some(offset) => Ok((partition.clone(), offset.offset.saturating_add(*shift))),
                None => Err(ResetError::NothingCommitted(partition.clone())),
            };
            partitions.iter().map(shifted).collect::<Result<_, _>>()?
        }
    };
    let earliest = listed(admin, partitions, OffsetSpec::Earliest).await?;
    let latest = listed(admin, partitions, OffsetSpec::Latest).await?;
    Ok(within(wanted, &earliest, &latest))
}

fn offset_of((partition, offset): (&TopicPartition, &OffsetAndMetadata)) -> (TopicPartition, i64) {
    (partition.clone(), offset.offset)
}

/// Fails unless all of them exist and have leaders.
pub async fn check(admin: &Admin, partitions: &BTreeSet<TopicPartition>) -> Result<(), ResetError> {
    let existing = existing(admin, partitions).await?;
    let missing: Vec<TopicPartition> = partitions.iter().filter(|p| !existing.contains_key(*p)).cloned().collect();
    if !missing.is_empty() {
        return Err(ResetError::Missing(missing));
    }
    let leaderless: Vec<TopicPartition> =
        existing.into_iter().filter(|(_, has_leader)| !has_leader).map(|(partition, _)| partition).collect();
    if leaderless.is_empty() { Ok(()) } else { Err(ResetError::Leaderless(leaderless)) }
}

async fn since(
    admin: &Admin,
    partitions: &BTreeSet<TopicPartition>,
    timestamp: i64,
) -> Result<(BTreeMap<TopicPartition, i64>, Vec<Note>), ResetError> {
    let mut offsets = listed(admin, partitions, OffsetSpec::AtTimestamp(timestamp)).await?;
    let nothing: BTreeSet<TopicPartition> =
        offsets.iter().filter(|(_, offset)| **offset < 0).map(|(partition, _)| partition.clone()).collect();
    offsets.extend(listed(admin, &nothing, OffsetSpec::Latest).await?);
    Ok((offsets, nothing.into_iter().map(Note::NothingSince).collect()))
}

/// Brings offsets between the ends of their partitions.
fn within(
    wanted: BTreeMap<TopicPartition, i64>,
    earliest: &BTreeMap<TopicPartition, i64>,
    latest: &BTreeMap<TopicPartition, i64>,
) -> (BTreeMap<TopicPartition, i64>, Vec<Note>) {
    let mut notes = Vec::new();
    let mut offsets = BTreeMap::new();
    for (partition, offset) in wanted {
        let kept = match (earliest.get(&partition), latest.get(&partition)) {
            (_, Some(&latest)) if offset > latest => {
                notes.push(Note::AboveLatest(partition.clone(), offset, latest));
                latest
            }
            (Some(&earliest), _) if offset < earliest => {
                notes.push(Note::BelowEarliest(partition.clone(), offset, earliest));
                earliest
            }
            _ => offset,
        };
        offsets.insert(partition, kept);
    }
    (offsets, notes)
}

/// The time `ms` milliseconds ago.
pub fn ago(ms: i64) -> i64 {
    now_ms().saturating_sub(ms)
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Note::AboveLatest(partition, offset, latest) => write!(
                f,
                "New offset ({offset}) is higher than latest offset for topic partition {partition}. Value will be set to {latest}"
            ),
            Note::BelowEarliest(partition, offset, earliest) => write!(
                f,
                "New offset ({offset}) is lower than earliest offset for topic partition {partition}. Value will be set to \
                 {earliest}"
            ),
            Note::NothingSince(partition) => write!(
                f,
                "Partition {} from topic {} is empty. Falling back to latest known offset.",
                partition.partition, partition.topic
            ),
        }
    }
}

impl From<ResetError> for Failure {
    fn from(error: ResetError) -> Failure {
        match error {
            ResetError::Client(error) => error.into(),
            other => Failure::new(other.to_string()),
        }
    }
}

impl std::fmt::Display for ResetError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names =
            |partitions: &[TopicPartition]| partitions.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        match self {
            ResetError::Missing(partitions) => write!(f, "The partitions \"{}\" do not exist", names(partitions)),
            ResetError::Leaderless(partitions) => write!(f, "The partitions \"{}\" have no leader", names(partitions)),
            ResetError::NothingCommitted(partition) => {
                write!(f, "Cannot shift offset for partition {partition} since there is no current committed offset")
            }
            ResetError::Client(error) => error.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(partition: i32, offset: i64) -> (TopicPartition, i64) {
        (TopicPartition::new("t", partition), offset)
    }

    #[test]
    fn offsets_stay_between_the_ends() {
        let (earliest, latest) = ([at(0, 10), at(1, 10), at(2, 10)].into(), [at(0, 20), at(1, 20), at(2, 20)].into());
        let (offsets, notes) = within([at(0, 5), at(1, 15), at(2, 25)].into(), &earliest, &latest);
        assert_eq!(offsets, [at(0, 10), at(1, 15), at(2, 20)].into());
        let notes: Vec<String> = notes.iter().map(ToString::to_string).collect();
        assert_eq!(
            notes,
            [
                "New offset (5) is lower than earliest offset for topic partition t-0. Value will be set to 10",
                "New offset (25) is higher than latest offset for topic partition t-2. Value will be set to 20",
            ]
        );
    }
}
