//! What commands about groups share: where a group stands, where it is to stand, points in time.

pub mod offsets;
pub mod reset;
mod time;

pub use time::parse_datetime;
