//! Regular expressions of RE2, as consumers send them, on top of the `regex` crate, which reads nearly the same language.
//!
//! What differs and is translated: `\Q...\E` quotes, and inside of brackets RE2 takes `[`, `&&`, `--` and `~~` literally. What
//! remains refused although RE2 knows it: `\C` (one byte) and `\pX` names that differ. A name must match as a whole.

use regex::{Regex, RegexBuilder};
use std::sync::Arc;

/// Bytes of an expression; a topic's name has at most 249.
const EXPRESSION_BYTES_MAX: usize = 10_000;
/// Bytes that a compiled expression may take.
const COMPILED_BYTES_MAX: usize = 1024 * 1024;
/// Bytes that matching may remember of an expression.
const MATCHER_BYTES_MAX: usize = 256 * 1024;

/// A compiled expression. Clones share it.
#[derive(Debug, Clone)]
pub struct TopicRegex(Arc<Regex>);

impl TopicRegex {
    /// Compiles an expression that matches whole names. Takes milliseconds for the largest ones that are accepted, so a shard
    /// never does it.
    ///
    /// # Errors
    /// The reason, in one line.
    pub fn compile(expression: &str) -> Result<TopicRegex, String> {
        if expression.len() > EXPRESSION_BYTES_MAX {
            return Err(format!("expression has more than {EXPRESSION_BYTES_MAX} bytes"));
        }
        let translated = translate(expression);
        // By itself first: `a)|(b` would become valid inside of a group.
        build(&translated)?;
        Ok(TopicRegex(Arc::new(build(&format!("^(?:{translated})$"))?)))
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

fn translate(expression: &str) -> String {
    let mut translated = String::with_capacity(expression.len());
    let mut rest = expression;
    while let Some(next) = rest.chars().next() {
        if let Some(quoted) = rest.strip_prefix("\\Q") {
            let (text, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            translated.push_str(&regex::escape(text));
            rest = after;
        } else if next == '\\' {
            rest = copy_escape(rest, &mut translated);
        } else if next == '[' {
            rest = translate_class(rest, &mut translated);
        } else {
            translated.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    translated
}

/// Copies a backslash and the character behind it.
fn copy_escape<'a>(text: &'a str, translated: &mut String) -> &'a str {
    let length = text.chars().take(2).map(char::len_utf8).sum();
    translated.push_str(&text[..length]);
    &text[length..]
}

/// Copies a bracket expression, with what RE2 takes literally escaped; answers what follows it.
fn translate_class<'a>(text: &'a str, translated: &mut String) -> &'a str {
    translated.push('[');
    let mut rest = &text[1..];
    if let Some(after) = rest.strip_prefix('^') {
        translated.push('^');
        rest = after;
    }
    // A bracket that comes first is one of the characters.
    if let Some(after) = rest.strip_prefix(']') {
        translated.push_str("\\]");
        rest = after;
    }
    while let Some(next) = rest.chars().next() {
        let named = rest.starts_with("[:").then(|| rest.find(":]")).flatten();
        if let Some(end) = named {
            translated.push_str(&rest[..end + 2]);
            rest = &rest[end + 2..];
        } else if next == '\\' {
            rest = copy_escape(rest, translated);
        } else if next == ']' {
            translated.push(']');
            return &rest[1..];
        } else {
            if next == '[' || next == '&' || next == '~' || (next == '-' && rest.starts_with("--")) {
                translated.push('\\');
            }
            translated.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(expression: &str, matches: &[&str], others: &[&str]) {
        let regex = TopicRegex::compile(expression).unwrap_or_else(|reason| panic!("{expression}: {reason}"));
        matches.iter().for_each(|name| assert!(regex.matches(name), "{expression} matches {name}"));
        others.iter().for_each(|name| assert!(!regex.matches(name), "{expression} does not match {name}"));
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
    }

    #[test]
    fn invalid_expressions_say_why_in_one_line() {
        for expression in ["a)|(b", "[", "(", "*", "\\", "(?x)a # b", "(?P<n", "a{99999}", "[a"] {
            let reason = TopicRegex::compile(expression).expect_err(expression);
            assert!(!reason.is_empty() && !reason.contains('\n'), "{expression}: {reason}");
        }
        assert_eq!(TopicRegex::compile("(\\pL{1000}){1000}").expect_err("too large"), "expression is too large");
        let long = TopicRegex::compile(&"a".repeat(10_001)).expect_err("too long");
        assert_eq!(long, "expression has more than 10000 bytes");
    }

    #[test]
    fn no_text_makes_the_translation_panic() {
        for text in ["[^", "[^]", "[[:", "[[:alpha", "\\Q\\", "[é&", "é\\é", "[--]"] {
            let _ = TopicRegex::compile(text);
        }
    }
}
