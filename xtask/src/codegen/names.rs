//! Kafka's camel-case names as Rust identifiers.

/// Words that cannot be a plain field name.
const KEYWORDS: &[&str] = &["type", "match", "move", "ref", "self", "use", "where", "loop", "mod", "in", "as", "fn"];

/// `TransactionalId` becomes `transactional_id`, `IsKRaft` becomes `is_kraft`, `TopicIDs` becomes `topic_ids`.
pub(crate) fn snake_case(name: &str) -> String {
    let name = name.replace("KRaft", "Kraft").replace("IDs", "Ids");
    let chars: Vec<char> = name.chars().collect();
    let mut snake = String::new();
    for (at, &c) in chars.iter().enumerate() {
        let after_lower = at > 0 && !chars[at - 1].is_uppercase();
        let starts_word = at > 0 && chars.get(at + 1).is_some_and(|next| next.is_lowercase());
        if c.is_uppercase() && (after_lower || starts_word) && at > 0 {
            snake.push('_');
        }
        snake.extend(c.to_lowercase());
    }
    snake
}

/// A field's identifier; Rust keywords become raw identifiers.
pub(crate) fn field(name: &str) -> String {
    let snake = snake_case(name);
    if KEYWORDS.contains(&snake.as_str()) { format!("r#{snake}") } else { snake }
}

/// A local variable for a field, never one of the names that generated functions use themselves.
pub(crate) fn local(name: &str) -> String {
    let field = field(name);
    if ["r", "w", "version", "flex", "tags", "tag"].contains(&field.as_str()) { format!("{field}_") } else { field }
}

/// `broker` becomes `Broker`.
pub(crate) fn capitalized(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or(String::new(), |first| first.to_uppercase().chain(chars).collect())
}

/// The module, and so the file, of a message.
pub(crate) fn module(message: &str) -> String {
    snake_case(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_kafka_words() {
        assert_eq!(snake_case("TransactionalId"), "transactional_id");
        assert_eq!(snake_case("KRaftVersionRecord"), "kraft_version_record");
        assert_eq!(snake_case("topicIDs"), "topic_ids");
        assert_eq!(snake_case("ISRWithEpoch"), "isr_with_epoch");
        assert_eq!(field("Type"), "r#type");
        assert_eq!(local("Version"), "version_");
    }
}
