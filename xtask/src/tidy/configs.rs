//! The catalog of configs says which of them do something yet. A config that a crate reads does.

use super::Verdict;
use super::sources::SourceFile;

const CATALOG: &str = "crates/config/src/catalog/";
/// Mark of a row whose config changes nothing yet.
const ACCEPTED: &str = "Accepted";
const IMPLEMENTED: &str = "Implemented";
/// Named by a crate without an effect: given to an internal topic, or kept for a version of a request that is not served.
const NAMED_ONLY: [&str; 2] = ["unclean.leader.election.enable", "transaction.two.phase.commit.enable"];

/// No config that is read outside its declaration is declared to have no effect.
pub(super) fn effects(files: &[SourceFile]) -> Verdict {
    let mut verdict = Verdict::default();
    for (catalog, name) in files.iter().filter(|file| file.path.starts_with(CATALOG)).flat_map(without_effect) {
        if NAMED_ONLY.contains(&name) {
            continue;
        }
        let quoted = format!("\"{name}\"");
        if let Some(reader) = files.iter().find(|file| is_product(file) && before_tests(file).contains(&quoted)) {
            let reason = format!("{name} is marked {ACCEPTED} and read in {}: mark it {IMPLEMENTED}", reader.path);
            verdict.broken.push(format!("{catalog}: {reason}"));
        }
    }
    verdict
}

/// Names of the rows with the mark: a row opens with a quoted name at four spaces, its mark ends a line.
fn without_effect(file: &SourceFile) -> Vec<(&str, &str)> {
    let mut row = None;
    let mut found = Vec::new();
    for line in file.text.lines() {
        let opening = line.strip_prefix("    \"").and_then(|rest| rest.split_once("\" "));
        if let Some((name, _)) = opening {
            row = Some(name);
        }
        match line.rsplit(' ').next() {
            Some(ACCEPTED) => found.extend(row.take().map(|name| (file.path.as_str(), name))),
            Some(IMPLEMENTED) => row = None,
            _ => {}
        }
    }
    found
}

/// What runs in a node. Loading and checking a config is not yet an effect, nor is a client's config of the same name.
fn is_product(file: &SourceFile) -> bool {
    const NOT_A_NODE: [&str; 11] =
        ["config", "http", "client", "cli", "commands", "tools", "terminal", "sim", "bench", "testkit", "protocol"];
    file.is_rust() && file.crate_name().is_some_and(|name| !NOT_A_NODE.contains(&name))
}

fn before_tests(file: &SourceFile) -> &str {
    let is_test = file.path.contains("/tests/") || file.path.ends_with("tests.rs");
    let end = if is_test { 0 } else { file.text.find("#[cfg(test)]").unwrap_or(file.text.len()) };
    &file.text[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> SourceFile {
        SourceFile { path: path.to_string(), text: text.to_string(), code: String::new() }
    }

    #[test]
    fn a_config_that_is_read_must_not_be_marked_without_effect() {
        let catalog = "    \"a.b\" Int \"1\" any Low Fixed Accepted\n        \"Doc.\";\n    \"c.d\" String \"x\"\n        one_of(\"x\") Low Fixed Implemented\n        \"Doc.\";\n";
        let files = [
            file("crates/config/src/catalog/some.rs", catalog),
            file("crates/broker/src/lib.rs", "config.long(\"a.b\"); config.long(\"c.d\")"),
        ];
        assert_eq!(effects(&files).broken.len(), 1);
        let files = [
            file("crates/config/src/catalog/some.rs", catalog),
            file("crates/broker/src/lib.rs", "#[cfg(test)] mod tests { \"a.b\" }"),
            file("crates/client/src/lib.rs", "\"a.b\""),
        ];
        assert_eq!(effects(&files).broken, Vec::<String>::new());
    }
}
