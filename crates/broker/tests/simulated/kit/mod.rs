//! A node under test and its clients.

mod controller;
mod groups;
mod requests;
mod share;
mod transactions;

pub(crate) use controller::FakeController;
pub(crate) use groups::*;
pub(crate) use requests::*;
pub(crate) use share::*;
pub(crate) use transactions::*;

use bytes::Bytes;
use ottla_broker::{Broker, BrokerHandler, BrokerParts};
use ottla_config::BrokerConfig;
use ottla_net::{ConnectionInfo, Handler, Outcome, Reply, RequestCharge};
use ottla_protocol::generated::alter_client_quotas_request::{AlterClientQuotasRequest, EntityData, EntryData, OpData};
use ottla_protocol::{Message, Reader, Request, RequestHeader, ResponseHeader, frame};
use ottla_runtime::sim::World;
use ottla_runtime::{Part, Runtime};
use ottla_storage::{LogDirs, LogDirsOptions};
use ottla_telemetry::Metrics;
use ottla_testkit::Inquiry;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The name of the node that most tests have.
pub(crate) const NODE: &str = "broker";
/// Where its logs are.
pub(crate) const DATA: &str = "/data";

/// A running broker.
#[derive(Clone)]
pub(crate) struct Node {
    pub(crate) world: World,
    pub(crate) runtime: Runtime,
    pub(crate) broker: Arc<Broker>,
    pub(crate) controller: Arc<FakeController>,
    pub(crate) metrics: Metrics,
    handler: Arc<BrokerHandler>,
    connection: Arc<ConnectionInfo>,
}

/// Runs a test with a fresh broker.
pub(crate) fn with_node<F>(seed: u64, configs: &[(&str, &str)], test: impl FnOnce(Node) -> F)
where
    F: Future<Output = ()>,
{
    let world = World::new(seed);
    world.run(async {
        let controller = FakeController::new(configs);
        test(Node::start(&world, &controller).await).await;
    });
}

impl Node {
    /// Starts the node's process, or the next one on the same disk.
    pub(crate) async fn start(world: &World, controller: &Arc<FakeController>) -> Node {
        let runtime = world.node(NODE);
        let config = controller.config().clone();
        let dirs = config.storage.log_dirs.iter().map(PathBuf::from).collect();
        let options = LogDirsOptions { dirs, node_id: config.node_id, cluster_id: None };
        let log_dirs = LogDirs::open(&runtime, options).await.expect("log directories");
        controller.register(log_dirs.dirs().iter().map(|dir| dir.id()).collect());
        let metrics = Metrics::new();
        let parts = BrokerParts {
            runtime: runtime.clone(),
            config: config.clone(),
            controller: Arc::clone(controller) as Arc<dyn ottla_metadata::ControllerChannel>,
            images: controller.images(),
            log_dirs,
            metrics: metrics.clone(),
        };
        let broker = Broker::start(parts).await.expect("a broker");
        let handler = BrokerHandler::new(Arc::clone(&broker), config.controller_listener_names.clone());
        let connection = connection("PLAINTEXT");
        let (world, controller) = (world.clone(), Arc::clone(controller));
        Node { world, runtime, broker, controller, metrics, handler: Arc::new(handler), connection }
    }

    /// Closes everything and starts the next process.
    pub(crate) async fn restart(self) -> Node {
        let (world, controller) = (self.world.clone(), Arc::clone(&self.controller));
        self.broker.shutdown().await;
        drop(self);
        world.crash(NODE);
        Node::start(&world, &controller).await
    }

    /// Kills the process and starts the next one.
    pub(crate) async fn crash(self) -> Node {
        let (world, controller) = (self.world.clone(), Arc::clone(&self.controller));
        drop(self);
        world.crash(NODE);
        Node::start(&world, &controller).await
    }

    /// The machine loses power, and starts again.
    pub(crate) async fn power_loss(self) -> Node {
        let (world, controller) = (self.world.clone(), Arc::clone(&self.controller));
        drop(self);
        world.power_loss(NODE);
        Node::start(&world, &controller).await
    }

    /// What serves its listeners.
    pub(crate) fn handler(&self) -> &BrokerHandler {
        &self.handler
    }

    /// The same node, by another listener's connection.
    pub(crate) fn over(&self, listener: &str) -> Node {
        Node { connection: connection(listener), ..self.clone() }
    }

    /// What the handler makes of a request.
    pub(crate) async fn outcome<R: Request>(&self, version: i16, body: &R) -> Outcome {
        let framed = frame::request(body, version, 7, Some("test")).expect("an encodable request");
        let bytes = framed.buf.slice(frame::SIZE_LEN..);
        let mut reader = Reader::new(&bytes);
        let header = RequestHeader::decode(&mut reader).expect("a header");
        self.raw(header, reader.rest()).await
    }

