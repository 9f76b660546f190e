//! Colours: only where a terminal shows them, never with `NO_COLOR`, and as `--color` says. Nothing is told by colour alone.

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// `--color`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum When {
    /// On a terminal, unless NO_COLOR is set.
    #[default]
    Auto,
    /// Also into pipes and files.
    Always,
    /// Not at all.
    Never,
}

/// Headings of tables.
pub(crate) const HEADING: Style = Style::new().bold();
/// What went wrong, and what is broken.
pub const BAD: Style = AnsiColor::Red.on_default().bold();
/// What needs care.
pub const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
/// What is well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What to do.
pub const ADVICE: Style = AnsiColor::Cyan.on_default();

impl When {
    /// Holds for the whole process from now on.
    pub fn set(self) {
        let choice = match self {
            When::Auto => ColorChoice::Auto,
            When::Always => ColorChoice::AlwaysAnsi,
            When::Never => ColorChoice::Never,
        };
        choice.write_global();
    }
}

/// A text for standard output.
pub fn out(style: Style, text: &str) -> String {
    painted(AutoStream::choice(&std::io::stdout()), style, text)
}

/// A text for standard error.
pub fn err(style: Style, text: &str) -> String {
    painted(AutoStream::choice(&std::io::stderr()), style, text)
}

fn painted(choice: ColorChoice, style: Style, text: &str) -> String {
    match choice {
        ColorChoice::Never => text.to_string(),
        _ => format!("{style}{text}{style:#}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_painted_or_left_alone() {
        assert_eq!(painted(ColorChoice::Never, BAD, "x"), "x");
        assert_eq!(painted(ColorChoice::AlwaysAnsi, HEADING, "x"), "\u{1b}[1mx\u{1b}[0m");
    }
}
