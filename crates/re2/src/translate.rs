//! From RE2's language to that of the `regex` crate.
//!
//! `\Q...\E` quotes. `\d`, `\s`, `\w` and `\b` know only ASCII. `\<` and `\>` are characters. Within brackets there are no
//! operators but ranges, so `[`, `&&`, `--` and `~~` are characters, and so is a dash beside a class. A brace is a character
//! unless it begins a count.

/// The same expression for the `regex` crate. What the translation does not know is left as it is: whether it is an expression is
/// for `regex` to say.
pub(super) fn translate(expression: &str) -> String {
    let mut translated = String::with_capacity(expression.len());
    let mut rest = expression;
    while let Some(next) = rest.chars().next() {
        rest = match next {
            '\\' => translate_escape(rest, &mut translated),
            '[' => translate_class(rest, &mut translated),
            '{' if !is_count(rest) => {
                translated.push('\\');
                copy(rest, 1, &mut translated)
            }
            _ => copy(rest, next.len_utf8(), &mut translated),
        };
    }
    translated
}

/// Translates what a backslash begins outside of brackets; answers what follows it.
fn translate_escape<'a>(text: &'a str, translated: &mut String) -> &'a str {
    if let Some(quoted) = text.strip_prefix("\\Q") {
        let (literal, after) = quoted.split_once("\\E").unwrap_or((quoted, ""));
        translated.push_str(&regex::escape(literal));
        return after;
    }
    // The brace belongs to it: `\p{Greek}`, `\x{10FFFF}`.
    if ["\\p{", "\\P{", "\\x{"].iter().any(|escape| text.starts_with(escape)) {
        return copy(text, text.find('}').map_or(text.len(), |end| end + 1), translated);
    }
    let ascii = perl_class(text).or_else(|| word_boundary(text));
    match ascii {
        Some(ascii) => {
            translated.push_str(ascii);
            &text[2..]
        }
        None => copy_escape(text, translated),
    }
}

/// Whether a text begins with `{2}`, `{2,}` or `{2,3}`.
fn is_count(text: &str) -> bool {
    let Some((count, _)) = text.strip_prefix('{').and_then(|text| text.split_once('}')) else { return false };
    let (least, most) = count.split_once(',').unwrap_or((count, ""));
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    !least.is_empty() && is_number(least) && is_number(most)
}

/// Translates a bracket expression; answers what follows it.
fn translate_class<'a>(text: &'a str, translated: &mut String) -> &'a str {
    translated.push('[');
    let mut rest = &text[1..];
    if let Some(after) = rest.strip_prefix('^') {
        translated.push('^');
        rest = after;
    }
    let mut is_first = true;
    while !rest.is_empty() {
        // A bracket that comes first is one of the characters.
        if !is_first && rest.starts_with(']') {
            return copy(rest, 1, translated);
        }
        is_first = false;
        rest = translate_named(rest, translated).unwrap_or_else(|| translate_range(rest, translated));
    }
    rest
}

/// Translates a class within brackets that has a name: `\d`, `[:alpha:]`, `\pL`, `\p{Greek}`.
fn translate_named<'a>(text: &'a str, translated: &mut String) -> Option<&'a str> {
    if let Some(class) = perl_class(text) {
        translated.push_str(class);
        return Some(&text[2..]);
    }
    let length = match text.get(..2)? {
        "[:" => text.find(":]")? + 2,
        "\\p" | "\\P" => match text[2..].chars().next()? {
            '{' => text.find('}')? + 1,
            letter => 2 + letter.len_utf8(),
        },
        _ => return None,
    };
    Some(copy(text, length, translated))
}

/// Translates one character within brackets, or two with a dash between them.
fn translate_range<'a>(text: &'a str, translated: &mut String) -> &'a str {
    let rest = translate_member(text, translated);
    match rest.strip_prefix('-') {
        Some(last) if !last.starts_with(']') => {
            translated.push('-');
            translate_member(last, translated)
        }
        _ => rest,
    }
}

fn translate_member<'a>(text: &'a str, translated: &mut String) -> &'a str {
    match text.chars().next() {
        None => text,
        Some('\\') => copy_escape(text, translated),
        Some(next) => {
            if matches!(next, '[' | ']' | '&' | '~' | '-' | '^') {
                translated.push('\\');
            }
            copy(text, next.len_utf8(), translated)
        }
    }
}

/// The class that two characters stand for, also within brackets.
fn perl_class(text: &str) -> Option<&'static str> {
    Some(match text.get(..2)? {
        "\\d" => "[0-9]",
        "\\D" => "[^0-9]",
        "\\s" => "[\\t\\n\\f\\r\\x20]",
        "\\S" => "[^\\t\\n\\f\\r\\x20]",
        "\\w" => "[0-9A-Za-z_]",
        "\\W" => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

fn word_boundary(text: &str) -> Option<&'static str> {
    match text.get(..2)? {
        "\\b" => Some("(?-u:\\b)"),
        "\\B" => Some("(?-u:\\B)"),
        _ => None,
    }
}

/// Copies a backslash and the character behind it; without the backslash where `regex` would take it for a border of words.
fn copy_escape<'a>(text: &'a str, translated: &mut String) -> &'a str {
    if text.starts_with("\\<") || text.starts_with("\\>") {
        return copy(&text[1..], 1, translated);
    }
    copy(text, text.chars().take(2).map(char::len_utf8).sum(), translated)
}

/// Copies so many bytes; answers what follows them.
fn copy<'a>(text: &'a str, length: usize, translated: &mut String) -> &'a str {
    let (copied, rest) = text.split_at(length);
    translated.push_str(copied);
    rest
}
