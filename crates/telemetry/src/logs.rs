//! Log lines: text on stderr, one line per event.

use std::io::IsTerminal;
use tracing_subscriber::EnvFilter;

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogSetupError {
    /// The level is neither a level nor a list of `target=level`.
    #[error("'{0}' is no log level: use error, warn, info, debug or trace, or a list such as info,ottla_storage=debug")]
    Level(String),
    /// Something else in this process has set up logging before.
    #[error("logging is set up already")]
    Twice,
}

/// Sends log lines to stderr. The level is `level` if given, else the variable `RUST_LOG`, else `info`.
pub fn init_logs(level: Option<&str>) -> Result<(), LogSetupError> {
    let from_environment = std::env::var(EnvFilter::DEFAULT_ENV).ok();
    let given = level.map(str::to_string).or(from_environment);
    let level = given.filter(|level| !level.is_empty()).unwrap_or_else(|| "info".to_string());
    tracing_subscriber::fmt()
        .with_env_filter(filter(&level)?)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .try_init()
        .map_err(|_| LogSetupError::Twice)
}

fn filter(level: &str) -> Result<EnvFilter, LogSetupError> {
    // A bare word that is no level would silently be taken as a target.
    let is_level = |word: &str| !word.is_empty() && word.parse::<tracing::level_filters::LevelFilter>().is_ok();
    let well_formed = level.split(',').all(|part| part.contains('=') || is_level(part.trim()));
    let error = || LogSetupError::Level(level.to_string());
    if !well_formed {
        return Err(error());
    }
    EnvFilter::try_new(level).map_err(|_| error())
}

#[cfg(test)]
mod tests {
    use super::filter;

    #[test]
    fn levels_are_checked() {
        for level in ["info", "WARN", "off", "info,ottla_storage=debug"] {
            assert!(filter(level).is_ok(), "{level}");
        }
        for level in ["loud", "info,loud", "ottla=loud", ""] {
            assert!(filter(level).is_err(), "{level}");
        }
    }
}
