//! Log lines on stderr, one per event, as text or JSON; their levels can be changed while the process runs.
//!
//! A *logger* is a module path: `ottla_storage`, `ottla_net::quotas`. What has no level of its own follows the nearest
//! logger above it, in the end `root` (Kafka's name for it).

mod concise;
mod levels;

pub use levels::{LOGGERS, LevelError, LogLevels, ROOT};

use concise::Concise;
use levels::Levels;
use std::io::IsTerminal;
use std::sync::OnceLock;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, fmt, reload};

/// The variable that names the level when the command line does not.
const LEVEL_VARIABLE: &str = "RUST_LOG";

/// What commands tell when nobody says otherwise.
const COMMAND_LEVEL: &str = "warn";

/// Why logging could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum LogSetupError {
    /// The level is neither a level nor a list of `target=level`.
    #[error(transparent)]
    Level(#[from] LevelError),
    /// Something else in this process has set up logging before.
    #[error("logging is set up already")]
    Twice,
}

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// For people: time, level, logger, message, fields.
    #[default]
    Text,
    /// For machines: one JSON object, with `timestamp`, `level`, `target`, `message` and the event's fields beside them.
    Json,
}

/// For commands that a person or a script runs: warnings on stderr, each a level and what happened; more, or less, with
/// `RUST_LOG`. Does nothing when logging is set up already.
///
/// # Errors
/// `RUST_LOG` is neither a level nor a list of `target=level`; warnings are shown then.
pub fn init_command_logs() -> Result<(), LogSetupError> {
    let given = std::env::var(LEVEL_VARIABLE).ok().filter(|level| !level.is_empty());
    let (levels, wrong) = match given.as_deref().map(Levels::parse) {
        Some(Ok(levels)) => (levels, None),
        Some(Err(error)) => (Levels::parse(COMMAND_LEVEL)?, Some(error)),
        None => (Levels::parse(COMMAND_LEVEL)?, None),
    };
    let lines = fmt::layer().with_writer(std::io::stderr).with_ansi(false).event_format(Concise);
    // Whoever came first decides.
    let _ = tracing_subscriber::registry().with(lines.with_filter(levels.to_targets())).try_init();
    wrong.map_or(Ok(()), |error| Err(error.into()))
}

static LEVELS: OnceLock<LogLevels> = OnceLock::new();

/// The levels of this process, once [`init_logs`] or [`init_logs_as`] has set up logging.
pub fn log_levels() -> Option<&'static LogLevels> {
    LEVELS.get()
}

/// Sends text lines to stderr. The level is `level` if given, else the variable `RUST_LOG`, else `info`.
///
/// # Errors
/// The level is none, or logging was set up before.
pub fn init_logs(level: Option<&str>) -> Result<(), LogSetupError> {
    init_logs_as(level, "info", LogFormat::Text)
}

/// As [`init_logs`], in this format, and with this level where neither `level` nor the variable says one.
///
/// # Errors
/// As [`init_logs`].
pub fn init_logs_as(level: Option<&str>, otherwise: &str, format: LogFormat) -> Result<(), LogSetupError> {
    let from_environment = std::env::var(LEVEL_VARIABLE).ok();
    let given = level.map(str::to_string).or(from_environment);
    let level = given.filter(|level| !level.is_empty()).unwrap_or_else(|| otherwise.to_string());
    let levels = Levels::parse(&level)?;
    let (filter, handle) = reload::Layer::new(levels.to_targets());
    let lines: Box<dyn Layer<Registry> + Send + Sync> = match format {
        LogFormat::Text => fmt::layer().with_writer(std::io::stderr).with_ansi(std::io::stderr().is_terminal()).boxed(),
        LogFormat::Json => {
            fmt::layer().json().flatten_event(true).with_current_span(false).with_writer(std::io::stderr).boxed()
        }
    };
    tracing_subscriber::registry().with(lines.with_filter(filter)).try_init().map_err(|_| LogSetupError::Twice)?;
    LEVELS.set(LogLevels::new(levels, handle)).map_err(|_| LogSetupError::Twice)
}
