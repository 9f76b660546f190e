//! The client's half of a fetch session (KIP-227): only what has changed since the last request is named again.

use crate::oracle::PartitionKey;
use std::collections::BTreeMap;

/// What the node remembers of us, as far as we know.
#[derive(Debug, Default)]
pub(super) struct Session {
    id: i32,
    /// 0: the next request is a full one.
    epoch: i32,
    told: BTreeMap<PartitionKey, i64>,
}

/// The session fields of a request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct SessionRequest {
    pub(super) id: i32,
    pub(super) epoch: i32,
    /// Partitions with the offsets to fetch from.
    pub(super) fetch: Vec<(PartitionKey, i64)>,
    pub(super) forget: Vec<PartitionKey>,
}

impl Session {
    /// The request for these positions.
    pub(super) fn request(&mut self, wanted: &BTreeMap<PartitionKey, i64>) -> SessionRequest {
        if self.epoch == 0 {
            self.told.clear();
        }
        let is_news = |(key, offset): &(&PartitionKey, &i64)| self.told.get(*key) != Some(*offset);
        let fetch = wanted.iter().filter(is_news).map(|(key, offset)| (key.clone(), *offset)).collect();
        let forget = self.told.keys().filter(|key| !wanted.contains_key(*key)).cloned().collect();
        self.told = wanted.clone();
        SessionRequest { id: self.id, epoch: self.epoch, fetch, forget }
    }

    /// The request was answered without a session error.
    pub(super) fn answered(&mut self, session_id: i32) {
        if self.epoch == 0 {
            self.id = session_id;
        }
        self.epoch = if self.id == 0 { 0 } else { self.epoch + 1 };
    }

    /// The next request is a full one: of a new session in place of the old one, or of one that was never there.
    pub(super) fn start_over(&mut self, forgets_id: bool) {
        self.epoch = 0;
        if forgets_id {
            self.id = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_changes_are_named_after_the_first_request() {
        let keys = [0, 1].map(|partition| PartitionKey::new("topic", 0, partition));
        let mut wanted = BTreeMap::from([(keys[0].clone(), 0), (keys[1].clone(), 7)]);
        let mut session = Session::default();
        assert_eq!(session.request(&wanted).fetch.len(), 2);
        session.answered(42);
        wanted.insert(keys[0].clone(), 3);
        let fetch = vec![(keys[0].clone(), 3)];
        assert_eq!(session.request(&wanted), SessionRequest { id: 42, epoch: 1, fetch, forget: Vec::new() });
        session.answered(42);
        wanted.remove(&keys[1]);
        let request = session.request(&wanted);
        assert_eq!((request.epoch, request.fetch.len(), request.forget), (2, 0, vec![keys[1].clone()]));
        session.start_over(false);
        assert_eq!(session.request(&wanted).fetch.len(), 1);
    }
}
