//! `--jq`: filters in jq's language, run by jaq.
//!
//! The input of a filter is the record as `--output json` shows it, with keys and values parsed where they are JSON. Each output
//! is a line: texts as they are, everything else as JSON; with `--output json` texts are JSON too. A record without output is left
//! out, so `select(...)` chooses records.

use crate::record::JsonRecord;
use jaq_core::data::JustLut;
use jaq_core::load::{Arena, Error, File, Loader, span};
use jaq_core::{Compiler, Ctx, Filter, Vars};
use jaq_json::{Val, read};
use ottla_client::ConsumerRecord;
use ottla_terminal::failure::Failure;
use serde::de::IgnoredAny;

/// A filter that is ready to run.
pub(super) struct Jq {
    filter: Filter<JustLut<Val>>,
    /// Texts are printed as JSON.
    quoted: bool,
}

impl Jq {
    /// # Errors
    /// A [`Failure`] of the command line that shows the place of the mistake.
    pub(super) fn new(code: &str, quoted: bool) -> Result<Jq, Failure> {
        let arena = Arena::default();
        let definitions = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let functions = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let loaded = Loader::new(definitions).load(&arena, File { code, path: () });
        let modules = loaded.map_err(|errors| {
            let first = errors.into_iter().next().map(|(file, error)| misread(file.code, &error));
            wrong(code, first.unwrap_or((0, "it cannot be read".to_string())))
        })?;
        let compiled = Compiler::default().with_funs(functions).compile(modules);
        let filter = compiled.map_err(|errors| {
            let undefined =
                errors.into_iter().flat_map(|(file, errors)| errors.into_iter().map(move |one| (file.code, one)));
            let first = undefined.into_iter().next().map(|(whole, (name, kind))| {
                (span(whole, name).start, format!("undefined {} '{name}'", kind.as_str()))
            });
            wrong(code, first.unwrap_or((0, "it cannot be compiled".to_string())))
        })?;
        Ok(Jq { filter, quoted })
    }

