//! Which partition a record goes to.

use super::hashes::{crc32, fnv1a, murmur2};
use super::sticky::Sticky;
use ottla_runtime::Runtime;

/// How partitions are chosen for records that name none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Partitioner {
    /// Kafka's Java client: murmur2 of the key; without a key one partition for a batch at a time, those with short queues
    /// more often (KIP-480, KIP-794).
    #[default]
    Java,
    /// The same for all records as Java's for those without a key (`partitioner.ignore.keys`).
    Sticky,
    /// librdkafka's `random`.
    Random,
    /// librdkafka's `consistent`: CRC-32 of the key, an absent one like an empty one.
    Consistent,
    /// librdkafka's default, `consistent_random`: CRC-32 of the key; random without one and for empty ones.
    ConsistentRandom,
    /// librdkafka's `murmur2`: as Java's for keys, all records without a key in one partition.
    Murmur2,
    /// librdkafka's `murmur2_random`: as Java's for keys, random without one.
    Murmur2Random,
    /// librdkafka's `fnv1a`: as Sarama's for keys, all records without a key in one partition.
    Fnv1a,
    /// librdkafka's `fnv1a_random`: as Sarama's for keys, random without one.
    Fnv1aRandom,
}

/// What a partitioner says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The key decides.
    Keyed(i32),
    /// Any partition; the sticky one of the topic.
    Sticky,
    /// Any partition, drawn anew.
    Random,
}

impl Partitioner {
    /// The choice for a key among `partitions`, which is at least 1.
    pub(super) fn choose(self, key: Option<&[u8]>, partitions: i32) -> Choice {
        let of = |hash: u32| Choice::Keyed(remainder(hash, partitions));
        let positive = |hash: u32| hash & 0x7fff_ffff;
        match (self, key) {
            (Partitioner::Sticky, _) | (Partitioner::Java, None) => Choice::Sticky,
            (Partitioner::Random, _)
            | (Partitioner::ConsistentRandom | Partitioner::Murmur2Random | Partitioner::Fnv1aRandom, None) => {
                Choice::Random
            }
            (Partitioner::ConsistentRandom, Some([])) => Choice::Random,
            (Partitioner::Consistent | Partitioner::ConsistentRandom, key) => of(crc32(key.unwrap_or_default())),
            (Partitioner::Java | Partitioner::Murmur2 | Partitioner::Murmur2Random, key) => {
                of(positive(murmur2(key.unwrap_or_default())))
            }
            (Partitioner::Fnv1a | Partitioner::Fnv1aRandom, key) => of(fnv1a(key.unwrap_or_default())),
        }
    }
}

/// What is known of a topic's partitions, and its sticky one.
#[derive(Debug, Default)]
pub(super) struct TopicPartitions {
    /// Number of partitions.
    pub(super) count: i32,
    /// Those with a leader, ascending.
    pub(super) available: Vec<i32>,
    pub(super) sticky: Sticky,
}

impl TopicPartitions {
    /// A partition for a record of `bytes`. `load` tells how many batches of a partition wait.
    pub(super) fn partition_for(
        &mut self,
        partitioner: Partitioner,
        key: Option<&[u8]>,
        load: impl Fn(i32) -> usize,
        runtime: &Runtime,
    ) -> (i32, bool) {
        match partitioner.choose(key, self.count) {
            Choice::Keyed(partition) => (partition, false),
            Choice::Sticky => (self.sticky.current(self.count, &self.available, load, runtime), true),
            Choice::Random => (super::sticky::draw(self.count, &self.available, |_| 0, runtime), false),
        }
    }
}

fn remainder(hash: u32, partitions: i32) -> i32 {
    let partitions = u32::try_from(partitions).expect("a topic has partitions");
    (hash % partitions).cast_signed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_partitioner_treats_absent_and_empty_keys_in_its_own_way() {
        use Choice::{Keyed, Random, Sticky};
        let keyed = |hash: u32| Keyed((hash % 12) as i32);
        let (murmur, fnv) = (murmur2(b"") & 0x7fff_ffff, fnv1a(b""));
        let cases = [
            (Partitioner::Java, Sticky, keyed(murmur)),
            (Partitioner::Sticky, Sticky, Sticky),
            (Partitioner::Random, Random, Random),
            (Partitioner::Consistent, Keyed(0), Keyed(0)),
            (Partitioner::ConsistentRandom, Random, Random),
            (Partitioner::Murmur2, keyed(murmur), keyed(murmur)),
            (Partitioner::Murmur2Random, Random, keyed(murmur)),
            (Partitioner::Fnv1a, keyed(fnv), keyed(fnv)),
            (Partitioner::Fnv1aRandom, Random, keyed(fnv)),
        ];
        for (partitioner, absent, empty) in cases {
            assert_eq!(partitioner.choose(None, 12), absent, "{partitioner:?}");
            assert_eq!(partitioner.choose(Some(b""), 12), empty, "{partitioner:?}");
        }
    }

    #[test]
    fn keys_go_where_other_clients_put_them() {
        // toPositive(murmur2("foobar")) % 10 of the Java client.
        let expected = ((-790_332_482_i32) & 0x7fff_ffff) % 10;
        for partitioner in [Partitioner::Java, Partitioner::Murmur2, Partitioner::Murmur2Random] {
            assert_eq!(partitioner.choose(Some(b"foobar"), 10), Choice::Keyed(expected));
        }
        let expected = (0xcbf4_3926_u32 % 10) as i32;
        assert_eq!(Partitioner::ConsistentRandom.choose(Some(b"123456789"), 10), Choice::Keyed(expected));
    }
}
