//! What the network layer calls.

use crate::{Broker, handlers};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ottla_net::{ConnectionInfo, Handler, Outcome, Request};
use ottla_protocol::{ApiKey, versions};
use std::sync::Arc;
use std::time::Duration;

/// The handler of a node's listeners. A controller's listener serves ApiVersions only, which says so: what controllers
/// tell one another does not come this way.
pub struct BrokerHandler {
    broker: Arc<Broker>,
    controller_listener_names: Vec<String>,
}

impl BrokerHandler {
    /// A handler for all listeners of a node; those named here are the controller's.
    pub fn new(broker: Arc<Broker>, controller_listener_names: Vec<String>) -> BrokerHandler {
        BrokerHandler { broker, controller_listener_names }
    }

    /// The rows of the version table that a listener serves.
    fn table(&self, listener: &str) -> impl Iterator<Item = &'static versions::Row> {
        let is_controllers = self.controller_listener_names.iter().any(|name| name.eq_ignore_ascii_case(listener));
        versions::BROKER.iter().filter(move |row| !is_controllers || row.api_key == ApiKey::ApiVersions)
    }
}

impl Handler for BrokerHandler {
    fn call(&self, request: Request) -> BoxFuture<'_, Outcome> {
        let broker = Arc::clone(&self.broker);
        match request.header.api_key {
            ApiKey::ApiVersions => {
                let table: Vec<versions::Row> = self.table(&request.connection.listener).copied().collect();
                std::future::ready(handlers::api_versions(&broker, &request, &table)).boxed()
            }
            _ => handlers::dispatch(broker, request).boxed(),
        }
    }

    fn request_finished(&self, connection: &ConnectionInfo, worked: Duration) {
        let client_id = connection.client_id.get().map_or("", String::as_str);
        self.broker.quotas.worked(client_id, worked);
    }

    fn served_versions(&self, listener: &str, api: ApiKey) -> Option<(i16, i16)> {
        let row = self.table(listener).find(|row| row.api_key == api)?;
        Some((row.served_from, row.max))
    }
}
