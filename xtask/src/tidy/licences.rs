//! Every package in the tree has a licence that we may ship.

use cargo_metadata::Metadata;

use super::Verdict;

/// SPDX names that are fine for an Apache-2.0 program.
const ALLOWED: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    // Weak copyleft by file: used unchanged, as a library (imbl and its parts).
    "MPL-2.0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

pub(super) fn check(metadata: &Metadata) -> Verdict {
    let mut verdict = Verdict::default();
    for package in &metadata.packages {
        match &package.license {
            Some(expression) if allows(expression) => {}
            Some(expression) => verdict.broken.push(format!("{} {}: {expression}", package.name, package.version)),
            None => verdict.broken.push(format!("{} {}: names no licence", package.name, package.version)),
        }
    }
    verdict
}

/// Evaluates an SPDX expression: one allowed alternative of each OR, every part of each AND.
fn allows(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut parser = Parser { words: &words, at: 0 };
    parser.any_of() && parser.at == words.len()
}

struct Parser<'a> {
    words: &'a [&'a str],
    at: usize,
}

impl Parser<'_> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }

    fn any_of(&mut self) -> bool {
        let mut allowed = self.all_of();
        while self.take("OR") {
            allowed |= self.all_of();
        }
        allowed
    }

    fn all_of(&mut self) -> bool {
        let mut allowed = self.one();
        while self.take("AND") {
            allowed &= self.one();
        }
        allowed
    }

    fn one(&mut self) -> bool {
        if self.take("(") {
            return self.any_of() & self.take(")");
        }
        let Some(word) = self.words.get(self.at) else { return false };
        self.at += 1;
        if self.take("WITH") {
            // An exception only gives more rights.
            self.at += 1;
        }
        ALLOWED.contains(&word.trim_end_matches('+'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_evaluated() {
        assert!(allows("MIT OR Apache-2.0"));
        assert!(allows("MIT/GPL-3.0"));
        assert!(allows("(MIT OR Apache-2.0) AND Unicode-3.0"));
        assert!(allows("Apache-2.0 WITH LLVM-exception"));
        assert!(!allows("GPL-3.0"));
        assert!(!allows("MIT AND GPL-3.0"));
        assert!(!allows(""));
    }
}
