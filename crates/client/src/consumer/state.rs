//! What a consumer knows of its partitions: positions, leaders, and what was fetched and not handed out yet.
//!
//! A partition goes through these phases ([`Phase`]): it needs a committed offset, or an offset by the reset policy or a
//! seek; then perhaps a check of its leader epoch; then it is fetched. A change from outside (seek, new assignment) raises
//! its version, and answers to questions of an older version are dropped.

use super::batches::FetchedBatches;
use super::options::{ConsumerOptions, OffsetReset};
use super::record::{ConsumerRecord, OffsetAndMetadata, Offsets};
use crate::error::ClientError;
use crate::metadata::TopicMetadata;
use crate::offsets::OffsetSpec;
use ottla_runtime::{AbortOnDrop, Instant};
use ottla_types::{TopicPartition, Uuid};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use tokio::sync::Notify;

/// What a partition needs next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Its committed offset.
    Committed,
    /// An offset that the leader knows.
    Offset(OffsetSpec),
    /// The leader's word that the position is on the same history (KIP-320).
    Validation,
    /// Records.
    Fetching,
    /// Nothing: an error was reported, and a seek must come first.
    Stuck,
}

/// Where a partition is led from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leader {
    pub(super) node: i32,
    pub(super) epoch: i32,
    pub(super) topic_id: Uuid,
}

/// One assigned partition.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) version: u64,
    pub(super) phase: Phase,
    /// Next offset to hand out.
    pub(super) position: i64,
    /// Leader epoch of the record before the position, or -1.
    pub(super) epoch: i32,
    pub(super) is_paused: bool,
    /// Fetched records wait to be handed out.
    pub(super) is_buffered: bool,
    /// Revoked in a moment: not fetched, not handed out.
    pub(super) is_leaving: bool,
    pub(super) leader: Option<Leader>,
    /// A follower to read from (KIP-392), until then.
    pub(super) preferred: Option<(i32, Instant)>,
    pub(super) high_watermark: i64,
    pub(super) last_stable_offset: i64,
    pub(super) log_start_offset: i64,
}

/// See the module.
#[derive(Default)]
pub(super) struct State {
    pub(super) partitions: BTreeMap<TopicPartition, Partition>,
    pub(super) buffer: VecDeque<FetchedBatches>,
    pub(super) errors: VecDeque<ClientError>,
    /// Wakes the fetcher of each broker.
    pub(super) fetchers: BTreeMap<i32, Arc<Notify>>,
    pub(super) tasks: Vec<AbortOnDrop<()>>,
    pub(super) is_closed: bool,
    next_version: u64,
}

impl Partition {
    /// The node to fetch from.
    pub(super) fn read_from(&self, now: Instant) -> Option<i32> {
        match self.preferred {
            Some((node, until)) if now < until => Some(node),
            _ => self.leader.map(|leader| leader.node),
        }
    }

    pub(super) fn is_fetchable(&self) -> bool {
        self.phase == Phase::Fetching
            && !self.is_paused
            && !self.is_buffered
            && !self.is_leaving
            && self.leader.is_some()
    }
}

impl State {
    /// The new assignment; partitions that stay keep everything.
    pub(super) fn assign(&mut self, wanted: &BTreeSet<TopicPartition>, phase: Phase) {
        self.partitions.retain(|partition, _| wanted.contains(partition));
        self.buffer.retain(|fetched| wanted.contains(&fetched.partition));
        for partition in wanted {
            if let Some(known) = self.partitions.get_mut(partition) {
                known.is_leaving = false;
                continue;
            }
            let version = self.version();
            let new = Partition {
                version,
                phase,
                position: -1,
                epoch: -1,
                is_paused: false,
                is_buffered: false,
                is_leaving: false,
                leader: None,
                preferred: None,
                high_watermark: -1,
                last_stable_offset: -1,
                log_start_offset: -1,
            };
            self.partitions.insert(partition.clone(), new);
        }
    }

    /// Goes to an offset, or asks for one.
    pub(super) fn seek(
        &mut self,
        partition: &TopicPartition,
        phase: Phase,
        position: i64,
        epoch: i32,
    ) -> Result<(), ClientError> {
        let version = self.version();
        let known = self.known_mut(partition)?;
        (known.version, known.phase, known.position, known.epoch) = (version, phase, position, epoch);
        (known.is_buffered, known.preferred) = (false, None);
        self.buffer.retain(|fetched| fetched.partition != *partition);
        Ok(())
    }

