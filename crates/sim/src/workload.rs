//! The load: client tasks, each on a node of its own, that use the node as clients do and tell the oracle.
//!
//! They outlive the node's processes: they lose connections, time out, retry, and go on. An answer with an error is the
//! node's right only where [`Actor::expect`] says so.

mod changing;
mod churning;
pub(crate) mod compacting;
mod consuming;
mod deleting;
pub(crate) mod grouping;
mod looking;
mod membership;
mod moving;
mod producing;
pub(crate) mod reading;
mod sending;
mod session;
pub(crate) mod setup;
pub(crate) mod sharing;
mod streaming;
pub(crate) mod transacting;

use crate::faults::client_name;
use crate::life::Stage;
use crate::oracle::{Check, Oracle, broken};
use crate::planted::Planted;
use crate::{BOOTSTRAP, Load};
use ottla_client::{Client, ClientError, ClientOptions};
use ottla_records::Compression;
use ottla_runtime::watch;
use ottla_runtime::{Instant, Runtime, TaskHandle};
use ottla_types::ErrorCode;
use std::time::Duration;
use transacting::Part;

/// How long a client task may take to end once it was told to.
const END_MAX: Duration = Duration::from_secs(300);

/// A client task's view of the simulation.
#[derive(Clone)]
pub(crate) struct Actor {
    pub(crate) runtime: Runtime,
    pub(crate) client: Client,
    pub(crate) oracle: Oracle,
    name: String,
    load: Load,
    planted: Option<Planted>,
    /// Topics come back as soon as they are gone.
    hurries: bool,
    is_over: watch::Receiver<bool>,
}

/// What the tasks do; each is one client.
const ROLES: &[Role] = &[
    Role::SetUp,
    Role::ProduceIdempotently,
    Role::ProduceIdempotently,
    Role::Send,
    Role::Consume,
    Role::Consume,
    Role::DeleteRecords,
    Role::LookUp,
    Role::Change,
    Role::Churn("churn-a"),
    Role::Churn("churn-b"),
    Role::Move,
];

/// The same under the load of groups.
const GROUP_ROLES: &[Role] = &[
    Role::SetUp,
    Role::ProduceIdempotently,
    Role::Send,
    Role::WriteKeys,
    Role::ReadKeys,
    Role::JoinClassic,
    Role::JoinClassic,
    Role::JoinClassic,
    Role::Join,
    Role::Join,
    Role::Join,
    Role::Move,
];

/// The same under the load of transactions.
const TRANSACTION_ROLES: &[Role] = &[
    Role::SetUp,
    Role::ProduceIdempotently,
    Role::Send,
    Role::Transform(Part { partition: 0, version: 2, is_spare: false }),
    Role::Transform(Part { partition: 0, version: 1, is_spare: true }),
    Role::Transform(Part { partition: 1, version: 1, is_spare: false }),
    Role::Transform(Part { partition: 1, version: 2, is_spare: true }),
    Role::ReadCommitted,
    Role::ReadCommitted,
    Role::Move,
];

/// The same under the load of share groups.
const SHARE_ROLES: &[Role] = &[
    Role::SetUp,
    Role::ProduceIdempotently,
    Role::Send,
    Role::Share,
    Role::Share,
    Role::Share,
    Role::Share,
    Role::Move,
];

/// The same under the load of streams groups.
const STREAMS_ROLES: &[Role] =
    &[Role::SetUp, Role::Send, Role::Stream, Role::Stream, Role::Stream, Role::Stream, Role::Move];

#[derive(Debug, Clone, Copy)]
enum Role {
    SetUp,
    ProduceIdempotently,
    Send,
    Consume,
    DeleteRecords,
    LookUp,
    Change,
    Churn(&'static str),
    WriteKeys,
    ReadKeys,
    JoinClassic,
    Join,
    Transform(Part),
    ReadCommitted,
    Share,
    Stream,
    Move,
}

fn roles(load: Load) -> &'static [Role] {
    match load {
        Load::Logs => ROLES,
        Load::Groups => GROUP_ROLES,
        Load::Transactions => TRANSACTION_ROLES,
        Load::Shares => SHARE_ROLES,
        Load::Streams => STREAMS_ROLES,
    }
}

/// The running load.
pub(crate) struct Workload {
    tasks: Vec<TaskHandle<Check>>,
    over: watch::Sender<bool>,
}

/// How many clients there are.
pub(crate) fn clients(load: Load) -> u64 {
    roles(load).len() as u64
}

impl Workload {
    /// Starts every task. The first broken promise is sent to `failed`.
    pub(crate) fn start(stage: &Stage, failed: &watch::Sender<Option<String>>) -> Workload {
        let (over, is_over) = watch::channel(false);
        let tasks = (0..).zip(roles(stage.load)).map(|(index, role)| {
            let name = client_name(index);
            let runtime = stage.world.node(&name);
            let actor = Actor::new(&runtime, stage, name, is_over.clone());
            let failed = failed.clone();
            runtime.spawn("workload", async move {
                let result = actor.play(*role).await;
                if let Err(crate::oracle::Broken(what)) = &result {
                    failed.send_replace(Some(what.clone()));
                }
                result
            })
        });
        Workload { tasks: tasks.collect(), over }
    }

