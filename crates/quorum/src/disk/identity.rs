//! `quorum.identity`: who this directory is. Written last when a directory is made, so its presence means "formatted".

use crate::codec::{Fields, Malformed, put_u64s};
use crate::config::PeerId;
use crate::disk::frame::{FileKind, PREAMBLE_BYTES, check_preamble, damaged, frame_at, preamble, put_frame};
use crate::error::OpenError;
use bytes::{BufMut, Bytes};
use ottla_types::Uuid;
use std::path::Path;

/// Name of the file.
pub(crate) const IDENTITY_FILE: &str = "quorum.identity";
/// More than this is not an identity file.
pub(crate) const IDENTITY_BYTES_MAX: usize = 64 * 1024;

const STREAM: u64 = 0;

/// Directory id, peer id, and who voted when the directory was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) directory_id: Uuid,
    pub(crate) peer_id: PeerId,
    pub(crate) initial_voters: Vec<PeerId>,
}

impl Identity {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut payload = Vec::new();
        payload.put_slice(&self.directory_id.0);
        payload.put_u64_le(self.peer_id.0);
        put_u64s(&mut payload, &self.initial_voters.iter().map(|peer| peer.0).collect::<Vec<_>>());
        let mut file = preamble(FileKind::Identity).to_vec();
        put_frame(&mut file, STREAM, &payload);
        file
    }

    pub(crate) fn decode(bytes: &Bytes, path: &Path) -> Result<Identity, OpenError> {
        check_preamble(bytes, FileKind::Identity).map_err(|bad| bad.into_error(path))?;
        let (payload, _) = frame_at(bytes, PREAMBLE_BYTES, STREAM)
            .ok_or_else(|| damaged(path, PREAMBLE_BYTES, "its checksum is wrong"))?;
        Identity::take(payload).map_err(|Malformed(what)| damaged(path, PREAMBLE_BYTES, what))
    }

    fn take(payload: Bytes) -> Result<Identity, Malformed> {
        let mut fields = Fields::new(payload);
        let identity = Identity {
            directory_id: Uuid(fields.array()?),
            peer_id: PeerId(fields.u64()?),
            initial_voters: fields.u64s()?.into_iter().map(PeerId).collect(),
        };
        fields.end()?;
        if identity.peer_id.0 == 0 { Err(Malformed("the peer id is zero")) } else { Ok(identity) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::frame::{FORMAT_VERSION, preamble_of_version};

    fn identity() -> Identity {
        let directory_id = Uuid::from_random_halves(5, 6).unwrap();
        let peer_id = PeerId::of_directory(directory_id);
        Identity { directory_id, peer_id, initial_voters: vec![peer_id, PeerId(9)] }
    }

    #[test]
    fn identity_round_trips_and_any_cut_is_damage() {
        let path = Path::new("quorum.identity");
        let file = Bytes::from(identity().encode());
        assert_eq!(Identity::decode(&file, path).unwrap(), identity());
        // The last bytes are padding.
        for len in 0..file.len() - 8 {
            assert!(matches!(Identity::decode(&file.slice(..len), path), Err(OpenError::Damaged { .. })));
        }
    }

    #[test]
    fn an_identity_of_a_newer_version_is_refused_by_name() {
        let mut file = identity().encode();
        file[..PREAMBLE_BYTES].copy_from_slice(&preamble_of_version(FileKind::Identity, FORMAT_VERSION + 1));
        let error = Identity::decode(&Bytes::from(file), Path::new("quorum.identity")).unwrap_err();
        assert!(matches!(error, OpenError::NewerVersion { found: 2, supported: 1, .. }));
    }
}
