//! Who leads a partition when the set of brokers changes.

use crate::image::records::ids;
use crate::{MetadataImage, Partition};
use ottla_protocol::{MetadataRecord, PartitionChangeRecord};
use ottla_types::{NodeId, Uuid};

/// Takes a broker out of a partition's ISR and, if it leads, elects another leader: the first replica in the ISR that
/// is active. A broker that is the whole ISR stays in it, because only it has everything; the partition then has no
/// leader until it comes back.
pub(super) fn without_broker(
    image: &MetadataImage,
    topic_id: Uuid,
    index: i32,
    partition: &Partition,
    gone: NodeId,
) -> Option<MetadataRecord> {
    let in_sync = partition.isr.contains(&gone);
    if !in_sync && partition.leader != Some(gone) {
        return None;
    }
    let remaining: Vec<NodeId> = partition.isr.iter().copied().filter(|node| *node != gone).collect();
    let leader = match partition.leader {
        Some(leader) if leader != gone => Some(leader),
        _ => {
            let can_lead = |node: &NodeId| remaining.contains(node) && image.is_active(*node);
            partition.replicas.iter().copied().find(can_lead)
        }
    };
    let isr = (in_sync && !remaining.is_empty()).then(|| ids(&remaining));
    let leader_changes = leader != partition.leader;
    (isr.is_some() || leader_changes).then(|| {
        let mut record = PartitionChangeRecord { partition_id: index, topic_id, isr, ..Default::default() };
        if leader_changes {
            record.leader = leader.map_or(-1, |leader| leader.0);
        }
        MetadataRecord::PartitionChange(record)
    })
}

/// A new leader epoch under the same or a first leader.
pub(super) fn leads_again(topic_id: Uuid, index: i32, leader: NodeId) -> MetadataRecord {
    MetadataRecord::PartitionChange(PartitionChangeRecord {
        partition_id: index,
        topic_id,
        leader: leader.0,
        ..Default::default()
    })
}
