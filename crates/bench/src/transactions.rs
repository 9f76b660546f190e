//! Transactional producers, as fast as they can or at a rate: transactions of one length each, one after another, on as many
//! transactional ids at once as are asked for. With `--idempotent` the same records without transactions, to compare with.
//!
//! One line of JSON comes out, as from `ottla perf`: records, bytes, seconds, and how long commits took.

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use ottla_client::{
    BatchReport, Client, ClientError, ClientOptions, Producer, ProducerInterceptor, ProducerOptions, ProducerRecord,
};
use ottla_runtime::{RealOptions, Runtime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// So many producers register at the same time: a broker that is asked by all at once would be measured for that.
const REGISTERING_MAX: usize = 50;

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Where the broker is.
    #[arg(long, default_value = "localhost:9092")]
    bootstrap_server: String,
    /// The topic, which must be there.
    #[arg(long, default_value = "bench")]
    topic: String,
    /// Producers at the same time, each with a transactional id of its own.
    #[arg(long, default_value_t = 1)]
    producers: usize,
    /// How long each transaction takes records. Milliseconds.
    #[arg(long, default_value_t = 100)]
    transaction_ms: u64,
    /// Bytes of a record's value.
    #[arg(long, default_value_t = 1024)]
    record_size: usize,
    /// Records per second of each producer; 0 is as many as possible.
    #[arg(long, default_value_t = 0)]
    rate: u32,
    /// Bytes of a batch.
    #[arg(long, default_value_t = 65536)]
    batch_size: usize,
    /// How long it is measured. Seconds.
    #[arg(long, default_value_t = 20.0)]
    seconds: f64,
    /// No transactions: what they cost is seen beside this.
    #[arg(long)]
    idempotent: bool,
}

/// Records that were acknowledged, and that were not.
#[derive(Debug, Default)]
struct Counts {
    taken: AtomicU64,
    refused: AtomicU64,
}

impl ProducerInterceptor for Counts {
    fn on_batch(&self, report: &BatchReport<'_>) {
        let count = if report.result.is_ok() { &self.taken } else { &self.refused };
        count.fetch_add(report.records as u64, Ordering::Relaxed);
    }
}

/// The command.
pub(crate) async fn run(args: Args) -> Result<()> {
    ensure!(args.producers > 0 && args.transaction_ms > 0, "producers and transactions are needed");
    let runtime = Runtime::real(RealOptions::default())?;
    let options = ClientOptions { client_id: "bench".to_string(), ..ClientOptions::default() };
    let client = Client::new(&runtime, &args.bootstrap_server, options)?;
    let args = Arc::new(args);
    let counts = Arc::new(Counts::default());
    let producers = register(&client, &args, &counts).await?;
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(args.seconds);
    let mut tasks = JoinSet::new();
    for producer in producers {
        tasks.spawn(produce(producer, Arc::clone(&args), until));
    }
    let mut commit_ms = Vec::new();
    while let Some(ended) = tasks.join_next().await {
        commit_ms.extend(ended.context("a producer panicked")?.context("a producer failed")?);
    }
    let seconds = began.elapsed().as_secs_f64();
    let refused = counts.refused.load(Ordering::Relaxed);
    ensure!(refused == 0, "{refused} records were not taken");
    println!("{}", report(&args, counts.taken.load(Ordering::Relaxed), commit_ms, seconds));
    Ok(())
}

/// Producers that may begin, some of them registered at the same time.
async fn register(client: &Client, args: &Args, counts: &Arc<Counts>) -> Result<Vec<Producer>> {
    let mut producers = Vec::with_capacity(args.producers);
    let indexes: Vec<usize> = (0..args.producers).collect();
    for part in indexes.chunks(REGISTERING_MAX) {
        let mut tasks = JoinSet::new();
        for index in part {
            let options = ProducerOptions {
                transactional_id: (!args.idempotent).then(|| format!("bench-{index}")),
                batch_size: args.batch_size,
                interceptors: vec![Arc::clone(counts) as Arc<dyn ProducerInterceptor>],
                ..ProducerOptions::default()
            };
            let producer = Producer::new(client, options)?;
            tasks.spawn(async move {
                if producer.options().transactional_id.is_some() {
                    producer.init_transactions().await?;
                }
                Ok::<_, ClientError>(producer)
            });
        }
        while let Some(producer) = tasks.join_next().await {
            producers.push(producer.context("a producer panicked")?.context("a producer was not registered")?);
        }
    }
    Ok(producers)
}

/// Transactions one after another until the time is over, or records without them. Returns how long the commits took.
async fn produce(producer: Producer, args: Arc<Args>, until: Instant) -> Result<Vec<f64>, ClientError> {
    let value = Bytes::from(vec![b'x'; args.record_size]);
    let mut commit_ms = Vec::new();
    let mut pace = Pace { began: Instant::now(), sent: 0, rate: args.rate };
    while Instant::now() < until {
        let end = until.min(Instant::now() + Duration::from_millis(args.transaction_ms));
        if !args.idempotent {
            producer.begin_transaction()?;
        }
        loop {
            producer.send(ProducerRecord::new(args.topic.as_str(), value.clone())).await?;
            if !pace.keep(end).await {
                break;
            }
        }
        if !args.idempotent {
            let asked = Instant::now();
            producer.commit_transaction().await?;
            commit_ms.push(1000.0 * asked.elapsed().as_secs_f64());
        }
    }
    producer.close(Duration::from_secs(30)).await?;
    Ok(commit_ms)
}

/// When the next record is due.
struct Pace {
    began: Instant,
    sent: u64,
    rate: u32,
}

impl Pace {
    /// Waits until the next record is due; whether that is before `end`.
    async fn keep(&mut self, end: Instant) -> bool {
        self.sent += 1;
        if self.rate > 0 {
            let due = self.began + Duration::from_secs_f64(self.sent as f64 / f64::from(self.rate));
            tokio::time::sleep_until(due.min(end).into()).await;
        }
        Instant::now() < end
    }
}

fn report(args: &Args, records: u64, mut commit_ms: Vec<f64>, seconds: f64) -> serde_json::Value {
    commit_ms.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let index = (part * commit_ms.len() as f64) as usize;
        commit_ms.get(index.min(commit_ms.len().saturating_sub(1))).copied()
    };
    let bytes = records * args.record_size as u64;
    serde_json::json!({
        "records": records,
        "bytes": bytes,
        "seconds": seconds,
        "megabytes_per_second": bytes as f64 / 1e6 / seconds,
        "transactions": commit_ms.len(),
        "commit": { "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0) },
    })
}
