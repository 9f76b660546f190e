//! Bytes that Kafka's Java code made, without Java: the committed selection of the golden bytes.
//!
//! `cargo xtask golden` compares far more, both ways, and rewrites the selection with `--update`.

use crate::checks;

const VECTORS: &str = include_str!("../../../../compat/golden/vectors.txt");

#[test]
fn every_message_and_version_has_the_bytes_of_java() {
    let problems: Vec<String> = VECTORS
        .lines()
        .filter_map(|line| checks::check(line).err().map(|problem| format!("{line}\n    {problem}")))
        .collect();
    assert!(problems.is_empty(), "{} differences:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn the_selection_covers_every_version() {
    macro_rules! versions {
        ($($message:ident)*) => {
            &[$((stringify!($message), versions_of::<ottla_protocol::$message>()),)*]
        };
    }
    let expected: &[(&str, usize)] = ottla_protocol::every_message!(versions);
    for (name, versions) in expected.iter().filter(|(name, _)| !ottla_protocol::OWN_MESSAGES.contains(name)) {
        let start = format!("bytes {name} ");
        let found = VECTORS.lines().filter(|line| line.starts_with(&start)).count();
        assert_eq!(found, *versions, "{name}");
    }
}

fn versions_of<M: ottla_protocol::Message>() -> usize {
    (M::MIN_VERSION..=M::MAX_VERSION).count()
}

#[test]
fn one_wrong_digit_is_noticed() {
    for line in VECTORS.lines().filter(|line| line.starts_with("bytes ")).take(200) {
        let words: Vec<&str> = line.splitn(5, ' ').collect();
        let wrong =
            if words[3].starts_with('0') { words[3].replacen('0', "1", 1) } else { format!("0{}", &words[3][1..]) };
        let line = format!("bytes {} {} {wrong} {}", words[1], words[2], words[4]);
        assert!(checks::check(&line).is_err() || words[3] == ".", "{line}");
    }
}
