//! The last offset of each key, in bounded memory: 24 bytes a key, a hash in the place of the key (Kafka's
//! `SkimpyOffsetMap`).
//!
//! The map is as large as its keys need: many records of few keys take little. It consists of up to [`PARTS_MAX`] tables that double
//! one by one, so that growing never takes long, nor twice the memory.

use super::hash::hash_128;

/// Bytes that a key takes.
const SLOT_BYTES: u64 = 24;
const PARTS_MAX: usize = 1024;
/// Below this a part is not divided again.
const PART_SLOTS_MIN: usize = 65_536;
/// How much more than its share the fullest of the parts gets: a hash does not spread keys evenly.
const UNEVENNESS: f64 = 1.03;
/// What a part begins with.
const SLOTS_AT_FIRST: usize = 16;

/// Hashed key to offset. It takes keys until it is as large as it may be and as full as the load factor allows.
#[derive(Debug)]
pub struct OffsetMap {
    hash_key: [u64; 2],
    parts: Vec<Part>,
    part_slots_max: usize,
    load_factor: f64,
    latest_offset: i64,
}

/// The keys of some of the hashes: hash, and offset plus one; 0 there is an empty slot.
#[derive(Debug)]
struct Part {
    slots: Vec<[u64; 3]>,
    entries: usize,
}

impl OffsetMap {
    /// An empty map of at most `bytes_max` bytes, and no more than `keys` keys can need. It takes at least one key.
    pub fn new(hash_key: [u64; 2], bytes_max: u64, load_factor: f64, keys: u64) -> OffsetMap {
        let load_factor = if load_factor > 0.0 { load_factor.min(1.0) } else { 1.0 };
        let needed = (keys as f64 / load_factor * UNEVENNESS) as u64 + 2;
        let slots_max = usize::try_from((bytes_max / SLOT_BYTES).min(needed)).unwrap_or(usize::MAX);
        let parts = (slots_max / PART_SLOTS_MIN).clamp(1, PARTS_MAX);
        let part_slots_max = (slots_max / parts).max(2);
        let part = || Part { slots: vec![[0; 3]; part_slots_max.min(SLOTS_AT_FIRST)], entries: 0 };
        let parts = std::iter::repeat_with(part).take(parts).collect();
        OffsetMap { hash_key, parts, part_slots_max, load_factor, latest_offset: -1 }
    }

    /// The record with `key` at `offset` was read; offsets come in order. `false`: there is no room, nothing changed.
    pub fn put(&mut self, key: &[u8], offset: i64) -> bool {
        let hash = hash_128(self.hash_key, key);
        let part = part_of(hash, self.parts.len());
        let is_put = self.parts[part].put(hash, offset.unsigned_abs() + 1, self.part_slots_max, self.load_factor);
        if is_put {
            self.update_latest_offset(offset);
        }
        is_put
    }

    /// The last offset that was put for `key`.
    pub fn get(&self, key: &[u8]) -> Option<i64> {
        let hash = hash_128(self.hash_key, key);
        let part = &self.parts[part_of(hash, self.parts.len())];
        let stored = part.slots[part.find(hash)][2];
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
        self.parts.iter().map(|part| part.entries).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How full it is, 0 to 1, of the slots that it may have.
    pub fn utilization(&self) -> f64 {
        self.len() as f64 / (self.parts.len() * self.part_slots_max) as f64
    }
}

/// By another half of the hash than the one that chooses the slot.
fn part_of(hash: [u64; 2], parts: usize) -> usize {
    (hash[1] % parts as u64) as usize
}

impl Part {
    fn put(&mut self, hash: [u64; 2], stored: u64, slots_max: usize, load_factor: f64) -> bool {
        let mut slot = self.find(hash);
        if self.slots[slot][2] == 0 {
            if self.is_full(load_factor) {
                if self.slots.len() == slots_max {
                    return false;
                }
                self.grow(slots_max);
                slot = self.find(hash);
            }
            self.entries += 1;
        }
        self.slots[slot] = [hash[0], hash[1], stored];
        true
    }

    /// One slot stays empty, so that every search ends.
    fn is_full(&self, load_factor: f64) -> bool {
        let slots = self.slots.len();
        self.entries >= ((slots as f64 * load_factor) as usize).clamp(1, slots - 1)
    }

    fn grow(&mut self, slots_max: usize) {
        let slots = self.slots.len().saturating_mul(2).min(slots_max);
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
    fn all_the_keys_that_it_was_made_for_have_room_however_they_spread() {
        let keys = 200_000_u32;
        let mut map = OffsetMap::new([1, 2], 1 << 40, 0.9, u64::from(keys));
        assert!(map.parts.len() > 1);
        assert!((0..keys).all(|key| map.put(&key.to_be_bytes(), i64::from(key))));
    }

    #[test]
    fn memory_follows_the_need() {
        let slots = |map: &OffsetMap| map.parts.iter().map(|part| part.slots.len()).sum::<usize>();
        assert_eq!(OffsetMap::new([0, 0], 1 << 40, 0.5, 10).part_slots_max, 22);
        let mut smallest = OffsetMap::new([0, 0], 0, 0.1, 10);
        assert!(smallest.put(b"", 0) && smallest.put(b"", 5) && !smallest.put(b"a", 6));
        assert_eq!((smallest.get(b""), smallest.get(b"a"), smallest.latest_offset()), (Some(5), None, 5));

        let mut map = OffsetMap::new([1, 2], 24 * 1_000_000, 0.9, 1 << 40);
        let slots_max = map.parts.len() * map.part_slots_max;
        assert!(map.parts.len() == 15 && (999_000..=1_000_000).contains(&slots_max));
        for offset in 0..500_000_i64 {
            assert!(map.put(&(offset % 1000).to_be_bytes(), offset));
        }
        assert_eq!(map.len(), 1000);
        assert!(slots(&map) < 10_000, "keys count, not records: {}", slots(&map));
        let taken = (1000..).take_while(|key: &i64| map.put(&key.to_be_bytes(), 500_000 + key)).count();
        assert!((880_000..=900_000).contains(&taken), "the parts fill evenly: {taken}");
        assert!(slots(&map) <= slots_max);
        assert_eq!(
            (map.get(&7_i64.to_be_bytes()), map.get(&800_000_i64.to_be_bytes())),
            (Some(499_007), Some(1_300_000))
        );
    }
}