    /// Tells every task to end, and waits for them.
    pub(crate) async fn end(self, observer: &Runtime) -> Check {
        self.over.send_replace(true);
        for task in self.tasks {
            match observer.timeout(END_MAX, task).await {
                Ok(Ok(result)) => result?,
                Ok(Err(ended)) => return broken(format!("a client task ended: {ended}")),
                Err(_) => return broken(format!("a client task did not end within {} s", END_MAX.as_secs())),
            }
        }
        Ok(())
    }
}

impl Actor {
    fn new(runtime: &Runtime, stage: &Stage, name: String, is_over: watch::Receiver<bool>) -> Actor {
        let client = Client::new(runtime, BOOTSTRAP, options()).expect("the address is well-formed");
        let (oracle, load) = (stage.oracle.clone(), stage.load);
        let (planted, hurries) = (stage.planted.clone(), stage.hurries);
        Actor { runtime: runtime.clone(), client, oracle, name, load, planted, hurries, is_over }
    }

    /// One without an end, for the driver's own questions.
    pub(crate) fn observer(stage: &Stage) -> Actor {
        Actor::new(&stage.observer, stage, "observer".to_string(), watch::channel(false).1)
    }

    async fn play(self, role: Role) -> Check {
        match role {
            Role::SetUp => setup::run(self).await,
            Role::ProduceIdempotently => producing::run(self).await,
            Role::Send => sending::run(self).await,
            Role::Consume => consuming::run(self).await,
            Role::DeleteRecords => deleting::run(self).await,
            Role::LookUp => looking::run(self).await,
            Role::Change => changing::run(self).await,
            Role::Churn(name) => churning::run(self, name).await,
            Role::WriteKeys => compacting::write(self).await,
            Role::ReadKeys => compacting::read(self).await,
            Role::JoinClassic => grouping::classic::run(self).await,
            Role::Join => grouping::modern::run(self).await,
            Role::Transform(part) => transacting::run(self, part).await,
            Role::ReadCommitted => transacting::reading::run(self).await,
            Role::Share => sharing::run(self).await,
            Role::Stream => streaming::run(self).await,
            Role::Move => moving::run(self).await,
        }
    }

    pub(crate) fn now(&self) -> Instant {
        self.runtime.now()
    }

    /// Whether this error is planted.
    fn has(&self, error: impl Into<Planted>) -> bool {
        self.planted.as_ref() == Some(&error.into())
    }

    fn is_over(&self) -> bool {
        *self.is_over.borrow()
    }

    /// Pauses for a random time below `millis`; whether to go on.
    async fn pause(&self, millis: u64) -> bool {
        self.runtime.sleep(Duration::from_millis(self.below(millis))).await;
        !self.is_over()
    }

    /// A random number below `end`.
    fn below(&self, end: u64) -> u64 {
        self.runtime.random_range(0..end)
    }

    fn chance(&self, percent: u64) -> bool {
        self.below(100) < percent
    }

    fn one_of<'a, T>(&self, choices: &'a [T]) -> Option<&'a T> {
        if choices.is_empty() { None } else { choices.get(self.below(choices.len() as u64) as usize) }
    }

    fn compression(&self) -> Compression {
        *self
            .one_of(&[
                Compression::None,
                Compression::None,
                Compression::Gzip,
                Compression::Snappy,
                Compression::Lz4,
                Compression::Zstd,
            ])
            .expect("there are some")
    }

    /// An error that an answer may carry: the network's, those of a node that starts, stops or has trouble with its disk,
    /// and what the caller adds.
    pub(crate) fn expect(&self, what: &str, error: &ClientError, more: &[ErrorCode]) -> Check {
        match error {
            ClientError::Connect { .. }
            | ClientError::NoBrokers { .. }
            | ClientError::Disconnected { .. }
            | ClientError::Timeout { .. } => Ok(()),
            ClientError::Undelivered { why, .. } => self.expect(what, why, more),
            ClientError::Broker { code, message, .. } => self.expect_code(what, *code, message.as_deref(), more),
            _ => broken(format!("{what}: {error}")),
        }
    }

    /// The same for an error code inside an answer.
    pub(crate) fn expect_code(&self, what: &str, code: ErrorCode, message: Option<&str>, more: &[ErrorCode]) -> Check {
        use ErrorCode::{
            BrokerNotAvailable, KafkaStorageError, LeaderNotAvailable, NotLeaderOrFollower, RequestTimedOut,
        };
        let usual = [BrokerNotAvailable, KafkaStorageError, LeaderNotAvailable, NotLeaderOrFollower, RequestTimedOut];
        if code == KafkaStorageError {
            self.oracle.count(|counts| counts.storage_errors += 1);
            if let Some(message) = message.filter(|message| !message.contains("Next step")) {
                return broken(format!("{what}: {} names no next step: {message}", code.name()));
            }
        }
        if usual.contains(&code) || more.contains(&code) {
            return Ok(());
        }
        broken(format!("{what}: {} ({})", code.name(), message.unwrap_or_default()))
    }
}

fn options() -> ClientOptions {
    ClientOptions {
        client_id: "sim".to_string(),
        connect_timeout: Duration::from_secs(2),
        request_timeout: Duration::from_secs(5),
        api_timeout: Duration::from_secs(20),
        retry_backoff: Duration::from_millis(20),
        retry_backoff_max: Duration::from_millis(300),
        ..ClientOptions::default()
    }
}
