//! Histories without and with errors, as lines.

use super::*;

/// Two transactions one after the other, an aborted one between, and one without an answer that counts.
const SOUND: &str = "\
wrote t1 out-0 a
wrote t1 out-1 a
moved t1 g in-0 0 2
committed t1
wrote t2 out-0 b
moved t2 g in-0 2 3
aborted t2
wrote t3 out-0 c
wrote t3 out-1 c
moved t3 g in-0 2 5
unknown t3
wrote t4 out-1 d
moved t4 g in-0 5 6
read out-0 0 a
last out-0 0 a
last out-0 3 c
last out-1 0 a
last out-1 2 c
position g in-0 5
";

fn judge(text: &str) -> Judgement<Summary> {
    let mut history = History::default();
    history.parse(&text.replace(' ', "\t")).map_err(|error| Violation(error.to_string()))?;
    history.judge()
}

/// The sound history with `from` replaced by `to` is refused for a reason that holds `expected`.
fn refused(from: &str, to: &str, expected: &str) {
    assert!(SOUND.contains(from), "{from}");
    let Violation(what) = judge(&SOUND.replace(from, to)).expect_err(expected);
    assert!(what.contains(expected), "{what}");
}

#[test]
fn sound_history_is_accepted() {
    assert_eq!(judge(SOUND), Ok(Summary { committed: 2, aborted: 2, unknown: 1, values: 4 }));
    let lost = SOUND.replace("last out-0 3 c\n", "").replace("last out-1 2 c\n", "");
    let undone = lost.replace("position g in-0 5", "position g in-0 2");
    assert_eq!(judge(&undone).map(|summary| summary.committed), Ok(1), "one without an answer may have been aborted");
}

#[test]
fn aborted_values_are_not_read() {
    refused("last out-0 3 c", "last out-0 2 b\nlast out-0 3 c", "t2 did not commit, and b is in out-0");
    refused("last out-1 2 c", "last out-1 2 c\nlast out-1 4 d", "t4 did not commit, and d is in out-1");
    refused("read out-0 0 a", "read out-0 0 a\nread out-0 2 b", "b of t2 at offset 2, which is gone");
}

#[test]
fn committed_values_are_there_once() {
    refused("last out-1 0 a\n", "", "t1 committed, and a is not in out-1");
    refused("last out-1 0 a", "last out-1 0 a\nlast out-1 1 a", "a twice");
    refused("last out-1 0 a", "last out-1 0 a\nlast out-1 1 x", "which nobody wrote");
}

#[test]
fn transaction_is_there_as_a_whole() {
    refused("last out-1 2 c\n", "", "t3 is there in part");
}

#[test]
fn what_was_read_stays_at_its_offset() {
    refused("last out-0 0 a", "last out-0 1 a", "had a of t1 at offset 0, which is gone");
    refused("read out-0 0 a", "read out-0 0 c", "had c at offset 0, and has a now");
}

#[test]
fn offsets_and_output_are_in_step() {
    refused("position g in-0 5", "position g in-0 3", "g is at 3 in in-0, and t3 had moved it to 5");
    refused("position g in-0 5\n", "", "g is at -1 in in-0");
    refused("moved t3 g in-0 2 5", "moved t3 g in-0 3 5", "leaving a gap behind t1");
    refused("moved t3 g in-0 2 5", "moved t3 g in-0 1 5", "again, behind t1");
}

#[test]
fn lines_are_read_with_care() {
    assert!(judge("nonsense\n").unwrap_err().0.contains("line 1"));
    assert!(judge("read out-0 first a\n").unwrap_err().0.contains("no offset"));
    assert_eq!(judge("wrote t1 out-0 a\ncommitt"), Ok(Summary { aborted: 1, ..Summary::default() }), "a cut line");
}
