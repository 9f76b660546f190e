//! Whom a quota is set for.

use super::key::QuotaError;

const USER: &str = "user";
const CLIENT_ID: &str = "client-id";
const IP: &str = "ip";

/// The name of a user, client id or address, or the default for those without a quota of their own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum EntityName {
    /// Everyone without a quota of their own.
    Default,
    /// This one.
    Named(String),
}

impl EntityName {
    fn parse(kind: &str, name: Option<&str>) -> Result<EntityName, QuotaError> {
        match name {
            None => Ok(EntityName::Default),
            Some("") => Err(QuotaError(format!("Empty {kind} not supported"))),
            Some(name) => Ok(EntityName::Named(name.to_string())),
        }
    }

    /// The name; `None` for the default.
    pub fn as_option(&self) -> Option<&str> {
        match self {
            EntityName::Default => None,
            EntityName::Named(name) => Some(name),
        }
    }
}

/// Whom a quota is set for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaEntity {
    /// All clients of a user together.
    User(EntityName),
    /// All users of a client id together.
    ClientId(EntityName),
    /// A client id of a user.
    UserAndClientId(EntityName, EntityName),
    /// An address.
    Ip(EntityName),
}

impl QuotaEntity {
    /// Parses type and name of each part, as requests and records carry them; a name of `None` is the default.
    ///
    /// # Errors
    /// Kafka's texts for unknown types, empty names, and combinations that mean nothing.
    pub fn parse<'a>(parts: impl IntoIterator<Item = (&'a str, Option<&'a str>)>) -> Result<QuotaEntity, QuotaError> {
        let (mut user, mut client_id, mut ip) = (None, None, None);
        for (kind, name) in parts {
            let part = match kind {
                USER => &mut user,
                CLIENT_ID => &mut client_id,
                IP => &mut ip,
                other => return Err(QuotaError(format!("Unhandled client quota entity type: {other}"))),
            };
            let name = EntityName::parse(kind, name)?;
            if part.replace(name).is_some() {
                return Err(QuotaError(format!("Invalid client quota entity, duplicate entity entry {kind}")));
            }
        }
        match (user, client_id, ip) {
            (None, None, None) => Err(QuotaError("Invalid empty client quota entity".to_string())),
            (Some(user), None, None) => Ok(QuotaEntity::User(user)),
            (None, Some(client_id), None) => Ok(QuotaEntity::ClientId(client_id)),
            (Some(user), Some(client_id), None) => Ok(QuotaEntity::UserAndClientId(user, client_id)),
            (None, None, Some(ip)) => Ok(QuotaEntity::Ip(ip)),
            (_, _, Some(_)) => Err(QuotaError(
                "Invalid quota entity combination, IP entity should not be combined with User or ClientId".to_string(),
            )),
        }
    }

    /// Type and name of each part; the way back of [`QuotaEntity::parse`].
    pub fn parts(&self) -> Vec<(&'static str, Option<&str>)> {
        match self {
            QuotaEntity::User(user) => vec![(USER, user.as_option())],
            QuotaEntity::ClientId(client_id) => vec![(CLIENT_ID, client_id.as_option())],
            QuotaEntity::UserAndClientId(user, client_id) => {
                vec![(USER, user.as_option()), (CLIENT_ID, client_id.as_option())]
            }
            QuotaEntity::Ip(ip) => vec![(IP, ip.as_option())],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_parsed_comes_back() {
        for parts in [
            vec![("user", Some("alice"))],
            vec![("user", None)],
            vec![("client-id", Some("app"))],
            vec![("user", None), ("client-id", Some("app"))],
            vec![("ip", None)],
        ] {
            let entity = QuotaEntity::parse(parts.iter().copied()).unwrap();
            assert_eq!(entity.parts(), parts);
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for (parts, text) in [
            (vec![], "Invalid empty client quota entity"),
            (vec![("group", Some("g"))], "Unhandled client quota entity type: group"),
            (vec![("user", Some(""))], "Empty user not supported"),
            (vec![("user", None), ("user", Some("a"))], "Invalid client quota entity, duplicate entity entry user"),
            (
                vec![("ip", Some("10.0.0.1")), ("user", None)],
                "Invalid quota entity combination, IP entity should not be combined with User or ClientId",
            ),
        ] {
            assert_eq!(QuotaEntity::parse(parts).unwrap_err().0, text);
        }
    }
}
