//! Several directories of one partition: those that never held a record are no rivals.
//!
//! A creation that failed may leave its rest in one log directory after the partition was created in another. Which of two
//! directories with records is the partition, only an operator can say; the caller opens neither.

use super::{FoundPartition, LogDirs};
use crate::LogError;
use crate::files::{LEADER_EPOCH_CHECKPOINT, PARTITION_METADATA, STRAY_DIR_SUFFIX};
use std::collections::BTreeMap;
use tracing::{error, warn};

impl LogDirs {
    /// Sets the empty ones aside where there are several.
    pub(super) async fn set_empty_duplicates_aside(
        &self,
        found: Vec<FoundPartition>,
    ) -> Result<Vec<FoundPartition>, LogError> {
        let mut groups: BTreeMap<_, Vec<FoundPartition>> = BTreeMap::new();
        for found in found {
            groups.entry((found.topic_partition.clone(), found.topic_id)).or_default().push(found);
        }
        let mut kept = Vec::with_capacity(groups.len());
        for ((_, topic_id), mut group) in groups {
            if group.len() > 1 && topic_id.is_some() {
                group = self.with_records(group).await?;
            }
            kept.append(&mut group);
        }
        Ok(kept)
    }

    /// Those of the group that ever held a record; the first one, if none did.
    async fn with_records(&self, group: Vec<FoundPartition>) -> Result<Vec<FoundPartition>, LogError> {
        let (mut full, mut empty) = (Vec::new(), Vec::new());
        for found in group {
            match has_records(&found).await? {
                true => full.push(found),
                false => empty.push(found),
            }
        }
        if full.is_empty() {
            full.push(empty.remove(0));
        }
        for found in empty {
            match self.rename_dir(&found.dir, &found.topic_partition, &found.path, STRAY_DIR_SUFFIX).await {
                Ok(stray) => warn!(
                    partition = %found.topic_partition, path = %stray.display(),
                    "another log directory holds the partition, and this one has no records of it: set aside. Next step: \
                     delete the directory"
                ),
                Err(error) => {
                    error!(partition = %found.topic_partition, %error, "an empty partition directory cannot be set aside");
                    full.push(found);
                }
            }
        }
        Ok(full)
    }
}

/// Whether the directory holds records, or the log directory knows that it did.
async fn has_records(found: &FoundPartition) -> Result<bool, LogError> {
    let known = [&found.dir.recovery_points, &found.dir.log_starts];
    if known.iter().any(|offsets| offsets.get(&found.topic_partition).is_some_and(|offset| offset > 0)) {
        return Ok(true);
    }
    let entries = found.dir.disk().list(&found.path).await.map_err(LogError::io("list", &found.path))?;
    let says_nothing = |name: &str| [PARTITION_METADATA, LEADER_EPOCH_CHECKPOINT].contains(&name);
    Ok(entries.iter().any(|entry| entry.len > 0 && !says_nothing(&entry.name)))
}
