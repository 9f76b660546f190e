//! Calls that would break determinism, and code that says of itself that it is not finished.

use super::sources::SourceFile;
use super::{Verdict, scan};

/// Crates that never run in the simulator, and the one that is the door to the world.
const FREE_CRATES: &[&str] = &["runtime", "cli", "commands", "tools", "terminal", "bench", "telemetry", "http"];

/// `(text, instead)` in simulated crates, outside tests.
const IN_SIMULATED_CODE: &[(&str, &str)] = &[
    ("std::fs", "runtime::Disk"),
    ("tokio::fs", "runtime::Disk"),
    ("std::net::Tcp", "Runtime::listen and connect"),
    ("tokio::net", "Runtime::listen and connect"),
    ("std::time::Instant", "runtime::Instant"),
    ("Instant::now", "Runtime::now"),
    ("SystemTime", "Runtime::wall_clock_ms"),
    ("tokio::time", "Runtime::sleep and timeout"),
    ("tokio::sync::watch", "runtime::watch, whose waiters wake in the same order in every run"),
    ("tokio::spawn", "Runtime::spawn"),
    ("tokio::task::spawn", "Runtime::spawn"),
    ("spawn_blocking", "runtime's storage threads"),
    ("std::thread", "Runtime::spawn"),
    ("getrandom", "Runtime::random_u64"),
    ("rand::rng", "Runtime::random_u64"),
    ("HashMap", "BTreeMap or imbl::OrdMap, whose order is the same in every run"),
    ("HashSet", "BTreeSet or imbl::OrdSet, whose order is the same in every run"),
];

/// `(text, instead)` in all tests.
const IN_TESTS: &[(&str, &str)] = &[
    ("thread::sleep", "a condition that is waited for"),
    ("tokio::time::sleep", "Runtime::sleep on a paused clock, or a condition that is waited for"),
    ("#[ignore", "a test that runs, or none"),
];

const UNFINISHED: &[&str] = &["todo!", "unimplemented!", "dbg!("];

pub(super) fn calls(files: &[SourceFile]) -> Verdict {
    let mut verdict = Verdict::default();
    for file in files.iter().filter(|file| file.is_rust()) {
        let tests = file.tests_start();
        let simulated = file.crate_name().is_some_and(|name| !FREE_CRATES.contains(&name));
        if simulated {
            find_each(file, 0..tests, IN_SIMULATED_CODE, &mut verdict);
            find_unbiased_select(file, &mut verdict);
        }
        find_each(file, tests..file.code.len(), IN_TESTS, &mut verdict);
    }
    verdict
}

pub(super) fn unfinished(files: &[SourceFile]) -> Verdict {
    let table: Vec<(&str, &str)> = UNFINISHED.iter().map(|text| (*text, "finished code")).collect();
    let mut verdict = Verdict::default();
    for file in files.iter().filter(|file| file.is_rust()) {
        find_each(file, 0..file.code.len(), &table, &mut verdict);
    }
    verdict
}

fn find_each(file: &SourceFile, range: std::ops::Range<usize>, table: &[(&str, &str)], verdict: &mut Verdict) {
    let code = &file.code[range.clone()];
    for (text, instead) in table {
        for (at, _) in code.match_indices(text) {
            let word_before = code[..at].chars().next_back().is_some_and(|c| c.is_alphanumeric() || c == '_');
            if !word_before {
                let line = scan::line_of(&file.code, range.start + at);
                verdict.broken.push(format!("{}:{line} uses {text}; use {instead}", file.path));
            }
        }
    }
}

/// An unbiased `select!` draws from a generator that no seed reaches.
fn find_unbiased_select(file: &SourceFile, verdict: &mut Verdict) {
    for (at, _) in file.code.match_indices("select!") {
        let rest = file.code[at + "select!".len()..].trim_start_matches([' ', '{', '(', '\n']);
        if !rest.starts_with("biased;") {
            let line = scan::line_of(&file.code, at);
            verdict.broken.push(format!("{}:{line} has a select! that does not start with biased;", file.path));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, text: &str) -> Vec<String> {
        let file = SourceFile { path: path.to_owned(), text: text.to_owned(), code: scan::code_only(text) };
        calls(&[file]).broken
    }

    #[test]
    fn simulated_crates_must_not_touch_the_world() {
        let text = "fn f() { std::fs::read(x); }\n#[cfg(test)]\nmod tests { fn g() { std::fs::read(x); } }";
        assert_eq!(check("crates/storage/src/a.rs", text).len(), 1);
        assert_eq!(check("crates/runtime/src/a.rs", text).len(), 0);
        assert_eq!(check("xtask/src/a.rs", text).len(), 0);
        assert_eq!(check("crates/storage/src/a.rs", "// std::fs is not used here").len(), 0);
    }

    #[test]
    fn select_must_be_biased() {
        assert_eq!(check("crates/net/src/a.rs", "tokio::select! {\n biased;\n x = y => {} }").len(), 0);
        assert_eq!(check("crates/net/src/a.rs", "tokio::select! { x = y => {} }").len(), 1);
    }

    #[test]
    fn tests_do_not_sleep() {
        assert_eq!(check("xtask/src/a.rs", "#[cfg(test)] mod tests { fn f() { std::thread::sleep(d) } }").len(), 1);
    }
}
