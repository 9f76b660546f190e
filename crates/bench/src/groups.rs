//! Many groups at once: forms them, lets every member's heartbeat come at its normal interval, and tells what that costs.
//!
//! Groups are spread over columns of connections, so that the members of one group sit on different connections: a JoinGroup
//! that waits for the others never stands in front of theirs. A column forms its groups one after another.

mod classic;
mod consumer;

use crate::process;
use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use ottla_client::{Admin, Client, ClientOptions, Connection, NewTopic};
use ottla_protocol::find_coordinator_request::FindCoordinatorRequest;
use ottla_protocol::join_group_response::JoinGroupResponseMember;
use ottla_runtime::{RealOptions, Runtime};
use ottla_types::ErrorCode;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const TOPIC: &str = "bench-groups";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the broker is.
    #[arg(long, default_value = "localhost:9092")]
    bootstrap_server: String,
    /// Number of groups.
    #[arg(long, default_value_t = 10_000)]
    groups: usize,
    /// Members of all groups together.
    #[arg(long, default_value_t = 100_000)]
    members: usize,
    /// Connections that they share.
    #[arg(long, default_value_t = 1_000)]
    connections: usize,
    /// How long the formed groups are kept alive. Seconds.
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// Which protocol the members speak.
    #[arg(long, value_enum, default_value = "classic")]
    protocol: Protocol,
    /// The broker's process on this machine, whose CPU and memory are told and limited.
    #[arg(long)]
    broker_pid: Option<u32>,
    /// Most that the broker may take while the groups are kept alive. Cores.
    #[arg(long, default_value_t = 1.0)]
    cores_max: f64,
    /// Most that the broker may ever have in memory. MB.
    #[arg(long, default_value_t = 1000.0)]
    memory_mb_max: f64,
}

/// The part of the heartbeats due that must have been sent: with less, this machine was too busy to say anything.
const SENT_PART_MIN: f64 = 0.95;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Protocol {
    /// JoinGroup, SyncGroup, Heartbeat.
    Classic,
    /// ConsumerGroupHeartbeat.
    Consumer,
}

impl Protocol {
    /// How often a member sends a heartbeat.
    fn heartbeat_interval(self) -> Duration {
        match self {
            Protocol::Classic => classic::HEARTBEAT_INTERVAL,
            Protocol::Consumer => consumer::HEARTBEAT_INTERVAL,
        }
    }
}

/// One group, as its members see it.
struct Group {
    id: String,
    size: usize,
    /// The generation in which everybody is a member, or -1. Classic.
    complete_generation: AtomicI32,
    /// The epoch that each member has arrived at that has partitions. KIP-848.
    epochs: Mutex<BTreeMap<usize, i32>>,
}

impl Group {
    fn note_generation(&self, generation: i32, members: &[JoinGroupResponseMember]) {
        if members.len() == self.size {
            self.complete_generation.store(generation, Ordering::Relaxed);
        }
    }

    fn note_epoch(&self, member: usize, epoch: i32) {
        self.epochs.lock().expect("nobody panics while counting").insert(member, epoch);
    }

    /// Whether everybody is a member and nobody has anything to do but to stay alive.
    fn is_formed(&self) -> bool {
        let epochs = self.epochs.lock().expect("nobody panics while counting");
        let newest = epochs.values().max();
        let all_are_there = epochs.len() >= self.size && epochs.values().all(|epoch| Some(epoch) == newest);
        all_are_there || self.complete_generation.load(Ordering::Relaxed) >= 0
    }
}

/// What happened, over all members.
#[derive(Default)]
struct Counts {
    heartbeats: AtomicU64,
    rebalances: AtomicU64,
    errors: Mutex<BTreeMap<String, u64>>,
}

impl Counts {
    fn note_error(&self, request: &str, error: ErrorCode) {
        let mut errors = self.errors.lock().expect("nobody panics while counting");
        *errors.entry(format!("{request}: {error:?}")).or_default() += 1;
    }

    fn errors(&self) -> BTreeMap<String, u64> {
        self.errors.lock().expect("nobody panics while counting").clone()
    }
}

