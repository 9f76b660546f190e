//! Judges the history of transactions on its standard input. Says what it holds, or what was broken.

use ottla_testkit::history::History;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut history = History::default();
    let added = std::io::read_to_string(std::io::stdin()).map_err(|error| error.to_string());
    let added = added.and_then(|text| history.parse(&text).map_err(|error| error.to_string()));
    let judged = added.and_then(|()| history.judge().map_err(|violation| violation.to_string()));
    match judged {
        Ok(summary) => {
            println!("{summary}");
            ExitCode::SUCCESS
        }
        Err(reason) => {
            eprintln!("{reason}");
            ExitCode::FAILURE
        }
    }
}
