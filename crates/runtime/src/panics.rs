//! Panics: a failed assertion must not leave half-applied state serving.
//!
//! The binary installs a hook that aborts the process. Where there is no such hook (the embedded node, the simulator), every
//! spawned task reports its panic to the runtime's [`PanicBoard`], and whoever drives the runtime stops or fails the run.

use crate::watch;
use std::any::Any;

/// From now on a panic on any thread prints its message (the previous hook runs first) and aborts the process.
pub fn install_abort_on_panic_hook() {
    let print = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        print(info);
        std::process::abort();
    }));
}

/// Holds the first panic of any task.
#[derive(Debug)]
pub(crate) struct PanicBoard {
    first: watch::Sender<Option<String>>,
}

impl PanicBoard {
    pub(crate) fn new() -> PanicBoard {
        PanicBoard { first: watch::Sender::new(None) }
    }

    pub(crate) fn report(&self, task: &str, payload: &(dyn Any + Send)) {
        let message = format!("task '{task}' panicked: {}", panic_message(payload));
        self.first.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(message);
            is_first
        });
    }

    pub(crate) fn first(&self) -> Option<String> {
        self.first.borrow().clone()
    }

    /// Resolves when a task has panicked; never otherwise.
    pub(crate) async fn wait(&self) -> String {
        let mut receiver = self.first.subscribe();
        let first = receiver.wait_for(Option::is_some).await.expect("the board owns the sender").clone();
        first.expect("waited for a message")
    }
}

fn panic_message(payload: &(dyn Any + Send)) -> &str {
    if let Some(text) = payload.downcast_ref::<&str>() {
        return text;
    }
    payload.downcast_ref::<String>().map_or("(no message)", String::as_str)
}
