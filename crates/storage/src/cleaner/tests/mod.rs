//! Cleanings of whole logs, on a disk in memory; with power losses they are in `crate::tests::sim`.

pub(crate) mod kit;
mod model;
mod stories;
