//! What administrators ask of groups of either kind: describe, list, delete; and what metrics show.

pub mod delete;
pub mod describe;
pub mod list;
pub mod observe;

pub use observe::{CommittedOffset, Observed};
