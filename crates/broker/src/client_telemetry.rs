//! Client telemetry (KIP-714): which metrics a client is asked for, and what becomes of those that it pushes.
//!
//! 1. A client asks for its subscription and gets an instance id, a subscription id, a list of metric names and an interval,
//!    made of all CLIENT_METRICS resources whose patterns it matches (`subscriptions`).
//! 2. It pushes every interval, with the subscription id. When the resources have changed the id is another one, and it
//!    asks again (UNKNOWN_SUBSCRIPTION_ID).
//! 3. What it pushes is decoded and kept for as long as it goes on (`ottla_telemetry::client_metrics`).
//!
//! Instances are remembered up to a number; who is forgotten simply asks again.

mod subscriptions;

use ottla_metadata::MetadataImage;
use ottla_types::{ErrorCode, Uuid};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
pub(crate) use subscriptions::{ClientAttributes, Subscription};

/// Clients that are remembered, at most; Kafka's number.
const INSTANCES_MAX: usize = 16_384;
/// A client that is silent for this many of its intervals is forgotten, Kafka's.
const INTERVALS_UNTIL_FORGOTTEN: i64 = 3;
/// Shortest time until that, in milliseconds; Kafka's.
const FORGOTTEN_AFTER_MS_MIN: i64 = 60_000;

/// The clients that asked for a subscription lately.
#[derive(Default)]
pub(crate) struct ClientInstances {
    instances: Mutex<BTreeMap<Uuid, Instance>>,
}

struct Instance {
    image: Arc<MetadataImage>,
    subscription: Subscription,
    asked_ms: Option<i64>,
    pushed_ms: Option<i64>,
    is_terminating: bool,
    last_error: ErrorCode,
    seen_ms: i64,
}

impl Instance {
    fn expires_ms(&self) -> i64 {
        let intervals = INTERVALS_UNTIL_FORGOTTEN * i64::from(self.subscription.interval_ms);
        self.seen_ms + intervals.max(FORGOTTEN_AFTER_MS_MIN)
    }
}

/// A push as it is judged.
pub(crate) struct Push {
    pub(crate) subscription_id: i32,
    pub(crate) is_terminating: bool,
    pub(crate) is_known_compression: bool,
    pub(crate) bytes: usize,
    pub(crate) bytes_max: usize,
}

impl ClientInstances {
    /// The subscription of a client, or THROTTLING_QUOTA_EXCEEDED if it asks too early.
    pub(crate) fn subscribe(
        &self,
        image: &Arc<MetadataImage>,
        id: Uuid,
        client: &ClientAttributes<'_>,
        now_ms: i64,
    ) -> Result<Subscription, ErrorCode> {
        let mut instances = self.lock();
        let instance = find(&mut instances, image, id, client, now_ms);
        let has_reason =
            matches!(instance.last_error, ErrorCode::UnknownSubscriptionId | ErrorCode::UnsupportedCompressionType);
        let is_early =
            instance.asked_ms.is_some_and(|asked| now_ms - asked < i64::from(instance.subscription.interval_ms));
        if is_early && !has_reason {
            return Err(ErrorCode::ThrottlingQuotaExceeded);
        }
        instance.asked_ms = Some(now_ms);
        instance.last_error = ErrorCode::None;
        Ok(instance.subscription.clone())
    }

    /// Judges a push; returns until when its values are kept.
    pub(crate) fn push(
        &self,
        image: &Arc<MetadataImage>,
        id: Uuid,
        client: &ClientAttributes<'_>,
        push: &Push,
        now_ms: i64,
    ) -> Result<i64, ErrorCode> {
        let mut instances = self.lock();
        let instance = find(&mut instances, image, id, client, now_ms);
        let judged = judge(instance, push, now_ms);
        instance.is_terminating |= push.is_terminating;
        instance.last_error = judged.err().unwrap_or(ErrorCode::None);
        judged.map(|()| instance.expires_ms())
    }

    /// The values of a client's push could not be read.
    pub(crate) fn failed(&self, id: Uuid, error: ErrorCode) {
        if let Some(instance) = self.lock().get_mut(&id) {
            instance.last_error = error;
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Uuid, Instance>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The client's instance, with the subscription of now.
fn find<'a>(
    instances: &'a mut BTreeMap<Uuid, Instance>,
    image: &Arc<MetadataImage>,
    id: Uuid,
    client: &ClientAttributes<'_>,
    now_ms: i64,
) -> &'a mut Instance {
    if !instances.contains_key(&id) {
        make_room(instances, now_ms);
    }
    let fresh = || Instance {
        image: Arc::clone(image),
        subscription: Subscription::of(image, id, client),
        asked_ms: None,
        pushed_ms: None,
        is_terminating: false,
        last_error: ErrorCode::None,
        seen_ms: now_ms,
    };
    let instance = instances.entry(id).or_insert_with(fresh);
    instance.seen_ms = now_ms;
    if subscriptions::have_changed(&instance.image, image) {
        let subscription = Subscription::of(image, id, client);
        if subscription != instance.subscription {
            // Its client may ask, and push, for the new one at once.
            (instance.asked_ms, instance.pushed_ms) = (None, None);
            instance.subscription = subscription;
        }
    }
    instance.image = Arc::clone(image);
    instance
}

/// Forgets who is silent, or else who was silent for longest.
fn make_room(instances: &mut BTreeMap<Uuid, Instance>, now_ms: i64) {
    if instances.len() < INSTANCES_MAX {
        return;
    }
    instances.retain(|_, instance| instance.expires_ms() > now_ms);
    if instances.len() >= INSTANCES_MAX {
        let oldest = instances.iter().min_by_key(|(_, instance)| instance.seen_ms).map(|(id, _)| *id);
        if let Some(id) = oldest {
            instances.remove(&id);
        }
    }
}

fn judge(instance: &mut Instance, push: &Push, now_ms: i64) -> Result<(), ErrorCode> {
    if instance.is_terminating {
        return Err(ErrorCode::InvalidRequest);
    }
    // The first push comes after a part of the interval, so that clients do not push in step; it counts from the question.
    let interval_ms = i64::from(instance.subscription.interval_ms);
    let has_asked_since = instance.asked_ms > instance.pushed_ms;
    let is_early = !has_asked_since && instance.pushed_ms.is_some_and(|pushed| now_ms - pushed < interval_ms);
    if is_early && !push.is_terminating && instance.last_error == ErrorCode::None {
        return Err(ErrorCode::ThrottlingQuotaExceeded);
    }
    instance.pushed_ms = Some(now_ms);
    match () {
        () if push.subscription_id != instance.subscription.id => Err(ErrorCode::UnknownSubscriptionId),
        () if !push.is_known_compression => Err(ErrorCode::UnsupportedCompressionType),
        () if push.bytes > push.bytes_max => Err(ErrorCode::TelemetryTooLarge),
        () => Ok(()),
    }
}

#[cfg(test)]
mod tests;
