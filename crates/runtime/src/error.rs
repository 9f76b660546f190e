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

/// Whether `error` says that the process, or the system, may open no more files: it passes when some are closed.
pub fn is_out_of_files(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = source {
        let code = error.downcast_ref::<io::Error>().and_then(io::Error::raw_os_error);
        if code.is_some_and(|code| [Errno::MFILE, Errno::NFILE].map(Errno::raw_os_error).contains(&code)) {
            return true;
        }
        // An `io::Error` gives the source of what it wraps; that itself is asked for its own.
        source = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    false
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
        let out_of_files = at_path("open", Path::new("x"), rustix::io::Errno::MFILE);
        assert!(is_out_of_files(&out_of_files) && is_out_of_files(&at_path("open", Path::new("y"), out_of_files)));
        assert!(!is_out_of_files(&full));
    }
}
