//! The node's registration as a broker.

use crate::StartError;
use ottla_config::BrokerConfig;
use ottla_controller::Controller;
use ottla_metadata::{BrokerEndpoint, ControllerError, features};
use ottla_protocol::BrokerRegistrationRequest;
use ottla_protocol::generated::broker_registration_request::{Feature, Listener};
use ottla_runtime::Runtime;
use ottla_types::{ErrorCode, Uuid};
use std::time::Duration;

/// Longest time that a start waits until the quorum takes the registration.
const REGISTRATION_PATIENCE: Duration = Duration::from_secs(60);
/// Pause between tries.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Refuses what this version cannot do, before anything is touched.
pub(crate) fn check_supported(config: &BrokerConfig) -> Result<(), StartError> {
    if !config.roles.broker || !config.roles.controller {
        let message = "process.roles must be broker,controller: nodes with one role come with clustering. Next step: set \
                       process.roles=broker,controller";
        return Err(StartError::Unsupported(message.to_string()));
    }
    if config.quorum.voters.len() > 1 {
        let message = "controller.quorum.voters names more than one node: clusters of several nodes are not supported yet. \
                       Next step: name this node alone, or leave the config out";
        return Err(StartError::Unsupported(message.to_string()));
    }
    Ok(())
}

/// Registers this incarnation; returns when every partition that it leads has its new leader epoch.
pub(crate) async fn register(
    runtime: &Runtime,
    config: &BrokerConfig,
    controller: &Controller,
    cluster_id: Uuid,
    endpoints: Vec<BrokerEndpoint>,
    directories: Vec<Uuid>,
) -> Result<(), StartError> {
    let request = request(runtime, config, cluster_id, endpoints, directories);
    let deadline = runtime.now() + REGISTRATION_PATIENCE;
    loop {
        match controller.channel().submit(request.clone().into()).await {
            Ok(response) => {
                let outcome = response.into_register_broker();
                return match ErrorCode::from_code(outcome.response.error_code) {
                    Some(ErrorCode::None) => Ok(()),
                    code => Err(StartError::Refused(outcome.error_message.unwrap_or_else(|| format!("{code:?}")))),
                };
            }
            Err(ControllerError::Storage(reason)) => return Err(ControllerError::Storage(reason).into()),
            Err(error) if runtime.now() >= deadline => return Err(error.into()),
            Err(_) => runtime.sleep(RETRY_AFTER).await,
        }
    }
}

fn request(
    runtime: &Runtime,
    config: &BrokerConfig,
    cluster_id: Uuid,
    endpoints: Vec<BrokerEndpoint>,
    log_dirs: Vec<Uuid>,
) -> BrokerRegistrationRequest {
    let listener = |endpoint: BrokerEndpoint| Listener {
        name: endpoint.name,
        host: endpoint.host,
        port: endpoint.port,
        security_protocol: endpoint.security_protocol,
    };
    let feature = |&(name, min, max): &(&str, i16, i16)| Feature {
        name: name.to_string(),
        min_supported_version: min,
        max_supported_version: max,
    };
    BrokerRegistrationRequest {
        broker_id: config.node_id.0,
        cluster_id: cluster_id.to_string(),
        incarnation_id: runtime.random_uuid(),
        listeners: endpoints.into_iter().map(listener).collect(),
        features: features::SUPPORTED.iter().map(feature).collect(),
        rack: config.rack.clone(),
        log_dirs,
        ..BrokerRegistrationRequest::default()
    }
}
