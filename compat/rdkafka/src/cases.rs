//! Runs named cases and prints one line for each, as `compat/README.md` asks of every suite.

use std::process::ExitCode;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What a case returns; the text is the reason of its failure.
pub type Outcome = Result<(), Box<dyn std::error::Error>>;

/// One case.
pub struct Case {
    pub name: String,
    pub run: Box<dyn Fn() -> Outcome>,
}

/// Makes a case of a function.
pub fn case(name: impl Into<String>, run: impl Fn() -> Outcome + 'static) -> Case {
    Case { name: name.into(), run: Box::new(run) }
}

/// Address of the broker under test.
pub fn bootstrap() -> String {
    std::env::var("COMPAT_BOOTSTRAP").unwrap_or_default()
}

/// A name that no other case uses.
pub fn fresh_name(prefix: &str) -> String {
    static RUN: LazyLock<u128> = LazyLock::new(|| {
        SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() % 100_000_000)
    });
    static NAMES: AtomicUsize = AtomicUsize::new(1);
    format!("{prefix}-{:x}-{}", *RUN, NAMES.fetch_add(1, Ordering::Relaxed))
}

/// Asks again until the condition holds; an error after 30 seconds.
pub fn eventually(what: &str, mut condition: impl FnMut() -> Result<bool, Box<dyn std::error::Error>>) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition()? {
        if Instant::now() > deadline {
            return Err(format!("did not happen within 30 s: {what}").into());
        }
    }
    Ok(())
}

/// An error unless the two are equal.
pub fn equal<T: PartialEq + std::fmt::Debug>(expected: T, actual: T, what: &str) -> Outcome {
    if expected == actual { Ok(()) } else { Err(format!("{what}: expected {expected:?}, got {actual:?}").into()) }
}

/// Runs every case whose name holds `COMPAT_CASE`.
pub fn run(cases: &[Case]) -> ExitCode {
    let only = std::env::var("COMPAT_CASE").unwrap_or_default();
    let mut failed = 0;
    for case in cases.iter().filter(|case| case.name.contains(&only)) {
        let started = Instant::now();
        match (case.run)() {
            Ok(()) => println!("ok {}", case.name),
            Err(error) => {
                failed += 1;
                println!("not ok {}: {}", case.name, error.to_string().replace('\n', " "));
            }
        }
        eprintln!("{} took {:?}", case.name, started.elapsed());
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
