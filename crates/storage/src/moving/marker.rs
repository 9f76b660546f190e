//! `.ottla_move` in a partition directory: its copy in another log directory is about to take its place, or has.

use crate::limits::SMALL_FILE_BYTES_MAX;
use crate::{LogError, sites};
use ottla_runtime::Disk;
use ottla_types::Uuid;
use std::io;
use std::path::Path;

/// The file's name.
const MOVE_MARKER: &str = ".ottla_move";
const VERSION: i64 = 1;
const MALFORMED_STEP: &str = "if no other of log.dirs holds the partition, remove the file and restart the node";

/// What the file says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct MoveMarker {
    /// The topic of the partition.
    pub(super) topic_id: Uuid,
    /// The id of the log directory that takes the partition over.
    pub(super) to: Uuid,
}

impl MoveMarker {
    /// Puts the marker into `partition_dir`, durably.
    pub(super) async fn write(self, disk: &Disk, partition_dir: &Path) -> Result<(), LogError> {
        let path = partition_dir.join(MOVE_MARKER);
        let text = format!("version={VERSION}\ntopic.id={}\nto.directory.id={}\n", self.topic_id, self.to);
        disk.write_atomic(&path, text.as_bytes(), sites::MOVE_MARKER).await.map_err(LogError::io("write", &path))
    }

    /// Reads the marker, if there is one.
    pub(super) async fn read(disk: &Disk, partition_dir: &Path) -> Result<Option<MoveMarker>, LogError> {
        let path = partition_dir.join(MOVE_MARKER);
        let bytes = match disk.read(&path, SMALL_FILE_BYTES_MAX).await {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(LogError::io("read", &path)(error)),
        };
        MoveMarker::parse(&path, &String::from_utf8_lossy(&bytes)).map(Some)
    }

    /// Removes the marker. If a power loss brings it back, the next start comes to the same conclusion again.
    pub(super) async fn remove(disk: &Disk, partition_dir: &Path) -> Result<(), LogError> {
        crate::recovery::remove_if_there(disk, &partition_dir.join(MOVE_MARKER)).await
    }

    fn parse(path: &Path, text: &str) -> Result<MoveMarker, LogError> {
        let value = |key: &str| text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        let malformed = |reason: &str| LogError::Malformed {
            path: path.to_path_buf(),
            reason: reason.to_string(),
            next_step: MALFORMED_STEP,
        };
        match value("version").and_then(|version| version.parse::<i64>().ok()) {
            Some(VERSION) => {}
            Some(found) if found > VERSION => {
                return Err(LogError::NewerFormat { path: path.to_path_buf(), found, supported: VERSION });
            }
            _ => return Err(malformed("the format version is missing")),
        }
        let id = |key: &str| value(key).and_then(|id| id.parse::<Uuid>().ok());
        match (id("topic.id"), id("to.directory.id")) {
            (Some(topic_id), Some(to)) => Ok(MoveMarker { topic_id, to }),
            _ => Err(malformed("an id is missing")),
        }
    }
}

/// Refuses a partition directory that may have been replaced by a copy of it.
pub(crate) async fn check_not_moved(disk: &Disk, partition_dir: &Path) -> Result<(), LogError> {
    match MoveMarker::read(disk, partition_dir).await? {
        None => Ok(()),
        Some(marker) => Err(LogError::MoveUnknown { directory: partition_dir.to_path_buf(), to: marker.to }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<MoveMarker, LogError> {
        MoveMarker::parse(Path::new("/a/t-0/.ottla_move"), text)
    }

    #[test]
    fn a_marker_of_a_newer_version_or_without_sense_is_refused() {
        let id = Uuid([3; 16]);
        let good = format!("version=1\ntopic.id={id}\nto.directory.id={id}\n");
        assert_eq!(parse(&good).unwrap(), MoveMarker { topic_id: id, to: id });
        let newer = parse(&good.replace("version=1", "version=2")).unwrap_err();
        assert!(matches!(newer, LogError::NewerFormat { found: 2, supported: 1, .. }), "{newer}");
        for text in ["", "version=1\n", "topic.id=x\nversion=1\nto.directory.id=y"] {
            let error = parse(text).unwrap_err();
            assert!(matches!(error, LogError::Malformed { .. }), "{text}: {error}");
            assert!(error.to_string().contains("Next step: "), "{error}");
        }
    }
}
