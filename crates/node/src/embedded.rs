//! A broker inside a test: in memory, on a free port, ready within milliseconds, gone when dropped.

use crate::{Node, StartError};
use futures_util::future::BoxFuture;
use ottla_config::{BrokerConfig, ConfigMap};
use ottla_runtime::{Executor, Runtime, watch};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::oneshot;

/// What holds unless [`EmbeddedNodeBuilder::config`] says otherwise.
const DEFAULTS: &[(&str, &str)] = &[
    ("node.id", "1"),
    ("process.roles", "broker,controller"),
    ("listeners", "PLAINTEXT://127.0.0.1:0"),
    ("log.dirs", "/ottla"),
    // Kafka's 50 would have to be made when the first group joins.
    ("offsets.topic.num.partitions", "1"),
];
/// Threads of one embedded node: a test process runs many of them side by side.
const WORKER_THREADS: usize = 2;

/// A whole broker in this process: real TCP on 127.0.0.1, so that every Kafka client can connect, and a disk in memory.
///
/// It has threads of its own. A test may block its thread, use `#[tokio::test(start_paused = true)]`, or be no async test at
/// all ([`EmbeddedNode::start_blocking`]). Any number of nodes run side by side; each is a cluster of its own.
///
/// When a task of the node panics, the node stops: connections end, [`EmbeddedNode::failure`] tells why, and so does
/// [`EmbeddedNode::shutdown`]. The process around it goes on. (The `ottla` program ends in that case.)
///
/// ```
/// use ottla_client::{Client, ClientOptions, Producer, ProducerOptions, ProducerRecord};
/// use ottla_node::EmbeddedNode;
/// use ottla_runtime::Runtime;
///
/// # async fn example() -> Result<(), Box<dyn std::error::Error>> {
/// let node = EmbeddedNode::start().await?;
/// let client = Client::new(&Runtime::in_memory(), node.bootstrap_servers(), ClientOptions::default())?;
/// let producer = Producer::new(&client, ProducerOptions::default())?;
/// let written = producer.send_and_wait(ProducerRecord::new("orders", "two coffees")).await?;
/// assert_eq!(written.offset, 0);
/// node.shutdown().await?;
/// # Ok(())
/// # }
/// # tokio::runtime::Runtime::new().unwrap().block_on(example()).unwrap();
/// ```
///
/// `docs/embedded.md` has a whole test, and recipes for other languages.
pub struct EmbeddedNode {
    bootstrap_servers: String,
    http_address: Option<SocketAddr>,
    #[cfg(test)]
    runtime: Runtime,
    running: Arc<Running>,
    executor: Executor,
}

/// What the node's supervisor and its owner share.
struct Running {
    /// Told once to shut down cleanly.
    stop: Mutex<Option<oneshot::Sender<()>>>,
    ended: watch::Sender<Option<Result<(), NodeFailed>>>,
}

/// A task of an embedded node panicked; the node has stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the embedded node has stopped: {0}")]
pub struct NodeFailed(String);

