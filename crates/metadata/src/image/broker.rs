//! Registered brokers and controllers.

use ottla_types::{NodeId, Uuid};

/// Where a node is reached under a listener's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerEndpoint {
    /// Name of the listener.
    pub name: String,
    /// Advertised host.
    pub host: String,
    /// Advertised port.
    pub port: u16,
    /// Code of the security protocol; 0 is PLAINTEXT.
    pub security_protocol: i16,
}

/// Levels of a feature that a node supports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeatureRange {
    /// Name of the feature.
    pub name: String,
    /// Lowest level.
    pub min: i16,
    /// Highest level.
    pub max: i16,
}

/// A broker as it registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerRegistration {
    /// `node.id`.
    pub id: NodeId,
    /// Raised at every registration of a new incarnation.
    pub epoch: i64,
    /// Another one for every start of the broker.
    pub incarnation_id: Uuid,
    /// Where clients and other brokers reach it.
    pub endpoints: Vec<BrokerEndpoint>,
    /// Features that it supports.
    pub features: Vec<FeatureRange>,
    /// `broker.rack`.
    pub rack: Option<String>,
    /// Whether it may lead partitions and is told to clients: not while fenced.
    pub fenced: bool,
    /// Whether it has asked to shut down.
    pub in_controlled_shutdown: bool,
    /// Ids of its log directories.
    pub directories: Vec<Uuid>,
    /// Those of its log directories that take no new replicas.
    pub cordoned_directories: Vec<Uuid>,
}

impl BrokerRegistration {
    /// Whether it is neither fenced nor shutting down.
    pub fn is_active(&self) -> bool {
        !self.fenced && !self.in_controlled_shutdown
    }

    /// Where it is reached under a listener's name.
    pub fn endpoint(&self, listener: &str) -> Option<&BrokerEndpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener)
    }

    /// Whether at least one of its directories takes new replicas.
    pub fn has_uncordoned_directories(&self) -> bool {
        self.directories.is_empty() || self.directories.iter().any(|id| !self.cordoned_directories.contains(id))
    }

    /// The directory of a new replica on it, as far as that is known before the broker chooses.
    pub fn default_directory(&self) -> Uuid {
        match self.directories.as_slice() {
            [] => crate::directory_id::MIGRATING,
            [only] => *only,
            _ => crate::directory_id::UNASSIGNED,
        }
    }
}

/// A controller as it registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControllerRegistration {
    /// `node.id`.
    pub id: NodeId,
    /// Another one for every start of the controller.
    pub incarnation_id: Uuid,
    /// Where it is reached.
    pub endpoints: Vec<BrokerEndpoint>,
    /// Features that it supports.
    pub features: Vec<FeatureRange>,
}

impl ControllerRegistration {
    /// Where it is reached under a listener's name.
    pub fn endpoint(&self, listener: &str) -> Option<&BrokerEndpoint> {
        self.endpoints.iter().find(|endpoint| endpoint.name == listener)
    }
}
