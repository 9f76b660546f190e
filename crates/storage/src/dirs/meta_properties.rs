//! `meta.properties`: which cluster and node a log directory belongs to, in Kafka's format (version 1).

use super::LogDirsError;
use crate::LogError;
use crate::limits::SMALL_FILE_BYTES_MAX;
use crate::sites;
use ottla_runtime::Disk;
use ottla_types::{NodeId, Uuid};
use std::io;
use std::path::{Path, PathBuf};

const FILE: &str = "meta.properties";
const VERSION: i64 = 1;

/// What the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct MetaProperties {
    /// `cluster.id`; unknown before the cluster has formed.
    pub(super) cluster_id: Option<String>,
    /// `node.id`.
    pub(super) node_id: NodeId,
    /// `directory.id` (KIP-858).
    pub(super) directory_id: Uuid,
}

impl MetaProperties {
    /// Reads the file of `dir`; `None` where there is none yet.
    pub(super) async fn read(disk: &Disk, dir: &Path) -> Result<Option<MetaProperties>, LogError> {
        let path = dir.join(FILE);
        match disk.read(&path, SMALL_FILE_BYTES_MAX).await {
            Ok(bytes) => MetaProperties::parse(&path, &String::from_utf8_lossy(&bytes)).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LogError::io("read", &path)(error)),
        }
    }

    /// Writes the file of `dir`, durably.
    pub(super) async fn write(&self, disk: &Disk, dir: &Path) -> Result<(), LogError> {
        let path = dir.join(FILE);
        let mut text = format!("version={VERSION}\n");
        if let Some(cluster_id) = &self.cluster_id {
            text.push_str(&format!("cluster.id={cluster_id}\n"));
        }
        text.push_str(&format!("node.id={}\ndirectory.id={}\n", self.node_id, self.directory_id));
        disk.write_atomic(&path, text.as_bytes(), sites::META_PROPERTIES).await.map_err(LogError::io("write", &path))
    }

    /// Checks that the directory belongs to this node and cluster.
    pub(super) fn check(&self, dir: &Path, node_id: NodeId, cluster_id: Option<&str>) -> Result<(), LogDirsError> {
        if self.node_id != node_id {
            return Err(LogDirsError::OtherNode { dir: dir.to_path_buf(), found: self.node_id, expected: node_id });
        }
        match (&self.cluster_id, cluster_id) {
            (Some(found), Some(expected)) if found != expected => Err(LogDirsError::OtherCluster {
                dir: dir.to_path_buf(),
                found: found.clone(),
                expected: expected.to_string(),
            }),
            _ => Ok(()),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<MetaProperties, LogError> {
        let value = |key: &str| {
            let lines = text.lines().filter(|line| !line.starts_with(['#', '!']));
            lines.filter_map(|line| line.split_once('=')).find(|(name, _)| name.trim() == key).map(|(_, v)| v.trim())
        };
        let malformed = |key: &str| LogError::Malformed {
            path: PathBuf::from(path),
            reason: format!("`{key}` is missing or invalid"),
            next_step: "restore the file, or move the whole directory away to start with an empty one",
        };
        let version: i64 = value("version").and_then(|text| text.parse().ok()).ok_or_else(|| malformed("version"))?;
        if version > VERSION {
            return Err(LogError::NewerFormat { path: path.to_path_buf(), found: version, supported: VERSION });
        }
        let node_id = value("node.id").or_else(|| value("broker.id")).and_then(|text| text.parse().ok());
        let directory_id = value("directory.id").and_then(|text| text.parse().ok());
        Ok(MetaProperties {
            cluster_id: value("cluster.id").map(str::to_string),
            node_id: NodeId(node_id.ok_or_else(|| malformed("node.id"))?),
            directory_id: directory_id.ok_or_else(|| malformed("directory.id"))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kafkas_file_is_understood_and_newer_ones_are_refused() {
        let path = Path::new("meta.properties");
        let text = "#\n#Mon Jan 01 00:00:00 UTC 2026\ncluster.id=abc\nversion=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAQ\nnode.id=3\n";
        let parsed = MetaProperties::parse(path, text).unwrap();
        assert_eq!(parsed.cluster_id.as_deref(), Some("abc"));
        assert_eq!(parsed.node_id, NodeId(3));
        assert_eq!(parsed.directory_id, Uuid::METADATA_TOPIC);
        let newer = text.replace("version=1", "version=2");
        assert!(matches!(MetaProperties::parse(path, &newer), Err(LogError::NewerFormat { found: 2, .. })));
        assert!(matches!(MetaProperties::parse(path, "version=1\n"), Err(LogError::Malformed { .. })));
    }
}
