//! How many connections there may be, from where, and how fast new ones may come: a pure core.
//!
//! - `max.connections`, node-wide and per listener (`listener.name.<name>.max.connections`): at the limit the listener
//!   stops accepting, so new connections wait in the kernel's backlog.
//! - `max.connection.creation.rate`, likewise: at most one second's worth in a burst, then evenly spaced.
//! - `connection_creation_rate` of an address (KIP-612): a connection above it is held, unread, until it would have been
//!   due, and then closed, as in Kafka.
//! - `max.connections.per.ip` with `max.connections.per.ip.overrides`: a connection above it is closed at once.
//!
//! The inter-broker listener is protected, as in Kafka, when there is another one: it ignores the node-wide limits, and
//! the least recently used connection of another listener makes room.

use crate::config::{ConnectionLimits, ListenerLimits, UNLIMITED};
use ottla_runtime::Instant;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

/// Whether a listener may take the next connection from the backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Now.
    Open,
    /// Not before this time: new connections come too fast.
    NotBefore(Instant),
    /// Not before some connection ends: there are too many.
    Full,
}

/// Why a connection is refused for its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RefusedAddress {
    /// It has too many.
    TooMany { limit: u32 },
    /// They come too fast; the next would have been due then.
    TooFast { due: Instant },
}

/// Addresses whose rate is remembered, at most.
const RATES_MAX: usize = 100_000;
/// From this number on, addresses that have been quiet are forgotten.
const FORGET_FROM: usize = 1024;

/// Counts connections against the limits.
pub(crate) struct Quotas {
    limits: ConnectionLimits,
    rate: Rate,
    total: u32,
    listeners: BTreeMap<String, Listener>,
    by_address: BTreeMap<IpAddr, u32>,
    /// Of addresses that have a limited rate and connected lately.
    rates: BTreeMap<IpAddr, Rate>,
    forget_at: usize,
}

struct Listener {
    limits: ListenerLimits,
    rate: Rate,
    count: u32,
}

impl Quotas {
    /// Quotas for these listeners.
    pub(crate) fn new(now: Instant, limits: ConnectionLimits, listeners: &[(String, ListenerLimits)]) -> Quotas {
        let listeners = listeners.iter().map(|(name, limits)| {
            let rate = Rate::new(now, limits.max_connection_creation_rate);
            (name.clone(), Listener { limits: limits.clone(), rate, count: 0 })
        });
        let listeners = listeners.collect();
        let rate = Rate::new(now, limits.max_connection_creation_rate);
        let (by_address, rates) = (BTreeMap::new(), BTreeMap::new());
        Quotas { limits, rate, total: 0, listeners, by_address, rates, forget_at: FORGET_FROM }
    }

    /// Replaces the limits while running; connections above a lowered limit stay.
    pub(crate) fn update(&mut self, now: Instant, limits: ConnectionLimits, listeners: &[(String, ListenerLimits)]) {
        self.rate.set(now, limits.max_connection_creation_rate);
        self.limits = limits;
        let limits = &self.limits;
        self.rates.retain(|address, rate| rate.per_second == limits.rate_of(address));
        for (name, limits) in listeners {
            if let Some(listener) = self.listeners.get_mut(name) {
                listener.rate.set(now, limits.max_connection_creation_rate);
                listener.limits = limits.clone();
            }
        }
    }

    /// Whether `listener` may accept a connection now.
    pub(crate) fn admission(&self, now: Instant, listener: &str) -> Admission {
        let protected = self.is_protected(listener);
        let own = &self.listeners[listener];
        if own.count >= own.limits.max_connections || (!protected && self.total >= self.limits.max_connections) {
            return Admission::Full;
        }
        let node_wide = if protected { now } else { self.rate.next_free(now) };
        let free_at = own.rate.next_free(now).max(node_wide);
        if free_at > now { Admission::NotBefore(free_at) } else { Admission::Open }
    }

    /// Counts an accepted connection, or refuses it.
    pub(crate) fn open(&mut self, now: Instant, listener: &str, address: IpAddr) -> Result<(), RefusedAddress> {
        self.take_rate(now, address)?;
        let protected = self.is_protected(listener);
        let own = self.listeners.get_mut(listener).expect("every listener has an entry");
        own.rate.take(now);
        if !protected {
            self.rate.take(now);
        }
        let limit = *self.limits.per_ip_overrides.get(&address).unwrap_or(&self.limits.max_connections_per_ip);
        let count = self.by_address.entry(address).or_insert(0);
        if *count >= limit {
            if *count == 0 {
                self.by_address.remove(&address);
            }
            return Err(RefusedAddress::TooMany { limit });
        }
        *count += 1;
        own.count += 1;
        self.total += 1;
        Ok(())
    }

