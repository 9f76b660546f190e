//! What the network layer calls.

use crate::{Broker, handlers};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ottla_net::{ConnectionInfo, Handler, Outcome, Request};
use ottla_protocol::{ApiKey, versions};
use std::sync::Arc;
use std::time::Duration;

/// The handler of a node's listeners. A controller's listener serves what administers a cluster (KIP-919), with the
/// broker's handlers, and says in ApiVersions that it serves no more than that.
pub struct BrokerHandler {
    broker: Arc<Broker>,
    controller_listener_names: Vec<String>,
}

impl BrokerHandler {
    /// A handler for all listeners of a node; those named here are the controller's.
    pub fn new(broker: Arc<Broker>, controller_listener_names: Vec<String>) -> BrokerHandler {
        BrokerHandler { broker, controller_listener_names }
    }

    fn is_controllers(&self, listener: &str) -> bool {
        self.controller_listener_names.iter().any(|name| name.eq_ignore_ascii_case(listener))
    }

    /// The rows of the version table that a listener serves.
    fn table(&self, listener: &str) -> Vec<versions::Row> {
        match self.is_controllers(listener) {
            true => versions::controller().copied().collect(),
            false => versions::BROKER.to_vec(),
        }
    }
}

impl Handler for BrokerHandler {
    fn call(&self, request: Request) -> BoxFuture<'_, Outcome> {
        let broker = Arc::clone(&self.broker);
        let listener = &request.connection.listener;
        match request.header.api_key {
            ApiKey::ApiVersions => {
                let table = self.table(listener);
                std::future::ready(handlers::api_versions(&broker, &request, &table)).boxed()
            }
            ApiKey::DescribeCluster => {
                let is_controllers = self.is_controllers(listener);
                std::future::ready(handlers::describe_cluster(&broker, &request, is_controllers)).boxed()
            }
            _ => handlers::dispatch(broker, request).boxed(),
        }
    }

    fn request_finished(&self, connection: &ConnectionInfo, worked: Duration) {
        let client_id = connection.client_id.get().map_or("", String::as_str);
        self.broker.quotas.worked(client_id, worked);
    }

    fn served_versions(&self, listener: &str, api: ApiKey) -> Option<(i16, i16)> {
        let row = match self.is_controllers(listener) {
            true => versions::controller().find(|row| row.api_key == api)?,
            false => versions::BROKER.iter().find(|row| row.api_key == api)?,
        };
        Some((row.served_from, row.max))
    }
}
