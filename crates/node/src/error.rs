//! Why a node does not start.

use ottla_controller::RegistrationError;
use ottla_http::HttpBindError;
use ottla_metadata::ControllerError;
use ottla_net::BindError;
use ottla_quorum::OpenError;
use ottla_storage::{LogDirsError, LogError};

/// Why a node does not start. Every text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A config that this version cannot do.
    #[error("{0}")]
    Unsupported(String),
    /// A port is taken, or an address is not this machine's.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The port of `http.listener` is taken, or the address is not this machine's.
    #[error(transparent)]
    Http(#[from] HttpBindError),
    /// OpenTelemetry's variables name an endpoint that is none.
    #[cfg(feature = "otel")]
    #[error(transparent)]
    OpenTelemetry(#[from] ottla_http::otlp::EndpointError),
    /// The log directories cannot be used.
    #[error(transparent)]
    LogDirs(#[from] LogDirsError),
    /// The log directories cannot be read.
    #[error("{}", .0.with_next_step("look at the disk of log.dirs and start again"))]
    Log(#[from] LogError),
    /// The log directories name a cluster id that is none.
    #[error(
        "meta.properties names cluster.id '{0}', which is not a Kafka UUID. Next step: correct the file, or use another directory"
    )]
    ClusterId(String),
    /// The metadata quorum cannot be opened.
    #[error("{0}. Next step: look at the disk of metadata.log.dir and start again")]
    Quorum(#[from] OpenError),
    /// The metadata quorum failed before the cluster had an id.
    #[error(
        "the metadata quorum did not become ready: {0}. Next step: look at the disk of metadata.log.dir and start again"
    )]
    Controller(#[from] ControllerError),
    /// The node was refused, or the metadata quorum failed.
    #[error("{0}. Next step: mend what this names, or look at the disk of metadata.log.dir, and start again")]
    Registration(#[from] RegistrationError),
}
