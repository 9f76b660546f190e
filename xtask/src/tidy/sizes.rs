//! Files and functions stay small enough to be read at one go.

use super::sources::SourceFile;
use super::{Verdict, scan};

const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 100;
/// From here on a function is named as a note.
const FUNCTION_LINES_PREFERRED: usize = 70;

pub(super) fn files(files: &[SourceFile]) -> Verdict {
    let mut verdict = Verdict::default();
    for file in files.iter().filter(|file| file.is_code() && !file.is_generated()) {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX {
            verdict.broken.push(format!("{} has {lines} lines, at most {FILE_LINES_MAX}", file.path));
        }
    }
    verdict
}

pub(super) fn functions(files: &[SourceFile]) -> Verdict {
    let mut verdict = Verdict::default();
    for file in files.iter().filter(|file| file.is_rust() && !file.is_generated()) {
        for function in scan::functions(&file.code) {
            let lines = function.last_line + 1 - function.first_line;
            let place = format!("{}:{} {} has {lines} lines", file.path, function.first_line, function.name);
            if lines > FUNCTION_LINES_MAX {
                verdict.broken.push(format!("{place}, at most {FUNCTION_LINES_MAX}"));
            } else if lines > FUNCTION_LINES_PREFERRED {
                verdict.notes.push(format!("{place}, better at most {FUNCTION_LINES_PREFERRED}"));
            }
        }
    }
    verdict
}
