//! Levels of loggers, and changing them while the process runs.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::{Registry, reload};

/// The logger that all others follow.
pub const ROOT: &str = "root";
/// The loggers that are always listed; every module below one is a logger, too.
pub const LOGGERS: &[&str] = &[
    "ottla",
    "ottla_broker",
    "ottla_client",
    "ottla_controller",
    "ottla_coordinator",
    "ottla_group",
    "ottla_http",
    "ottla_metadata",
    "ottla_net",
    "ottla_node",
    "ottla_quorum",
    "ottla_records",
    "ottla_replication",
    "ottla_runtime",
    "ottla_security",
    "ottla_storage",
    "ottla_txn",
];
/// Levels that can be set, least talkative first; FATAL is what Kafka's tools may say for ERROR.
const NAMES: &[(&str, LevelFilter)] = &[
    ("OFF", LevelFilter::OFF),
    ("FATAL", LevelFilter::ERROR),
    ("ERROR", LevelFilter::ERROR),
    ("WARN", LevelFilter::WARN),
    ("INFO", LevelFilter::INFO),
    ("DEBUG", LevelFilter::DEBUG),
    ("TRACE", LevelFilter::TRACE),
];
/// Loggers with a level of their own, at most.
const OWN_LEVELS_MAX: usize = 1000;

/// Why a level is not changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LevelError {
    /// The text is neither a level nor a list of `target=level`.
    #[error("'{0}' is no log level: use error, warn, info, debug or trace, or a list such as info,ottla_storage=debug")]
    NoLevel(String),
    /// No module has this name.
    #[error("Logger {0} does not exist!")]
    NoLogger(String),
    /// The root logger always has a level.
    #[error("Removing the log level of the root logger is not allowed")]
    RootHasALevel,
    /// More loggers have levels of their own than anybody needs.
    #[error("more than {OWN_LEVELS_MAX} loggers have a level of their own; unset some first")]
    TooMany,
    /// Logging ends with the process.
    #[error("logging has ended")]
    Ended,
}

/// A level for everything, and those of single loggers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Levels {
    root: LevelFilter,
    own: BTreeMap<String, LevelFilter>,
}

impl Levels {
    /// Reads `info`, `info,ottla_storage=debug` or `ottla_storage=debug` (the rest then follows info).
    pub(super) fn parse(text: &str) -> Result<Levels, LevelError> {
        let error = || LevelError::NoLevel(text.to_string());
        let mut levels = Levels { root: LevelFilter::INFO, own: BTreeMap::new() };
        for part in text.split(',').map(str::trim) {
            match part.split_once('=') {
                None => levels.root = level(part).ok_or_else(error)?,
                Some((logger, name)) if is_module_path(logger.trim()) => {
                    levels.own.insert(logger.trim().to_string(), level(name.trim()).ok_or_else(error)?);
                }
                Some(_) => return Err(error()),
            }
        }
        if levels.own.len() > OWN_LEVELS_MAX {
            return Err(LevelError::TooMany);
        }
        Ok(levels)
    }

    pub(super) fn to_targets(&self) -> Targets {
        Targets::new().with_default(self.root).with_targets(self.own.iter().map(|(logger, level)| (logger, *level)))
    }

    /// The level that counts for a logger: its own, or that of the nearest one above.
    fn of(&self, logger: &str) -> LevelFilter {
        let mut path = logger;
        loop {
            match (self.own.get(path), path.rsplit_once("::")) {
                (Some(level), _) => return *level,
                (None, Some((above, _))) => path = above,
                (None, None) => return self.root,
            }
        }
    }

    /// As the command line would say it.
    fn text(&self) -> String {
        let own = self.own.iter().map(|(logger, level)| format!(",{logger}={level}"));
        format!("{}{}", self.root, own.collect::<String>())
    }
}

/// The levels of this process.
#[derive(Debug)]
pub struct LogLevels {
    now: Mutex<Levels>,
    filter: reload::Handle<Targets, Registry>,
}

impl LogLevels {
    pub(super) fn new(levels: Levels, filter: reload::Handle<Targets, Registry>) -> LogLevels {
        LogLevels { now: Mutex::new(levels), filter }
    }

    /// As `--log-level` takes them: `info,ottla_storage=debug`.
    pub fn text(&self) -> String {
        self.lock().text()
    }

    /// Replaces all levels.
    ///
    /// # Errors
    /// [`LevelError::NoLevel`] when the text is none; nothing is changed then.
    pub fn replace(&self, text: &str) -> Result<(), LevelError> {
        let levels = Levels::parse(text)?;
        self.change(|now| {
            *now = levels;
            Ok(())
        })
    }

    /// Every listed logger and every one with a level of its own, with the level that counts for it, in Kafka's upper case.
    pub fn all(&self) -> BTreeMap<String, String> {
        let now = self.lock();
        let listed = [ROOT].iter().chain(LOGGERS).map(|name| (*name).to_string()).chain(now.own.keys().cloned());
        listed
            .map(|name| {
                let level = if name == ROOT { now.root } else { now.of(&name) };
                (name, level.to_string().to_ascii_uppercase())
            })
            .collect()
    }

