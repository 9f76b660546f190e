//! What is known of transactions: a history that is judged once the load has ended, and how far each partition was stable.

use super::{Check, Oracle, broken};
use ottla_testkit::history::{History, Outcome, Violation};
use std::collections::BTreeMap;

/// All transactions.
#[derive(Debug, Default)]
pub(super) struct Transactions {
    history: History,
    /// The last stable offset of each partition is at least this.
    stable: BTreeMap<String, i64>,
    is_over: bool,
}

impl Oracle {
    /// The transaction is about to write a value.
    pub(crate) fn writing(&self, transaction: &str, partition: &str, value: &str) {
        self.state().transactions.history.wrote(transaction, partition, value);
    }

    /// The transaction is about to move its group's position.
    pub(crate) fn moving(&self, transaction: &str, group: &str, partition: &str, from: i64, to: i64) {
        self.state().transactions.history.moved(transaction, group, partition, from, to);
    }

    /// The transaction has ended.
    pub(crate) fn transaction_ended(&self, transaction: &str, outcome: Outcome) {
        let state = &mut *self.state();
        let counts = &mut state.counts;
        match outcome {
            Outcome::Committed => counts.committed_transactions += 1,
            Outcome::Aborted => counts.aborted_transactions += 1,
            Outcome::Unknown => counts.unknown_transactions += 1,
        }
        state.transactions.history.ended(transaction, outcome);
    }

    /// A value was read with read_committed; `is_last` in a reading of everything.
    pub(crate) fn read_committed(&self, partition: &str, offset: i64, value: &str, is_last: bool) -> Check {
        let history = &mut self.state().transactions.history;
        let read = match is_last {
            true => history.read_last(partition, offset, value),
            false => history.read(partition, offset, value),
        };
        read.or_else(|Violation(what)| broken(what))
    }

    /// How far a partition is known to be stable, to be brought along with the answer.
    pub(crate) fn stable_end(&self, partition: &str) -> i64 {
        self.state().transactions.stable.get(partition).copied().unwrap_or(0)
    }

    /// An answer named a last stable offset. It never goes back: what was stable was flushed, and so was its marker.
    pub(crate) fn stable(&self, partition: &str, known: i64, found: i64) -> Check {
        if found < known {
            return broken(format!("{partition} was stable up to {known}, and now up to {found}"));
        }
        let stable = &mut self.state().transactions.stable;
        let end = stable.entry(partition.to_string()).or_default();
        *end = found.max(*end);
        Ok(())
    }

    /// All partitions are going to be read to their ends.
    pub(crate) fn reading_last(&self) {
        self.state().transactions.history.read_again();
    }

    /// A group's committed position, when nobody moves it any more.
    pub(crate) fn last_position(&self, group: &str, partition: &str, offset: i64) {
        self.state().transactions.history.position(group, partition, offset);
    }

    /// The load has ended: from now on nothing changes.
    pub(crate) fn load_is_over(&self) {
        self.state().transactions.is_over = true;
    }

    /// Whether the load has ended.
    pub(crate) fn is_load_over(&self) -> bool {
        self.state().transactions.is_over
    }

    /// Judges all transactions, after everything was read.
    pub(crate) fn judge_transactions(&self) -> Check {
        let judged = self.state().transactions.history.judge();
        judged.map(|_| ()).or_else(|Violation(what)| broken(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_runtime::Instant;

    #[test]
    fn stable_end_never_goes_back() {
        let oracle = Oracle::new(Instant::now());
        let early = oracle.stable_end("p");
        oracle.stable("p", early, 7).unwrap();
        assert_eq!(oracle.stable("p", early, 3), Ok(()), "it was asked before");
        assert!(oracle.stable("p", oracle.stable_end("p"), 6).is_err());
        assert_eq!(oracle.stable_end("p"), 7);
    }
}
