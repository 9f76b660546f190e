//! A cluster by its bootstrap addresses: brokers, leaders, and a connection to each broker that is needed.
//!
//! Metadata is asked for when something is missing, or when a broker's answer shows that what is known is out of date
//! ([`Client::forget_topic`]). Connections are opened on demand and opened anew when they have ended. Retrying is left to
//! the operations built on top, because only they know what may be done twice.

use crate::call::Call;
use crate::connection::Connection;
use crate::coordinator::Coordinated;
use crate::error::{ClientError, ConnectFailure};
use crate::metadata::{BrokerAddress, ClusterMetadata, PartitionMetadata, TopicMetadata};
use crate::nodes::EndpointType;
use crate::options::ClientOptions;
use crate::troubles::Troubles;
use ottla_protocol::MetadataRequest;
use ottla_protocol::metadata_request::MetadataRequestTopic;
use ottla_runtime::Runtime;
use ottla_types::ErrorCode;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Topics whose metadata is kept; beyond that all are forgotten and asked for again.
const TOPICS_MAX: usize = 10_000;
/// Groups and transactional ids whose coordinator is kept.
const COORDINATORS_MAX: usize = 10_000;
/// Addresses of which it is remembered that they worked.
const ADDRESSES_MAX: usize = 10_000;

/// A handle to a cluster. Clones share connections and metadata.
#[derive(Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

struct Inner {
    runtime: Runtime,
    options: ClientOptions,
    bootstrap: Vec<String>,
    state: Mutex<State>,
    troubles: Arc<Troubles>,
}

#[derive(Default)]
struct State {
    brokers: BTreeMap<i32, BrokerAddress>,
    /// Brokers that could not be reached: they may have another address by now.
    doubtful: BTreeSet<i32>,
    controller_id: Option<i32>,
    topics: BTreeMap<String, TopicMetadata>,
    /// The coordinator's node id, by group id or transactional id.
    coordinators: BTreeMap<(Coordinated, String), i32>,
    /// By address; bootstrap addresses and advertised ones alike.
    connections: BTreeMap<String, Connection>,
    /// Addresses that a connection was open to before.
    reached: BTreeSet<String>,
}

impl Client {
    /// A client of the cluster behind `bootstrap`: addresses `host:port`, separated by commas. Connects when needed.
    ///
    /// # Errors
    /// `Invalid` when no address is given.
    pub fn new(runtime: &Runtime, bootstrap: &str, options: ClientOptions) -> Result<Client, ClientError> {
        let addresses = bootstrap.split(',').map(str::trim).filter(|address| !address.is_empty());
        let bootstrap: Vec<String> = addresses.map(with_port).collect();
        if bootstrap.is_empty() {
            return Err(ClientError::Invalid("bootstrap.servers names no address".to_string()));
        }
        let (state, troubles) = (Mutex::default(), Arc::default());
        let inner = Inner { runtime: runtime.clone(), options, bootstrap, state, troubles };
        Ok(Client { inner: Arc::new(inner) })
    }

    /// A client of the same cluster with connections of its own: answers come in order, so a request that waits at the
    /// broker (a Fetch, a JoinGroup) must not stand before others.
    pub(crate) fn separate(&self) -> Client {
        let inner = &self.inner;
        let (runtime, options, bootstrap) = (inner.runtime.clone(), inner.options.clone(), inner.bootstrap.clone());
        let (state, troubles) = (Mutex::default(), inner.troubles.clone());
        Client { inner: Arc::new(Inner { runtime, options, bootstrap, state, troubles }) }
    }

    /// What it runs on.
    pub fn runtime(&self) -> &Runtime {
        &self.inner.runtime
    }

    /// Its settings.
    pub fn options(&self) -> &ClientOptions {
        &self.inner.options
    }

