//! Which of all quotas holds for a client.
//!
//! The first that is set, in Kafka's order: user with client id, user with the default client id, user, default user with client
//! id, default user with the default client id, default user, client id, default client id.

use super::entity::{EntityName, QuotaEntity};
use super::key::QuotaKey;
use std::collections::BTreeMap;

/// A client, as a request shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Client<'a> {
    /// Name of its principal.
    pub user: &'a str,
    /// `client.id`; empty when it names none.
    pub client_id: &'a str,
}

/// Who shares a meter. An empty part means that it does not matter.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Share {
    /// The user.
    pub user: String,
    /// The client id.
    pub client_id: String,
}

/// The limit that holds for a client.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// Per second; above zero.
    pub limit: f64,
    /// Who shares it.
    pub share: Share,
}

/// All limits of one cluster, by what they limit.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ClientLimits {
    limits: BTreeMap<QuotaKey, BTreeMap<QuotaEntity, f64>>,
}

impl ClientLimits {
    /// The limits of all entities.
    pub fn new(quotas: impl IntoIterator<Item = (QuotaEntity, QuotaKey, f64)>) -> ClientLimits {
        let mut limits: BTreeMap<QuotaKey, BTreeMap<QuotaEntity, f64>> = BTreeMap::new();
        for (entity, key, limit) in quotas {
            limits.entry(key).or_default().insert(entity, limit);
        }
        ClientLimits { limits }
    }

    /// Whether anybody has a limit of this kind.
    pub fn limits_any(&self, key: QuotaKey) -> bool {
        self.limits.contains_key(&key)
    }

    /// The limit that holds for `client`; `None` if there is none.
    pub fn bound(&self, key: QuotaKey, client: Client<'_>) -> Option<Bound> {
        let limits = self.limits.get(&key)?;
        let named = |name: &str| EntityName::Named(name.to_string());
        let (has_user, has_client_id) = (!client.user.is_empty(), !client.client_id.is_empty());
        let share = |user: bool, client_id: bool| Share {
            user: if user { client.user.to_string() } else { String::new() },
            client_id: if client_id { client.client_id.to_string() } else { String::new() },
        };
        let users = [named(client.user), EntityName::Default];
        for user in users.iter().filter(|_| has_user) {
            let client_ids = [named(client.client_id), EntityName::Default];
            for client_id in client_ids.into_iter().filter(|_| has_client_id) {
                if let Some(limit) = limits.get(&QuotaEntity::UserAndClientId(user.clone(), client_id)) {
                    return Some(Bound { limit: *limit, share: share(true, true) });
                }
            }
            if let Some(limit) = limits.get(&QuotaEntity::User(user.clone())) {
                return Some(Bound { limit: *limit, share: share(true, false) });
            }
        }
        let client_ids = [named(client.client_id), EntityName::Default];
        let found = client_ids.into_iter().find_map(|client_id| limits.get(&QuotaEntity::ClientId(client_id)));
        found.filter(|_| has_client_id).map(|limit| Bound { limit: *limit, share: share(false, true) })
    }

    /// The limits of addresses: of each that has one, and of the others.
    pub fn connection_rates(&self) -> (BTreeMap<std::net::IpAddr, u32>, Option<u32>) {
        let Some(limits) = self.limits.get(&QuotaKey::ConnectionCreationRate) else { return Default::default() };
        let whole = |limit: f64| limit.clamp(1.0, f64::from(i32::MAX)) as u32;
        let named = limits.iter().filter_map(|(entity, limit)| Some((entity.address()?, whole(*limit)))).collect();
        let default = limits.get(&QuotaEntity::Ip(EntityName::Default)).map(|limit| whole(*limit));
        (named, default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: QuotaKey = QuotaKey::ProducerByteRate;

    /// Entities in Kafka's order of precedence for user `u` with client id `c`.
    fn by_precedence() -> Vec<QuotaEntity> {
        let (u, c) = (EntityName::Named("u".to_string()), EntityName::Named("c".to_string()));
        let default = EntityName::Default;
        vec![
            QuotaEntity::UserAndClientId(u.clone(), c.clone()),
            QuotaEntity::UserAndClientId(u.clone(), default.clone()),
            QuotaEntity::User(u),
            QuotaEntity::UserAndClientId(default.clone(), c.clone()),
            QuotaEntity::UserAndClientId(default.clone(), default.clone()),
            QuotaEntity::User(default.clone()),
            QuotaEntity::ClientId(c),
            QuotaEntity::ClientId(default),
        ]
    }

    fn bound(entities: &[QuotaEntity], user: &str, client_id: &str) -> Option<(f64, String)> {
        let quotas = entities.iter().zip(1..).map(|(entity, limit)| (entity.clone(), KEY, f64::from(limit)));
        let bound = ClientLimits::new(quotas).bound(KEY, Client { user, client_id })?;
        Some((bound.limit, format!("{}/{}", bound.share.user, bound.share.client_id)))
    }

    #[test]
    fn the_most_specific_quota_holds() {
        let all = by_precedence();
        let shares = ["u/c", "u/c", "u/", "u/c", "u/c", "u/", "/c", "/c"];
        for (first, share) in shares.iter().enumerate() {
            assert_eq!(bound(&all[first..], "u", "c"), Some((1.0, share.to_string())), "from {first} on");
        }
        assert_eq!(bound(&[], "u", "c"), None);
    }

    #[test]
    fn quotas_of_others_do_not_hold() {
        let of_u = &by_precedence()[..3];
        assert_eq!(bound(of_u, "v", "c"), None);
        assert_eq!(bound(&by_precedence()[6..7], "u", "d"), None);
        assert_eq!(bound(&by_precedence()[7..], "u", ""), None);
        assert_eq!(bound(&by_precedence(), "u", ""), Some((3.0, "u/".to_string())));
    }

    #[test]
    fn addresses_have_rates() {
        let ip = |name: EntityName, limit| (QuotaEntity::Ip(name), QuotaKey::ConnectionCreationRate, limit);
        let limits =
            ClientLimits::new([ip(EntityName::Named("10.0.0.1".to_string()), 5.0), ip(EntityName::Default, 2.0)]);
        let (named, default) = limits.connection_rates();
        assert_eq!((named.get(&"10.0.0.1".parse().unwrap()), default), (Some(&5), Some(2)));
    }
}
