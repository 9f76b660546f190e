//! Fixtures that the tests of several crates share. Nothing that ships depends on this crate.
//!
//! - [`batches`]: record batches, from one line of test code.
//! - [`history`]: judges what transactional clients did and saw.
//! - [`RawConnection`]: a connection that sends whatever bytes a test wants, well formed or not.
//! - [`LogCapture`]: the log lines of the current thread, for tests about what the log says.
//! - [`Inquiry`]: waits for a condition without sleeping for a fixed time.
//! - [`temp_dir`]: a directory that is gone at the end of the test.

pub mod batches;
pub mod history;
mod inquiry;
mod log_capture;
mod raw;

pub use inquiry::Inquiry;
pub use log_capture::LogCapture;
pub use raw::RawConnection;
pub use tempfile::TempDir;

/// A fresh directory, removed with everything in it when the value is dropped.
///
/// # Panics
/// When the system's directory for temporary files cannot be written.
pub fn temp_dir() -> TempDir {
    tempfile::Builder::new().prefix("ottla-test-").tempdir().expect("a temporary directory")
}
