//! Judges the history of transactions that is in these files: `ottla-history FILE...`. Says what it holds, or what was broken.

use ottla_testkit::history::History;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut history = History::default();
    for path in std::env::args().skip(1) {
        let added = std::fs::read_to_string(&path).map_err(|error| error.to_string());
        let added = added.and_then(|text| history.parse(&text).map_err(|error| error.to_string()));
        if let Err(error) = added {
            eprintln!("{path}: {error}");
            return ExitCode::FAILURE;
        }
    }
    match history.judge() {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(violation) => {
            eprintln!("{violation}");
            ExitCode::FAILURE
        }
    }
}
