//! The quorum's state machine: entries in, images out.

use bytes::Bytes;
use ottla_metadata::{MetadataImage, entry};
use ottla_quorum::{Capture, Refused, Role, StateMachine, limits::SNAPSHOT_CHUNK_BYTES_MAX};
use std::sync::Arc;
use tokio::sync::watch;

/// Replays committed entries into images and publishes each.
pub(crate) struct MetadataMachine {
    image: Arc<MetadataImage>,
    publisher: watch::Sender<Arc<MetadataImage>>,
    roles: watch::Sender<Role>,
}

impl MetadataMachine {
    pub(crate) fn new(publisher: watch::Sender<Arc<MetadataImage>>, roles: watch::Sender<Role>) -> MetadataMachine {
        MetadataMachine { image: Arc::new(MetadataImage::empty()), publisher, roles }
    }

    fn publish(&mut self, image: MetadataImage) {
        self.image = Arc::new(image);
        self.publisher.send_replace(Arc::clone(&self.image));
    }
}

impl StateMachine for MetadataMachine {
    fn apply(&mut self, _index: u64, _term: u64, bytes: &Bytes) -> Result<(), Refused> {
        let mut image = MetadataImage::clone(&self.image);
        replay(&mut image, bytes)?;
        self.publish(image);
        Ok(())
    }

    fn snapshot(&self) -> Capture {
        let image = Arc::clone(&self.image);
        Box::new(move || {
            let records = image.to_records();
            entry::encode_chunks(&records, SNAPSHOT_CHUNK_BYTES_MAX)
                .expect("records that were replayed from an entry can be encoded again")
        })
    }

    fn restore(&mut self, _index: u64, chunks: Vec<Bytes>) -> Result<(), Refused> {
        let mut image = MetadataImage::empty();
        for chunk in &chunks {
            replay(&mut image, chunk)?;
        }
        self.publish(image);
        Ok(())
    }

    fn on_role(&mut self, role: Role) {
        self.roles.send_replace(role);
    }
}

fn replay(image: &mut MetadataImage, bytes: &Bytes) -> Result<(), Refused> {
    let records = entry::decode(bytes).map_err(|error| Refused(error.to_string()))?;
    for record in &records {
        image.apply(record).map_err(|error| Refused(error.to_string()))?;
    }
    Ok(())
}
