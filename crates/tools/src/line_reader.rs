//! How `kafka-console-producer` reads a line: headers, key and value with separators between them. Unlike Kafka's reader it
//! keeps bytes as they are, also those that are no UTF-8.

use ottla_client::{ClientProperties, ProducerRecord};
use ottla_terminal::failure::Failure;
use ottla_terminal::input::find;
use regex::bytes::Regex;

/// A reader with its properties.
#[derive(Debug)]
pub(crate) struct LineReader {
    topic: String,
    parse_key: bool,
    key_separator: String,
    parse_headers: bool,
    headers_delimiter: String,
    headers_separator: Regex,
    headers_key_separator: String,
    ignore_error: bool,
    null_marker: Option<String>,
}

impl LineReader {
    /// Reads `parse.key`, `key.separator` and the like.
    pub(crate) fn new(topic: &str, properties: &ClientProperties) -> Result<LineReader, Failure> {
        let text = |name: &str, default: &str| properties.get(name).unwrap_or(default).to_string();
        let is_true = |name: &str| properties.get(name).is_some_and(|text| text.trim().eq_ignore_ascii_case("true"));
        let separator = text("headers.separator", ",");
        let pattern = Regex::new(&separator);
        let reader = LineReader {
            topic: topic.to_string(),
            parse_key: is_true("parse.key"),
            key_separator: text("key.separator", "\t"),
            parse_headers: is_true("parse.headers"),
            headers_delimiter: text("headers.delimiter", "\t"),
            headers_separator: pattern
                .map_err(|_| Failure::new(format!("headers.separator={separator} is no regex")))?,
            headers_key_separator: text("headers.key.separator", ":"),
            ignore_error: is_true("ignore.error"),
            null_marker: properties.get("null.marker").map(str::to_string),
        };
        reader.check(&separator)?;
        Ok(reader)
    }

    fn check(&self, separator: &str) -> Result<(), Failure> {
        let named = [
            ("headers.delimiter", self.headers_delimiter.as_str()),
            ("headers.separator", separator),
            ("headers.key.separator", self.headers_key_separator.as_str()),
        ];
        for (index, (name, value)) in named.iter().enumerate() {
            if let Some((other, _)) = named[index + 1..].iter().find(|(_, other)| other == value) {
                return Err(Failure::new(format!("{name} and {other} may not be equal")));
            }
        }
        let Some(marker) = &self.null_marker else { return Ok(()) };
        let named = [("key.separator", self.key_separator.as_str()), named[1], named[0], named[2]];
        match named.iter().find(|(_, value)| value == marker) {
            Some((name, _)) => Err(Failure::new(format!("null.marker and {name} may not be equal"))),
            None => Ok(()),
        }
    }

    /// The record that a line means; `number` counts from 1.
    pub(crate) fn record(&self, line: &[u8], number: u64) -> Result<ProducerRecord, Failure> {
        let (headers, rest) = match self.parse_headers {
            true => self.part(line, line, &self.headers_delimiter, "headers delimiter", number)?,
            false => (None, line),
        };
        let (key, value) = match self.parse_key {
            true => self.part(rest, line, &self.key_separator, "key separator", number)?,
            false => (None, rest),
        };
        let nullable = |bytes: &[u8]| (!self.is_null(bytes)).then(|| bytes.to_vec().into());
        let headers = match headers.filter(|headers| !self.is_null(headers)) {
            Some(headers) => self.headers(headers, number)?,
            None => Vec::new(),
        };
        Ok(ProducerRecord {
            topic: self.topic.clone(),
            key: key.and_then(nullable),
            value: nullable(value),
            headers,
            ..ProducerRecord::default()
        })
    }

