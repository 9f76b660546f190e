//! Which broker looks after a group or a transactional id, and the connection to it.

use crate::call::Call;
use crate::client::Client;
use crate::connection::Connection;
use crate::error::ClientError;
use crate::metadata::BrokerAddress;
use ottla_protocol::FindCoordinatorRequest;
use ottla_types::ErrorCode;

/// What has a coordinator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Coordinated {
    /// A group, by its id.
    Group,
    /// A transactional id.
    Transaction,
}

/// The first version that asks for several keys at once (KIP-699).
const BATCHED_VERSION: i16 = 4;

impl Coordinated {
    /// Kafka's `CoordinatorType`.
    fn code(self) -> i8 {
        match self {
            Coordinated::Group => 0,
            Coordinated::Transaction => 1,
        }
    }

    fn subject(self, key: &str) -> String {
        match self {
            Coordinated::Group => format!("coordinator of group '{key}'"),
            Coordinated::Transaction => format!("coordinator of transactional id '{key}'"),
        }
    }
}

impl Client {
    /// A connection to the coordinator of a group; asked for when it is not known.
    ///
    /// # Errors
    /// COORDINATOR_NOT_AVAILABLE, GROUP_AUTHORIZATION_FAILED ... and those of the connection.
    pub fn group_coordinator<'a>(&'a self, group_id: &'a str) -> Call<'a, Connection> {
        Box::pin(async move { self.coordinator(Coordinated::Group, group_id).await })
    }

    /// A connection to the coordinator of a transactional id; asked for when it is not known.
    ///
    /// # Errors
    /// COORDINATOR_NOT_AVAILABLE, TRANSACTIONAL_ID_AUTHORIZATION_FAILED ... and those of the connection.
    pub fn transaction_coordinator<'a>(&'a self, transactional_id: &'a str) -> Call<'a, Connection> {
        Box::pin(async move { self.coordinator(Coordinated::Transaction, transactional_id).await })
    }

    pub(crate) async fn coordinator(&self, kind: Coordinated, key: &str) -> Result<Connection, ClientError> {
        let known = self.coordinator_of(kind, key);
        let node_id = match known {
            Some(node_id) => node_id,
            None => self.find_coordinator(kind, key).await?,
        };
        let connection = self.broker(node_id).await;
        if connection.is_err() {
            self.forget_coordinator(kind, key);
        }
        connection
    }

    async fn find_coordinator(&self, kind: Coordinated, key: &str) -> Result<i32, ClientError> {
        let broker = self.any_broker().await?;
        let is_batched = broker.version_of::<FindCoordinatorRequest>()? >= BATCHED_VERSION;
        let request = FindCoordinatorRequest {
            key: if is_batched { String::new() } else { key.to_string() },
            key_type: kind.code(),
            coordinator_keys: if is_batched { vec![key.to_string()] } else { Vec::new() },
        };
        let response = broker.send(&request).await?;
        let (code, message, node_id, host, port) = if is_batched {
            let found = response.coordinators.into_iter().next();
            let found = found.ok_or_else(|| ClientError::missing("FindCoordinator", key))?;
            (found.error_code, found.error_message, found.node_id, found.host, found.port)
        } else {
            (response.error_code, response.error_message, response.node_id, response.host, response.port)
        };
        ClientError::check(code, message.as_deref(), || kind.subject(key))?;
        self.remember_coordinator(kind, key, node_id, BrokerAddress { host, port, rack: None });
        tracing::debug!(key, ?kind, node_id, "coordinator found");
        Ok(node_id)
    }

    /// Forgets a coordinator when `result` says that it is none.
    pub(crate) fn forgetting<T>(
        &self,
        kind: Coordinated,
        key: &str,
        result: Result<T, ClientError>,
    ) -> Result<T, ClientError> {
        if result.as_ref().is_err_and(ClientError::is_coordinator_gone) {
            self.forget_coordinator(kind, key);
        }
        result
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
