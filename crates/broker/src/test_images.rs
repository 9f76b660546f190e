//! Metadata for tests that need some topics and no controller.

use ottla_metadata::MetadataImage;
use ottla_protocol::{MetadataRecord, PartitionRecord, TopicRecord};
use ottla_types::Uuid;

/// The leader epoch of every partition.
pub(crate) const LEADER_EPOCH: i32 = 7;

/// The id of a topic by its place in the list, from 1.
pub(crate) const fn topic_id(place: u8) -> Uuid {
    Uuid([place; 16])
}

/// An image of topics, each by its name and the leaders of its partitions (-1: none). Their only replica is on node 1.
pub(crate) fn image_of(topics: &[(&str, &[i32])]) -> MetadataImage {
    let mut image = MetadataImage::empty();
    for (place, (name, leaders)) in (1..).zip(topics) {
        let topic_id = topic_id(place);
        apply(&mut image, MetadataRecord::Topic(TopicRecord { name: name.to_string(), topic_id }));
        for (partition_id, leader) in (0..).zip(*leaders) {
            let partition = PartitionRecord {
                partition_id,
                topic_id,
                replicas: vec![1],
                isr: vec![1],
                leader: *leader,
                leader_epoch: LEADER_EPOCH,
                directories: vec![Uuid::ZERO],
                ..PartitionRecord::default()
            };
            apply(&mut image, MetadataRecord::Partition(partition));
        }
    }
    image
}

/// Applies one more record.
pub(crate) fn apply(image: &mut MetadataImage, record: MetadataRecord) {
    image.apply(&record).expect("a good record");
}