    /// A connection to any broker: an open one, else to a known broker, else to a bootstrap address. Among controllers only
    /// the active one answers everything, so there it is that one.
    ///
    /// # Errors
    /// The one error when there is one address, else `NoBrokers`.
    pub fn any_broker<'a>(&'a self) -> Call<'a, Connection> {
        Box::pin(async move {
            match self.inner.options.of_controllers {
                true => self.controller().await,
                false => self.any_node().await,
            }
        })
    }

    async fn any_node(&self) -> Result<Connection, ClientError> {
        let (open, candidates) = self.candidates();
        if let Some(open) = open {
            return Ok(open);
        }
        let mut tried = Vec::new();
        for address in candidates {
            match self.connect(&address).await {
                Ok(connection) => return Ok(connection),
                Err(error) => tried.push(error),
            }
        }
        Err(if tried.len() == 1 { tried.remove(0) } else { ClientError::NoBrokers { tried } })
    }

    /// A connection to the broker with this node id.
    ///
    /// # Errors
    /// `Connect`; `Broker` with BROKER_NOT_AVAILABLE when no such broker is alive.
    pub fn broker<'a>(&'a self, node_id: i32) -> Call<'a, Connection> {
        Box::pin(async move {
            let is_doubtful = self.lock().doubtful.remove(&node_id);
            if is_doubtful || self.address_of(node_id).is_none() {
                self.fetch_nodes().await?;
            }
            let address = self.address_of(node_id).ok_or_else(|| ClientError::Broker {
                subject: format!("broker {node_id}"),
                code: ErrorCode::BrokerNotAvailable,
                message: None,
            })?;
            let connected = self.connect(&address).await;
            connected.map_err(|error| {
                self.lock().doubtful.insert(node_id);
                self.explained(node_id, error)
            })
        })
    }

    /// An advertised address that never worked, while another one does, is most likely a wrong one.
    fn explained(&self, node_id: i32, error: ClientError) -> ClientError {
        let ClientError::Connect { address, failure } = error else { return error };
        let state = self.lock();
        let told_by =
            state.connections.iter().find(|(_, connection)| !connection.is_closed()).map(|(told_by, _)| told_by);
        let is_new = !state.reached.contains(&address) && !self.inner.bootstrap.contains(&address);
        let failure = match told_by {
            Some(told_by) if is_new => {
                ConnectFailure::Advertised { node_id, told_by: told_by.clone(), why: Box::new(failure) }
            }
            _ => failure,
        };
        ClientError::Connect { address, failure }
    }

    /// A connection to the broker that changes of the cluster are sent to.
    ///
    /// # Errors
    /// As for [`Client::any_broker`].
    pub fn controller<'a>(&'a self) -> Call<'a, Connection> {
        Box::pin(async move {
            if self.lock().controller_id.is_none() {
                self.fetch_nodes().await?;
            }
            let controller_id = self.lock().controller_id;
            match controller_id {
                Some(node_id) => self.broker(node_id).await,
                None => self.any_node().await,
            }
        })
    }

    /// Asks which nodes there are, and remembers it.
    async fn fetch_nodes(&self) -> Result<(), ClientError> {
        if !self.inner.options.of_controllers {
            return self.fetch_metadata(Some(&[]), false).await.map(|_| ());
        }
        // Controllers have no Metadata.
        let nodes = crate::nodes::describe(&self.any_node().await?, EndpointType::Controllers).await?;
        let mut state = self.lock();
        state.brokers = nodes.brokers;
        state.controller_id = nodes.controller_id;
        Ok(())
    }

    /// Asks for metadata of these topics, or of all with `None`, and remembers it.
    ///
    /// # Errors
    /// Those of the connection. A topic that has an error carries it itself.
    pub fn fetch_metadata<'a>(
        &'a self,
        topics: Option<&'a [&'a str]>,
        allow_auto_topic_creation: bool,
    ) -> Call<'a, ClusterMetadata> {
        Box::pin(async move {
            let named = |name: &&str| MetadataRequestTopic { name: Some((*name).to_string()), ..Default::default() };
            let request = MetadataRequest {
                topics: topics.map(|names| names.iter().map(named).collect()),
                allow_auto_topic_creation,
                ..Default::default()
            };
            let response = self.any_node().await?.send(&request).await?;
            ClientError::check(response.error_code, None, || "metadata".to_string())?;
            let metadata = ClusterMetadata::from_response(response);
            self.remember(&metadata);
            Ok(metadata)
        })
    }

    /// What is known of a topic; asks when nothing is.
    ///
    /// # Errors
    /// Those of the connection, or the topic's own error, such as UNKNOWN_TOPIC_OR_PARTITION.
    pub fn topic<'a>(&'a self, name: &'a str) -> Call<'a, TopicMetadata> {
        Box::pin(async move { self.topic_or_create(name, false).await })
    }

    /// What is known of a topic; asks when nothing is, and lets the broker make it when it does that.
    pub(crate) async fn topic_or_create(&self, name: &str, allow_creation: bool) -> Result<TopicMetadata, ClientError> {
        let known = self.lock().topics.get(name).cloned();
        if let Some(topic) = known {
            return Ok(topic);
        }
        let topic = self.fetch_metadata(Some(&[name]), allow_creation).await?.topics.remove(name);
        let topic = topic.ok_or_else(|| ClientError::missing("Metadata", &format!("topic '{name}'")))?;
        topic.partitions.clone()?;
        Ok(topic)
    }

    /// A partition's topic, its state, and a connection to its leader.
    ///
    /// # Errors
    /// As for [`Client::topic`]; UNKNOWN_TOPIC_OR_PARTITION, LEADER_NOT_AVAILABLE.
    pub(crate) async fn leader(
        &self,
        topic: &str,
        partition: i32,
    ) -> Result<(TopicMetadata, PartitionMetadata, Connection), ClientError> {
        let error = |code| ClientError::Broker { subject: format!("{topic}-{partition}"), code, message: None };
        let mut metadata = self.topic(topic).await?;
        if metadata.partition(partition).is_none() {
            // It may be new.
            self.forget_topic(topic);
            metadata = self.topic(topic).await?;
        }
        let found = metadata.partition(partition).cloned();
        let found = found.ok_or_else(|| error(ErrorCode::UnknownTopicOrPartition))?;
        let leader = found.leader.ok_or_else(|| error(ErrorCode::LeaderNotAvailable));
        let connection = match leader {
            Ok(leader) => self.broker(leader).await,
            Err(error) => Err(error),
        };
        match connection {
            Ok(connection) => Ok((metadata, found, connection)),
            Err(error) => {
                self.forget_topic(topic);
                Err(error)
            }
        }
    }

    /// Forgets what is known of a topic: a broker said that it is out of date.
    pub fn forget_topic(&self, name: &str) {
        self.lock().topics.remove(name);
    }

    /// Forgets which broker takes changes: it said that it does not.
    pub(crate) fn forget_controller(&self) {
        self.lock().controller_id = None;
    }

    pub(crate) fn known_coordinator(&self, group_id: &str) -> Option<i32> {
        self.coordinator_of(Coordinated::Group, group_id)
    }

    pub(crate) fn coordinator_of(&self, kind: Coordinated, key: &str) -> Option<i32> {
        self.lock().coordinators.get(&(kind, key.to_string())).copied()
    }

    pub(crate) fn remember_coordinator(&self, kind: Coordinated, key: &str, node_id: i32, address: BrokerAddress) {
        let mut state = self.lock();
        if state.coordinators.len() >= COORDINATORS_MAX {
            state.coordinators.clear();
        }
        state.coordinators.insert((kind, key.to_string()), node_id);
        state.brokers.entry(node_id).or_insert(address);
    }

    /// Forgets who looks after a group or a transactional id: a broker said that it does not, or cannot be reached.
    pub(crate) fn forget_coordinator(&self, kind: Coordinated, key: &str) {
        self.lock().coordinators.remove(&(kind, key.to_string()));
    }

    fn candidates(&self) -> (Option<Connection>, Vec<String>) {
        let mut state = self.lock();
        state.connections.retain(|_, connection| !connection.is_closed());
        let open = state.connections.values().next().cloned();
        let mut candidates: Vec<String> = state.brokers.values().map(BrokerAddress::address).collect();
        for address in &self.inner.bootstrap {
            if !candidates.contains(address) {
                candidates.push(address.clone());
            }
        }
        (open, candidates)
    }

    async fn connect(&self, address: &str) -> Result<Connection, ClientError> {
        let open = self.lock().connections.get(address).filter(|connection| !connection.is_closed()).cloned();
        if let Some(open) = open {
            return Ok(open);
        }
        let made = Connection::connect(&self.inner.runtime, address, &self.inner.options).await?;
        self.inner.troubles.is_over(address);
        let mut state = self.lock();
        if state.reached.len() >= ADDRESSES_MAX {
            state.reached.clear();
        }
        state.reached.insert(address.to_string());
        let kept = state.connections.entry(address.to_string()).or_insert_with(|| made.clone());
        if kept.is_closed() {
            *kept = made;
        }
        Ok(kept.clone())
    }

    /// Whether a connection was ever open.
    pub(crate) fn has_reached_any(&self) -> bool {
        !self.lock().reached.is_empty()
    }

    /// Tells the log of what keeps an operation that goes on trying: once for each trouble and broker, until it is over.
    pub(crate) fn tell(&self, error: &ClientError) {
        let node_of = |address: &str| -> i32 {
            let state = self.lock();
            let found = state.brokers.iter().find(|(_, broker)| broker.address() == address);
            found.map_or(-1, |(node_id, _)| *node_id)
        };
        self.inner.troubles.tell(error, &node_of);
    }

    fn address_of(&self, node_id: i32) -> Option<String> {
        self.lock().brokers.get(&node_id).map(BrokerAddress::address)
    }

    fn remember(&self, metadata: &ClusterMetadata) {
        let mut state = self.lock();
        state.brokers = metadata.brokers.clone();
        state.controller_id = metadata.controller_id;
        if state.topics.len() + metadata.topics.len() > TOPICS_MAX {
            state.topics.clear();
        }
        let usable = metadata.topics.iter().filter(|(_, topic)| topic.partitions.is_ok()).take(TOPICS_MAX);
        state.topics.extend(usable.map(|(name, topic)| (name.clone(), topic.clone())));
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.inner.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Kafka's port, where an address leaves it out.
fn with_port(address: &str) -> String {
    const DEFAULT_PORT: u16 = 9092;
    let is_bare_v6 = address.matches(':').count() > 1 && !address.starts_with('[');
    let has_port = !is_bare_v6 && address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    match (has_port, is_bare_v6) {
        (true, _) => address.to_string(),
        (false, true) => format!("[{address}]:{DEFAULT_PORT}"),
        (false, false) => format!("{address}:{DEFAULT_PORT}"),
    }
}

#[cfg(test)]
mod tests {
    use super::with_port;

    #[test]
    fn an_address_without_a_port_gets_kafkas() {
        let cases = [
            ("localhost", "localhost:9092"),
            ("localhost:1", "localhost:1"),
            ("::1", "[::1]:9092"),
            ("[::1]:7", "[::1]:7"),
            ("[::1]", "[::1]:9092"),
        ];
        for (given, expected) in cases {
            assert_eq!(with_port(given), expected);
        }
    }
}
