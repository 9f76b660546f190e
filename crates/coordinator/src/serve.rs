//! A loaded shard at work: waits for events, runs rounds, lets answers out.

use crate::batch::PendingBatch;
use crate::error::CoordinatorError;
use crate::handle::Request;
use crate::limits::DEFERRED_MAX;
use crate::log::{AppendFailed, LogView, Term};
use crate::replies::Replies;
use crate::shard::{Context, ReplayError, Shard};
use crate::task::{Inbox, ShardParts};
use crate::timers::Timers;
use crate::transactional::BatchKind;
use ottla_records::{BuildError, ValidatedBatch};
use ottla_runtime::Instant;
use ottla_types::ErrorCode;
use std::sync::Arc;

/// Random numbers that are drawn at a time.
const RANDOMS_DRAWN: usize = 64;

/// Why a shard is not served any more.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The last handle is gone.
    NobodyAsks,
    /// The log is not led any more, or was opened again.
    TermOver,
    /// Records were replayed and are not in the log.
    Failed(Failure),
}

/// A batch did not get into the log as it was replayed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Append(#[from] AppendFailed),
    #[error("the shard cannot read what it decided: {0}")]
    Replay(ReplayError),
    #[error("the batch could not be built: {0}")]
    Build(#[from] BuildError),
    #[error("the log gave offset {found} where {expected} was next: somebody else writes to it")]
    OutOfStep { expected: i64, found: i64 },
}

/// What the task woke up for.
enum Wake<S: Shard> {
    Log(LogView),
    Request(Option<Request<S>>),
    Notice(S::Event),
    Due,
}

/// A loaded shard and everything that goes on with it.
pub(crate) struct Active<'a, S: Shard> {
    pub(super) parts: &'a ShardParts<S>,
    pub(super) term: Term,
    pub(super) shard: S,
    /// What the next record gets.
    pub(super) next_offset: i64,
    pub(super) batch: PendingBatch,
    pub(super) timers: Timers<S::Timer>,
    pub(super) replies: Replies<S>,
    seen: LogView,
    has_committed: bool,
    /// Random numbers that nobody has had yet.
    randoms: Vec<u128>,
}

