//! Transaction indexes and producer snapshots.

use super::{optional_long, unreadable};
use crate::segment::base_offset;
use ottla_storage::producer_state::{ProducerEntry, ProducerState, ProducerStateConfig};
use ottla_storage::txn_index::TransactionIndex;
use ottla_terminal::failure::Failure;
use ottla_terminal::output::write_out;
use std::path::Path;

pub(super) fn dump_aborted(path: &Path) -> Result<(), Failure> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, error))?;
    let index = TransactionIndex::parse(base_offset(path).unwrap_or(0), &bytes);
    let index = index.map_err(|error| unreadable(path, error))?;
    let line = |txn: &ottla_storage::txn_index::AbortedTxn| {
        format!(
            "version: 0 producerId: {} firstOffset: {} lastOffset: {} lastStableOffset: {}\n",
            txn.producer_id.0, txn.first_offset, txn.last_offset, txn.last_stable_offset
        )
    };
    write_out(&index.entries().iter().map(line).collect::<String>())
}

pub(super) fn dump_producers(path: &Path) -> Result<(), Failure> {
    let bytes = std::fs::read(path).map_err(|error| unreadable(path, error))?;
    let offset = base_offset(path).unwrap_or(i64::MAX);
    match ProducerState::parse_snapshot(&bytes, offset, ProducerStateConfig::default(), 0) {
        Ok(state) => write_out(&state.producers().map(producer_line).collect::<String>()),
        Err(error) => {
            eprintln!("{error}");
            Ok(())
        }
    }
}

fn producer_line(entry: &ProducerEntry) -> String {
    let mut line = format!(
        "producerId: {} producerEpoch: {} coordinatorEpoch: {} currentTxnFirstOffset: {} lastTimestamp: {}",
        entry.producer_id().0,
        entry.epoch().0,
        entry.coordinator_epoch(),
        optional_long(entry.current_txn_first_offset()),
        entry.last_timestamp()
    );
    if let Some(batch) = entry.batches().first() {
        line += &format!(
            " firstSequence: {} lastSequence: {} lastOffset: {} offsetDelta: {} timestamp: {}",
            batch.first_sequence(),
            batch.last_sequence,
            batch.last_offset,
            batch.offset_delta,
            batch.timestamp
        );
    }
    line + "\n"
}