    /// What [`LogLevels::set`] (with a level) or [`LogLevels::unset`] (without) would say, without changing anything.
    ///
    /// # Errors
    /// As theirs.
    pub fn check(logger: &str, name: Option<&str>) -> Result<(), LevelError> {
        require_logger(logger)?;
        match name {
            Some(name) => level(name).map(|_| ()).ok_or_else(|| LevelError::NoLevel(name.to_string())),
            None if logger == ROOT => Err(LevelError::RootHasALevel),
            None => Ok(()),
        }
    }

    /// Gives a logger a level of its own.
    ///
    /// # Errors
    /// [`LevelError::NoLogger`], [`LevelError::NoLevel`].
    pub fn set(&self, logger: &str, name: &str) -> Result<(), LevelError> {
        require_logger(logger)?;
        let level = level(name).ok_or_else(|| LevelError::NoLevel(name.to_string()))?;
        self.change(|now| {
            match logger {
                ROOT => now.root = level,
                _ if now.own.len() >= OWN_LEVELS_MAX => return Err(LevelError::TooMany),
                _ => {
                    now.own.insert(logger.to_string(), level);
                }
            }
            Ok(())
        })
    }

    /// Lets a logger follow the one above it again.
    ///
    /// # Errors
    /// [`LevelError::NoLogger`], [`LevelError::RootHasALevel`].
    pub fn unset(&self, logger: &str) -> Result<(), LevelError> {
        LogLevels::check(logger, None)?;
        self.change(|now| {
            now.own.remove(logger);
            Ok(())
        })
    }

    fn change(&self, change: impl FnOnce(&mut Levels) -> Result<(), LevelError>) -> Result<(), LevelError> {
        let mut now = self.lock();
        let mut next = now.clone();
        change(&mut next)?;
        self.filter.modify(|filter| *filter = next.to_targets()).map_err(|_| LevelError::Ended)?;
        *now = next;
        let levels = now.text();
        drop(now);
        tracing::warn!(levels, "log levels were changed");
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Levels> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Refuses names that no module has.
fn require_logger(logger: &str) -> Result<(), LevelError> {
    let below = |name: &str| logger.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    match logger == ROOT || is_module_path(logger) && LOGGERS.iter().any(|name| below(name)) {
        true => Ok(()),
        false => Err(LevelError::NoLogger(logger.to_string())),
    }
}

fn level(name: &str) -> Option<LevelFilter> {
    NAMES.iter().find(|(other, _)| other.eq_ignore_ascii_case(name)).map(|(_, level)| *level)
}

fn is_module_path(text: &str) -> bool {
    let is_name = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    text.len() <= 200 && text.split("::").all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked() {
        for text in ["info", "WARN", "off", "info,ottla_storage=debug", "info, ottla_net::quotas = trace"] {
            assert!(Levels::parse(text).is_ok(), "{text}");
        }
        for text in ["loud", "info,loud", "ottla=loud", "", "info,=debug", "info,a b=debug"] {
            assert!(Levels::parse(text).is_err(), "{text}");
        }
        assert_eq!(Levels::parse("info,ottla_storage=DEBUG").unwrap().text(), "info,ottla_storage=debug");
    }

    #[test]
    fn a_logger_without_a_level_follows_the_nearest_above() {
        let levels = Levels::parse("warn,ottla_net=debug").unwrap();
        assert_eq!(levels.of("ottla_net::quotas"), LevelFilter::DEBUG);
        assert_eq!(levels.of("ottla_network"), LevelFilter::WARN);
    }

    #[test]
    fn changes_reach_the_filter() {
        let levels = Levels::parse("info").unwrap();
        let (layer, handle) = reload::Layer::new(levels.to_targets());
        let levels = LogLevels::new(levels, handle);
        levels.set("ottla_storage", "DEBUG").unwrap();
        assert_eq!(
            (levels.text().as_str(), levels.all()["ottla_storage"].as_str()),
            ("info,ottla_storage=debug", "DEBUG")
        );
        assert!(levels.filter.with_current(|now| now.would_enable("ottla_storage", &tracing::Level::DEBUG)).unwrap());
        levels.unset("ottla_storage").unwrap();
        levels.set(ROOT, "ERROR").unwrap();
        assert_eq!(levels.all()["ottla_storage"], "ERROR");
        assert_eq!(levels.set("ottla_storag", "INFO"), Err(LevelError::NoLogger("ottla_storag".to_string())));
        assert_eq!(levels.unset(ROOT), Err(LevelError::RootHasALevel));
        levels.replace("trace").unwrap();
        assert!(levels.replace("loud").is_err());
        assert_eq!(levels.text(), "trace");
        drop(layer);
        assert_eq!(levels.replace("info"), Err(LevelError::Ended));
    }
}
