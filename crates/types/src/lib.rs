//! Vocabulary that every layer shares: identifiers, epochs and Kafka's error codes.
//!
//! Offsets, timestamps (milliseconds since the epoch) and sizes (bytes) stay plain integers with
//! Kafka's names; identifiers that are easy to swap by mistake are newtypes.

mod error_code;
mod ids;
mod uuid;

pub use error_code::ErrorCode;
pub use ids::{LeaderEpoch, NodeId, ProducerEpoch, ProducerId, TopicIdPartition, TopicPartition};
pub use uuid::{InvalidUuid, Uuid};
