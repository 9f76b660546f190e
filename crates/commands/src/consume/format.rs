//! Templates of `--format`, with the tokens of kcat.

use crate::produce::unescape;
use ottla_client::ConsumerRecord;

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    Text(Vec<u8>),
    Value,
    ValueLength,
    ValueLengthBinary,
    Key,
    KeyLength,
    Headers,
    Topic,
    Partition,
    Offset,
    Timestamp,
    DeliveryCount,
}

/// A parsed template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Template(Vec<Token>);

impl Template {
    pub(super) fn parse(text: &str) -> Result<Template, String> {
        let (mut tokens, mut plain) = (Vec::new(), String::new());
        let mut rest = text.chars();
        while let Some(c) = rest.next() {
            if c != '%' {
                plain.push(c);
                continue;
            }
            let token = match rest.next() {
                Some('%') => {
                    plain.push('%');
                    continue;
                }
                Some('s') => Token::Value,
                Some('S') => Token::ValueLength,
                Some('R') => Token::ValueLengthBinary,
                Some('k') => Token::Key,
                Some('K') => Token::KeyLength,
                Some('h') => Token::Headers,
                Some('t') => Token::Topic,
                Some('p') => Token::Partition,
                Some('o') => Token::Offset,
                Some('T') => Token::Timestamp,
                Some('d') => Token::DeliveryCount,
                other => {
                    let other = other.map(String::from).unwrap_or_default();
                    return Err(format!("%{other} is no token: there are %s %S %R %k %K %h %t %p %o %T %d and %%"));
                }
            };
            if !plain.is_empty() {
                tokens.push(Token::Text(unescape(&plain)?));
                plain.clear();
            }
            tokens.push(token);
        }
        if !plain.is_empty() {
            tokens.push(Token::Text(unescape(&plain)?));
        }
        Ok(Template(tokens))
    }

    /// Adds a record. As in kcat, a null has length -1 and prints as nothing.
    pub(super) fn write(&self, record: &ConsumerRecord, out: &mut Vec<u8>) {
        let length = |bytes: &Option<bytes::Bytes>| {
            bytes.as_ref().map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap_or(i32::MAX))
        };
        for token in &self.0 {
            match token {
                Token::Text(text) => out.extend(text),
                Token::Value => out.extend(record.value.as_deref().unwrap_or_default()),
                Token::ValueLength => out.extend(length(&record.value).to_string().bytes()),
                Token::ValueLengthBinary => out.extend(length(&record.value).to_be_bytes()),
                Token::Key => out.extend(record.key.as_deref().unwrap_or_default()),
                Token::KeyLength => out.extend(length(&record.key).to_string().bytes()),
                Token::Headers => out.extend(headers(record)),
                Token::Topic => out.extend(record.topic.bytes()),
                Token::Partition => out.extend(record.partition.to_string().bytes()),
                Token::Offset => out.extend(record.offset.to_string().bytes()),
                Token::Timestamp => out.extend(record.timestamp.to_string().bytes()),
                Token::DeliveryCount => out.extend(record.delivery_count.unwrap_or(-1).to_string().bytes()),
            }
        }
    }
}

/// `name=value,name=value`.
pub(super) fn headers(record: &ConsumerRecord) -> Vec<u8> {
    let one = |(name, value): &(bytes::Bytes, Option<bytes::Bytes>)| {
        [name.as_ref(), b"=", value.as_deref().unwrap_or(b"NULL")].concat()
    };
    record.headers.iter().map(one).collect::<Vec<_>>().join(&b","[..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::read_record;

    fn shown(template: &str) -> Result<String, String> {
        let record = ConsumerRecord {
            value: Some("val".into()),
            headers: vec![("a".into(), Some("1".into())), ("b".into(), None)],
            ..read_record()
        };
        let mut out = Vec::new();
        Template::parse(template)?.write(&record, &mut out);
        Ok(out.escape_ascii().to_string())
    }

    #[test]
    fn tokens_are_those_of_kcat() {
        assert_eq!(shown("%t-%p@%o %T: %k=%s\\n").unwrap(), "t-1@7 1000: =val\\n");
        assert_eq!(shown("%S %K %% %h\\x00").unwrap(), "3 -1 % a=1,b=NULL\\x00");
        assert_eq!(shown("%R").unwrap(), "\\x00\\x00\\x00\\x03");
        assert!(shown("%z").unwrap_err().starts_with("%z is no token"));
        assert!(shown("50%").is_err());
    }
}
