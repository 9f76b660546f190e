//! What is limited, and which values are legal.

use super::entity::{EntityName, QuotaEntity};
use std::net::IpAddr;

/// Why a quota cannot be set: Kafka's INVALID_REQUEST with this text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct QuotaError(pub String);

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum QuotaKey {
    /// `producer_byte_rate`: bytes per second of Produce requests.
    ProducerByteRate,
    /// `consumer_byte_rate`: bytes per second of Fetch responses.
    ConsumerByteRate,
    /// `request_percentage`: share of one thread's time, in percent.
    RequestPercentage,
    /// `controller_mutation_rate`: partitions created or deleted per second.
    ControllerMutationRate,
    /// `connection_creation_rate`: new connections per second of an address.
    ConnectionCreationRate,
}

impl QuotaKey {
    /// All of them.
    pub const ALL: [QuotaKey; 5] = [
        QuotaKey::ProducerByteRate,
        QuotaKey::ConsumerByteRate,
        QuotaKey::RequestPercentage,
        QuotaKey::ControllerMutationRate,
        QuotaKey::ConnectionCreationRate,
    ];

    /// Kafka's name.
    pub fn name(self) -> &'static str {
        match self {
            QuotaKey::ProducerByteRate => "producer_byte_rate",
            QuotaKey::ConsumerByteRate => "consumer_byte_rate",
            QuotaKey::RequestPercentage => "request_percentage",
            QuotaKey::ControllerMutationRate => "controller_mutation_rate",
            QuotaKey::ConnectionCreationRate => "connection_creation_rate",
        }
    }

    /// The key of that name.
    pub fn from_name(name: &str) -> Option<QuotaKey> {
        QuotaKey::ALL.into_iter().find(|key| key.name() == name)
    }

    /// The key of that name, if `entity` can have it.
    ///
    /// # Errors
    /// When it cannot.
    pub fn of_entity(entity: &QuotaEntity, name: &str) -> Result<QuotaKey, QuotaError> {
        let is_ip = matches!(entity, QuotaEntity::Ip(_));
        QuotaKey::from_name(name)
            .filter(|key| (*key == QuotaKey::ConnectionCreationRate) == is_ip)
            .ok_or_else(|| QuotaError(format!("Invalid configuration key {name}")))
    }

    /// Refuses values that are no limit.
    ///
    /// # Errors
    /// Kafka's texts: not above zero, too large, fractional where only whole numbers make sense.
    pub fn check(self, value: f64) -> Result<(), QuotaError> {
        let name = self.name();
        if !value.is_finite() || value <= 0.0 {
            return Err(QuotaError(format!("Quota {name} must be greater than 0")));
        }
        let (kind, max) = match self {
            QuotaKey::ProducerByteRate | QuotaKey::ConsumerByteRate => ("a LONG", i64::MAX as f64),
            QuotaKey::ConnectionCreationRate => ("an INT", f64::from(i32::MAX)),
            QuotaKey::RequestPercentage | QuotaKey::ControllerMutationRate => return Ok(()),
        };
        if value > max {
            return Err(QuotaError(format!("Proposed value for {name} is too large for {kind}.")));
        }
        if (value % 1.0).abs() > 1e-6 {
            return Err(QuotaError(format!("{name} cannot be a fractional value.")));
        }
        Ok(())
    }
}

/// Refuses addresses that no connection can have. Looking up other names would make a decision depend on when and where
/// it is made.
///
/// # Errors
/// When the entity names something else than an address or `localhost`.
pub(super) fn check_address(entity: &QuotaEntity) -> Result<(), QuotaError> {
    match entity {
        QuotaEntity::Ip(EntityName::Named(name)) if address(name).is_none() => {
            Err(QuotaError(format!("{name} is not a valid IP or resolvable host. Next step: name the IP address")))
        }
        _ => Ok(()),
    }
}

/// The address that an `ip` entity names.
pub(super) fn address(name: &str) -> Option<IpAddr> {
    match name {
        "localhost" => Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
        name => name.parse::<IpAddr>().ok().map(|address| address.to_canonical()),
    }
}

impl QuotaEntity {
    /// Refuses entities that nothing can match.
    ///
    /// # Errors
    /// See [`QuotaError`].
    pub fn check(&self) -> Result<(), QuotaError> {
        check_address(self)
    }

    /// The address of an `ip` entity with a name.
    pub fn address(&self) -> Option<IpAddr> {
        match self {
            QuotaEntity::Ip(EntityName::Named(name)) => address(name),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_judged_as_kafka_does() {
        for (key, value, text) in [
            (QuotaKey::ProducerByteRate, 0.0, "Quota producer_byte_rate must be greater than 0"),
            (QuotaKey::ProducerByteRate, f64::NAN, "Quota producer_byte_rate must be greater than 0"),
            (QuotaKey::RequestPercentage, -1.0, "Quota request_percentage must be greater than 0"),
            (QuotaKey::ConsumerByteRate, 1.5, "consumer_byte_rate cannot be a fractional value."),
            (QuotaKey::ConsumerByteRate, 1e30, "Proposed value for consumer_byte_rate is too large for a LONG."),
            (
                QuotaKey::ConnectionCreationRate,
                3e9,
                "Proposed value for connection_creation_rate is too large for an INT.",
            ),
        ] {
            assert_eq!(key.check(value).unwrap_err().0, text);
        }
        QuotaKey::RequestPercentage.check(0.5).unwrap();
        QuotaKey::ProducerByteRate.check(1024.0).unwrap();
    }

    #[test]
    fn addresses_have_keys_of_their_own() {
        let ip = QuotaEntity::Ip(EntityName::Named("10.0.0.1".to_string()));
        let user = QuotaEntity::User(EntityName::Default);
        assert!(QuotaKey::of_entity(&ip, "connection_creation_rate").is_ok());
        assert!(QuotaKey::of_entity(&ip, "producer_byte_rate").is_err());
        assert!(QuotaKey::of_entity(&user, "connection_creation_rate").is_err());
        assert_eq!(QuotaKey::of_entity(&user, "speed").unwrap_err().0, "Invalid configuration key speed");
        ip.check().unwrap();
        assert!(QuotaEntity::Ip(EntityName::Named("nowhere.example".to_string())).check().is_err());
    }
}
