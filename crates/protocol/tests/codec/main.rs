//! Everything about the codecs that needs no process of its own.

#[path = "../support/golden/checks.rs"]
mod checks;
#[path = "../support/golden/dump.rs"]
mod dump;
mod golden;
mod hostile;
mod primitives;
mod records;
#[path = "../support/vectors.rs"]
mod vectors;
mod versions;
