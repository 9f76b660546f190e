//! DescribeCluster: the brokers of a cluster as a broker tells of them, or its controllers as a controller does (KIP-919).

use crate::connection::Connection;
use crate::error::ClientError;
use crate::metadata::BrokerAddress;
use ottla_protocol::DescribeClusterRequest;
use std::collections::{BTreeMap, BTreeSet};

/// The first version that tells fenced brokers.
const FENCED_VERSION: i16 = 2;

/// Kafka's `EndpointType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndpointType {
    Brokers,
    Controllers,
}

impl EndpointType {
    fn code(self) -> i8 {
        match self {
            EndpointType::Brokers => 1,
            EndpointType::Controllers => 2,
        }
    }
}

/// A cluster.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ClusterDescription {
    /// Cluster id.
    pub cluster_id: String,
    /// The node to send changes to.
    pub controller_id: Option<i32>,
    /// Brokers by node id; fenced ones too, when the broker tells. Of a client of controllers: the controllers.
    pub brokers: BTreeMap<i32, BrokerAddress>,
    /// Brokers that are registered and fenced.
    pub fenced: BTreeSet<i32>,
}

/// Asks the node behind `connection`.
pub(crate) async fn describe(connection: &Connection, kind: EndpointType) -> Result<ClusterDescription, ClientError> {
    let tells_fenced = connection.version_of::<DescribeClusterRequest>()? >= FENCED_VERSION;
    let request = DescribeClusterRequest {
        include_cluster_authorized_operations: false,
        endpoint_type: kind.code(),
        include_fenced_brokers: tells_fenced && kind == EndpointType::Brokers,
    };
    let response = connection.send(&request).await?;
    ClientError::check(response.error_code, response.error_message.as_deref(), || "cluster".to_string())?;
    let mut described = ClusterDescription {
        cluster_id: response.cluster_id,
        controller_id: Some(response.controller_id).filter(|id| *id >= 0),
        ..ClusterDescription::default()
    };
    for found in response.brokers {
        if found.is_fenced {
            described.fenced.insert(found.broker_id);
        }
        let address = BrokerAddress { host: found.host, port: found.port, rack: found.rack };
        described.brokers.insert(found.broker_id, address);
    }
    Ok(described)
}
