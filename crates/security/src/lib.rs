//! Who may do how much: client quotas, pure. Time comes in as milliseconds of a clock that never goes back.

pub mod quotas;