/// One member and what it works with.
struct Member {
    group: Arc<Group>,
    index: usize,
    connection: Connection,
    topic: String,
    subscription: Bytes,
    counts: Arc<Counts>,
}

impl Member {
    async fn pause(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Waits until so long after `sent`: heartbeats come at their interval, however long their answers take.
    async fn pause_since(&self, sent: Instant, interval: Duration) {
        tokio::time::sleep(interval.saturating_sub(sent.elapsed())).await;
    }

    /// A part of the interval, different from member to member, so that heartbeats do not come all at once.
    fn spread(&self, interval: Duration) -> Duration {
        let seed = self
            .group
            .id
            .bytes()
            .fold(self.index as u64 + 1, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
        interval.mul_f64((seed % 1000) as f64 / 1000.0)
    }
}

/// The answer's error; codes that we do not know are the broker's fault.
fn error_code(code: i16) -> ErrorCode {
    ErrorCode::from_code(code).unwrap_or(ErrorCode::UnknownServerError)
}

/// The command.
pub(crate) async fn run(args: Args) -> Result<()> {
    let members_per_group = (args.members / args.groups).max(1);
    ensure!(args.connections >= members_per_group, "a group's members need a connection each: {members_per_group}");
    let runtime = Runtime::real(RealOptions::default())?;
    let options = ClientOptions { client_id: "bench".to_string(), in_flight_max: 100_000, ..ClientOptions::default() };
    make_topic(&runtime, &args, &options, members_per_group).await?;
    let mut connections = Vec::with_capacity(args.connections);
    for _ in 0..args.connections {
        connections.push(Connection::connect(&runtime, &args.bootstrap_server, &options).await?);
    }
    find_coordinator(&connections[0]).await?;
    let counts = Arc::new(Counts::default());
    let started = Instant::now();
    let groups = form(&args, &connections, &counts, members_per_group).await?;
    println!(
        "{} groups with {} members formed in {:.1} s",
        groups.len(),
        groups.len() * members_per_group,
        started.elapsed().as_secs_f64()
    );
    // One interval for the stragglers' first heartbeats at their normal pace.
    tokio::time::sleep(Duration::from_secs(6)).await;
    watch(&args, &counts).await
}

async fn make_topic(runtime: &Runtime, args: &Args, options: &ClientOptions, partitions: usize) -> Result<()> {
    let client = Client::new(runtime, &args.bootstrap_server, options.clone())?;
    let topic = NewTopic {
        name: TOPIC.to_string(),
        partitions: Some(i32::try_from(partitions)?),
        replication_factor: None,
        configs: Vec::new(),
        ..NewTopic::default()
    };
    match Admin::new(&client).create_topic(&topic, false).await {
        Err(error) if !error.to_string().contains("TOPIC_ALREADY_EXISTS") => Err(error.into()),
        _ => Ok(()),
    }
}

/// Until the coordinator is there: the internal topic is made by the first question.
async fn find_coordinator(connection: &Connection) -> Result<()> {
    let request =
        FindCoordinatorRequest { coordinator_keys: vec!["bench-0".to_string()], ..FindCoordinatorRequest::default() };
    for _ in 0..100 {
        let response = connection.send(&request).await?;
        if response.coordinators.iter().all(|coordinator| coordinator.error_code == 0) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    anyhow::bail!("there is no group coordinator after 20 s")
}

/// Every column forms its groups one after another, all columns at once.
async fn form(args: &Args, connections: &[Connection], counts: &Arc<Counts>, size: usize) -> Result<Vec<Arc<Group>>> {
    let columns: Vec<Vec<Connection>> = connections.chunks_exact(size).map(<[Connection]>::to_vec).collect();
    let mut tasks = tokio::task::JoinSet::new();
    let column_count = columns.len();
    for (index, column) in columns.into_iter().enumerate() {
        let ids: Vec<usize> = (index..args.groups).step_by(column_count).collect();
        tasks.spawn(form_column(column, ids, args.protocol, Arc::clone(counts)));
    }
    let mut groups = Vec::with_capacity(args.groups);
    while let Some(formed) = tasks.join_next().await {
        groups.extend(formed.context("a column failed")?);
    }
    Ok(groups)
}

async fn form_column(
    column: Vec<Connection>,
    ids: Vec<usize>,
    protocol: Protocol,
    counts: Arc<Counts>,
) -> Vec<Arc<Group>> {
    let mut groups = Vec::with_capacity(ids.len());
    let subscription = subscription(TOPIC);
    for id in ids {
        let group = Arc::new(Group {
            id: format!("bench-{id}"),
            size: column.len(),
            complete_generation: AtomicI32::new(-1),
            epochs: Mutex::default(),
        });
        for (index, connection) in column.iter().enumerate() {
            let member = Member {
                group: Arc::clone(&group),
                index,
                connection: connection.clone(),
                topic: TOPIC.to_string(),
                subscription: subscription.clone(),
                counts: Arc::clone(&counts),
            };
            tokio::spawn(live(member, protocol));
        }
        while !group.is_formed() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        groups.push(group);
    }
    groups
}

async fn live(member: Member, protocol: Protocol) {
    let counts = Arc::clone(&member.counts);
    let ended = match protocol {
        Protocol::Classic => classic::run(member).await,
        Protocol::Consumer => consumer::run(member).await,
    };
    if let Err(error) = ended {
        let mut errors = counts.errors.lock().expect("nobody panics while counting");
        *errors.entry(format!("a member ended: {error}")).or_default() += 1;
    }
}

/// What Kafka's consumer sends as a subscription, version 0: one topic, no user data.
fn subscription(topic: &str) -> Bytes {
    let mut bytes = vec![0, 0, 0, 0, 0, 1];
    bytes.extend((topic.len() as u16).to_be_bytes());
    bytes.extend(topic.as_bytes());
    bytes.extend((-1_i32).to_be_bytes());
    bytes.into()
}

/// Everybody only stays alive now: whatever goes wrong is the broker's doing.
async fn watch(args: &Args, counts: &Counts) -> Result<()> {
    let before = args.broker_pid.map(process::usage).transpose()?;
    let (errors_before, rebalances_before) = (counts.errors(), counts.rebalances.load(Ordering::Relaxed));
    let heartbeats_before = counts.heartbeats.load(Ordering::Relaxed);
    let started = Instant::now();
    tokio::time::sleep(Duration::from_secs(args.seconds)).await;
    let seconds = started.elapsed().as_secs_f64();
    let heartbeats = counts.heartbeats.load(Ordering::Relaxed) - heartbeats_before;
    let due = args.members as f64 * seconds / args.protocol.heartbeat_interval().as_secs_f64();
    println!(
        "{:.0} heartbeats per second over {seconds:.0} s, {:.0} were due",
        heartbeats as f64 / seconds,
        due / seconds
    );
    if let (Some(before), Some(pid)) = (before, args.broker_pid) {
        let after = process::usage(pid)?;
        let cores = (after.cpu_s - before.cpu_s) / seconds;
        println!("broker: {cores:.2} of a core");
        println!("broker: {:.0} MB resident, {:.0} MB at most", after.resident_mb, after.peak_mb);
        ensure!(cores < args.cores_max, "the broker took {cores:.2} cores, at most {} are allowed", args.cores_max);
        ensure!(after.peak_mb < args.memory_mb_max, "the broker took more memory than {} MB", args.memory_mb_max);
    }
    let mut trouble = counts.errors();
    for (error, count) in errors_before {
        println!("while forming: {count} x {error}");
        trouble.entry(error).and_modify(|all| *all -= count);
    }
    trouble.retain(|_, count| *count > 0);
    let rebalances = counts.rebalances.load(Ordering::Relaxed) - rebalances_before;
    println!("rebalances after forming: {rebalances}; errors: {trouble:?}");
    ensure!(trouble.is_empty() && rebalances == 0, "members that sent their heartbeats in time were disturbed");
    ensure!(heartbeats as f64 > SENT_PART_MIN * due, "this machine was too busy: the load generator could not keep up");
    Ok(())
}
