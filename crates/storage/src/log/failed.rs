//! What is left of a log that went offline: enough to open it again, however often that takes.

use super::{Log, LogIdentity};
use crate::LogConfig;
use crate::dirs::LogDir;
use std::path::Path;
use std::sync::Arc;

/// What is known of a log that went offline: as much as it takes to open it again.
#[derive(Debug)]
pub struct FailedLog {
    pub(crate) identity: Arc<LogIdentity>,
    pub(crate) config: LogConfig,
    pub(crate) flushed_offset: i64,
    pub(crate) recovery_point: i64,
}

impl FailedLog {
    /// The log directory.
    pub fn log_dir(&self) -> &Arc<LogDir> {
        &self.identity.dir
    }

    /// The partition directory.
    pub fn path(&self) -> &Path {
        &self.identity.path
    }
}

impl Log {
    /// Gives the log up; its files are closed.
    pub fn into_failed(self) -> FailedLog {
        FailedLog {
            identity: Arc::clone(&self.identity),
            config: self.config.clone(),
            flushed_offset: self.flushed_offset,
            recovery_point: self.recovery_point,
        }
    }
}
