//! Regular expressions of RE2, as clients send them, on top of the `regex` crate, which reads nearly the same language; what
//! differs is translated.
//!
//! What remains refused although RE2 knows it: `\C` (one byte), octal escapes, and `\pX` names that differ. What remains accepted
//! although RE2 refuses it: flags that it does not have (`(?x)`), a count above 1,000, and one repetition right behind another
//! (`a**`).

mod translate;

use regex::{Regex, RegexBuilder};
use std::sync::Arc;
use translate::translate;

/// Bytes of an expression; the name of a topic has at most 249.
const EXPRESSION_BYTES_MAX: usize = 10_000;
/// Bytes that a compiled expression may take.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;
/// Bytes that matching may remember of an expression.
const MATCHER_BYTES_MAX: usize = 256 * 1024;

/// A compiled expression. Clones share it.
#[derive(Debug, Clone)]
pub struct Re2Pattern(Arc<Regex>);

impl Re2Pattern {
    /// Compiles an expression that matches whole names. Takes milliseconds for the largest ones that are accepted, so a shard
    /// never does it.
    ///
    /// # Errors
    /// The reason, in one line.
    pub fn compile(expression: &str) -> Result<Re2Pattern, String> {
        if expression.len() > EXPRESSION_BYTES_MAX {
            return Err(format!("expression has more than {EXPRESSION_BYTES_MAX} bytes"));
        }
        let translated = translate(expression);
        // By itself first: `a)|(b` would become valid inside of a group.
        build(&translated)?;
        Ok(Re2Pattern(Arc::new(build(&format!("^(?:{translated})$"))?)))
    }

    /// Whether it matches the whole name. Takes time in proportion to the name.
    pub fn matches(&self, name: &str) -> bool {
        self.0.is_match(name)
    }
}

fn build(expression: &str) -> Result<Regex, String> {
    let built = RegexBuilder::new(expression).size_limit(COMPILED_BYTES_MAX).dfa_size_limit(MATCHER_BYTES_MAX).build();
    built.map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "expression is too large".to_string(),
        // The last line says what, those before it show where.
        error => error.to_string().lines().last().unwrap_or("invalid").trim_start_matches("error: ").to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, matches: &[&str], others: &[&str]) {
        let pattern = Re2Pattern::compile(expression).unwrap_or_else(|reason| panic!("{expression}: {reason}"));
        matches.iter().for_each(|name| assert!(pattern.matches(name), "{expression} matches {name}"));
        others.iter().for_each(|name| assert!(!pattern.matches(name), "{expression} does not match {name}"));
    }

    #[test]
    fn names_match_as_a_whole() {
        check("foo.*", &["foo", "foobar"], &["afoo", "fo"]);
        check("a|bc", &["a", "bc"], &["ac", "abc"]);
        check("", &[""], &["a"]);
    }

    #[test]
    fn quotes_and_brackets_mean_what_they_mean_to_re2() {
        check("\\Qa.b\\E.*", &["a.b", "a.bc"], &["axb"]);
        check("\\Qa.b", &["a.b"], &["axb"]);
        check("x[[]y", &["x[y"], &["xy"]);
        check("[]a]+", &["]a"], &["b"]);
        check("[a&&b]+", &["a&b"], &["c"]);
        check("[[:alpha:]_]+", &["ab_"], &["a1"]);
        check("[^a-c]", &["d"], &["b"]);
        check("[\\]x]+", &["]x"], &["a"]);
        check("[\\x41-\\x43\\pN]+", &["ABC", "1"], &["D", "x"]);
        check("\\<a[\\>]", &["<a>"], &["a"]);
    }

    #[test]
    fn a_dash_is_a_range_only_between_two_characters() {
        check("[-a]+", &["-a"], &["b"]);
        check("[a-]+", &["-a"], &["b"]);
        check("[--0]+", &["-./0"], &["+"]);
        check("[+--]+", &["+,-"], &["."]);
        check("[\\w-.]+", &["a-._1"], &["+"]);
        check("[\\w-\\d]+", &["a-1"], &["."]);
        check("[a-c-\\d]+", &["b-1"], &["d"]);
        check("[\\pL-\\d]+", &["\u{e9}-1"], &["."]);
        check("[-\\d]+", &["-1"], &["\u{665}"]);
    }

    #[test]
    fn a_brace_is_a_character_unless_it_begins_a_count() {
        check("a{2}", &["aa"], &["a", "a{2}"]);
        check("a{2,}b{1,2}", &["aab", "aaabb"], &["ab"]);
        check("a{b}", &["a{b}"], &["ab"]);
        check("a{,2}", &["a{,2}"], &["a", "aa"]);
        check("{}", &["{}"], &[""]);
        check("a{2", &["a{2"], &["aa"]);
        check("\\p{Greek}\\x{41}", &["\u{3b1}A"], &["aA"]);
    }

    #[test]
    fn classes_of_perl_are_ascii() {
        check("\\d+", &["17"], &["\u{661}\u{667}"]);
        check("\\D", &["a", "\u{661}"], &["1"]);
        check("\\w+", &["aZ_9"], &["\u{e9}"]);
        check("[^\\W_]+", &["aZ9"], &["_", "\u{e9}"]);
        check("a\\sb", &["a b", "a\tb"], &["a\u{b}b", "a\u{a0}b"]);
        check("[\\S]", &["a", "\u{a0}"], &[" "]);
        check("a\\b.*", &["a", "a\u{e9}", "a-"], &["ab"]);
        check("a\\B.*", &["ab"], &["a", "a\u{e9}"]);
    }

    #[test]
    fn invalid_expressions_say_why_in_one_line() {
        for expression in ["a)|(b", "[", "(", "*", "\\", "(?x)a # b", "(?P<n", "a{99999}", "[a", "[+-\\d]", "[b-a]"] {
            let reason = Re2Pattern::compile(expression).expect_err(expression);
            assert!(!reason.is_empty() && !reason.contains('\n'), "{expression}: {reason}");
        }
        assert_eq!(Re2Pattern::compile("(\\pL{1000}){1000}").expect_err("too large"), "expression is too large");
        let long = Re2Pattern::compile(&"a".repeat(10_001)).expect_err("too long");
        assert_eq!(long, "expression has more than 10000 bytes");
    }

    #[test]
    fn some_expressions_are_judged_otherwise_than_by_re2() {
        for refused in ["\\C", "\\101"] {
            assert!(Re2Pattern::compile(refused).is_err(), "RE2 knows {refused}");
        }
        for accepted in ["(?x)a b", "a{1001}", "a**"] {
            assert!(Re2Pattern::compile(accepted).is_ok(), "RE2 refuses {accepted}");
        }
    }

    #[test]
    fn no_text_makes_the_translation_panic() {
        for text in
            ["[^", "[^]", "[[:", "[[:alpha", "\\Q\\", "[é&", "é\\é", "[--]", "[\\", "[\\p", "[\\p{", "[\\pé", "[a-"]
        {
            let _ = Re2Pattern::compile(text);
        }
    }
}
