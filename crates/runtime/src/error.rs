//! Errors of the disk: `std::io::Error` with what was attempted on which path; the kind is kept.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// Whether `error` says that the disk (or a quota, or the largest file size) is full: the condition that ends by itself when
/// space returns.
pub fn is_disk_full(error: &io::Error) -> bool {
    use io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// What was attempted, on which path, and how it ended.
#[derive(Debug)]
struct AtPath {
    action: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl fmt::Display for AtPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} {}: {}", self.action, self.path.display(), self.source)
    }
}

impl std::error::Error for AtPath {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}

/// Adds `action` and `path` to an error. `error.kind()` stays what it was.
pub(crate) fn at_path<E: Into<io::Error>>(action: &'static str, path: &Path, error: E) -> io::Error {
    let source: io::Error = error.into();
    io::Error::new(source.kind(), AtPath { action, path: path.to_path_buf(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kind_survives_the_added_path() {
        let full = at_path("write", Path::new("/data/x"), rustix::io::Errno::NOSPC);
        assert!(is_disk_full(&full));
        assert_eq!(full.to_string(), "cannot write /data/x: No space left on device (os error 28)");
        assert!(!is_disk_full(&at_path("write", Path::new("x"), rustix::io::Errno::IO)));
    }
}
