//! The cluster's metadata: what it is, how records change it, and which records a request leads to.
//!
//! - [`MetadataImage`] is the whole of it at one moment: an immutable value, cheap to clone, that every node publishes
//!   to its handlers. [`MetadataImage::apply`] replays one record of the metadata log; [`MetadataImage::to_records`]
//!   is the way back, and so the snapshot.
//! - [`decide`] holds the controller's decisions, one file per concern. A decision is a pure function of an image, a
//!   request and a [`DecideContext`]; it returns records and the reply, which leaves when they are committed.
//! - [`entry`] is the byte form of records in the quorum's log and snapshots.
//! - [`ControllerChannel`] is how a broker reaches the controller, wherever it runs.
//!
//! Nothing here waits, reads a clock or draws a random number.

mod api_error;
mod channel;
pub mod decide;
mod decision;
pub mod directory_id;
pub mod entry;
pub mod features;
mod image;
pub mod placement;
mod random;
pub mod topic_name;

pub use api_error::ApiError;
pub use channel::{
    BrokerRegistrationOutcome, ControllerChannel, ControllerError, ControllerFuture, ControllerRequest,
    ControllerResponse,
};
pub use decision::{DecideContext, Decision, Entry, QuorumView, limits};
pub use image::{
    BrokerEndpoint, BrokerRegistration, ConfigResource, ControllerRegistration, FeatureRange, LeaderRecoveryState,
    MetadataImage, Partition, ReplayError, ResourceType, Topic, TopicChange,
};
