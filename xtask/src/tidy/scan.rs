//! A reader of Rust source that is just good enough for rules: it blanks comments and literals and finds functions.

/// The text with comments, strings and character literals replaced by spaces; line breaks stay.
pub(super) fn code_only(source: &str) -> String {
    let bytes = source.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let end = literal_end(bytes, at);
        if end == at {
            out.push(bytes[at]);
            at += 1;
        } else {
            out.extend(bytes[at..end].iter().map(|byte| if *byte == b'\n' { b'\n' } else { b' ' }));
            at = end;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// End of the comment or literal that starts at `at`, or `at` when none does.
fn literal_end(bytes: &[u8], at: usize) -> usize {
    let rest = &bytes[at..];
    let after_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest.starts_with(b"//") {
        return at + rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
    }
    if rest.starts_with(b"/*") {
        return at + find(rest, b"*/").map_or(rest.len(), |end| end + 2);
    }
    if !after_word && (rest[0] == b'r' || rest.starts_with(b"br")) {
        let start = if rest[0] == b'b' { 2 } else { 1 };
        let hashes = rest[start..].iter().take_while(|byte| **byte == b'#').count();
        if rest.get(start + hashes) == Some(&b'"') {
            let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            let body = start + hashes + 1;
            return at + find(&rest[body..], &close).map_or(rest.len(), |end| body + end + close.len());
        }
        return at;
    }
    match rest[0] {
        b'"' => at + quoted_end(rest),
        b'\'' => at + character_end(rest),
        _ => at,
    }
}

fn quoted_end(rest: &[u8]) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != b'"' {
        at += if rest[at] == b'\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// Length of a character literal; 0 for a lifetime.
fn character_end(rest: &[u8]) -> usize {
    if rest.get(1) == Some(&b'\\') {
        return rest.iter().skip(3).position(|byte| *byte == b'\'').map_or(0, |end| end + 4);
    }
    let text = &rest[1..rest.len().min(6)];
    let width = text.first().map_or(1, |first| usize::from(*first >= 0x80) + 1);
    (1..=4.max(width))
        .find(|length| rest.get(1 + length) == Some(&b'\''))
        .filter(|length| is_one_char(&rest[1..=*length]))
        .map_or(0, |length| length + 2)
}

fn is_one_char(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().count() == 1)
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// A function's name and its first and last line, counted from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function {
    pub(super) name: String,
    pub(super) first_line: usize,
    pub(super) last_line: usize,
}

/// Every function with a body in text that [`code_only`] has cleaned.
pub(super) fn functions(code: &str) -> Vec<Function> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    for (start, _) in code.match_indices("fn ") {
        if start > 0 && (bytes[start - 1].is_ascii_alphanumeric() || bytes[start - 1] == b'_') {
            continue;
        }
        let name: String = code[start + 3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        let Some((_, close)) = body(bytes, start).filter(|_| !name.is_empty()) else { continue };
        found.push(Function { name, first_line: line_of(code, start), last_line: line_of(code, close) });
    }
    found
}

/// Positions of the braces around the body that belongs to the `fn` at `start`.
fn body(bytes: &[u8], start: usize) -> Option<(usize, usize)> {
    let mut depth = 0_i32;
    let mut open = None;
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match (byte, open) {
            (b'(' | b'[', None) => depth += 1,
            (b')' | b']', None) => depth -= 1,
            (b';', None) if depth == 0 => return None,
            (b'{', None) if depth == 0 => (open, depth) = (Some(at), 1),
            (b'{', Some(_)) => depth += 1,
            (b'}', Some(first)) => {
                depth -= 1;
                if depth == 0 {
                    return Some((first, at));
                }
            }
            _ => {}
        }
    }
    None
}

/// Line of a byte position, counted from 1.
pub(super) fn line_of(text: &str, position: usize) -> usize {
    text.as_bytes()[..position].iter().filter(|byte| **byte == b'\n').count() + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_literals_are_blanked() {
        let code = code_only("let a = \"{ \\\" fn\"; // fn x() {\nlet b = '{'; let c: &'a str = r#\"}\"#; /* { */ end");
        assert!(!code.contains('{') && !code.contains('}') && !code.contains("fn"), "{code}");
        assert!(code.contains("&'a str") && code.ends_with("end"), "{code}");
    }

    #[test]
    fn functions_are_measured_with_their_nested_braces() {
        let code = "fn one(a: [u8; 2]) -> u8 {\n if x { y }\n}\ntrait T { fn two(); }\nimpl X {\n fn three() {}\n}\n";
        let found = functions(code);
        let lines: Vec<_> = found.iter().map(|f| (f.name.as_str(), f.first_line, f.last_line)).collect();
        assert_eq!(lines, [("one", 1, 3), ("three", 6, 6)]);
    }
}
