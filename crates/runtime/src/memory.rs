//! Files in memory: the disk of `--data-dir :memory:`, and the byte container that the simulated disk shares with it.

pub(crate) mod content;
pub(crate) mod disk;