    /// What the handler makes of these bytes.
    pub(crate) async fn raw(&self, header: RequestHeader, body: Bytes) -> Outcome {
        let (connection, size) = (Arc::clone(&self.connection), body.len());
        self.handler.call(ottla_net::Request { connection, header, body, size, charge: RequestCharge::none() }).await
    }

    /// The reply to a request, waited for.
    pub(crate) async fn reply<R: Request>(&self, version: i16, body: &R) -> Reply {
        match self.outcome(version, body).await {
            Outcome::Reply(reply) => reply,
            Outcome::Later(reply) => reply.await,
            Outcome::NoReply => panic!("no reply"),
            Outcome::Close { reason } => panic!("closed: {reason}"),
        }
    }

    /// The response to a request, decoded.
    pub(crate) async fn call<R: Request>(&self, version: i16, body: &R) -> R::Response {
        let reply = self.reply(version, body).await;
        assert_eq!(reply.close, None);
        self.decode::<R>(version, reply).await
    }

    /// As [`Node::call`], in a task of its own.
    pub(crate) fn spawn_call<R: Request + Send + Sync + 'static>(
        &self,
        version: i16,
        body: R,
    ) -> ottla_runtime::TaskHandle<R::Response>
    where
        R::Response: Send,
    {
        let node = self.clone();
        self.runtime.spawn("client", async move { node.call(version, &body).await })
    }

    pub(crate) async fn decode<R: Request>(&self, version: i16, reply: Reply) -> R::Response {
        let bytes = bytes_of(reply).await;
        let size = i32::from_be_bytes(bytes[..frame::SIZE_LEN].try_into().expect("a size"));
        assert_eq!(size as usize, bytes.len() - frame::SIZE_LEN, "the frame says how long it is");
        let body = bytes.slice(frame::SIZE_LEN..);
        let mut reader = Reader::new(&body);
        let header = ResponseHeader::decode(&mut reader, R::KEY, version).expect("a response header");
        assert_eq!(header.correlation_id, 7);
        let response = R::Response::decode(&mut reader, version).expect("a response");
        reader.finish().expect("nothing behind the response");
        response
    }

    /// Sets or removes a quota.
    pub(crate) async fn set_quota(&self, entity: &[(&str, Option<&str>)], key: &str, value: Option<f64>) {
        let part = |(kind, name): &(&str, Option<&str>)| EntityData {
            entity_type: kind.to_string(),
            entity_name: name.map(str::to_string),
        };
        let op = OpData { key: key.to_string(), value: value.unwrap_or_default(), remove: value.is_none() };
        let entries = vec![EntryData { entity: entity.iter().map(part).collect(), ops: vec![op] }];
        let response = self.call(1, &AlterClientQuotasRequest { entries, validate_only: false }).await;
        assert_eq!(response.entries[0].error_code, 0, "{:?}", response.entries[0].error_message);
    }

    /// Until when the connection of these requests rests.
    pub(crate) fn muted_until(&self) -> Option<ottla_runtime::Instant> {
        self.connection.muted_until()
    }

    /// Tells the handler that a request of this connection has taken so long.
    pub(crate) fn finished_after(&self, worked: std::time::Duration) {
        self.connection.client_id.get_or_init(|| "test".to_string());
        self.handler.request_finished(&self.connection, worked);
    }

    /// Waits for something that another task brings about.
    pub(crate) async fn until(&self, what: &str, holds: impl FnMut() -> bool) {
        Inquiry::new(&self.runtime).until(what, holds).await;
    }

    /// The names in a directory of the node's disk.
    pub(crate) async fn names(&self, path: impl AsRef<Path>) -> Vec<String> {
        let mut entries = self.runtime.disk().list(path.as_ref()).await.expect("a directory");
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        entries.into_iter().map(|entry| entry.name).collect()
    }
}

fn connection(listener: &str) -> Arc<ConnectionInfo> {
    let peer = "10.0.0.9:40000".parse().expect("an address");
    Arc::new(ConnectionInfo::new(1, Arc::from(listener), peer))
}

async fn bytes_of(reply: Reply) -> Bytes {
    let mut all = Vec::new();
    for part in reply.parts {
        match part {
            Part::Bytes(bytes) => all.extend_from_slice(&bytes),
            Part::File(range) => {
                let len = usize::try_from(range.len).expect("a range fits memory");
                let bytes = range.file.read_at(range.offset, len).await.expect("readable records");
                assert_eq!(bytes.len(), len, "a range is inside its file");
                all.extend_from_slice(&bytes);
            }
        }
    }
    all.into()
}

/// Configs of a node, these and the necessary ones.
pub(crate) fn parse_config(configs: &[(&str, &str)]) -> BrokerConfig {
    let all = [("log.dirs", DATA), ("node.id", "1")].into_iter().chain(configs.iter().copied());
    let fixed = all.map(|(name, value)| (name.to_string(), value.to_string())).collect();
    BrokerConfig::parse(fixed).expect("valid configs")
}
