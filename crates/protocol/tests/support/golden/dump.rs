//! A message as text that the Java side can print too: field names without case and underscores, no type names.
//!
//! It is made from the `Debug` text, so that no message needs code for it.

/// Rewrites the `Debug` text of a message.
pub(crate) fn canonical(debug: &str) -> String {
    let mut dump = Dump { rest: debug, out: String::with_capacity(debug.len()) };
    dump.value();
    assert!(dump.rest.is_empty(), "not understood: {}", dump.rest);
    dump.out
}

struct Dump<'a> {
    rest: &'a str,
    out: String,
}

impl<'a> Dump<'a> {
    fn value(&mut self) {
        self.spaces();
        if self.rest.starts_with("b\"") {
            self.rest = &self.rest[1..];
            self.bytes();
        } else if self.rest.starts_with('"') {
            let text = self.quoted();
            self.out.push_str(&format!("\"{text}\""));
        } else if self.accept("[") {
            self.items('[', "]", Self::value);
        } else {
            self.word_value();
        }
    }

    /// A number, id or boolean, or a name with what follows it.
    fn word_value(&mut self) {
        let word = self.word();
        self.spaces();
        if self.accept("{") {
            self.items('{', "}", Self::field);
        } else if self.accept("(") {
            // `Some(..)` and `Inline(..)` are their content.
            self.value();
            assert!(self.accept(")"));
        } else if word == "None" || word == "Null" {
            self.out.push_str("null");
        } else if word.starts_with(|c: char| c.is_ascii_uppercase()) && word.len() != 22 {
            // A structure without fields prints only its name; 22 characters are a UUID.
            self.out.push_str("{}");
        } else {
            self.out.push_str(word);
        }
    }

    fn field(&mut self) {
        let name = self.word().replace('_', "");
        self.out.push_str(&name);
        assert!(self.accept(":"));
        self.out.push(':');
        self.value();
    }

    fn items(&mut self, open: char, close: &str, item: fn(&mut Self)) {
        self.out.push(open);
        self.spaces();
        while !self.accept(close) {
            item(self);
            self.spaces();
            if self.accept(",") {
                self.out.push(',');
                self.spaces();
            }
        }
        self.out.push_str(close);
    }

    fn bytes(&mut self) {
        let quoted = self.quoted();
        let mut chars = quoted.bytes();
        self.out.push('x');
        while let Some(byte) = chars.next() {
            let value = match (byte, byte == b'\\') {
                (_, false) => byte,
                _ => match chars.next() {
                    Some(b'x') => {
                        let digits = [chars.next().unwrap(), chars.next().unwrap()];
                        u8::from_str_radix(std::str::from_utf8(&digits).unwrap(), 16).unwrap()
                    }
                    Some(b'n') => b'\n',
                    Some(b'r') => b'\r',
                    Some(b't') => b'\t',
                    Some(b'0') => 0,
                    Some(other) => other,
                    None => unreachable!("Debug text ends in an escape"),
                },
            };
            self.out.push_str(&format!("{value:02x}"));
        }
        self.out.push(';');
    }

    /// The text between quotes, escapes as they are.
    fn quoted(&mut self) -> &'a str {
        let text = &self.rest[1..];
        let mut escaped = false;
        let end = text.find(|c: char| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let end = end.expect("Debug text closes its quotes");
        self.rest = &text[end + 1..];
        &text[..end]
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|c: char| !c.is_alphanumeric() && !"_-.+".contains(c)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn spaces(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn accept(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }
}