    /// Counts a connection against the rate of its address.
    fn take_rate(&mut self, now: Instant, address: IpAddr) -> Result<(), RefusedAddress> {
        let per_second = self.limits.rate_of(&address);
        if per_second == UNLIMITED {
            return Ok(());
        }
        if self.rates.len() >= self.forget_at && !self.rates.contains_key(&address) {
            self.rates.retain(|_, rate| rate.due > now);
            self.forget_at = (2 * self.rates.len()).clamp(FORGET_FROM, RATES_MAX);
            if self.rates.len() >= RATES_MAX {
                self.rates.pop_first();
            }
        }
        let rate = self.rates.entry(address).or_insert_with(|| Rate::new(now, per_second));
        let due = rate.next_free(now);
        if due > now {
            return Err(RefusedAddress::TooFast { due });
        }
        rate.take(now);
        Ok(())
    }

    /// A counted connection ended.
    pub(crate) fn close(&mut self, listener: &str, address: IpAddr) {
        let own = self.listeners.get_mut(listener).expect("every listener has an entry");
        let count = self.by_address.get_mut(&address).expect("the connection was counted");
        assert!(own.count > 0 && self.total > 0, "a connection ends once");
        own.count -= 1;
        self.total -= 1;
        *count -= 1;
        if *count == 0 {
            self.by_address.remove(&address);
        }
    }

    /// Whether a connection of an unprotected listener must make room.
    pub(crate) fn over_node_limit(&self) -> bool {
        self.total > self.limits.max_connections
    }

    /// Whether the node-wide limits leave this listener alone.
    pub(crate) fn is_protected(&self, listener: &str) -> bool {
        self.listeners.len() > 1 && self.listeners[listener].limits.inter_broker
    }

    /// Connections that are open.
    pub(crate) fn total(&self) -> u32 {
        self.total
    }
}

impl ConnectionLimits {
    /// Connections per second that an address may open.
    fn rate_of(&self, address: &IpAddr) -> u32 {
        *self.creation_rate_of_ip.get(address).unwrap_or(&self.creation_rate_per_ip)
    }
}

/// Spaces events evenly at `per_second`, after a burst of at most one second's worth.
struct Rate {
    per_second: u32,
    /// When the events so far would have been due, had they been evenly spaced.
    due: Instant,
}

impl Rate {
    fn new(now: Instant, per_second: u32) -> Rate {
        Rate { per_second, due: now }
    }

    fn set(&mut self, now: Instant, per_second: u32) {
        if self.per_second != per_second {
            *self = Rate::new(now, per_second);
        }
    }

    fn interval(&self) -> Duration {
        // A rate of 0 is legal in Kafka and means "almost never".
        Duration::from_secs(1) / self.per_second.max(1)
    }

    fn next_free(&self, now: Instant) -> Instant {
        if self.per_second == UNLIMITED {
            return now;
        }
        let burst = Duration::from_secs(1) - self.interval();
        now.max(self.due - burst.min(self.due.saturating_duration_since(now)))
    }

