//! A state machine that remembers everything it was told.

use crate::{Capture, Refused, Role, StateMachine};
use bytes::{Buf, BufMut, Bytes};
use std::sync::{Arc, Mutex, MutexGuard};

/// What a journal holds. Shared with the test, which looks into it while the quorum runs.
#[derive(Clone, Default)]
pub(super) struct Journal(Arc<Mutex<JournalState>>);

pub(super) struct JournalState {
    /// Index and content of every entry that was applied or restored.
    pub(super) entries: Vec<(u64, Bytes)>,
    pub(super) role: Role,
    /// Index of the snapshot that it was restored from last.
    pub(super) restored: Option<u64>,
}

impl Default for JournalState {
    fn default() -> JournalState {
        JournalState { entries: Vec::new(), role: Role::Follower { leader: None }, restored: None }
    }
}

impl Journal {
    pub(super) fn look(&self) -> MutexGuard<'_, JournalState> {
        self.0.lock().unwrap()
    }

    /// The contents, as text.
    pub(super) fn texts(&self) -> Vec<String> {
        self.look().entries.iter().map(|(_, entry)| String::from_utf8_lossy(entry).into_owned()).collect()
    }
}

impl StateMachine for Journal {
    fn apply(&mut self, index: u64, _term: u64, entry: &Bytes) -> Result<(), Refused> {
        if entry == "refuse" {
            return Err(Refused("it says so".to_owned()));
        }
        let mut state = self.look();
        assert!(state.entries.last().is_none_or(|(last, _)| *last < index), "indices rise");
        state.entries.push((index, entry.clone()));
        Ok(())
    }

    fn snapshot(&self) -> Capture {
        let entries = self.look().entries.clone();
        Box::new(move || entries.chunks(7).map(chunk).collect())
    }

    fn restore(&mut self, index: u64, chunks: Vec<Bytes>) -> Result<(), Refused> {
        let mut state = self.look();
        state.entries.clear();
        state.restored = Some(index);
        for mut chunk in chunks {
            while chunk.has_remaining() {
                let index = chunk.get_u64_le();
                let len = chunk.get_u32_le() as usize;
                state.entries.push((index, chunk.split_to(len)));
            }
        }
        assert!(
            state.entries.last().is_none_or(|(last, _)| *last <= index),
            "a snapshot holds nothing after its index"
        );
        Ok(())
    }

    fn on_role(&mut self, role: Role) {
        self.look().role = role;
    }
}

fn chunk(entries: &[(u64, Bytes)]) -> Bytes {
    let mut chunk = Vec::new();
    for (index, entry) in entries {
        chunk.put_u64_le(*index);
        chunk.put_u32_le(entry.len() as u32);
        chunk.put_slice(entry);
    }
    Bytes::from(chunk)
}
