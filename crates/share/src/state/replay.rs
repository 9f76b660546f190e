//! What records do to the states.

use super::entry::Entry;
use super::{StateKey, StateShard, records};
use ottla_coordinator::{Position, Record, ReplayError};
use ottla_protocol::{ShareRecordKey, ShareRecordValue};
use std::sync::Arc;

pub(super) fn replay(shard: &mut StateShard, record: &Record, position: Position) -> Result<(), ReplayError> {
    shard.next_offset = position.offset + 1;
    let Some((key, value)) = records::decode(record, position)? else { return Ok(()) };
    match (key, value) {
        (ShareRecordKey::ShareSnapshot(key), Some(ShareRecordValue::ShareSnapshot(value))) => {
            let key = state_key(key.group_id, key.topic_id, key.partition);
            shard.entries.insert(key, Entry::of_snapshot(value, position.offset));
        }
        (ShareRecordKey::ShareSnapshot(key), None) => {
            shard.entries.remove(&state_key(key.group_id, key.topic_id, key.partition));
        }
        (ShareRecordKey::ShareUpdate(key), Some(ShareRecordValue::ShareUpdate(value))) => {
            // Without its snapshot an update tells nothing: the state was deleted, or its log was cut.
            if let Some(entry) = shard.entries.get_mut(&state_key(key.group_id, key.topic_id, key.partition)) {
                entry.update(&value);
            }
        }
        _ => {}
    }
    Ok(())
}

fn state_key(group_id: String, topic_id: ottla_types::Uuid, partition: i32) -> StateKey {
    StateKey { group_id: Arc::from(group_id), topic_id, partition }
}
