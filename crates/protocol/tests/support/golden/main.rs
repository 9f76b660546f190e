//! The Rust side of the golden bytes; `cargo xtask test` runs it against the Java side in `compat/golden`.
//!
//! `golden check FILE` checks the facts that Java printed. `golden make IN OUT` reads messages that the test made from
//! the schemas, writes our bytes of them for Java to check, and fails if they differ from what was read.
#![allow(clippy::disallowed_methods, reason = "a tool that exchanges files with its Java twin")]

mod checks;
mod dump;

use std::fs;
use std::io::Write;
use std::process::ExitCode;

const SHOWN_MAX: usize = 20;

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let outcome = match args.as_slice() {
        ["check", file] => each_line(file, checks::check),
        ["make", input, output] => make(input, output),
        _ => Err("usage: golden check FILE | golden make IN OUT".to_string()),
    };
    match outcome {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs `check` on every line, prints the first differences, and counts.
fn each_line(file: &str, mut check: impl FnMut(&str) -> Result<(), String>) -> Result<String, String> {
    let text = fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
    let mut differences = 0;
    for line in text.lines() {
        if let Err(problem) = check(line) {
            differences += 1;
            if differences <= SHOWN_MAX {
                let start: String = line.chars().take(200).collect();
                println!("{start}: {problem}");
            }
        }
    }
    Ok(format!("checked {} differences {differences}", text.lines().count()))
}

fn make(input: &str, output: &str) -> Result<String, String> {
    let mut out = Vec::new();
    let summary = each_line(input, |line| {
        let words: Vec<&str> = line.split(' ').collect();
        let [_, name, version, hex] = words.as_slice() else { return Err("not a line of facts".into()) };
        let number = version.parse().map_err(|_| "not a version")?;
        let recoded = checks::recode_by_name(name, number, &checks::bytes(hex)?, number)?;
        let ours = checks::text(&recoded.bytes.map_err(|error| error.to_string())?);
        writeln!(out, "bytes {name} {version} {ours} {}", recoded.dump).map_err(|error| error.to_string())?;
        if ours == *hex { Ok(()) } else { Err(format!("we write {ours}")) }
    })?;
    fs::write(output, out).map_err(|error| format!("{output}: {error}"))?;
    Ok(summary)
}
