//! A toy shard (named counters with waiters) and a log in memory that tests can fail, hold back and take away.

use crate::task::{ShardParts, start};
use crate::{
    AppendFailed, BatchKind, Context, CoordinatorError, Decision, LogView, Position, ReadFailed, Record, ReplayError,
    ReplySlot, Shard, ShardHandle, ShardLog, Term, TransactionalWrite, VerificationGuard,
};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use ottla_records::{BATCH_HEADER_LEN, Compression, ValidatedBatch, scan};
use ottla_runtime::sim::World;
use ottla_runtime::{Runtime, TaskHandle, watch};
use ottla_telemetry::CoordinatorMetrics;
use ottla_types::{LeaderEpoch, ProducerEpoch, ProducerId};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Named counters. A waiter is answered when its counter reaches a number.
#[derive(Debug, Default)]
pub(super) struct Counters {
    values: BTreeMap<String, u64>,
    pending: BTreeMap<(i64, String), u64>,
    /// Waiters by counter and the number they wait for.
    waiters: BTreeMap<(String, u64), Vec<ReplySlot>>,
}

#[derive(Debug, Clone)]
pub(super) enum Event {
    Add(&'static str, u64),
    /// As `Add`, with a value of this many bytes.
    AddLarge(&'static str, usize),
    Read(&'static str),
    /// Waits until the counter has this number.
    WaitFor(&'static str, u64),
    /// Answers whoever waits for the number that the counter has.
    WakeWaiters(String),
    /// Adds one after so many milliseconds.
    AddLater(&'static str, u64),
    Cancel(&'static str),
    Tell(&'static str),
    /// As many records of so many bytes, about nobody.
    Sweep(u64, usize),
    /// A record that cannot be replayed.
    AddBroken(&'static str),
    /// As many effects.
    TellMany(&'static str, usize),
    /// Adds within the transaction of a producer.
    Transact(&'static str, u64, i64),
    /// As many events, each of which follows from the one before.
    Chain(u64),
}

#[derive(Debug)]
pub(super) enum Volatile {
    Park(String, u64, ReplySlot),
    Wake(String, u64),
}

fn record(name: &str, by: u64, filler: usize) -> Record {
    let mut value = by.to_be_bytes().to_vec();
    value.resize(8 + filler, 0);
    Record { key: Bytes::copy_from_slice(name.as_bytes()), value: Some(value.into()) }
}

impl Counters {
    fn value(&self, name: &str) -> u64 {
        self.values.get(name).copied().unwrap_or(0)
    }
}

impl Shard for Counters {
    type Event = Event;
    type Reply = u64;
    type Volatile = Volatile;
    type Timer = String;
    type Subject = String;
    type Effect = String;

    fn handle(&self, event: Event, slot: Option<ReplySlot>, _: &Context) -> Decision<Counters> {
        let about = |name: &str| Decision::about(name.to_string());
        let reply = |decision: Decision<Counters>, value: u64| match slot {
            Some(slot) => decision.reply(slot, value),
            None => decision,
        };
        match event {
            Event::Add(name, by) => {
                let decision = about(name).record(record(name, by, 0)).then(Event::WakeWaiters(name.to_string()));
                reply(decision, self.value(name) + by)
            }
            Event::AddLarge(name, filler) => reply(about(name).record(record(name, 1, filler)), self.value(name) + 1),
            Event::Read(name) => reply(about(name), self.value(name)),
            Event::WaitFor(name, number) => {
                about(name).volatile(Volatile::Park(name.to_string(), number, slot.expect("somebody waits")))
            }
            Event::WakeWaiters(name) => {
                let number = self.value(&name);
                let waiting = self.waiters.get(&(name.clone(), number)).into_iter().flatten();
                let decision = waiting.fold(about(&name), |decision, slot| decision.reply(*slot, number));
                decision.volatile(Volatile::Wake(name, number))
            }
            Event::AddLater(name, after_ms) => reply(about(name).schedule(name.to_string(), after_ms), 0),
            Event::Cancel(name) => reply(about(name).cancel(name.to_string()), 0),
            Event::Tell(name) => {
                let mut decision = reply(about(name), self.value(name));
                decision.effects.push(format!("{name}={}", self.value(name)));
                decision
            }
            Event::Sweep(count, filler) => {
                let records = (0..count).map(|_| record("swept", 1, filler));
                reply(records.fold(Decision::none(), Decision::record), count)
            }
            Event::AddBroken(name) => {
                let key = Bytes::from_static(name.as_bytes());
                reply(about(name).record(Record { key, value: Some(Bytes::from_static(b"short")) }), 0)
            }
            Event::TellMany(name, count) => {
                let mut decision = reply(about(name), 0);
                decision.effects.extend((0..count).map(|_| String::new()));
                decision
            }
            Event::Transact(name, by, producer_id) => {
                let transaction = TransactionalWrite {
                    producer_id: ProducerId(producer_id),
                    producer_epoch: ProducerEpoch(0),
                    guard: VerificationGuard::NotRequired,
                };
                reply(about(name).record(record(name, by, 0)).within(transaction), self.value(name))
            }
            Event::Chain(0) => Decision::none(),
            Event::Chain(left) => {
                reply(about("chain").record(record("chain", 1, 0)).then(Event::Chain(left - 1)), left)
            }
        }
    }

    fn expired(&self, timer: String, _: &Context) -> Decision<Counters> {
        Decision::about(timer.clone()).record(record(&timer, 1, 0)).then(Event::WakeWaiters(timer))
    }

    fn loaded(&self, _: &Context) -> Decision<Counters> {
        Decision::none()
    }

    fn replay(&mut self, record: &Record, position: Position) -> Result<(), ReplayError> {
        let name = String::from_utf8(record.key.to_vec()).expect("a name");
        let value = record.value.as_ref().expect("a value");
        let Some(by) = value.first_chunk() else {
            return Err(ReplayError { offset: position.offset, reason: "a value has 8 bytes".to_string() });
        };
        let by = u64::from_be_bytes(*by);
        match position.producer_id {
            Some(producer) => *self.pending.entry((producer, name)).or_default() += by,
            None => *self.values.entry(name).or_default() += by,
        }
        Ok(())
    }

    fn replay_end_of_transaction(&mut self, producer_id: i64, is_commit: bool) -> Vec<String> {
        let pending = std::mem::take(&mut self.pending);
        let mut ended = Vec::new();
        for ((producer, name), by) in pending {
            match producer == producer_id {
                true => {
                    ended.push(name.clone());
                    *self.values.entry(name).or_default() += if is_commit { by } else { 0 };
                }
                false => *self.pending.entry((producer, name)).or_default() += by,
            }
        }
        ended
    }

    fn apply(&mut self, change: Volatile) {
        match change {
            Volatile::Park(name, number, slot) => self.waiters.entry((name, number)).or_default().push(slot),
            Volatile::Wake(name, number) => {
                self.waiters.remove(&(name, number));
            }
        }
    }
}

/// What the log does with the next appends.
#[derive(Debug, Clone)]
pub(super) enum Behaviour {
    /// Appends, and commits at once.
    Commit,
    /// Appends; the high watermark stands still until [`MemoryLog::commit`].
    Hold,
    /// Refuses.
    Fail(AppendFailed),
}

pub(super) struct MemoryLog {
    state: Mutex<State>,
    view: watch::Sender<LogView>,
}

struct State {
    bytes: Vec<u8>,
    end: i64,
    behaviour: Behaviour,
    appends: Vec<i32>,
    kinds: Vec<BatchKind>,
    reads: usize,
    batch_bytes_max: usize,
}

pub(super) const TERM: Term = Term { leader_epoch: LeaderEpoch(3), incarnation: 1 };

pub(super) fn leading(term: Term, high_watermark: i64) -> LogView {
    LogView::Leading { term, high_watermark }
}

impl MemoryLog {
    pub(super) fn new() -> Arc<MemoryLog> {
        let state = State {
            bytes: Vec::new(),
            end: 0,
            behaviour: Behaviour::Commit,
            appends: Vec::new(),
            kinds: Vec::new(),
            reads: 0,
            batch_bytes_max: 1 << 20,
        };
        Arc::new(MemoryLog { state: Mutex::new(state), view: watch::Sender::new(leading(TERM, 0)) })
    }

    pub(super) fn behave(&self, behaviour: Behaviour) {
        self.state.lock().unwrap().behaviour = behaviour;
    }

    pub(super) fn limit(&self, batch_bytes_max: usize) {
        self.state.lock().unwrap().batch_bytes_max = batch_bytes_max;
    }

    /// Commits everything below `high_watermark`.
    pub(super) fn commit(&self, high_watermark: i64) {
        self.view.send_modify(|view| {
            if let LogView::Leading { high_watermark: current, .. } = view {
                *current = high_watermark;
            }
        });
    }

    pub(super) fn commit_all(&self) {
        self.commit(self.end());
    }

    pub(super) fn see(&self, view: LogView) {
        self.view.send_replace(view);
    }

    pub(super) fn end(&self) -> i64 {
        self.state.lock().unwrap().end
    }

    /// What was appended so far.
    pub(super) fn kinds(&self) -> Vec<BatchKind> {
        self.state.lock().unwrap().kinds.clone()
    }

    /// Records of each append so far.
    pub(super) fn appends(&self) -> Vec<i32> {
        self.state.lock().unwrap().appends.clone()
    }

    pub(super) fn reads(&self) -> usize {
        self.state.lock().unwrap().reads
    }

    /// Appends a batch as another writer.
    pub(super) fn write(&self, batch: &ValidatedBatch) -> i64 {
        let mut state = self.state.lock().unwrap();
        let first = state.end;
        state.bytes.extend_from_slice(&batch.stamped_header(first, TERM.leader_epoch));
        state.bytes.extend_from_slice(batch.records());
        state.end += i64::from(batch.header().last_offset_delta) + 1;
        first
    }

    /// Cuts the log, as after a failed fsync.
    pub(super) fn cut(&self, end: i64) {
        let mut state = self.state.lock().unwrap();
        let keep = scan(&state.bytes, true).map(|batch| batch.unwrap()).find(|(header, _)| header.base_offset >= end);
        let len = keep.map_or(state.bytes.len(), |(_, range)| range.start);
        state.bytes.truncate(len);
        state.end = end;
    }

    fn check(&self, term: Term) -> Result<(), ReadFailed> {
        match *self.view.borrow() {
            LogView::Leading { term: current, .. } if current == term => Ok(()),
            _ => Err(ReadFailed("the term is over".to_string())),
        }
    }
}

impl ShardLog for MemoryLog {
    fn view(&self) -> LogView {
        *self.view.borrow()
    }

    fn changed(&self, seen: LogView) -> BoxFuture<'_, LogView> {
        let mut receiver = self.view.subscribe();
        Box::pin(async move { *receiver.wait_for(|view| *view != seen).await.expect("the log lives") })
    }

    fn batch_bytes_max(&self) -> usize {
        self.state.lock().unwrap().batch_bytes_max
    }

    fn bounds(&self, term: Term) -> Result<(i64, i64), ReadFailed> {
        self.check(term)?;
        Ok((0, self.end()))
    }

    fn read(&self, term: Term, offset: i64, bytes_max: usize) -> BoxFuture<'_, Result<Bytes, ReadFailed>> {
        let read = self.check(term).map(|()| {
            let mut state = self.state.lock().unwrap();
            state.reads += 1;
            let mut range = 0..0;
            for batch in scan(&state.bytes, true) {
                let (header, at) = batch.unwrap();
                if header.next_offset() <= offset {
                    range = at.end..at.end;
                } else if range.is_empty() || at.end - range.start <= bytes_max {
                    range.end = at.end;
                }
            }
            Bytes::copy_from_slice(&state.bytes[range])
        });
        Box::pin(async move { read })
    }

    fn append(&self, term: Term, batch: ValidatedBatch, kind: BatchKind) -> BoxFuture<'_, Result<i64, AppendFailed>> {
        let behaviour = self.state.lock().unwrap().behaviour.clone();
        let appended = match (self.check(term), behaviour) {
            (Err(_), _) => Err(AppendFailed::TermEnded),
            (Ok(()), Behaviour::Fail(error)) => Err(error),
            (Ok(()), behaviour) => {
                assert!(batch.total_len() <= self.batch_bytes_max().max(BATCH_HEADER_LEN));
                self.state.lock().unwrap().appends.push(batch.record_count());
                self.state.lock().unwrap().kinds.push(kind);
                let first = self.write(&batch);
                if matches!(behaviour, Behaviour::Commit) {
                    self.commit_all();
                }
                Ok(first)
            }
        };
        Box::pin(async move { appended })
    }
}

/// A toy shard that runs.
pub(super) struct Toy {
    pub(super) runtime: Runtime,
    pub(super) log: Arc<MemoryLog>,
    pub(super) handle: ShardHandle<Counters>,
    pub(super) task: TaskHandle<()>,
    pub(super) metrics: CoordinatorMetrics,
    effects: Arc<Mutex<Vec<String>>>,
}

pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

impl Toy {
    pub(super) fn start(runtime: &Runtime, log: &Arc<MemoryLog>) -> Toy {
        Toy::start_with(runtime, log, false)
    }

    /// A shard that adds one to `a` whenever it is loaded.
    pub(super) fn start_with(runtime: &Runtime, log: &Arc<MemoryLog>, begins_with_a: bool) -> Toy {
        let effects: Arc<Mutex<Vec<String>>> = Arc::default();
        let metrics = CoordinatorMetrics::default();
        let done = Arc::clone(&effects);
        let (handle, task) = start(ShardParts {
            runtime: runtime.clone(),
            name: Arc::from("__toys-0"),
            log: Arc::clone(log) as Arc<dyn ShardLog>,
            make: Arc::new(Counters::default),
            first: Arc::new(move || if begins_with_a { vec![Event::Add("a", 1)] } else { Vec::new() }),
            effects: Arc::new(move |effect| done.lock().unwrap().push(effect)),
            write_timeout: WRITE_TIMEOUT,
            load_bytes_max: 200,
            compression: Compression::None.into(),
            metrics: metrics.clone(),
        });
        Toy { runtime: runtime.clone(), log: Arc::clone(log), handle, task, metrics, effects }
    }

    pub(super) async fn ask(&self, event: Event) -> Result<u64, CoordinatorError> {
        self.handle.submit(event).await
    }

    /// An event under way.
    pub(super) fn begin(&self, event: Event) -> TaskHandle<Result<u64, CoordinatorError>> {
        self.runtime.spawn("ask", self.handle.submit(event))
    }

    pub(super) async fn sleep_ms(&self, ms: u64) {
        self.runtime.sleep(Duration::from_millis(ms)).await;
    }

    pub(super) fn effects(&self) -> Vec<String> {
        self.effects.lock().unwrap().clone()
    }
}

/// Runs a test with a toy shard on an empty log.
pub(super) fn with_toy<F: Future<Output = ()>>(test: impl FnOnce(Toy) -> F) {
    let world = World::new(1);
    world.run(async {
        let runtime = world.node("node");
        test(Toy::start(&runtime, &MemoryLog::new())).await;
    });
}
