//! A server whose handler does what the body of a request says.
//!
//! The body is text: `echo X` answers X; `later MS X` answers X after MS milliseconds; `gate X` answers X when the test
//! opens the gate, `hold X` too, keeping the request's memory until then; `big N` answers N bytes; `none` answers nothing; `close` closes; `last X` answers X and closes;
//! `mute MS` answers and mutes the connection; `file N` answers N bytes of the test's file. Anything else answers `ok`.

use bytes::Bytes;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use ottla_net::{BoundServer, Handler, ListenerConfig, NetConfig, Outcome, Reply, Request, Server};
use ottla_runtime::watch;
use ottla_runtime::{File, FileRange, Part, Runtime};
use ottla_telemetry::NetMetrics;
use ottla_testkit::RawConnection;
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) struct Script {
    runtime: Runtime,
    /// Bodies in the order of their calls.
    pub(crate) calls: Mutex<Vec<String>>,
    /// Connections that ended.
    pub(crate) closed: Mutex<Vec<u64>>,
    pub(crate) gate: watch::Sender<bool>,
    /// What `file` answers with.
    pub(crate) file: Option<File>,
}

impl Script {
    pub(crate) fn new(runtime: &Runtime, file: Option<File>) -> Arc<Script> {
        let gate = watch::Sender::new(false);
        let (calls, closed) = Default::default();
        Arc::new(Script { runtime: runtime.clone(), calls, closed, gate, file })
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.calls.lock().unwrap().clone()
    }

    fn outcome(&self, request: Request) -> Outcome {
        let correlation_id = request.header.correlation_id;
        let body = String::from_utf8_lossy(&request.body).into_owned();
        let short: String = body.chars().take(40).collect();
        self.calls.lock().unwrap().push(short);
        let (verb, rest) = body.split_once(' ').unwrap_or((&body, ""));
        match verb {
            "echo" => Outcome::Reply(reply(correlation_id, rest.as_bytes())),
            "big" => Outcome::Reply(reply(correlation_id, &vec![b'x'; rest.parse().unwrap()])),
            "size" => Outcome::Reply(reply(correlation_id, request.size.to_string().as_bytes())),
            "none" => Outcome::NoReply,
            "close" => Outcome::Close { reason: "the test asked for it".to_string() },
            "last" => Outcome::Reply(reply(correlation_id, rest.as_bytes()).close("the test asked for it")),
            "mute" => {
                let until = self.runtime.now() + Duration::from_millis(rest.parse().unwrap());
                Outcome::Reply(reply(correlation_id, b"muted").mute_until(until))
            }
            "later" => {
                let (millis, text) = rest.split_once(' ').unwrap();
                let (deadline, text) = (Duration::from_millis(millis.parse().unwrap()), text.to_string());
                let (runtime, deadline) = (self.runtime.clone(), self.runtime.now() + deadline);
                Outcome::Later(Box::pin(async move {
                    runtime.sleep_until(deadline).await;
                    reply(correlation_id, text.as_bytes())
                }))
            }
            "hold" => {
                let (mut gate, size, charge) = (self.gate.subscribe(), request.size.to_string(), request.charge);
                Outcome::Later(Box::pin(async move {
                    gate.wait_for(|open| *open).await.unwrap();
                    drop(charge);
                    reply(correlation_id, size.as_bytes())
                }))
            }
            "gate" => {
                let (mut gate, text) = (self.gate.subscribe(), rest.to_string());
                Outcome::Later(Box::pin(async move {
                    gate.wait_for(|open| *open).await.unwrap();
                    reply(correlation_id, text.as_bytes())
                }))
            }
            "file" => {
                let len = rest.parse().unwrap();
                let range = FileRange { file: self.file.clone().expect("a test file"), offset: 3, len };
                let head = [(len as i32 + 4).to_be_bytes(), correlation_id.to_be_bytes()].concat();
                Outcome::Reply(Reply::new(vec![Part::Bytes(head.into()), Part::File(range)]))
            }
            _ => Outcome::Reply(reply(correlation_id, b"ok")),
        }
    }
}

impl Handler for Script {
    fn call(&self, request: Request) -> BoxFuture<'_, Outcome> {
        async move { self.outcome(request) }.boxed()
    }

    fn connection_closed(&self, connection: &Arc<ottla_net::ConnectionInfo>) {
        self.closed.lock().unwrap().push(connection.id);
    }
}

fn reply(correlation_id: i32, text: &[u8]) -> Reply {
    let size = i32::try_from(text.len() + 4).unwrap();
    let head = [size.to_be_bytes(), correlation_id.to_be_bytes()].concat();
    Reply::new(vec![Part::Bytes(head.into()), Part::Bytes(Bytes::copy_from_slice(text))])
}

/// One listener named PLAINTEXT on a free port.
pub(crate) fn config() -> NetConfig {
    NetConfig::new(vec![ListenerConfig::new("PLAINTEXT", "0.0.0.0:0")])
}

/// A server with one scripted handler, and where its first listener is.
pub(crate) async fn serve(runtime: &Runtime, host: &str, config: NetConfig) -> (Server, Arc<Script>, String) {
    serve_file(runtime, host, config, None).await
}

/// As [`serve`], with a file for the command `file`.
pub(crate) async fn serve_file(
    runtime: &Runtime,
    host: &str,
    config: NetConfig,
    file: Option<File>,
) -> (Server, Arc<Script>, String) {
    let script = Script::new(runtime, file);
    let bound = BoundServer::bind(runtime, config).await.unwrap();
    let server = bound.serve(script.clone(), NetMetrics::default());
    let address = format!("{host}:{}", server.local_addr("PLAINTEXT").unwrap().port());
    (server, script, address)
}

/// A whole frame of a Metadata v1 request whose body is `command`.
pub(crate) fn request(correlation_id: i32, command: &str) -> Vec<u8> {
    let size = i32::try_from(10 + command.len()).unwrap();
    let header = [&3i16.to_be_bytes()[..], &1i16.to_be_bytes(), &correlation_id.to_be_bytes(), &[0xff, 0xff]].concat();
    [&size.to_be_bytes()[..], &header, command.as_bytes()].concat()
}

/// Several requests, numbered from 0, in one piece.
pub(crate) fn requests(commands: &[&str]) -> Vec<u8> {
    commands.iter().enumerate().flat_map(|(number, command)| request(number as i32, command)).collect()
}

/// The next reply: its correlation id and text.
pub(crate) async fn answer(connection: &mut RawConnection) -> (i32, String) {
    let frame = connection.read_frame().await.expect("a reply");
    let (number, text) = frame.split_at(4);
    (i32::from_be_bytes(number.try_into().unwrap()), String::from_utf8_lossy(text).into_owned())
}

/// Sends one command and returns the text of its reply.
pub(crate) async fn ask(connection: &mut RawConnection, command: &str) -> String {
    connection.send(request(7, command)).await.unwrap();
    answer(connection).await.1
}
