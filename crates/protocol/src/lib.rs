//! Kafka's wire protocol: every message of Apache Kafka 4.3 in every version, as plain structures.
//!
//! - [`generated`] holds one module per message, made by `cargo xtask codegen` from Kafka's schemas, and [`ApiKey`],
//!   [`AnyRequest`], [`AnyResponse`], [`MetadataRecord`] and the coordinators' records over them.
//! - [`Reader`] and [`Writer`] are the primitives under the generated code. A reader never trusts a length or count: it
//!   is bounded by what remains in the frame, and the memory that decoding may take is bounded by the frame's size.
//! - [`RequestHeader`] and [`ResponseHeader`] precede every body; [`frame`] puts size, header and body together.
//! - [`JsonMessage`] shows records of logs as Kafka's tools do.
//! - [`versions`] is the one table of what this broker advertises and serves.
//!
//! Record batches stay opaque byte slices here ([`Records`]); `ottla-records` knows what is in them.

mod api_key;
mod error;
pub mod frame;
#[allow(clippy::all)]
pub mod generated;
mod header;
mod json;
mod message;
mod reader;
mod record_types;
mod records;
pub mod versions;
mod writer;

pub use api_key::{ApiInfo, Listener};
pub use error::{DecodeError, EncodeError};
pub use generated::*;
pub use header::{RequestHeader, ResponseHeader};
pub use json::{JsonMessage, JsonWriter};
pub use message::{Message, Request};
pub use reader::Reader;
pub use records::{Encoded, Records, Splice};
pub use writer::Writer;
