//! A progress bar on standard error for work that may be long: how far it is, how fast, and how long it still takes. Only where
//! standard error is a terminal that can draw, and never before the work has taken a moment.

use anstream::{AutoStream, ColorChoice};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use std::cell::Cell;
use std::fmt::Write;
use std::io::IsTerminal;
use std::time::{Duration, Instant};

/// Work that ends sooner shows no bar.
const PATIENCE: Duration = Duration::from_millis(500);

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    Bytes,
    Records,
}

/// The progress of one command; its bar goes away when this is dropped.
pub struct Progress {
    bar: ProgressBar,
    begun: Instant,
    is_shown: Cell<bool>,
}

impl Progress {
    /// Of so many.
    pub fn of(total: u64, unit: Unit) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::hidden());
        let rate = move |state: &ProgressState, text: &mut dyn Write| {
            let _ = text.write_str(&rate(unit, state.per_sec()));
        };
        bar.set_style(style("{rate}").with_key("rate", rate));
        Progress { bar, begun: Instant::now(), is_shown: Cell::new(false) }
    }

    /// None.
    pub fn hidden() -> Progress {
        Progress { bar: ProgressBar::hidden(), begun: Instant::now(), is_shown: Cell::new(true) }
    }

    /// The same where results do not go to the terminal that would show the bar.
    pub fn unless_printing(self) -> Progress {
        if std::io::stdout().is_terminal() { Progress::hidden() } else { self }
    }

    /// So many more are done.
    pub fn advance(&self, count: u64) {
        self.bar.inc(count);
        if !self.is_shown.get() && self.begun.elapsed() >= PATIENCE {
            self.is_shown.set(true);
            self.bar.set_draw_target(target());
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Standard error where it is a terminal that can draw: not with `TERM=dumb`, and not where somebody wants plain text (`NO_COLOR`,
/// `--color never`).
pub fn target() -> ProgressDrawTarget {
    let stderr = std::io::stderr();
    match stderr.is_terminal() && AutoStream::choice(&stderr) != ColorChoice::Never {
        true => ProgressDrawTarget::stderr(),
        false => ProgressDrawTarget::hidden(),
    }
}

/// How bars look, with this in the middle.
pub fn style(middle: &str) -> ProgressStyle {
    let style = ProgressStyle::with_template(&format!("{{wide_bar}} {{percent}}%  {middle}  {{eta}} left"));
    style.unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn rate(unit: Unit, per_second: f64) -> String {
    match unit {
        Unit::Bytes => format!("{:.1} MB/s", per_second / 1e6),
        Unit::Records => format!("{} records/s", grouped(per_second)),
    }
}

/// A whole number with commas: 1,234,567.
pub fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_in_the_unit_of_the_work() {
        assert_eq!(rate(Unit::Bytes, 12_340_000.0), "12.3 MB/s");
        assert_eq!(rate(Unit::Records, 1_234_567.4), "1,234,567 records/s");
        assert_eq!(grouped(12.0), "12");
    }

    #[test]
    fn work_is_counted_also_where_no_bar_is_drawn() {
        let progress = Progress::of(10, Unit::Records);
        progress.advance(4);
        progress.advance(3);
        assert_eq!(progress.bar.position(), 7);
        assert!(!progress.is_shown.get(), "not at once");
    }
}
