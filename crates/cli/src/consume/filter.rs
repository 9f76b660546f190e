//! Filters in the language of jq (`--jq`), run by jaq.

use crate::record::JsonRecord;
use jaq_core::data::JustLut;
use jaq_core::load::{Arena, File, Loader};
use jaq_core::{Compiler, Ctx, Filter, Vars, unwrap_valr};
use jaq_json::{Val, read};
use ottla_client::ConsumerRecord;

/// A compiled filter.
pub(super) struct JqFilter(Filter<JustLut<Val>>);

impl JqFilter {
    pub(super) fn new(code: &str) -> Result<JqFilter, String> {
        let wrong = |what: &str| format!("--jq '{code}' is no filter: {what}");
        let defs = jaq_core::defs().chain(jaq_std::defs()).chain(jaq_json::defs());
        let arena = Arena::default();
        let loaded = Loader::new(defs).load(&arena, File { code, path: () });
        let modules = loaded.map_err(|_| wrong("it cannot be parsed"))?;
        let funs = jaq_core::funs().chain(jaq_std::funs()).chain(jaq_json::funs());
        let compiled = Compiler::default().with_funs(funs).compile(modules);
        let filter = compiled.map_err(|files| {
            let names = files.into_iter().flat_map(|(_, undefined)| undefined).map(|(name, _)| name.to_string());
            wrong(&format!("nobody knows {}", names.collect::<Vec<_>>().join(", ")))
        })?;
        Ok(JqFilter(filter))
    }

    /// Adds what the filter gives for a record, a line of JSON each; false when that is nothing.
    pub(super) fn write(&self, record: &ConsumerRecord, out: &mut Vec<u8>) -> Result<bool, String> {
        let mut json = JsonRecord::of(record);
        // The standard parser refuses deep nesting; what it refuses stays a string.
        if let Some(value) = json.value.as_str().and_then(|text| serde_json::from_str(text).ok()) {
            json.value = value;
        }
        let place = format!("{}-{}@{}", record.topic, record.partition, record.offset);
        let text = serde_json::to_vec(&json).map_err(|error| format!("{place}: {error}"))?;
        let input = read::parse_single(&text).map_err(|error| format!("{place}: {error}"))?;
        let context = Ctx::<JustLut<Val>>::new(&self.0.lut, Vars::new([]));
        let mut is_shown = false;
        for result in self.0.id.run((context, input)).map(unwrap_valr) {
            let value = result.map_err(|error| format!("{place}: --jq: {error}"))?;
            out.extend(format!("{value}\n").into_bytes());
            is_shown = true;
        }
        Ok(is_shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ottla_client::TimestampType;

    fn shown(code: &str, value: &str) -> String {
        let record = ConsumerRecord {
            topic: "t".into(),
            partition: 1,
            offset: 7,
            timestamp: 1000,
            timestamp_type: TimestampType::CreateTime,
            leader_epoch: 0,
            key: None,
            value: Some(value.to_string().into()),
            headers: vec![],
        };
        let mut out = Vec::new();
        match JqFilter::new(code).and_then(|filter| filter.write(&record, &mut out)) {
            Ok(_) => String::from_utf8(out).unwrap(),
            Err(why) => why,
        }
    }

    #[test]
    fn filters_choose_and_change() {
        assert_eq!(shown(".value.a", r#"{"a": {"b": 1}}"#), "{\"b\":1}\n");
        assert_eq!(shown("select(.value.amount > 3) | .offset", r#"{"amount": 4}"#), "7\n");
        assert_eq!(shown("select(.value.amount > 3)", r#"{"amount": 2}"#), "");
        assert_eq!(shown(".value, .key", "plain"), "\"plain\"\nnull\n");
        assert!(shown(".value | map(.)", "1").starts_with("t-1@7: --jq: "));
    }

    #[test]
    fn filters_that_mean_nothing_are_said() {
        assert!(shown(".[", "").contains("cannot be parsed"));
        assert!(shown("nonsense(1)", "").contains("nobody knows nonsense"));
        // As deep as a value from anywhere may be: no stack is used up.
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(shown(".value | type", &deep), "\"string\"\n");
    }
}
