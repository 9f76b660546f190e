//! A partition moves to another log directory, while it is written and read.
//!
//! 1. The copy follows the log without holding anybody up ([`Partition::run_move`]); retention and compaction wait.
//! 2. When little is missing, the switch ([`Partition::switch`], a task and a job of its own): appends and DeleteRecords wait,
//!    the log is rolled and flushed, the rest is copied, the decision falls, and the log goes on in its new directory. It is
//!    the same incarnation: waiters, transactions and the watermark do not notice.
//! 3. If the log is opened again meanwhile, the copy begins from nothing, a bounded number of times.

mod switching;

use super::state::{FlushPhase, State, Status};
use super::{Partition, PartitionError};
use crate::tasks::Stopping;
use ottla_storage::LogError;
use ottla_storage::cleaner::Throttle;
use ottla_storage::moving::{CopyProgress, FutureLog, MoveContext, MoveError, MoveSource};
use ottla_types::{ErrorCode, Uuid};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// The switch begins when not more than this is missing; appends wait for so much.
const SWITCH_BYTES_MAX: u64 = 8 << 20;
/// How long a move waits for a log that is offline, before it is given up.
const OPEN_PATIENCE: Duration = Duration::from_secs(120);
/// Pause before the copy looks again what was appended.
const FOLLOW_AGAIN_AFTER: Duration = Duration::from_millis(20);
/// Pause before a log that is offline, or being compacted, is asked again.
const BEGIN_AGAIN_AFTER: Duration = Duration::from_millis(100);
/// How long appends wait for what is under way with the log, before the switch is put off.
const SETTLE_PATIENCE: Duration = Duration::from_secs(5);
/// Pause before a switch that was put off is tried again; it doubles each time, up to the maximum.
const SWITCH_AGAIN_AFTER: Duration = Duration::from_secs(1);
const SWITCH_AGAIN_AFTER_MAX: Duration = Duration::from_secs(60);
/// How often a switch is put off before the move is given up.
const PUT_OFFS_MAX: u32 = 10;
/// How often a copy is begun for one move.
const COPIES_MAX: u32 = 5;

/// Tells the task of a move to end.
#[derive(Default)]
struct Stop {
    is_set: AtomicBool,
    told: Notify,
}

/// The move that a partition is to make.
pub(super) struct Moving {
    target: Uuid,
    stop: Arc<Stop>,
    progress: Arc<CopyProgress>,
}

/// What the task of a move knows of it.
#[derive(Clone)]
pub(crate) struct MoveTicket {
    stop: Arc<Stop>,
}

impl MoveTicket {
    /// Whether the move is not wanted any more.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stop.is_set.load(Ordering::Relaxed)
    }

    /// Waits until the move is not wanted any more.
    pub(crate) async fn stopped(&self) {
        let told = self.stop.told.notified();
        if !self.is_stopped() {
            told.await;
        }
    }

    /// Whether the partition's move is this one, and goes on.
    fn is_current(&self, state: &State) -> bool {
        let is_own = |moving: &Moving| Arc::ptr_eq(&moving.stop, &self.stop);
        state.moving.as_ref().is_some_and(is_own) && !self.is_stopped()
    }
}

/// Where a partition is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    /// The log directory that has the log.
    pub(crate) current: Uuid,
    /// The one that it moves to.
    pub(crate) target: Option<Uuid>,
    /// The move is in its last moment, and cannot be stopped any more.
    pub(crate) is_switching: bool,
}

/// What DescribeLogDirs says of the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Future {
    pub(crate) dir: Uuid,
    pub(crate) bytes: u64,
    /// Records by which the copy is behind; a segment counts when all of it is there.
    pub(crate) offset_lag: i64,
}

/// How a move ended.
pub(crate) enum MoveEnd {
    Moved,
    /// The copy is not wanted any more.
    Dropped(FutureLog),
    /// The node shuts down: the next start goes on.
    Suspended,
    Failed(FutureLog, LogError),
    /// The partition is offline until a restart; both directories stay.
    Undecided,
}

/// Why a copy, or a switch, ended early.
enum Interrupted {
    /// The log was opened again, or is offline.
    Reopened,
    /// What was under way did not end in time.
    PutOff,
    Move(MoveError),
}

impl From<MoveError> for Interrupted {
    fn from(error: MoveError) -> Interrupted {
        Interrupted::Move(error)
    }
}