    /// What stands before the separator, and the rest.
    fn part<'a>(
        &self,
        rest: &'a [u8],
        line: &[u8],
        separator: &str,
        name: &str,
        number: u64,
    ) -> Result<(Option<&'a [u8]>, &'a [u8]), Failure> {
        match find(rest, separator.as_bytes()) {
            Some(at) => Ok((Some(&rest[..at]), &rest[at + separator.len()..])),
            None if self.ignore_error => Ok((None, rest)),
            None => {
                let line = String::from_utf8_lossy(line);
                Err(Failure::new(format!("No {name} found on line number {number}: '{line}'")))
            }
        }
    }

    fn headers(&self, text: &[u8], number: u64) -> Result<Vec<(bytes::Bytes, Option<bytes::Bytes>)>, Failure> {
        let mut pairs: Vec<&[u8]> = self.headers_separator.split(text).collect();
        // As Java's split does.
        while pairs.len() > 1 && pairs.last().is_some_and(|last| last.is_empty()) {
            pairs.pop();
        }
        let header = |pair: &[u8]| {
            let Some(at) = find(pair, self.headers_key_separator.as_bytes()) else {
                let shown = String::from_utf8_lossy(pair);
                return match self.ignore_error {
                    true => Ok((pair.to_vec().into(), None)),
                    false => Err(Failure::new(format!(
                        "No header key separator found in pair '{shown}' on line number {number}"
                    ))),
                };
            };
            let (key, value) = (&pair[..at], &pair[at + self.headers_key_separator.len()..]);
            if self.is_null(key) {
                let marker = self.null_marker.as_deref().unwrap_or_default();
                return Err(Failure::new(format!(
                    "Header keys should not be equal to the null marker '{marker}' as they can't be null"
                )));
            }
            Ok((key.to_vec().into(), (!self.is_null(value)).then(|| value.to_vec().into())))
        };
        pairs.into_iter().map(header).collect()
    }

    fn is_null(&self, bytes: &[u8]) -> bool {
        self.null_marker.as_deref().is_some_and(|marker| marker.as_bytes() == bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reader(properties: &[(&str, &str)]) -> Result<LineReader, String> {
        let mut all = ClientProperties::new();
        properties.iter().for_each(|(name, value)| all.set(*name, *value));
        LineReader::new("t", &all).map_err(|failure| failure.cause)
    }

    fn shown(properties: &[(&str, &str)], line: &str) -> String {
        let text =
            |bytes: Option<&bytes::Bytes>| bytes.map_or("null".to_string(), |b| String::from_utf8_lossy(b).into());
        match reader(properties).and_then(|reader| reader.record(line.as_bytes(), 1).map_err(|failure| failure.cause)) {
            Ok(record) => {
                let headers =
                    record.headers.iter().map(|(name, value)| format!("{}={}", text(Some(name)), text(value.as_ref())));
                let headers: Vec<String> = headers.collect();
                format!("{}|{}|{}", headers.join(","), text(record.key.as_ref()), text(record.value.as_ref()))
            }
            Err(cause) => cause,
        }
    }

    #[test]
    fn a_line_is_a_value_a_key_and_a_value_or_headers_too() {
        let (key, headers, null) = (("parse.key", "true"), ("parse.headers", "true"), ("null.marker", "N"));
        assert_eq!(shown(&[], "a\tb"), "|null|a\tb");
        assert_eq!(shown(&[key], "k\tv\tw"), "|k|v\tw");
        assert_eq!(shown(&[key, ("key.separator", "::")], "k::v"), "|k|v");
        assert_eq!(shown(&[key, headers], "h1:v1,h2:v2\tk\tv"), "h1=v1,h2=v2|k|v");
        assert_eq!(shown(&[key, headers, null], "N\tN\tN"), "|null|null");
        assert_eq!(shown(&[headers, null], "h:N\tv"), "h=null|null|v");
        assert_eq!(shown(&[key, ("ignore.error", "true")], "no separator"), "|null|no separator");
    }

    #[test]
    fn what_cannot_be_parsed_is_said_with_its_line() {
        assert_eq!(shown(&[("parse.key", "true")], "x"), "No key separator found on line number 1: 'x'");
        assert_eq!(
            shown(&[("parse.headers", "true")], "h\tx"),
            "No header key separator found in pair 'h' on line number 1"
        );
        let same = [("headers.delimiter", ","), ("headers.separator", ",")];
        assert_eq!(reader(&same).unwrap_err(), "headers.delimiter and headers.separator may not be equal");
        let marker = [("null.marker", "\t")];
        assert_eq!(reader(&marker).unwrap_err(), "null.marker and key.separator may not be equal");
    }
}
