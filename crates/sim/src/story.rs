//! The last things that happened, for whoever reads a failure.

use std::collections::VecDeque;
use std::time::Duration;

/// Lines that are kept.
const LINES_MAX: usize = 100;

/// A bounded list of lines.
#[derive(Debug, Default)]
pub(crate) struct Story {
    lines: VecDeque<String>,
}

impl Story {
    pub(crate) fn tell(&mut self, at: Duration, line: &str) {
        if self.lines.len() == LINES_MAX {
            self.lines.pop_front();
        }
        self.lines.push_back(format!("{:>9.3} s  {line}", at.as_secs_f64()));
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.lines.iter().cloned().collect()
    }
}
