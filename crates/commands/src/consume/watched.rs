//! How far reading is: of the records up to the ends, or of `--max-messages`.

use super::Args;
use ottla_client::ConsumerRecord;
use ottla_terminal::failure::Failure;
use ottla_terminal::progress::{self, Progress, Unit};
use ottla_terminal::reading::Reading;
use ottla_types::TopicPartition;
use std::collections::BTreeMap;

/// The progress of reading, where that can be told and is shown.
pub(super) struct Watched {
    progress: Progress,
    /// Where each partition stands, when what is left of them counts; else the records that are printed count.
    positions: Option<BTreeMap<TopicPartition, i64>>,
}

impl Watched {
    /// Before the first record.
    pub(super) async fn begin(
        args: &Args,
        reading: &mut Reading,
        ends: Option<&BTreeMap<TopicPartition, i64>>,
    ) -> Result<Watched, Failure> {
        if progress::target().is_hidden() {
            return Ok(Watched { progress: Progress::hidden(), positions: None });
        }
        let by_hand = ends.filter(|_| args.group.is_none());
        let Some(ends) = by_hand.filter(|_| args.max_messages.is_none()) else {
            let progress = args.max_messages.map_or_else(Progress::hidden, |max| Progress::of(max, Unit::Records));
            return Ok(Watched { progress: progress.unless_printing(), positions: None });
        };
        let mut positions = BTreeMap::new();
        for partition in ends.keys() {
            positions.insert(partition.clone(), reading.consumer().position(partition).await?);
        }
        let total = ends.iter().map(|(partition, end)| left(positions[partition], *end)).sum();
        Ok(Watched { progress: Progress::of(total, Unit::Records).unless_printing(), positions: Some(positions) })
    }

    /// A record was read, and printed or left out. Offsets that no record has count with the next one that has.
    pub(super) fn read(&mut self, record: &ConsumerRecord, is_printed: bool) {
        let Some(positions) = &mut self.positions else {
            return self.progress.advance(u64::from(is_printed));
        };
        let partition = TopicPartition::new(record.topic.clone(), record.partition);
        if let Some(position) = positions.get_mut(&partition) {
            self.progress.advance(left(*position, record.offset + 1));
            *position = record.offset + 1;
        }
    }
}

fn left(from: i64, to: i64) -> u64 {
    u64::try_from(to.saturating_sub(from)).unwrap_or(0)
}