impl Partition {
    /// Where the partition is and goes; an error while its log is not open.
    pub(crate) fn place(&self) -> Result<Place, PartitionError> {
        let state = self.lock();
        let not_here = || PartitionError::of(ErrorCode::ReplicaNotAvailable, "the partition's log is not open yet");
        match &state.status {
            Status::Online(online) => Ok(Place {
                current: online.open.log.log_dir().id(),
                target: state.moving.as_ref().map(|moving| moving.target),
                is_switching: online.open.is_switching,
            }),
            Status::Offline(reason) => Err(PartitionError::storage(reason.clone())),
            Status::Opening | Status::Retired(_) => Err(not_here()),
        }
    }

    /// The copy that is being made.
    pub(crate) fn future(&self) -> Option<Future> {
        let state = self.lock();
        let Status::Online(online) = &state.status else { return None };
        let moving = state.moving.as_ref()?;
        let offset_lag = online.open.log.log_end_offset() - moving.progress.end_offset();
        Some(Future { dir: moving.target, bytes: moving.progress.bytes(), offset_lag: offset_lag.max(0) })
    }

    /// The partition is to move to the directory of `future`. `None` if it moves already, or leaves.
    pub(crate) fn begin_move(&self, future: &FutureLog) -> Option<MoveTicket> {
        let mut state = self.lock();
        if state.moving.is_some() || state.is_leaving() {
            return None;
        }
        let stop = Arc::<Stop>::default();
        let (target, progress) = (future.log_dir().id(), Arc::clone(future.progress()));
        state.moving = Some(Moving { target, stop: Arc::clone(&stop), progress });
        Some(MoveTicket { stop })
    }

    /// Stops the move, if there is one; its task drops the copy. `false` if it is in its last moment, and goes on.
    pub(crate) fn cancel_move(&self) -> bool {
        let mut guard = self.lock();
        let state = &mut *guard;
        if matches!(&state.status, Status::Online(online) if online.open.is_switching) {
            return false;
        }
        forget_move(state);
        true
    }

    /// Moves the log. Runs until it is there, or does not get there.
    pub(crate) async fn run_move(
        self: &Arc<Self>,
        mut future: FutureLog,
        ticket: &MoveTicket,
        throttle: &Throttle,
        stopping: &Stopping,
    ) -> MoveEnd {
        let is_stopped = || stopping.is_set() || ticket.is_stopped() || self.lock().is_leaving();
        let context = MoveContext { throttle, is_stopped: &is_stopped };
        let (mut copies, mut copied, mut put_offs) = (0, None, 0);
        let error = loop {
            let incarnation = match self.begin_copy(&future, ticket, &context).await {
                Ok(incarnation) => incarnation,
                Err(error) => break error,
            };
            if copied.replace(incarnation) != Some(incarnation) {
                copies += 1;
                if let Err(error) = begin_again(&mut future, copies).await {
                    break error;
                }
            }
            match self.follow(incarnation, &mut future, context).await {
                Ok(()) => {}
                Err(Interrupted::Move(error)) => break error,
                Err(Interrupted::Reopened | Interrupted::PutOff) => continue,
            }
            // A task of its own: a switch that was begun is not left half done.
            let (partition, ticket) = (Arc::clone(self), ticket.clone());
            let switch = self.shared.runtime.spawn("partition.switch", async move {
                let result = partition.switch(incarnation, &ticket, &mut future).await;
                (future, result)
            });
            let Ok((returned, result)) = switch.await else { return MoveEnd::Suspended };
            future = returned;
            match result {
                Ok(from) => {
                    self.remove_moved(from).await;
                    return MoveEnd::Moved;
                }
                Err(Interrupted::Move(error)) => break error,
                Err(Interrupted::Reopened) => {}
                Err(Interrupted::PutOff) => {
                    put_offs += 1;
                    if put_offs > PUT_OFFS_MAX {
                        break given_up("the log could not be switched: one of the disks is too slow, or full");
                    }
                    let pause = SWITCH_AGAIN_AFTER * 2_u32.pow(put_offs - 1);
                    if !self.pause(pause.min(SWITCH_AGAIN_AFTER_MAX)).await {
                        break MoveError::Stopped;
                    }
                }
            }
        };
        self.end_move(future, ticket, error)
    }

