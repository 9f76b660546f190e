//! The last offset of each key, in bounded memory: 24 bytes a key, a hash in the place of the key (Kafka's
//! `SkimpyOffsetMap`).

use super::hash::hash_128;

/// Bytes that a key takes.
const SLOT_BYTES: u64 = 24;
/// What a map begins with; it doubles as keys come.
const SLOTS_AT_FIRST: usize = 1024;

/// Hashed key to offset. It grows with its keys, and takes them until it is as large as it may be and as full as the load factor
/// allows.
#[derive(Debug)]
pub struct OffsetMap {
    hash_key: [u64; 2],
    /// Hash, and offset plus one; 0 there is an empty slot.
    slots: Vec<[u64; 3]>,
    slots_max: usize,
    load_factor: f64,
    entries: usize,
    latest_offset: i64,
}

impl OffsetMap {
    /// An empty map of at most `bytes_max` bytes (half as much more while it doubles for the last time), and no more than `keys` keys
    /// can need. It takes at least one key.
    pub fn new(hash_key: [u64; 2], bytes_max: u64, load_factor: f64, keys: u64) -> OffsetMap {
        let load_factor = if load_factor > 0.0 { load_factor.min(1.0) } else { 1.0 };
        let needed = (keys as f64 / load_factor) as u64 + 2;
        let slots_max = usize::try_from((bytes_max / SLOT_BYTES).min(needed)).unwrap_or(usize::MAX).max(2);
        let slots = vec![[0; 3]; slots_max.min(SLOTS_AT_FIRST)];
        OffsetMap { hash_key, slots, slots_max, load_factor, entries: 0, latest_offset: -1 }
    }

    /// The record with `key` at `offset` was read; offsets come in order. `false`: there is no room, nothing changed.
    pub fn put(&mut self, key: &[u8], offset: i64) -> bool {
        let hash = hash_128(self.hash_key, key);
        let mut slot = self.find(hash);
        if self.slots[slot][2] == 0 {
            if self.is_full() {
                if self.slots.len() == self.slots_max {
                    return false;
                }
                self.grow();
                slot = self.find(hash);
            }
            self.entries += 1;
        }
        self.slots[slot] = [hash[0], hash[1], offset.unsigned_abs() + 1];
        self.update_latest_offset(offset);
        true
    }

    /// The last offset that was put for `key`.
    pub fn get(&self, key: &[u8]) -> Option<i64> {
        let stored = self.slots[self.find(hash_128(self.hash_key, key))][2];
        stored.checked_sub(1).map(|offset| offset as i64)
    }

    /// Everything up to `offset` was read.
    pub fn update_latest_offset(&mut self, offset: i64) {
        self.latest_offset = self.latest_offset.max(offset);
    }

    /// Up to here the map knows the log; -1 at first.
    pub fn latest_offset(&self) -> i64 {
        self.latest_offset
    }

    /// Keys in the map.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// How full it is, 0 to 1, of the slots that it may have.
    pub fn utilization(&self) -> f64 {
        self.entries as f64 / self.slots_max as f64
    }

    /// One slot stays empty, so that every search ends.
    fn is_full(&self) -> bool {
        let slots = self.slots.len();
        self.entries >= ((slots as f64 * self.load_factor) as usize).clamp(1, slots - 1)
    }

    fn grow(&mut self) {
        let slots = self.slots.len().saturating_mul(2).min(self.slots_max);
        let smaller = std::mem::replace(&mut self.slots, vec![[0; 3]; slots]);
        for entry in smaller.into_iter().filter(|entry| entry[2] != 0) {
            let slot = self.find([entry[0], entry[1]]);
            self.slots[slot] = entry;
        }
    }

    /// The slot of `hash`, or the empty one where it belongs.
    fn find(&self, hash: [u64; 2]) -> usize {
        let mut slot = (hash[0] % self.slots.len() as u64) as usize;
        while self.slots[slot][2] != 0 && self.slots[slot][..2] != hash {
            slot = if slot + 1 == self.slots.len() { 0 } else { slot + 1 };
        }
        slot
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn the_map_is_a_map_until_it_is_full() {
        let mut map = OffsetMap::new([1, 2], 24 * 100, 0.9, 1 << 40);
        let mut model = BTreeMap::new();
        for offset in 0..1000_i64 {
            let key = (offset * 7919 % 311).to_be_bytes();
            let has_room = model.len() < 90 || model.contains_key(&key);
            assert_eq!(map.put(&key, offset), has_room, "offset {offset}");
            if has_room {
                model.insert(key, offset);
                assert_eq!(map.latest_offset(), offset);
            }
        }
        assert_eq!((map.len(), map.utilization()), (90, 0.9));
        for key in (0..311_i64).map(i64::to_be_bytes) {
            assert_eq!(map.get(&key), model.get(&key).copied());
        }
    }

    #[test]
    fn memory_follows_the_need() {
        assert_eq!(OffsetMap::new([0, 0], 1 << 40, 0.5, 10).slots.len(), 22);
        let mut map = OffsetMap::new([0, 0], 1 << 40, 0.9, 1_000_000);
        for offset in 0..500_000_i64 {
            assert!(map.put(&(offset % 1000).to_be_bytes(), offset));
        }
        assert_eq!((map.len(), map.slots.len()), (1000, 2 * SLOTS_AT_FIRST), "keys count, not records");
        for key in 1000..1_000_000_i64 {
            assert!(map.put(&key.to_be_bytes(), 500_000 + key));
        }
        assert_eq!(map.slots.len(), map.slots_max);
        assert_eq!(
            (map.get(&7_i64.to_be_bytes()), map.get(&999_999_i64.to_be_bytes())),
            (Some(499_007), Some(1_499_999))
        );
        let mut smallest = OffsetMap::new([0, 0], 0, 0.1, 10);
        assert!(smallest.put(b"", 0) && smallest.put(b"", 5) && !smallest.put(b"a", 6));
        assert_eq!((smallest.get(b""), smallest.get(b"a"), smallest.latest_offset()), (Some(5), None, 5));
    }
}
