//! A shard with a log, a clock, timers and somebody who hands out producer ids, as the runtime and the broker drive it.

use ottla_coordinator::{Change, Context, Position, Record, ReplySlot, Shard, TimerChange};
use ottla_txn::{
    Transaction, TxnConfig, TxnDecision, TxnEffect, TxnEvent, TxnReply, TxnRequest, TxnShard, TxnTimer, Wanted,
};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

/// The wall clock when a rig starts.
pub(crate) const START_MS: i64 = 1_000_000;
/// The first producer id that is handed out.
const FIRST_PRODUCER_ID: i64 = 1_000;

/// What happened, in order.
#[derive(Debug)]
pub(crate) enum Happened {
    Appended(Record),
    Replied(ReplySlot, TxnReply),
    Fired(TxnTimer),
    Called(TxnEffect),
}

pub(crate) struct Rig {
    pub(crate) shard: TxnShard,
    pub(crate) now_ms: i64,
    pub(crate) leader_epoch: i32,
    pub(crate) happened: Vec<Happened>,
    log: Vec<Record>,
    timers: BTreeMap<TxnTimer, i64>,
    next_slot: u64,
    next_producer_id: i64,
}

impl Rig {
    pub(crate) fn new(config: TxnConfig) -> Rig {
        let mut rig = Rig {
            shard: TxnShard::new(Arc::new(config)),
            now_ms: START_MS,
            leader_epoch: 0,
            happened: Vec::new(),
            log: Vec::new(),
            timers: BTreeMap::new(),
            next_slot: 0,
            next_producer_id: FIRST_PRODUCER_ID,
        };
        let decision = rig.shard.loaded(&rig.context());
        rig.follow(decision);
        rig
    }

    pub(crate) fn fresh_producer_id(&mut self) -> i64 {
        self.next_producer_id += 1;
        self.next_producer_id - 1
    }

    /// Asks, with a producer id the second time if one is needed.
    pub(crate) fn ask(&mut self, request: TxnRequest) -> ReplySlot {
        self.next_slot += 1;
        let slot = ReplySlot(self.next_slot);
        let wanted = Wanted { request: request.clone(), fresh_producer_id: None };
        self.handle(TxnEvent::Request(wanted), Some(slot));
        let needs_id = |happened: &Happened| matches!(happened, Happened::Replied(_, TxnReply::ProducerIdNeeded));
        if self.happened.last().is_some_and(needs_id) {
            self.happened.pop();
            let wanted = Wanted { request, fresh_producer_id: Some(self.fresh_producer_id()) };
            self.handle(TxnEvent::Request(wanted), Some(slot));
        }
        slot
    }

    pub(crate) fn handle(&mut self, event: TxnEvent, slot: Option<ReplySlot>) {
        let decision = self.shard.handle(event, slot, &self.context());
        self.follow(decision);
    }

    fn context(&self) -> Context {
        Context { now_ms: self.now_ms, random: 0, leader_epoch: self.leader_epoch }
    }

    fn follow(&mut self, decision: TxnDecision) {
        let mut events = VecDeque::from(self.apply(decision));
        while let Some(event) = events.pop_front() {
            let decision = self.shard.handle(event, None, &self.context());
            for next in self.apply(decision).into_iter().rev() {
                events.push_front(next);
            }
        }
    }

    fn apply(&mut self, decision: TxnDecision) -> Vec<TxnEvent> {
        for change in decision.changes {
            match change {
                Change::Record(record) => self.append(record),
                Change::Volatile(change) => self.shard.apply(change),
            }
        }
        for timer in decision.timers {
            match timer {
                TimerChange::Schedule { key, after_ms } => {
                    self.timers.insert(key, self.now_ms + i64::try_from(after_ms).expect("a timeout"));
                }
                TimerChange::Cancel(key) => drop(self.timers.remove(&key)),
            }
        }
        self.happened.extend(decision.replies.into_iter().map(|(slot, reply)| Happened::Replied(slot, reply)));
        self.happened.extend(decision.effects.into_iter().map(Happened::Called));
        decision.next
    }

    pub(crate) fn append(&mut self, record: Record) {
        self.shard.replay(&record, self.position(self.log.len())).expect("a record that was just written");
        self.happened.push(Happened::Appended(record.clone()));
        self.log.push(record);
    }

    fn position(&self, at: usize) -> Position {
        Position { offset: i64::try_from(at).expect("a short log"), timestamp_ms: self.now_ms, producer_id: None }
    }

    /// Lets time pass; timers fire on the way.
    pub(crate) fn advance(&mut self, by_ms: i64) {
        let until_ms = self.now_ms + by_ms;
        loop {
            let next = self.timers.iter().min_by_key(|(timer, at_ms)| (**at_ms, (*timer).clone()));
            let Some((timer, at_ms)) = next.map(|(timer, at_ms)| (timer.clone(), *at_ms)) else { break };
            if at_ms > until_ms {
                break;
            }
            self.now_ms = self.now_ms.max(at_ms);
            self.timers.remove(&timer);
            // The checks come all the time.
            if matches!(timer, TxnTimer::RetryMarkers(_)) {
                self.happened.push(Happened::Fired(timer.clone()));
            }
            let decision = self.shard.expired(timer, &self.context());
            self.follow(decision);
        }
        self.now_ms = until_ms;
    }

    fn replayed(&self, is_compacted: bool) -> TxnShard {
        let mut shard = TxnShard::new(Arc::clone(&self.shard.config));
        for (at, record) in self.log.iter().enumerate() {
            let is_newest = self.log[at + 1..].iter().all(|later| later.key != record.key);
            if !is_compacted || is_newest {
                shard.replay(record, self.position(at)).expect("a record of the log");
            }
        }
        shard
    }

    /// The shard is dropped and loaded again by a coordinator of the next epoch.
    pub(crate) fn reload(&mut self) {
        self.shard = self.replayed(true);
        self.leader_epoch += 1;
        self.timers.clear();
        let decision = self.shard.loaded(&self.context());
        self.follow(decision);
    }

    /// What the log holds is what the shard holds, but for what is not in the log.
    pub(crate) fn check_durable(&self) {
        let durable = |shard: &TxnShard| -> BTreeMap<_, _> {
            let forget = |transaction: &Transaction| Transaction { last_producer_epoch: -1, ..transaction.clone() };
            shard.transactions.iter().map(|(id, transaction)| (id.clone(), forget(transaction))).collect()
        };
        for is_compacted in [false, true] {
            let replayed = self.replayed(is_compacted);
            assert_eq!(durable(&self.shard), durable(&replayed), "compacted: {is_compacted}");
            for (id, pending) in &self.shard.pending_markers {
                assert!(pending.partitions.is_subset(&replayed.pending_markers[id].partitions), "{id}");
            }
            assert_eq!(self.shard.pending_markers.len(), replayed.pending_markers.len());
        }
    }
}
