//! Which broker looks after a group, and the connection to it.

use crate::client::Client;
use crate::connection::Connection;
use crate::error::ClientError;
use crate::metadata::BrokerAddress;
use ottla_protocol::FindCoordinatorRequest;
use ottla_types::ErrorCode;

/// `CoordinatorType.GROUP`.
const GROUP: i8 = 0;
/// The first version that asks for several groups at once (KIP-699).
const BATCHED_VERSION: i16 = 4;

impl Client {
    /// A connection to the coordinator of a group; asked for when it is not known.
    ///
    /// # Errors
    /// COORDINATOR_NOT_AVAILABLE, GROUP_AUTHORIZATION_FAILED ... and those of the connection.
    pub async fn group_coordinator(&self, group_id: &str) -> Result<Connection, ClientError> {
        let known = self.known_coordinator(group_id);
        let node_id = match known {
            Some(node_id) => node_id,
            None => self.find_coordinator(group_id).await?,
        };
        let connection = self.broker(node_id).await;
        if connection.is_err() {
            self.forget_coordinator(group_id);
        }
        connection
    }

    async fn find_coordinator(&self, group_id: &str) -> Result<i32, ClientError> {
        let broker = self.any_broker().await?;
        let is_batched = broker.version_of::<FindCoordinatorRequest>()? >= BATCHED_VERSION;
        let request = FindCoordinatorRequest {
            key: if is_batched { String::new() } else { group_id.to_string() },
            key_type: GROUP,
            coordinator_keys: if is_batched { vec![group_id.to_string()] } else { Vec::new() },
        };
        let response = broker.send(&request).await?;
        let subject = || format!("coordinator of group '{group_id}'");
        let (code, message, node_id, host, port) = if is_batched {
            let found = response.coordinators.into_iter().next();
            let found = found.ok_or_else(|| ClientError::missing("FindCoordinator", group_id))?;
            (found.error_code, found.error_message, found.node_id, found.host, found.port)
        } else {
            (response.error_code, response.error_message, response.node_id, response.host, response.port)
        };
        ClientError::check(code, message.as_deref(), subject)?;
        self.remember_coordinator(group_id, node_id, BrokerAddress { host, port, rack: None });
        tracing::debug!(group_id, node_id, "group coordinator found");
        Ok(node_id)
    }
}

impl ClientError {
    /// Whether this says that the coordinator is another one, or that the connection to it is of no use.
    pub(crate) fn is_coordinator_gone(&self) -> bool {
        match self {
            ClientError::Broker { code, .. } => {
                matches!(code, ErrorCode::NotCoordinator | ErrorCode::CoordinatorNotAvailable)
            }
            ClientError::Connect { .. } | ClientError::Disconnected { .. } | ClientError::Timeout { .. } => true,
            _ => false,
        }
    }
}
