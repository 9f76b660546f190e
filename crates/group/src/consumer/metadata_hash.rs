//! Hash of the topics that a group is subscribed to. When it changes, so must the assignment.
//!
//! The bytes that go into XXH3 (64 bits, seed 0) are those of Kafka 4.3's `Utils.computeTopicHash` and `computeGroupHash`, which
//! feed `hash4j`: integers little-endian, strings as UTF-16 with their length behind them. So Kafka finds its own hash when it
//! reads a group that was written here.

use super::subscriptions::Subscriptions;
use crate::topics::{GroupTopics, TopicInfo};
use twox_hash::XxHash3_64;

const TOPIC_HASH_MAGIC: u8 = 0;

/// The hash of all existing topics that the group wants; 0 when there are none.
pub(crate) fn of_group(subscriptions: &Subscriptions, topics: &GroupTopics) -> i64 {
    of_topics(subscriptions.topics(), topics)
}

/// The hash of those of the topics that exist, named in order; 0 when there are none.
pub(crate) fn of_topics<'a>(names: impl Iterator<Item = &'a str>, topics: &GroupTopics) -> i64 {
    let mut bytes = Vec::new();
    for topic in names.filter_map(|name| topics.by_name(name)) {
        bytes.extend_from_slice(&of_topic(topic).to_le_bytes());
    }
    if bytes.is_empty() { 0 } else { XxHash3_64::oneshot(&bytes) as i64 }
}

fn of_topic(topic: &TopicInfo) -> i64 {
    let mut bytes = vec![TOPIC_HASH_MAGIC];
    let (high, low) = topic.id.0.split_at(8);
    // Java's longs are the big-endian halves; hash4j puts them little-endian.
    bytes.extend(high.iter().rev());
    bytes.extend(low.iter().rev());
    put_string(&mut bytes, &topic.name);
    put_int(&mut bytes, topic.partition_racks.len());
    for (partition, racks) in topic.partition_racks.iter().enumerate() {
        put_int(&mut bytes, partition);
        for rack in racks {
            put_int(&mut bytes, rack.encode_utf16().count());
            put_string(&mut bytes, rack);
        }
    }
    XxHash3_64::oneshot(&bytes) as i64
}

fn put_int(bytes: &mut Vec<u8>, value: usize) {
    let value = u32::try_from(value).unwrap_or(u32::MAX);
    bytes.extend_from_slice(&value.to_le_bytes());
}

fn put_string(bytes: &mut Vec<u8>, text: &str) {
    for unit in text.encode_utf16() {
        bytes.extend_from_slice(&unit.to_le_bytes());
    }
    put_int(bytes, text.encode_utf16().count());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consumer::member::Member;
    use ottla_types::Uuid;
    use std::sync::Arc;

    fn topic(name: &str, partition_racks: Vec<Vec<Arc<str>>>) -> TopicInfo {
        let id = Uuid([1, 2, 3, 4, 5, 6, 7, 8, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18]);
        TopicInfo { name: Arc::from(name), id, partition_racks }
    }

    /// Expected values come from hash4j 0.22, fed as Kafka feeds it.
    #[test]
    fn a_topic_has_the_hash_that_kafka_gives_it() {
        let racks = |names: [&str; 2]| names.iter().map(|name| Arc::from(*name)).collect::<Vec<Arc<str>>>();
        let foo = topic("foo", vec![racks(["rack0", "rack1"]), racks(["rack1", "rack2"])]);
        assert_eq!(of_topic(&foo), 150_434_294_479_754_265);
        assert_eq!(of_topic(&topic("a-long-topic", vec![Vec::new(); 100])), -6_934_415_833_759_181_222);
    }

    #[test]
    fn a_groups_hash_is_over_the_existing_topics_that_it_wants() {
        let mut topics = GroupTopics::default();
        topics.put(topic("foo", vec![Vec::new()]));
        let mut subscriptions = Subscriptions::default();
        assert_eq!(of_group(&subscriptions, &topics), 0);
        let names = |names: &[&str]| Member {
            subscribed_topic_names: Arc::new(names.iter().map(|name| (*name).to_string()).collect()),
            ..Member::new("a")
        };
        subscriptions.replace(None, Some(&names(&["bar"])));
        assert_eq!(of_group(&subscriptions, &topics), 0, "a topic that does not exist does not count");
        subscriptions.replace(None, Some(&names(&["foo"])));
        let one_partition = of_group(&subscriptions, &topics);
        assert_ne!(one_partition, 0);
        topics.put(topic("foo", vec![Vec::new(); 2]));
        assert_ne!(of_group(&subscriptions, &topics), one_partition);
    }
}
