//! The version table holds exactly what can be served.

use ottla_protocol::ApiKey;
use ottla_protocol::versions::{BROKER, Decision, decide};

#[test]
fn every_served_version_has_a_schema() {
    for row in BROKER {
        for version in row.served_from..=row.max {
            assert!(row.api_key.has_version(version), "{} {version}", row.api_key);
        }
    }
    assert!(BROKER.is_sorted_by_key(|row| row.api_key));
}

#[test]
fn every_stable_version_of_a_listed_api_is_advertised() {
    for row in BROKER {
        let info = row.api_key.info();
        assert_eq!(row.served_from, info.min_version, "{}", row.api_key);
        assert_eq!(row.max, info.max_version - i16::from(info.latest_version_unstable), "{}", row.api_key);
    }
}

#[test]
fn old_produce_versions_are_advertised_but_refused() {
    assert_eq!(decide(ApiKey::Produce, 2), Decision::Close);
    assert_eq!(decide(ApiKey::Produce, 3), Decision::Serve);
}

#[test]
fn api_versions_answers_any_version() {
    assert_eq!(decide(ApiKey::ApiVersions, 4), Decision::Serve);
    assert_eq!(decide(ApiKey::ApiVersions, 5), Decision::AnswerUnsupportedApiVersions);
    assert_eq!(decide(ApiKey::ApiVersions, -1), Decision::AnswerUnsupportedApiVersions);
    assert_eq!(decide(ApiKey::CreateDelegationToken, 1), Decision::Close);
}
