//! Registering the broker and the controller of this node: who they are, where they are reached, which directories the broker has.

use crate::controller::Controller;
use crate::limits;
use ottla_metadata::{BrokerEndpoint, ControllerError, features};
use ottla_protocol::broker_registration_request::{Feature, Listener};
use ottla_protocol::{BrokerRegistrationRequest, ControllerRegistrationRequest, controller_registration_request};
use ottla_runtime::Runtime;
use ottla_types::{NodeId, Uuid};

/// The broker of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalBroker {
    /// `node.id`.
    pub node_id: NodeId,
    /// Where clients and brokers reach it, by listener.
    pub endpoints: Vec<BrokerEndpoint>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Ids of its log directories.
    pub directories: Vec<Uuid>,
}

/// A registration that is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Registered {
    /// Another one at every registration.
    pub incarnation_id: Uuid,
    /// Kafka's broker epoch; higher than that of any registration before.
    pub broker_epoch: i64,
}

/// Why a broker was not registered. It must not serve.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RegistrationError {
    /// The controller refused it, with a reason and what to do.
    #[error("the controller refused to register this broker: {0}")]
    Refused(String),
    /// The metadata log failed.
    #[error("this broker cannot be registered: {0}")]
    Controller(ControllerError),
}

impl Controller {
    /// Registers the broker of this node. When this returns, the leader epochs of all partitions that it leads have been
    /// raised and it is not fenced. Waits as long as there is no leader, or no space on the disk.
    ///
    /// # Errors
    /// The registration was refused, or the metadata log failed.
    pub async fn register_broker(
        &self,
        runtime: &Runtime,
        broker: &LocalBroker,
    ) -> Result<Registered, RegistrationError> {
        loop {
            let cluster_id = self.ready().await.map_err(RegistrationError::Controller)?;
            // A new incarnation every time: of an attempt that failed in the middle, epochs may be missing, and the broker is
            // still fenced; a new incarnation begins anew.
            let incarnation_id = runtime.random_uuid();
            let request = registration_request(cluster_id, incarnation_id, broker);
            match self.channel().submit(request.into()).await {
                Ok(response) => {
                    let outcome = response.into_register_broker();
                    return match outcome.response.error_code {
                        0 => Ok(Registered { incarnation_id, broker_epoch: outcome.response.broker_epoch }),
                        code => Err(RegistrationError::Refused(
                            outcome.error_message.unwrap_or_else(|| format!("error code {code}")),
                        )),
                    };
                }
                Err(error) => {
                    tracing::warn!(%error, "this broker could not be registered yet");
                    runtime.sleep(limits::RETRY_INTERVAL).await;
                }
            }
        }
    }

    /// Registers the controller of this node under the addresses by which it is administered. Waits as long as there is
    /// no leader, or no space on the disk.
    ///
    /// # Errors
    /// The registration was refused, or the metadata log failed.
    pub async fn register_controller(
        &self,
        runtime: &Runtime,
        node_id: NodeId,
        endpoints: &[BrokerEndpoint],
    ) -> Result<(), RegistrationError> {
        loop {
            self.ready().await.map_err(RegistrationError::Controller)?;
            let request = controller_request(node_id, runtime.random_uuid(), endpoints);
            match self.channel().submit(request.into()).await {
                Ok(response) => {
                    let response = response.into_register_controller();
                    return match response.error_code {
                        0 => Ok(()),
                        code => Err(RegistrationError::Refused(
                            response.error_message.unwrap_or_else(|| format!("error code {code}")),
                        )),
                    };
                }
                Err(error) => {
                    tracing::warn!(%error, "this controller could not be registered yet");
                    runtime.sleep(limits::RETRY_INTERVAL).await;
                }
            }
        }
    }
}

fn controller_request(
    node_id: NodeId,
    incarnation_id: Uuid,
    endpoints: &[BrokerEndpoint],
) -> ControllerRegistrationRequest {
    let listener = |endpoint: &BrokerEndpoint| controller_registration_request::Listener {
        name: endpoint.name.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    };
    let feature = |(name, min, max): &(&str, i16, i16)| controller_registration_request::Feature {
        name: (*name).to_owned(),
        min_supported_version: *min,
        max_supported_version: *max,
    };
    ControllerRegistrationRequest {
        controller_id: node_id.0,
        incarnation_id,
        zk_migration_ready: false,
        listeners: endpoints.iter().map(listener).collect(),
        features: features::SUPPORTED.iter().map(feature).collect(),
    }
}

fn registration_request(cluster_id: Uuid, incarnation_id: Uuid, broker: &LocalBroker) -> BrokerRegistrationRequest {
    let listener = |endpoint: &BrokerEndpoint| Listener {
        name: endpoint.name.clone(),
        host: endpoint.host.clone(),
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    };
    let supported = features::SUPPORTED.iter().filter(|(_, _, max)| *max > 0);
    BrokerRegistrationRequest {
        broker_id: broker.node_id.0,
        cluster_id: cluster_id.to_string(),
        incarnation_id,
        listeners: broker.endpoints.iter().map(listener).collect(),
        features: supported
            .map(|(name, min, max)| Feature {
                name: (*name).to_owned(),
                min_supported_version: *min,
                max_supported_version: *max,
            })
            .collect(),
        rack: broker.rack.clone(),
        log_dirs: broker.directories.clone(),
        ..BrokerRegistrationRequest::default()
    }
}