/// Why an embedded node does not start.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// A config is unknown or wrong.
    #[error(transparent)]
    Config(#[from] ottla_config::ConfigErrors),
    /// The system gives no threads.
    #[error("an embedded node cannot start its threads: {0}")]
    Threads(#[from] std::io::Error),
    /// See [`StartError`].
    #[error(transparent)]
    Start(#[from] StartError),
    /// It panicked while starting.
    #[error(transparent)]
    Failed(#[from] NodeFailed),
}

/// How an embedded node differs from the usual one.
#[derive(Debug, Clone, Default)]
pub struct EmbeddedNodeBuilder {
    configs: ConfigMap,
}

impl EmbeddedNodeBuilder {
    /// Sets a broker config by Kafka's name, for example `num.partitions` or `auto.create.topics.enable`.
    pub fn config(mut self, name: impl Into<String>, value: impl ToString) -> EmbeddedNodeBuilder {
        self.configs.insert(name.into(), value.to_string());
        self
    }

    /// Starts the node. It answers requests when this returns.
    ///
    /// # Errors
    /// See [`EmbeddedError`].
    pub fn start(self) -> BoxFuture<'static, Result<EmbeddedNode, EmbeddedError>> {
        // Boxed: compiled here, not again in every crate that awaits it.
        Box::pin(self.start_here())
    }

    async fn start_here(self) -> Result<EmbeddedNode, EmbeddedError> {
        let executor = Executor::start("ottla-embedded", WORKER_THREADS)?;
        let starting = executor.spawn(self.start_on(executor.clone()));
        starting.await.unwrap_or_else(|ended| Err(NodeFailed(ended.to_string()).into()))
    }

    /// As [`EmbeddedNodeBuilder::start`], for tests without an async runtime.
    ///
    /// # Errors
    /// See [`EmbeddedError`].
    pub fn start_blocking(self) -> Result<EmbeddedNode, EmbeddedError> {
        let executor = Executor::start("ottla-embedded", WORKER_THREADS)?;
        let started = executor.block_on(self.start_on(executor.clone()));
        started.unwrap_or_else(|ended| Err(NodeFailed(ended.to_string()).into()))
    }

    async fn start_on(self, executor: Executor) -> Result<EmbeddedNode, EmbeddedError> {
        let mut configs = self.configs;
        for (name, value) in DEFAULTS {
            configs.entry((*name).to_string()).or_insert_with(|| (*value).to_string());
        }
        let config = BrokerConfig::parse(configs)?;
        let controllers = config.controller_listener_names.clone();
        let runtime = Runtime::in_memory();
        let node = tokio::select! {
            biased;
            panic = runtime.first_panic() => return Err(NodeFailed(panic).into()),
            node = Node::start(&runtime, config) => node?,
        };
        let for_clients = node.addresses().iter().filter(|(name, _)| !controllers.contains(name));
        let bootstrap_servers = for_clients.map(|(_, address)| address.to_string()).collect::<Vec<_>>().join(",");
        let http_address = node.http_address();
        let (stop, stopping) = oneshot::channel();
        let running = Arc::new(Running { stop: Mutex::new(Some(stop)), ended: watch::Sender::new(None) });
        executor.spawn(supervise(runtime.clone(), node, stopping, Arc::clone(&running), executor.clone()));
        Ok(EmbeddedNode {
            bootstrap_servers,
            http_address,
            #[cfg(test)]
            runtime,
            running,
            executor,
        })
    }
}

/// Keeps the node until it is told to stop or one of its tasks panics, then ends everything.
async fn supervise(
    runtime: Runtime,
    node: Node,
    stopping: oneshot::Receiver<()>,
    running: Arc<Running>,
    executor: Executor,
) {
    let stop_cleanly = async {
        // The sender lives as long as this task.
        let _ = stopping.await;
        node.shutdown().await;
    };
    let outcome = tokio::select! {
        biased;
        panic = runtime.first_panic() => Err(NodeFailed(panic)),
        () = stop_cleanly => Ok(()),
    };
    running.ended.send_replace(Some(outcome));
    executor.stop();
}

impl EmbeddedNode {
    /// A node with nothing but defaults.
    ///
    /// # Errors
    /// See [`EmbeddedError`].
    pub async fn start() -> Result<EmbeddedNode, EmbeddedError> {
        EmbeddedNode::builder().start().await
    }

    /// As [`EmbeddedNode::start`], for tests without an async runtime.
    ///
    /// # Errors
    /// See [`EmbeddedError`].
    pub fn start_blocking() -> Result<EmbeddedNode, EmbeddedError> {
        EmbeddedNode::builder().start_blocking()
    }

    /// A node with configs of its own.
    pub fn builder() -> EmbeddedNodeBuilder {
        EmbeddedNodeBuilder::default()
    }

    /// `host:port` of every listener for clients, comma-separated: a client's `bootstrap.servers`.
    pub fn bootstrap_servers(&self) -> &str {
        &self.bootstrap_servers
    }

    /// Where `/metrics` and the other pages are, if the config `http.listener` is set (`127.0.0.1:0` takes a free port).
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http_address
    }

    /// Why the node has stopped by itself, if it has.
    pub fn failure(&self) -> Option<NodeFailed> {
        self.running.ended.borrow().clone()?.err()
    }

    /// Resolves when the node has ended: told to, or by a panic of one of its tasks.
    ///
    /// # Errors
    /// It ended by a panic.
    pub async fn ended(&self) -> Result<(), NodeFailed> {
        let mut ended = self.running.ended.subscribe();
        // The sender is in `self`, so there is an answer.
        let outcome = ended.wait_for(Option::is_some).await.ok().and_then(|outcome| outcome.clone());
        outcome.unwrap_or(Ok(()))
    }

    /// Answers what was begun, then ends the node. Dropping it instead ends everything at once.
    ///
    /// # Errors
    /// A task of the node had panicked before.
    pub async fn shutdown(self) -> Result<(), NodeFailed> {
        if let Some(stop) = self.running.stop.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // A supervisor that is gone has left its outcome.
            let _ = stop.send(());
        }
        self.ended().await
    }
}

impl Drop for EmbeddedNode {
    fn drop(&mut self) {
        self.executor.stop();
    }
}

#[cfg(test)]
#[path = "embedded/tests.rs"]
mod tests;