    /// Adds a line for each output; how many.
    ///
    /// # Errors
    /// What the filter says of this record.
    pub(super) fn print(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<usize, Failure> {
        let place = || format!("{}-{}@{}", record.topic, record.partition, record.offset);
        let refused = |why: String| -> Failure {
            Failure::new(format!("--jq on {}: {why}", place()))
                .then("begin the filter with `try` or end a path with `?` to pass over such records")
        };
        let input = read::parse_single(document(record)?.as_bytes()).map_err(|error| refused(error.to_string()))?;
        let context = Ctx::<JustLut<Val>>::new(&self.filter.lut, Vars::new([]));
        let mut outputs = 0;
        for output in self.filter.id.run((context, input)) {
            let said = output.map_err(|thrown| match thrown.get_err() {
                Ok(error) => error.to_string(),
                Err(_) => "`halt` ends jq, but not this command".to_string(),
            });
            match said.map_err(refused)? {
                Val::TStr(text) | Val::BStr(text) if !self.quoted => out.extend_from_slice(&text),
                other => out.extend(other.to_string().bytes()),
            }
            out.push(b'\n');
            outputs += 1;
        }
        Ok(outputs)
    }
}

/// The record as JSON, with keys and values in place where they are JSON themselves: no number loses a digit.
fn document(record: &ConsumerRecord) -> Result<String, Failure> {
    let failed = |error: serde_json::Error| Failure::new(error.to_string());
    let plain = serde_json::to_value(JsonRecord::of(record)).map_err(failed)?;
    let mut fields = Vec::new();
    for (name, value) in plain.as_object().into_iter().flatten() {
        let raw = match name.as_str() {
            "key" => as_json(record.key.as_deref()),
            "value" => as_json(record.value.as_deref()),
            _ => None,
        };
        let name = serde_json::to_string(name).map_err(failed)?;
        fields.push(format!("{name}:{}", raw.map_or_else(|| value.to_string(), str::to_string)));
    }
    Ok(format!("{{{}}}", fields.join(",")))
}

fn as_json(bytes: Option<&[u8]>) -> Option<&str> {
    let text = std::str::from_utf8(bytes?).ok()?;
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    Some(text)
}

/// Where and why a filter cannot be read.
fn misread(whole: &str, error: &Error<&str>) -> (usize, String) {
    let found = |part: &str| match part.chars().next() {
        None => "the end".to_string(),
        Some(_) => format!("'{}'", part.chars().take(12).collect::<String>()),
    };
    match error {
        Error::Io(paths) => match paths.first() {
            Some((path, why)) => (span(whole, path).start, why.clone()),
            None => (0, "it cannot be read".to_string()),
        },
        Error::Lex(errors) => match errors.first() {
            Some((expected, part)) => {
                (span(whole, part).start, format!("expected {}, found {}", expected.as_str(), found(part)))
            }
            None => (0, "it cannot be read".to_string()),
        },
        Error::Parse(errors) => match errors.first() {
            Some((expected, part)) => {
                (span(whole, part).start, format!("expected {}, found {}", expected.as_str(), found(part)))
            }
            None => (0, "it cannot be read".to_string()),
        },
    }
}

/// The filter, and a mark below the place.
fn wrong(code: &str, (at, why): (usize, String)) -> Failure {
    let before = code.get(..at).unwrap_or(code);
    let line_number = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let line = code.split('\n').nth(line_number - 1).unwrap_or_default();
    let place = format!("line {line_number}, column {column}");
    let cause = format!("--jq cannot be read: {why} at {place}\n  {line}\n  {:>column$}", '^');
    Failure { code: Failure::USAGE, ..Failure::new(cause) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read_record;

    fn record(key: Option<&'static str>, value: &'static str) -> ConsumerRecord {
        ConsumerRecord {
            topic: "orders".into(),
            key: key.map(Into::into),
            value: Some(value.into()),
            headers: vec![("trace".into(), Some("x1".into()))],
            ..read_record()
        }
    }

    fn shown(filter: &str, record: &ConsumerRecord) -> Result<String, String> {
        let jq = Jq::new(filter, false).map_err(|failure| failure.cause)?;
        let mut out = Vec::new();
        jq.print(record, &mut out).map_err(|failure| failure.cause)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn filters_see_the_record_with_its_value_parsed() {
        let order = record(
            Some("alice"),
            r#"{"item": "tea", "price": 2.5, "tags": ["a", "b"], "id": 12345678901234567890123}"#,
        );
        let cases = [
            (".value.item", "tea\n"),
            (".value | .price * 2", "5.0\n"),
            (".key", "alice\n"),
            ("select(.value.price > 2) | .offset", "7\n"),
            ("select(.value.price > 3)", ""),
            (".value.tags[]", "a\nb\n"),
            ("[.topic, .partition, .value.item] | map(tostring) | join(\",\")", "orders,1,tea\n"),
            (".value.item | test(\"^t\")", "true\n"),
            (".headers[0].value", "x1\n"),
            (".value.id", "12345678901234567890123\n"),
            ("{k: .key, n: (.value.tags | length)}", "{\"k\":\"alice\",\"n\":2}\n"),
        ];
        for (filter, expected) in cases {
            assert_eq!(shown(filter, &order).as_deref(), Ok(expected), "{filter}");
        }
        assert_eq!(shown(".value", &record(None, "no json")).as_deref(), Ok("no json\n"));
        assert_eq!(shown(".key", &record(None, "x")).as_deref(), Ok("null\n"));
        let quoted = Jq::new(".value.item", true).ok().unwrap();
        let mut out = Vec::new();
        assert_eq!(quoted.print(&order, &mut out), Ok(1));
        assert_eq!(out, b"\"tea\"\n");
    }

    #[test]
    fn a_wrong_filter_is_shown_with_its_place() {
        let told = |filter: &str| {
            let failure = Jq::new(filter, false).err().unwrap();
            assert_eq!(failure.code, Failure::USAGE);
            failure.cause
        };
        assert_eq!(
            told(".value |"),
            "--jq cannot be read: expected term, found the end at line 1, column 9\n  .value |\n          ^"
        );
        assert!(
            told(".a | nosuch(1)").contains("undefined filter 'nosuch' at line 1, column 6"),
            "{}",
            told(".a | nosuch(1)")
        );
        assert!(told("[.a\n| .b").contains("closing bracket"), "{}", told("[.a\n| .b"));
        assert!(told(".a\n| $x").contains("undefined variable '$x' at line 2, column 3"), "{}", told(".a\n| $x"));
    }

    #[test]
    fn a_record_that_does_not_fit_is_named() {
        let told = shown(".value.item", &record(None, "[1]")).unwrap_err();
        assert!(told.starts_with("--jq on orders-1@7: "), "{told}");
        assert_eq!(shown(".value.item?", &record(None, "[1]")).as_deref(), Ok(""));
    }
}
