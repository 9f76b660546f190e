//! Groups as their clients see them: stories as text with expected traces, and properties over random events.

mod bounds;
mod kinds;
mod properties;
mod records;
mod rig;
mod script;
mod show;
mod stories;