    fn end_move(&self, future: FutureLog, ticket: &MoveTicket, error: MoveError) -> MoveEnd {
        let mut guard = self.lock();
        let state = &mut *guard;
        let is_cancelled = ticket.is_stopped();
        if !is_cancelled {
            forget_move(state);
        }
        let is_deleted = state.is_deleted();
        match error {
            MoveError::Undecided(_) => MoveEnd::Undecided,
            _ if is_cancelled || is_deleted => MoveEnd::Dropped(future),
            MoveError::Stopped => MoveEnd::Suspended,
            MoveError::Failed(error) => MoveEnd::Failed(future, error),
        }
    }

    /// Waits until the log is open and can be copied; its incarnation. An error when the move is to stop, the log is there, or
    /// offline for too long.
    async fn begin_copy(
        &self,
        future: &FutureLog,
        ticket: &MoveTicket,
        context: &MoveContext<'_>,
    ) -> Result<u64, MoveError> {
        let mut deadline = self.shared.runtime.now() + OPEN_PATIENCE;
        loop {
            if (context.is_stopped)() {
                return Err(MoveError::Stopped);
            }
            {
                let mut guard = self.lock();
                let state = &mut *guard;
                if !ticket.is_current(state) {
                    return Err(MoveError::Stopped);
                }
                match &mut state.status {
                    Status::Online(online) => {
                        if online.open.log.log_dir().id() == future.log_dir().id() {
                            return Err(given_up("the log is there already"));
                        }
                        if online.open.log.begin_move() {
                            return Ok(online.open.incarnation);
                        }
                    }
                    // A recovery takes the time that it takes.
                    Status::Opening => deadline = self.shared.runtime.now() + OPEN_PATIENCE,
                    Status::Offline(_) | Status::Retired(_) => {}
                }
            }
            if self.shared.runtime.now() >= deadline {
                return Err(given_up("the log is offline, or being compacted, for too long"));
            }
            if !self.pause(BEGIN_AGAIN_AFTER).await {
                return Err(MoveError::Stopped);
            }
        }
    }

    /// Copies what there is until little is missing.
    async fn follow(
        self: &Arc<Self>,
        incarnation: u64,
        future: &mut FutureLog,
        context: MoveContext<'_>,
    ) -> Result<(), Interrupted> {
        loop {
            let source = self.move_source(incarnation)?;
            let copied = match future.copy(&source, context).await {
                Ok(()) => future.copy_cuts(&source, context).await,
                failed => failed,
            };
            match copied {
                Ok(()) => {}
                // Its files may have been cut or renamed.
                Err(MoveError::Failed(_)) if self.is_reopened(incarnation).await => return Err(Interrupted::Reopened),
                Err(error) => return Err(error.into()),
            }
            // A pause of the throttle ends early then.
            if (context.is_stopped)() {
                return Err(MoveError::Stopped.into());
            }
            // What was appended meanwhile counts.
            if self.move_source(incarnation)?.missing_in(future) <= SWITCH_BYTES_MAX {
                return Ok(());
            }
            self.flush_now();
            if !self.pause(FOLLOW_AGAIN_AFTER).await {
                return Err(MoveError::Stopped.into());
            }
        }
    }

    /// Whether the log is not the one that it was; a flush that is under way may be about to find that out.
    async fn is_reopened(&self, incarnation: u64) -> bool {
        let deadline = self.shared.runtime.now() + SETTLE_PATIENCE;
        loop {
            match self.lock().open(incarnation) {
                None => return true,
                Some(open) if open.flush == FlushPhase::Idle => return false,
                Some(_) => {}
            }
            if self.shared.runtime.now() >= deadline || !self.pause(FOLLOW_AGAIN_AFTER).await {
                return false;
            }
        }
    }

    fn move_source(&self, incarnation: u64) -> Result<MoveSource, Interrupted> {
        let mut state = self.lock();
        let open = state.open(incarnation).ok_or(Interrupted::Reopened)?;
        Ok(open.log.move_source())
    }
}

/// Retention and compaction may go on.
fn forget_move(state: &mut State) {
    if let Some(moving) = state.moving.take() {
        moving.stop.is_set.store(true, Ordering::Relaxed);
        moving.stop.told.notify_waiters();
    }
    if let Status::Online(online) = &mut state.status {
        online.open.log.end_move();
    }
}

/// The `copies`-th copy of a log that is not what it was.
async fn begin_again(future: &mut FutureLog, copies: u32) -> Result<(), MoveError> {
    if copies > COPIES_MAX {
        return Err(given_up("the log was opened again too often while it was copied"));
    }
    Ok(future.start_over().await?)
}

fn given_up(reason: &str) -> MoveError {
    MoveError::Failed(LogError::Offline { reason: reason.to_string() })
}
