//! A history as text, one fact on a line, fields apart by tabs. A line that was cut short by the end of its writer is left out
//! when it is the last one of a file.

use super::{History, Outcome, Violation};

/// A line that is no fact, or one that contradicts an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {number}: {reason}")]
pub struct LineError {
    /// Counted from 1.
    pub number: usize,
    /// What is wrong.
    pub reason: String,
}

impl History {
    /// Adds the facts in `text`:
    ///
    /// ```text
    /// wrote      TRANSACTION  PARTITION  VALUE
    /// moved      TRANSACTION  GROUP      PARTITION  FROM  TO
    /// committed  TRANSACTION
    /// aborted    TRANSACTION
    /// unknown    TRANSACTION
    /// read       PARTITION    OFFSET     VALUE
    /// last       PARTITION    OFFSET     VALUE
    /// position   GROUP        PARTITION  OFFSET
    /// ```
    ///
    /// # Errors
    /// The first line that is none of these, or that contradicts what was there.
    pub fn parse(&mut self, text: &str) -> Result<(), LineError> {
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        for (number, line) in (1..).zip(whole.lines()) {
            self.parse_line(line).map_err(|reason| LineError { number, reason })?;
        }
        Ok(())
    }

    fn parse_line(&mut self, line: &str) -> Result<(), String> {
        let offset = |text: &str| text.parse::<i64>().map_err(|error| format!("'{text}' is no offset: {error}"));
        let told = |result: Result<(), Violation>| result.map_err(|Violation(what)| what);
        let fields: Vec<&str> = line.split('\t').collect();
        match fields[..] {
            ["wrote", transaction, partition, value] => self.wrote(transaction, partition, value),
            ["moved", transaction, group, partition, from, to] => {
                self.moved(transaction, group, partition, offset(from)?, offset(to)?);
            }
            ["committed", transaction] => self.ended(transaction, Outcome::Committed),
            ["aborted", transaction] => self.ended(transaction, Outcome::Aborted),
            ["unknown", transaction] => self.ended(transaction, Outcome::Unknown),
            ["read", partition, at, value] => told(self.read(partition, offset(at)?, value))?,
            ["last", partition, at, value] => told(self.read_last(partition, offset(at)?, value))?,
            ["position", group, partition, at] => self.position(group, partition, offset(at)?),
            _ => return Err(format!("'{line}' is no fact of a history")),
        }
        Ok(())
    }
}
