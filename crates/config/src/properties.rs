//! Configs as text: `.properties` files and `key=value` on the command line.

use crate::error::ConfigError;
use crate::layers::ConfigMap;
use java_properties::PropertiesIter;

/// Reads the text of a `.properties` file. The last of several values of a name holds, as in Java.
pub fn parse_properties(text: &str) -> Result<ConfigMap, ConfigError> {
    let ascii = escape_non_ascii(text);
    let mut configs = ConfigMap::new();
    let outcome = PropertiesIter::new(ascii.as_bytes()).read_into(|name, value| {
        configs.insert(name, value);
    });
    match outcome {
        Ok(()) => Ok(configs),
        Err(error) => {
            let line = error.line_number().map(|line| format!(" at line {line}")).unwrap_or_default();
            Err(ConfigError::Rule(format!("The properties cannot be read{line}: {error}")))
        }
    }
}

/// Reads one `name=value` of the command line.
pub fn parse_override(text: &str) -> Result<(String, String), ConfigError> {
    match text.split_once('=') {
        Some((name, value)) if !name.trim().is_empty() => Ok((name.trim().to_string(), value.trim().to_string())),
        _ => Err(ConfigError::Rule(format!("'{text}' is not of the form name=value"))),
    }
}

/// Java's own escapes for everything beyond ASCII: files are UTF-8 here, while the parser reads Latin-1 as Java does.
fn escape_non_ascii(text: &str) -> String {
    let mut ascii = String::with_capacity(text.len());
    for c in text.chars() {
        match u32::from(c) {
            0..=0x7f => ascii.push(c),
            code @ 0x80..=0xffff => ascii.push_str(&format!("\\u{code:04x}")),
            // Beyond the reach of a four-digit escape; no config value needs it.
            _ => ascii.push('?'),
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_read_as_java_reads_them() {
        let text = "# comment\n! comment\na=1\n b : 2\nc 3\nlong=x,\\\n  y\ntab=a\\tb\nname=J\u{f6}rg\na=4\nempty=\n";
        let configs = parse_properties(text).unwrap();
        let got = configs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        assert_eq!(got, ["a=4", "b=2", "c=3", "empty=", "long=x,y", "name=J\u{f6}rg", "tab=a\tb"]);
    }

    #[test]
    fn a_wrong_escape_is_refused_with_its_line() {
        let error = parse_properties("a=1\nb=\\uzzzz\n").unwrap_err().to_string();
        assert!(error.starts_with("The properties cannot be read at line 2"), "{error}");
    }

    #[test]
    fn overrides_may_contain_equals_signs() {
        assert_eq!(parse_override(" a = b=c ").unwrap(), ("a".to_string(), "b=c".to_string()));
        assert!(parse_override("a").is_err());
        assert!(parse_override("=b").is_err());
    }
}
