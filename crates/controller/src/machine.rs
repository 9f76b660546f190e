//! The state machine behind the quorum: committed entries change the image, and the new image is published.
//!
//! A snapshot is a header (`version u8 = 1`, records applied since the cluster was formed, i64 big endian) and the image's
//! records in chunks, each in the form of an entry.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use ottla_metadata::{MetadataImage, entry};
use ottla_protocol::MetadataRecord;
use ottla_quorum::{Capture, Refused, Role, StateMachine};
use ottla_runtime::watch;
use std::sync::Arc;

const SNAPSHOT_VERSION: u8 = 1;
const SNAPSHOT_CHUNK_BYTES: usize = 512 * 1024;

/// The metadata after a committed entry.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Committed {
    pub(crate) image: Arc<MetadataImage>,
    /// Records applied since the cluster was formed: what Kafka calls the offset of the next record. It only grows, also over
    /// restarts, so it makes numbers that were never used before.
    pub(crate) records: i64,
}

/// Applies committed entries to the image.
pub(crate) struct MetadataMachine {
    committed: Committed,
    published: watch::Sender<Committed>,
    images: watch::Sender<Arc<MetadataImage>>,
}

impl MetadataMachine {
    /// The metadata of a cluster in which nothing was ever committed, and the ways to follow it.
    pub(crate) fn new() -> (MetadataMachine, watch::Receiver<Committed>, watch::Receiver<Arc<MetadataImage>>) {
        let (published, committed) = watch::channel(Committed::default());
        let (images, image) = watch::channel(Arc::default());
        (MetadataMachine { committed: Committed::default(), published, images }, committed, image)
    }

    fn publish(&mut self, mut committed: Committed) {
        Arc::make_mut(&mut committed.image).set_record_count(committed.records);
        self.committed = committed;
        self.published.send_replace(self.committed.clone());
        self.images.send_replace(self.committed.image.clone());
    }
}

impl StateMachine for MetadataMachine {
    fn apply(&mut self, _index: u64, _term: u64, entry: &Bytes) -> Result<(), Refused> {
        let mut image = self.committed.image.as_ref().clone();
        let records = replay(&mut image, entry)?;
        self.publish(Committed { image: Arc::new(image), records: self.committed.records + records });
        Ok(())
    }

    fn snapshot(&self) -> Capture {
        let committed = self.committed.clone();
        Box::new(move || chunks(&committed))
    }

    fn restore(&mut self, _index: u64, chunks: Vec<Bytes>) -> Result<(), Refused> {
        let committed = restored(chunks)?;
        self.publish(committed);
        Ok(())
    }

    fn on_role(&mut self, role: Role) {
        tracing::debug!(?role, "the controller's role changed");
    }
}

/// Replays an entry on `image`; the number of its records.
fn replay(image: &mut MetadataImage, entry: &Bytes) -> Result<i64, Refused> {
    let records: Vec<MetadataRecord> = entry::decode(entry).map_err(|error| Refused(error.to_string()))?;
    for record in &records {
        image.apply(record).map_err(|error| Refused(error.to_string()))?;
    }
    Ok(records.len() as i64)
}

fn chunks(committed: &Committed) -> Vec<Bytes> {
    let mut header = BytesMut::new();
    header.put_u8(SNAPSHOT_VERSION);
    header.put_i64(committed.records);
    let records = committed.image.to_records();
    let records =
        entry::encode_chunks(&records, SNAPSHOT_CHUNK_BYTES).expect("what came out of records fits into records again");
    std::iter::once(header.freeze()).chain(records).collect()
}

fn restored(chunks: Vec<Bytes>) -> Result<Committed, Refused> {
    let mut chunks = chunks.into_iter();
    // The state of the first formation is a snapshot without chunks.
    let Some(mut header) = chunks.next() else { return Ok(Committed::default()) };
    if header.len() != 9 {
        return Err(Refused("the header of the metadata snapshot is malformed".to_owned()));
    }
    match header.get_u8() {
        SNAPSHOT_VERSION => {}
        newer => {
            let text = format!(
                "the metadata snapshot has format version {newer}, and this program reads up to {SNAPSHOT_VERSION}; use a newer one"
            );
            return Err(Refused(text));
        }
    }
    let records = header.get_i64();
    let mut image = MetadataImage::empty();
    for chunk in chunks {
        replay(&mut image, &chunk)?;
    }
    Ok(Committed { image: Arc::new(image), records })
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_protocol::TopicRecord;
    use ottla_types::Uuid;

    fn topic(number: u8) -> MetadataRecord {
        MetadataRecord::Topic(TopicRecord { name: format!("topic-{number}"), topic_id: Uuid([number; 16]) })
    }

    fn encoded(records: &[MetadataRecord]) -> Bytes {
        entry::encode(records).unwrap()
    }

    #[test]
    fn a_snapshot_restores_the_image_and_the_count() {
        let (mut machine, committed, _) = MetadataMachine::new();
        for number in 1..50 {
            machine.apply(u64::from(number), 1, &encoded(&[topic(number)])).unwrap();
        }
        let chunks = machine.snapshot()();
        let (mut other, restored, image) = MetadataMachine::new();
        other.restore(49, chunks).unwrap();
        assert_eq!(*restored.borrow(), *committed.borrow());
        assert_eq!(restored.borrow().records, 49);
        assert_eq!(image.borrow().topic_count(), 49);
        assert_eq!(image.borrow().highest_offset(), 48);
    }

    #[test]
    fn an_entry_that_does_not_fit_changes_nothing() {
        let (mut machine, committed, image) = MetadataMachine::new();
        machine.apply(1, 1, &encoded(&[topic(1)])).unwrap();
        let before = committed.borrow().clone();
        // The first record fits, the second does not.
        let refused = machine.apply(2, 1, &encoded(&[topic(2), topic(1)]));
        assert!(refused.is_err());
        assert!(machine.apply(2, 1, &Bytes::from_static(&[9])).unwrap_err().0.contains("format version 9"));
        assert_eq!(*committed.borrow(), before);
        assert_eq!(image.borrow().topic_count(), 1);
    }

    #[test]
    fn a_snapshot_of_a_newer_version_is_refused_by_name() {
        let (mut machine, _, _) = MetadataMachine::new();
        let newer = Bytes::from_static(&[2, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert!(machine.restore(1, vec![newer]).unwrap_err().0.contains("format version 2"));
        assert!(machine.restore(1, vec![Bytes::from_static(&[1])]).is_err());
    }
}