    /// The phase in which the reset policy finds an offset, or the error when there is none.
    pub(super) fn reset(&mut self, partition: &TopicPartition, options: &ConsumerOptions, now_ms: i64, reason: &str) {
        let phase = match options.offset_reset {
            OffsetReset::Earliest => Phase::Offset(OffsetSpec::Earliest),
            OffsetReset::Latest => Phase::Offset(OffsetSpec::Latest),
            OffsetReset::ByDuration(age) => {
                let age = i64::try_from(age.as_millis()).unwrap_or(i64::MAX);
                Phase::Offset(OffsetSpec::AtTimestamp(now_ms.saturating_sub(age).max(0)))
            }
            OffsetReset::None => Phase::Stuck,
        };
        if self.seek(partition, phase, -1, -1).is_err() {
            return;
        }
        if phase == Phase::Stuck {
            let (topic, partition, reason) = (partition.topic.to_string(), partition.partition, reason.to_string());
            self.errors.push_back(ClientError::NoOffset { topic, partition, reason });
        } else {
            tracing::info!(topic = %partition.topic, partition = partition.partition, reason, "offset reset");
        }
    }

    /// # Errors
    /// `Invalid` when the partition is not assigned.
    pub(super) fn known(&self, partition: &TopicPartition) -> Result<&Partition, ClientError> {
        self.partitions.get(partition).ok_or_else(|| not_assigned(partition))
    }

    /// # Errors
    /// `Invalid` when the partition is not assigned.
    pub(super) fn known_mut(&mut self, partition: &TopicPartition) -> Result<&mut Partition, ClientError> {
        self.partitions.get_mut(partition).ok_or_else(|| not_assigned(partition))
    }

    /// A partition if it still is what it was at that version.
    pub(super) fn at_version(&mut self, partition: &TopicPartition, version: u64) -> Option<&mut Partition> {
        self.partitions.get_mut(partition).filter(|known| known.version == version)
    }

    /// What was learnt of a topic. A newer leader epoch must confirm the position first.
    pub(super) fn know(&mut self, topic: &TopicMetadata) {
        for (partition, known) in &mut self.partitions {
            if *partition.topic != *topic.name {
                continue;
            }
            let found = topic.partition(partition.partition);
            let leader = found.and_then(|found| {
                found.leader.map(|node| Leader { node, epoch: found.leader_epoch, topic_id: topic.topic_id })
            });
            let is_newer = match (known.leader, leader) {
                (Some(old), Some(new)) => new.epoch > old.epoch,
                (None, Some(_)) => true,
                _ => false,
            };
            known.leader = leader;
            if is_newer && known.phase == Phase::Fetching && known.epoch >= 0 {
                known.phase = Phase::Validation;
            }
        }
    }

    /// Up to `limit` records, and whether a partition can be fetched again.
    pub(super) fn hand_out(&mut self, limit: usize) -> Result<Vec<ConsumerRecord>, ClientError> {
        if let Some(error) = self.errors.pop_front() {
            return Err(error);
        }
        let mut records = Vec::new();
        let mut skipped = VecDeque::new();
        while let Some(mut fetched) = self.buffer.pop_front() {
            if records.len() >= limit {
                self.buffer.push_front(fetched);
                break;
            }
            let Some(known) = self.partitions.get_mut(&fetched.partition) else { continue };
            if known.version != fetched.version {
                continue;
            }
            if known.is_paused || known.is_leaving {
                skipped.push_back(fetched);
                continue;
            }
            let is_done = read_some(&mut fetched, known, limit, &mut records);
            match is_done {
                Ok(true) => known.is_buffered = false,
                Ok(false) => self.buffer.push_front(fetched),
                Err(error) => {
                    known.phase = Phase::Stuck;
                    known.is_buffered = false;
                    self.errors.push_back(error);
                }
            }
        }
        self.buffer.extend(skipped);
        match self.errors.pop_front() {
            Some(error) if records.is_empty() => Err(error),
            Some(error) => {
                self.errors.push_front(error);
                Ok(records)
            }
            None => Ok(records),
        }
    }

    /// Positions that can be committed.
    pub(super) fn positions(&self) -> Offsets {
        let known = self.partitions.iter().filter(|(_, known)| known.position >= 0);
        let offset = |known: &Partition| OffsetAndMetadata {
            offset: known.position,
            leader_epoch: known.epoch,
            metadata: String::new(),
        };
        known.map(|(partition, known)| (partition.clone(), offset(known))).collect()
    }

    pub(super) fn wake_fetchers(&self) {
        self.fetchers.values().for_each(|fetcher| fetcher.notify_one());
    }

    fn version(&mut self) -> u64 {
        self.next_version += 1;
        self.next_version
    }
}

/// Moves records over; `true` when nothing is left.
fn read_some(
    fetched: &mut FetchedBatches,
    known: &mut Partition,
    limit: usize,
    records: &mut Vec<ConsumerRecord>,
) -> Result<bool, ClientError> {
    while records.len() < limit {
        let next = fetched.next();
        known.position = fetched.position;
        if fetched.epoch >= 0 {
            known.epoch = fetched.epoch;
        }
        match next? {
            Some(record) => records.push(record),
            None => return Ok(true),
        }
    }
    Ok(false)
}

fn not_assigned(partition: &TopicPartition) -> ClientError {
    ClientError::Invalid(format!("{partition} is not assigned to this consumer"))
}
