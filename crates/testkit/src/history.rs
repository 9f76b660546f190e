//! Judges what transactions did, from what their clients did and saw. It knows nothing of the broker, so it judges runs of the
//! simulator and of real clients alike; those write their history as [lines of text](History::parse).
//!
//! Clients consume, transform and produce. In each transaction a client writes values that nobody else ever writes, to
//! several partitions, and moves positions of its group on from where the last transaction that counted left them. Then:
//!
//! 1. Nothing of a transaction that did not commit is read with read_committed, and nothing that nobody wrote.
//! 2. Every value of a transaction whose commit was answered is there, once.
//! 3. Of a transaction that may or may not have committed everything is there, or nothing.
//! 4. What was read once stays, at its offset.
//! 5. The transactions that count took positions over from one another without a gap or an overlap, and the group is where the
//!    last one left it: offsets and output are in step.

mod lines;

use std::collections::BTreeMap;
use std::fmt;

pub use lines::LineError;

/// How a transaction ended, as its client knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The commit was answered.
    Committed,
    /// An abort was answered, or a commit was refused or never asked for.
    Aborted,
    /// A commit was asked for, and no answer came.
    Unknown,
}

/// Positions of a group that a transaction moves.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Move {
    group: String,
    partition: String,
    from: i64,
    to: i64,
}

/// What one transaction did.
#[derive(Debug, Clone, Default)]
struct Transaction {
    /// Partition and value.
    writes: Vec<(String, String)>,
    moves: Vec<Move>,
    outcome: Option<Outcome>,
}

/// Everything that clients did and saw.
#[derive(Debug, Clone, Default)]
pub struct History {
    transactions: BTreeMap<String, Transaction>,
    /// The transaction of each value, by partition and value.
    writers: BTreeMap<(String, String), String>,
    /// Values by partition and offset that somebody read with read_committed at any time.
    seen: BTreeMap<(String, i64), String>,
    /// Those that were read in the end, from the start to the end of each partition.
    last: BTreeMap<(String, i64), String>,
    /// What groups had committed in the end, by group and partition.
    positions: BTreeMap<(String, String), i64>,
}

/// What was promised and is not so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation(pub String);

/// What a history without a violation holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Summary {
    /// Transactions that count.
    pub committed: u64,
    /// Those that do not.
    pub aborted: u64,
    /// Those of either kind whose client did not know.
    pub unknown: u64,
    /// Values that were read in the end.
    pub values: u64,
}

/// From where to where a transaction moved a position, and its name.
type Link<'a> = (i64, i64, &'a str);

type Judgement<T = ()> = Result<T, Violation>;

fn violated<T>(what: String) -> Judgement<T> {
    Err(Violation(what))
}

impl History {
    /// The transaction writes a value to a partition, if it commits. Told before it is sent.
    ///
    /// # Panics
    /// When the value was written to the partition before: then nothing could be said of it.
    pub fn wrote(&mut self, transaction: &str, partition: &str, value: &str) {
        let place = (partition.to_string(), value.to_string());
        let former = self.writers.insert(place.clone(), transaction.to_string());
        assert!(former.is_none(), "{value} was written to {partition} before");
        self.transaction(transaction).writes.push(place);
    }

    /// The transaction moves a group's position, if it commits. Told before it is sent; the last one of a partition counts.
    pub fn moved(&mut self, transaction: &str, group: &str, partition: &str, from: i64, to: i64) {
        let moves = &mut self.transaction(transaction).moves;
        moves.retain(|known| (known.group.as_str(), known.partition.as_str()) != (group, partition));
        moves.push(Move { group: group.to_string(), partition: partition.to_string(), from, to });
    }

    /// The transaction ended. One that never ends did not commit.
    pub fn ended(&mut self, transaction: &str, outcome: Outcome) {
        self.transaction(transaction).outcome = Some(outcome);
    }

    /// A value was read with read_committed.
    ///
    /// # Errors
    /// When another value was read at this offset before.
    pub fn read(&mut self, partition: &str, offset: i64, value: &str) -> Judgement {
        let former = self.seen.insert((partition.to_string(), offset), value.to_string());
        match former.filter(|former| former != value) {
            Some(former) => violated(format!("{partition} had {former} at offset {offset}, and has {value} now")),
            None => Ok(()),
        }
    }

    /// A value was read in the end.
    ///
    /// # Errors
    /// As for [`History::read`].
    pub fn read_last(&mut self, partition: &str, offset: i64, value: &str) -> Judgement {
        self.last.insert((partition.to_string(), offset), value.to_string());
        self.read(partition, offset, value)
    }

    /// What a group has committed in the end.
    pub fn position(&mut self, group: &str, partition: &str, offset: i64) {
        self.positions.insert((group.to_string(), partition.to_string()), offset);
    }

