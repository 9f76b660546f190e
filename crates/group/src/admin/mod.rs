//! What administrators ask of groups of either kind: describe, list, delete.

pub mod delete;
pub mod describe;
pub mod list;
