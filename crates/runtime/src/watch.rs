//! A value that tasks wait for to change: tokio's `watch`, except that waiters wake in the order in which they began to wait.
//!
//! tokio spreads the waiters of a `watch` over shards that it draws from a generator which no seed reaches, so the order in
//! which they wake differs from run to run. That order decides who answers first, and equal seeds would give different
//! traces.

use std::fmt;
use std::ops::Deref;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use tokio::sync::Notify;

/// A new value with one sender and one receiver, which has seen it.
pub fn channel<T>(value: T) -> (Sender<T>, Receiver<T>) {
    let sender = Sender::new(value);
    let receiver = sender.subscribe();
    (sender, receiver)
}

/// Every sender is gone, so the value does not change any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RecvError(());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("every sender of the watched value is gone")
    }
}

impl std::error::Error for RecvError {}

#[derive(Debug)]
struct Shared<T> {
    value: RwLock<T>,
    /// Rises with every change, while the value is locked for writing.
    version: AtomicU64,
    senders: AtomicUsize,
    changed: Notify,
}

/// Changes the value. Clones change the same one.
#[derive(Debug)]
pub struct Sender<T> {
    shared: Arc<Shared<T>>,
}

/// Sees the value, and remembers which version it saw last. A clone remembers the same.
#[derive(Debug)]
pub struct Receiver<T> {
    shared: Arc<Shared<T>>,
    seen: u64,
}

/// The value, locked for reading: do not keep it over an await.
#[derive(Debug)]
pub struct Ref<'a, T> {
    value: RwLockReadGuard<'a, T>,
}

impl<T> Deref for Ref<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> Shared<T> {
    fn read(&self) -> Ref<'_, T> {
        Ref { value: self.value.read().unwrap_or_else(PoisonError::into_inner) }
    }

    fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn is_closed(&self) -> bool {
        self.senders.load(Ordering::Acquire) == 0
    }
}

impl<T> Sender<T> {
    /// A new value without receivers.
    pub fn new(value: T) -> Sender<T> {
        let (version, senders) = (AtomicU64::new(0), AtomicUsize::new(1));
        Sender { shared: Arc::new(Shared { value: RwLock::new(value), version, senders, changed: Notify::new() }) }
    }

    /// A receiver that has seen the value as it is.
    pub fn subscribe(&self) -> Receiver<T> {
        // Locked, so that the version belongs to the value.
        let _value = self.shared.read();
        Receiver { shared: self.shared.clone(), seen: self.shared.version() }
    }

    /// The value.
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.read()
    }

    /// Puts another value in place, and returns the former one.
    pub fn send_replace(&self, value: T) -> T {
        let mut value = value;
        self.send_modify(|current| std::mem::swap(current, &mut value));
        value
    }

    /// Changes the value.
    pub fn send_modify(&self, change: impl FnOnce(&mut T)) {
        self.send_if_modified(|value| {
            change(value);
            true
        });
    }

    /// Changes the value; receivers wake only if `change` says that it did. Returns what it says.
    pub fn send_if_modified(&self, change: impl FnOnce(&mut T) -> bool) -> bool {
        let mut value = self.shared.value.write().unwrap_or_else(PoisonError::into_inner);
        let is_modified = change(&mut value);
        if is_modified {
            self.shared.version.fetch_add(1, Ordering::Release);
        }
        drop(value);
        if is_modified {
            self.shared.changed.notify_waiters();
        }
        is_modified
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Sender<T> {
        self.shared.senders.fetch_add(1, Ordering::AcqRel);
        Sender { shared: self.shared.clone() }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        if self.shared.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.shared.changed.notify_waiters();
        }
    }
}

impl<T> Receiver<T> {
    /// The value. It does not count as seen.
    pub fn borrow(&self) -> Ref<'_, T> {
        self.shared.read()
    }

    /// The value. It counts as seen.
    pub fn borrow_and_update(&mut self) -> Ref<'_, T> {
        let value = self.shared.read();
        self.seen = self.shared.version();
        value
    }

    /// Resolves when there is a value that was not seen yet; it then counts as seen.
    ///
    /// # Errors
    /// When every sender is gone and the last value was seen.
    pub async fn changed(&mut self) -> Result<(), RecvError> {
        loop {
            // Made before looking, so that no change is missed in between.
            let changed = self.shared.changed.notified();
            let is_closed = self.shared.is_closed();
            let version = self.shared.version();
            if version != self.seen {
                self.seen = version;
                return Ok(());
            }
            if is_closed {
                return Err(RecvError(()));
            }
            changed.await;
        }
    }

    /// Resolves when the value is as `is_wanted` says, at once if it is already; it then counts as seen.
    ///
    /// # Errors
    /// When every sender is gone and the last value is not as wanted.
    pub async fn wait_for(&mut self, mut is_wanted: impl FnMut(&T) -> bool) -> Result<Ref<'_, T>, RecvError> {
        let (shared, seen) = (&*self.shared, &mut self.seen);
        loop {
            let changed = shared.changed.notified();
            let is_closed = shared.is_closed();
            {
                let value = shared.read();
                *seen = shared.version();
                if is_wanted(&value) {
                    return Ok(value);
                }
            }
            if is_closed {
                return Err(RecvError(()));
            }
            changed.await;
        }
    }
}

impl<T> Clone for Receiver<T> {
    fn clone(&self) -> Receiver<T> {
        Receiver { shared: self.shared.clone(), seen: self.seen }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::World;
    use std::sync::Mutex;

    #[test]
    fn waiters_wake_in_the_order_in_which_they_began() {
        let world = World::new(1);
        let order = world.run(async {
            let runtime = world.node("node");
            let (sender, order) = (Sender::new(0), Arc::new(Mutex::new(Vec::new())));
            let waiters: Vec<_> = (0..50)
                .map(|number| {
                    let (mut receiver, order) = (sender.subscribe(), order.clone());
                    runtime.spawn("wait", async move {
                        receiver.wait_for(|value| *value == 2).await.map(|_| ()).unwrap();
                        order.lock().unwrap().push(number);
                    })
                })
                .collect();
            for value in 1..3 {
                runtime.sleep(std::time::Duration::from_millis(1)).await;
                sender.send_replace(value);
            }
            for waiter in waiters {
                waiter.await.unwrap();
            }
            std::mem::take(&mut *order.lock().unwrap())
        });
        assert_eq!(order, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn a_change_is_seen_once_and_the_end_is_told() {
        let world = World::new(1);
        world.run(async {
            let (sender, mut receiver) = channel(1);
            let mut late = receiver.clone();
            assert_eq!(sender.send_replace(2), 1);
            assert_eq!(receiver.changed().await, Ok(()));
            assert_eq!(*receiver.borrow(), 2);
            assert!(!sender.send_if_modified(|_| false));
            sender.clone().send_modify(|value| *value += 1);
            assert_eq!(*receiver.borrow_and_update(), 3);
            drop(sender);
            assert_eq!(receiver.changed().await, Err(RecvError(())));
            assert_eq!(late.changed().await, Ok(()));
            assert_eq!(late.wait_for(|value| *value == 3).await.map(|value| *value), Ok(3));
            assert!(late.wait_for(|value| *value == 4).await.is_err());
        });
    }
}