    fn take(&mut self, now: Instant) {
        if self.per_second != UNLIMITED {
            self.due = self.due.max(now) + self.interval();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 1));
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 2));

    fn quotas(now: Instant, change: impl FnOnce(&mut ConnectionLimits, &mut ListenerLimits)) -> Quotas {
        let (mut limits, mut listener) = (ConnectionLimits::default(), ListenerLimits::default());
        change(&mut limits, &mut listener);
        let internal = ListenerLimits { inter_broker: true, ..ListenerLimits::default() };
        Quotas::new(now, limits, &[("PLAINTEXT".to_string(), listener), ("INTERNAL".to_string(), internal)])
    }

    #[test]
    fn an_address_with_too_many_connections_is_refused_until_one_ends() {
        let now = Instant::now();
        let mut quotas = quotas(now, |limits, _| {
            limits.max_connections_per_ip = 2;
            limits.per_ip_overrides.insert(OTHER, 0);
        });
        quotas.open(now, "PLAINTEXT", CLIENT).unwrap();
        quotas.open(now, "INTERNAL", CLIENT).unwrap();
        assert_eq!(quotas.open(now, "PLAINTEXT", CLIENT), Err(RefusedAddress::TooMany { limit: 2 }));
        assert_eq!(quotas.open(now, "PLAINTEXT", OTHER), Err(RefusedAddress::TooMany { limit: 0 }));
        quotas.close("PLAINTEXT", CLIENT);
        quotas.open(now, "PLAINTEXT", CLIENT).unwrap();
        assert_eq!(quotas.total(), 2);
    }

    #[test]
    fn an_address_that_comes_too_fast_is_told_when_it_is_due() {
        let now = Instant::now();
        let mut quotas = quotas(now, |limits, _| {
            limits.creation_rate_per_ip = 10;
            limits.creation_rate_of_ip.insert(CLIENT, 2);
        });
        quotas.open(now, "PLAINTEXT", CLIENT).unwrap();
        quotas.open(now, "PLAINTEXT", CLIENT).unwrap();
        let due = now + Duration::from_millis(500);
        assert_eq!(quotas.open(now, "INTERNAL", CLIENT), Err(RefusedAddress::TooFast { due }));
        assert_eq!(quotas.total(), 2);
        for _ in 0..10 {
            quotas.open(now, "PLAINTEXT", OTHER).unwrap();
        }
        assert!(quotas.open(now, "PLAINTEXT", OTHER).is_err());
        quotas.open(due, "PLAINTEXT", CLIENT).unwrap();
        quotas.update(now, ConnectionLimits::default(), &[]);
        quotas.open(now, "PLAINTEXT", OTHER).unwrap();
    }

    #[test]
    fn rates_of_quiet_addresses_are_forgotten() {
        let mut now = Instant::now();
        let mut quotas = quotas(now, |limits, _| limits.creation_rate_per_ip = 1);
        for n in 0..5000u32 {
            quotas.open(now, "PLAINTEXT", IpAddr::V4(n.into())).unwrap();
            now += Duration::from_millis(10);
        }
        assert!(quotas.rates.len() <= 2 * FORGET_FROM, "{}", quotas.rates.len());
    }

    #[test]
    fn a_full_listener_stops_accepting() {
        let now = Instant::now();
        let mut quotas = quotas(now, |_, listener| listener.max_connections = 1);
        assert_eq!(quotas.admission(now, "PLAINTEXT"), Admission::Open);
        quotas.open(now, "PLAINTEXT", CLIENT).unwrap();
        assert_eq!(quotas.admission(now, "PLAINTEXT"), Admission::Full);
        assert_eq!(quotas.admission(now, "INTERNAL"), Admission::Open);
        quotas.close("PLAINTEXT", CLIENT);
        assert_eq!(quotas.admission(now, "PLAINTEXT"), Admission::Open);
    }

    #[test]
    fn the_inter_broker_listener_passes_the_node_wide_limit() {
        let now = Instant::now();
        let mut quotas = quotas(now, |limits, _| limits.max_connections = 1);
        quotas.open(now, "PLAINTEXT", CLIENT).unwrap();
        assert_eq!(quotas.admission(now, "PLAINTEXT"), Admission::Full);
        assert_eq!(quotas.admission(now, "INTERNAL"), Admission::Open);
        quotas.open(now, "INTERNAL", CLIENT).unwrap();
        assert!(quotas.over_node_limit());
    }

    #[test]
    fn new_connections_are_spaced_after_a_burst_of_one_second() {
        let now = Instant::now();
        let mut quotas = quotas(now, |limits, _| limits.max_connection_creation_rate = 4);
        for _ in 0..4 {
            assert_eq!(quotas.admission(now, "PLAINTEXT"), Admission::Open);
            quotas.open(now, "PLAINTEXT", CLIENT).unwrap();
        }
        let next = now + Duration::from_millis(250);
        assert_eq!(quotas.admission(now, "PLAINTEXT"), Admission::NotBefore(next));
        assert_eq!(quotas.admission(next, "PLAINTEXT"), Admission::Open);
        assert_eq!(quotas.admission(now, "INTERNAL"), Admission::Open);
        let (limits, listener) = (ConnectionLimits::default(), ListenerLimits::default());
        quotas.update(now, limits, &[("PLAINTEXT".to_string(), listener)]);
        assert_eq!(quotas.admission(now, "PLAINTEXT"), Admission::Open);
    }
}