    /// Forgets what was read in the end, and the positions: it is read again.
    pub fn read_again(&mut self) {
        self.last.clear();
        self.positions.clear();
    }

    fn transaction(&mut self, name: &str) -> &mut Transaction {
        self.transactions.entry(name.to_string()).or_default()
    }

    /// Judges a history whose clients have ended, and whose partitions were read to their ends.
    ///
    /// # Errors
    /// The first violation.
    pub fn judge(&self) -> Judgement<Summary> {
        let places = self.places()?;
        self.nothing_vanished()?;
        let mut summary = Summary { values: places.len() as u64, ..Summary::default() };
        let mut counting = Vec::new();
        for (name, transaction) in &self.transactions {
            let counts = self.counts(name, transaction, &places)?;
            summary.unknown += u64::from(transaction.outcome == Some(Outcome::Unknown));
            if counts {
                summary.committed += 1;
                counting.push((name.as_str(), transaction));
            } else {
                summary.aborted += 1;
            }
        }
        self.positions_in_step(&counting)?;
        Ok(summary)
    }

    /// The offset of every value that is there, of which each may be there once and somebody wrote it.
    fn places(&self) -> Judgement<BTreeMap<(&str, &str), i64>> {
        let mut places = BTreeMap::new();
        for ((partition, offset), value) in &self.last {
            if !self.writers.contains_key(&(partition.clone(), value.clone())) {
                return violated(format!("{partition} has {value} at offset {offset}, which nobody wrote"));
            }
            if let Some(former) = places.insert((partition.as_str(), value.as_str()), *offset) {
                return violated(format!("{partition} has {value} twice, at offsets {former} and {offset}"));
            }
        }
        Ok(places)
    }

    fn nothing_vanished(&self) -> Judgement {
        for ((partition, offset), value) in &self.seen {
            if !self.last.contains_key(&(partition.clone(), *offset)) {
                let writer = self.writers.get(&(partition.clone(), value.clone()));
                let writer = writer.map_or("nobody", String::as_str);
                return violated(format!("{partition} had {value} of {writer} at offset {offset}, which is gone"));
            }
        }
        Ok(())
    }

    /// Whether a transaction committed, by what its client knows or else by what is there.
    fn counts(&self, name: &str, transaction: &Transaction, places: &BTreeMap<(&str, &str), i64>) -> Judgement<bool> {
        let is_there =
            |(partition, value): &&(String, String)| places.contains_key(&(partition.as_str(), value.as_str()));
        let found = transaction.writes.iter().find(is_there);
        let missing = transaction.writes.iter().find(|write| !is_there(write));
        match (transaction.outcome.unwrap_or(Outcome::Aborted), found, missing) {
            (Outcome::Committed, _, Some((partition, value))) => {
                violated(format!("{name} committed, and {value} is not in {partition}"))
            }
            (Outcome::Aborted, Some((partition, value)), _) => {
                violated(format!("{name} did not commit, and {value} is in {partition}"))
            }
            (Outcome::Unknown, Some((there, value)), Some((partition, lost))) => {
                violated(format!("{name} is there in part: {value} is in {there}, {lost} is not in {partition}"))
            }
            (Outcome::Committed, _, None) => Ok(true),
            (Outcome::Aborted, None, _) => Ok(false),
            (Outcome::Unknown, found, _) => Ok(found.is_some()),
        }
    }

    /// Each counting transaction goes on where another one ended, and the group stands where the last one did.
    fn positions_in_step(&self, counting: &[(&str, &Transaction)]) -> Judgement {
        let mut chains: BTreeMap<(String, String), Vec<Link<'_>>> = BTreeMap::new();
        for (name, transaction) in counting {
            for step in &transaction.moves {
                let place = (step.group.clone(), step.partition.clone());
                chains.entry(place).or_default().push((step.from, step.to, name));
            }
        }
        for place in self.positions.keys() {
            chains.entry(place.clone()).or_default();
        }
        for ((group, partition), mut chain) in chains {
            chain.sort_unstable();
            let (mut at, mut last) = (0, "nobody");
            for (from, to, name) in chain {
                if from != at {
                    let how = if from < at { "again, behind" } else { "leaving a gap behind" };
                    return violated(format!(
                        "{name} took {partition} from {from} to {to} for {group}, {how} {last}, which ended at {at}"
                    ));
                }
                (at, last) = (to, name);
            }
            let found = self.positions.get(&(group.clone(), partition.clone())).copied().unwrap_or(-1);
            if found.max(0) != at {
                return violated(format!("{group} is at {found} in {partition}, and {last} had moved it to {at}"));
            }
        }
        Ok(())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Violation {}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Summary { committed, aborted, unknown, values } = self;
        write!(f, "{committed} transactions committed, {aborted} not, {unknown} without an answer, {values} values")
    }
}

#[cfg(test)]
mod tests;