impl<'a, S: Shard> Active<'a, S> {
    pub(crate) fn new(parts: &'a ShardParts<S>, term: Term, shard: S, next_offset: i64) -> Active<'a, S> {
        Active {
            parts,
            term,
            shard,
            next_offset,
            batch: PendingBatch::new(),
            timers: Timers::new(),
            replies: Replies::new(0, next_offset),
            seen: LogView::NotReady,
            has_committed: false,
            randoms: Vec::new(),
        }
    }

    /// Whether anything was appended well.
    pub(crate) fn has_committed(&self) -> bool {
        self.has_committed
    }

    /// Serves until something ends it; whoever still waits is answered then.
    pub(crate) async fn serve(&mut self, inbox: &mut Inbox<S>) -> Ended {
        let Err(ended) = self.rounds(inbox).await;
        let error = match &ended {
            Ended::Failed(Failure::Append(AppendFailed::NotEnoughReplicas)) => CoordinatorError::NotEnoughReplicas,
            _ => CoordinatorError::NotCoordinator,
        };
        self.replies.fail_all(error);
        ended
    }

    async fn rounds(&mut self, inbox: &mut Inbox<S>) -> Result<std::convert::Infallible, Ended> {
        self.see(self.parts.log.view())?;
        let context = self.context();
        let decision = self.shard.loaded(&context);
        self.follow(decision, None).await?;
        for event in (self.parts.first)() {
            let context = self.context();
            let decision = self.shard.handle(event, None, &context);
            self.follow(decision, None).await?;
        }
        self.flush().await?;
        loop {
            match self.woken(inbox).await {
                Wake::Log(view) => self.see(view)?,
                Wake::Request(None) => return Err(Ended::NobodyAsks),
                Wake::Request(Some(first)) => self.round(Some(first), None, inbox).await?,
                Wake::Notice(event) => self.round(None, Some(event), inbox).await?,
                Wake::Due => self.round(None, None, inbox).await?,
            }
        }
    }

    async fn woken(&mut self, inbox: &mut Inbox<S>) -> Wake<S> {
        // With too many answers waiting, no more events are taken: requests pile up in the queue and are then refused.
        let has_room = self.has_room();
        let timer = if has_room { self.timers.next_deadline() } else { None };
        let next_deadline = [timer, self.replies.next_deadline()].into_iter().flatten().min();
        let runtime = &self.parts.runtime;
        let due = async move {
            match next_deadline {
                Some(deadline) => runtime.sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            view = self.parts.log.changed(self.seen) => Wake::Log(view),
            Some(event) = inbox.notices.recv(), if has_room => Wake::Notice(event),
            request = inbox.requests.recv(), if has_room => Wake::Request(request),
            () = due => Wake::Due,
        }
    }

    /// Whether more events may be decided: what waits for the high watermark is bounded by this and one event's answers.
    pub(super) fn has_room(&self) -> bool {
        self.replies.deferred() < DEFERRED_MAX
    }

    /// The log has changed: what is committed now leaves.
    fn see(&mut self, view: LogView) -> Result<(), Ended> {
        self.seen = view;
        match view {
            LogView::Leading { term, high_watermark } if term == self.term => {
                for effect in self.replies.committed(high_watermark) {
                    (self.parts.effects)(effect);
                }
                Ok(())
            }
            _ => Err(Ended::TermOver),
        }
    }

    /// Appends what was replayed since the last time.
    pub(super) async fn flush(&mut self) -> Result<(), Ended> {
        if self.batch.is_empty() {
            return Ok(());
        }
        let expected = self.next_offset - self.batch.len() as i64;
        let batch = self.batch.take(self.parts.compression).map_err(|error| Ended::Failed(error.into()))?;
        let is_awaited = self.replies.waits_since(expected);
        match self.append(batch, BatchKind::Plain { is_awaited }, expected).await? {
            Ok(()) => Ok(()),
            Err(code) => Err(Ended::Failed(AppendFailed::Refused(code).into())),
        }
    }

    /// Appends a batch whose first record gets the offset `expected`. The code when the log refuses it by the rules of
    /// producers and transactions. Answers of earlier batches leave meanwhile.
    pub(super) async fn append(
        &mut self,
        batch: ValidatedBatch,
        kind: BatchKind,
        expected: i64,
    ) -> Result<Result<(), ErrorCode>, Ended> {
        let log = Arc::clone(&self.parts.log);
        let mut appending = log.append(self.term, batch, kind);
        let appended = loop {
            let seen = self.seen;
            tokio::select! {
                biased;
                appended = &mut appending => break appended,
                view = log.changed(seen) => self.see(view)?,
            }
        };
        match appended {
            Ok(found) if found == expected => {
                self.has_committed = true;
                self.see(log.view()).map(Ok)
            }
            Err(AppendFailed::Refused(code)) => Ok(Err(code)),
            Ok(found) => Err(Ended::Failed(Failure::OutOfStep { expected, found })),
            Err(AppendFailed::TermEnded) => Err(Ended::TermOver),
            Err(failure) => Err(Ended::Failed(failure.into())),
        }
    }

    /// What is committed by now leaves.
    pub(super) fn see_committed(&mut self) -> Result<(), Ended> {
        self.see(self.parts.log.view())
    }

    pub(super) fn context(&mut self) -> Context {
        let (now_ms, leader_epoch) = (self.parts.runtime.wall_clock_ms(), self.term.leader_epoch.0);
        Context { now_ms, random: self.random(), leader_epoch }
    }

    /// Drawn in advance: a system call for each heartbeat would be felt.
    fn random(&mut self) -> u128 {
        if let Some(random) = self.randoms.pop() {
            return random;
        }
        let mut drawn = [0; 16 * RANDOMS_DRAWN];
        self.parts.runtime.fill_random(&mut drawn);
        let (numbers, _) = drawn.as_chunks();
        self.randoms.extend(numbers.iter().skip(1).map(|bytes| u128::from_le_bytes(*bytes)));
        u128::from_le_bytes(numbers[0])
    }

    /// By when an answer of now has to be committed.
    pub(super) fn write_deadline(&self) -> Instant {
        self.parts.runtime.now() + self.parts.write_timeout
    }
}
