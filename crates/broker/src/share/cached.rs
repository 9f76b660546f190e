//! One share partition on this node, who waits for it, and when its next lock ends.

use crate::watchers::Waiter;
use ottla_share::state::StateKey;
use ottla_share::{DeadLetters, SharePartition};
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

/// Below this many waiters no sweep for abandoned ones is worth while.
const SWEEP_WAITERS_MIN: usize = 64;

/// A share partition that this node leads.
pub(crate) struct Cached {
    pub(super) key: StateKey,
    /// In which it was loaded; another one loads it again.
    pub(super) leader_epoch: i32,
    core: Mutex<SharePartition>,
    waiters: Mutex<Vec<Weak<Waiter>>>,
    /// No lock ends before this.
    next_expiry_ms: AtomicI64,
    /// Somebody brings records to the dead-letter topic. Changes only while the core is locked.
    is_bringing: AtomicBool,
    /// Another one takes its place: nothing is handed out of this one any more.
    is_fenced: AtomicBool,
}

impl Cached {
    pub(super) fn new(key: StateKey, leader_epoch: i32, core: SharePartition) -> Cached {
        Cached {
            key,
            leader_epoch,
            core: Mutex::new(core),
            waiters: Mutex::default(),
            next_expiry_ms: AtomicI64::new(i64::MAX),
            is_bringing: AtomicBool::new(false),
            is_fenced: AtomicBool::new(false),
        }
    }

    /// Every step under the lock leaves the state consistent, and a panic ends the node.
    pub(super) fn lock(&self) -> MutexGuard<'_, SharePartition> {
        self.core.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whoever has it looks for the one that takes its place.
    pub(super) fn fence(&self) {
        let core = self.lock();
        self.is_fenced.store(true, Ordering::Release);
        drop(core);
        self.wake();
    }

    /// Does not change while the lock is held.
    pub(super) fn is_fenced(&self) -> bool {
        self.is_fenced.load(Ordering::Acquire)
    }

    /// Whether there are records for the dead-letter topic and nobody brings them there: the caller does, from now on.
    pub(super) fn begin_to_bring(&self) -> bool {
        let core = self.lock();
        core.is_archiving() && !self.is_bringing.swap(true, Ordering::AcqRel)
    }

    /// What the caller of [`Cached::begin_to_bring`] is to bring; nothing ends it.
    pub(super) fn next_to_bring(&self) -> Vec<DeadLetters> {
        let mut core = self.lock();
        let letters = if self.is_fenced() { Vec::new() } else { core.take_dead_letters() };
        self.is_bringing.store(!letters.is_empty(), Ordering::Release);
        letters
    }

    /// Wakes `waiter` once something may be acquired that could not be before. It looks again after this call.
    pub(super) fn watch(&self, waiter: &Arc<Waiter>) {
        let mut waiters = self.waiters.lock().unwrap_or_else(PoisonError::into_inner);
        if waiters.iter().any(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(waiter))) {
            return;
        }
        if waiters.len() >= SWEEP_WAITERS_MIN {
            waiters.retain(|waiter| waiter.strong_count() > 0);
        }
        waiters.push(Arc::downgrade(waiter));
    }

    pub(super) fn wake(&self) {
        let waiters = std::mem::take(&mut *self.waiters.lock().unwrap_or_else(PoisonError::into_inner));
        waiters.iter().filter_map(Weak::upgrade).for_each(|waiter| waiter.wake());
    }

    /// Locks may end before what was known.
    pub(super) fn locked_until(&self, until_ms: i64) {
        self.next_expiry_ms.fetch_min(until_ms, Ordering::AcqRel);
    }

    /// Whether locks may have ended; if so the caller looks, and says when the next one ends.
    pub(super) fn may_expire(&self, now_ms: i64) -> bool {
        self.next_expiry_ms.load(Ordering::Acquire) <= now_ms
    }

    pub(super) fn next_expiry(&self, core: &SharePartition) {
        self.next_expiry_ms.store(core.next_expiry_ms().unwrap_or(i64::MAX), Ordering::Release);
    }
}
