//! All sessions of a node: bounded, with eviction of the least valuable.

use super::session::Session;
use super::{EVICTION_IDLE_MS, FINAL_EPOCH, FetchPartition, INITIAL_EPOCH, NO_SESSION, News, PartitionKey, next_epoch};
use ottla_types::ErrorCode;
use std::collections::BTreeMap;

/// The session cache. Its size is `max.incremental.fetch.session.cache.slots`.
pub(crate) struct FetchSessions {
    slots: usize,
    sessions: BTreeMap<i32, Session>,
    evictions: u64,
}

/// What a request says of its session.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SessionRequest {
    /// Wall clock in milliseconds.
    pub(crate) now_ms: i64,
    pub(crate) session_id: i32,
    pub(crate) epoch: i32,
    /// Whether topics are named by id.
    pub(crate) uses_topic_ids: bool,
    /// Whether a follower asks; its sessions are kept before consumers'.
    pub(crate) privileged: bool,
}

/// A request that was admitted: what to read, and how to answer.
#[derive(Debug)]
pub(crate) struct Fetching {
    /// Partitions to read, in serving order. Those of an incremental fetch stay in the session until
    /// [`FetchSessions::load`].
    pub(crate) partitions: Vec<FetchPartition>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Sessionless,
    Full { privileged: bool, uses_topic_ids: bool },
    Incremental { session_id: i32, epoch: i32 },
}

impl Fetching {
    /// The session that goes on; that of a full fetch is not there yet.
    pub(crate) fn session_id(&self) -> i32 {
        match self.kind {
            Kind::Sessionless | Kind::Full { .. } => NO_SESSION,
            Kind::Incremental { session_id, .. } => session_id,
        }
    }
}

/// How a request's answers leave: under which session, and which of them.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct SessionOutcome {
    pub(crate) error: ErrorCode,
    pub(crate) session_id: i32,
    /// Parallel to the answers: whether each is sent.
    pub(crate) send: Vec<bool>,
}

impl FetchSessions {
    /// A cache of at most `slots` sessions.
    pub(crate) fn new(slots: usize) -> FetchSessions {
        FetchSessions { slots, sessions: BTreeMap::new(), evictions: 0 }
    }

    /// Number of live sessions.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
    }

    /// How many partitions an incremental fetch of the session reads; 0 without such a session.
    pub(crate) fn size(&self, session_id: i32) -> usize {
        self.sessions.get(&session_id).map_or(0, Session::len)
    }

    /// Sessions evicted so far.
    pub(crate) fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Admits a request.
    ///
    /// # Errors
    /// `FETCH_SESSION_ID_NOT_FOUND`, `INVALID_FETCH_SESSION_EPOCH`, `FETCH_SESSION_TOPIC_ID_ERROR`: the
    /// answer then carries only that error, with session id 0.
    pub(crate) fn begin(
        &mut self,
        request: &SessionRequest,
        requested: Vec<FetchPartition>,
        forgotten: &[PartitionKey],
    ) -> Result<Fetching, ErrorCode> {
        let SessionRequest { now_ms, session_id, epoch, uses_topic_ids, privileged } = *request;
        if epoch == INITIAL_EPOCH || epoch == FINAL_EPOCH {
            self.sessions.remove(&session_id);
            let kind = match epoch {
                FINAL_EPOCH => Kind::Sessionless,
                _ => Kind::Full { privileged, uses_topic_ids },
            };
            return Ok(Fetching { partitions: requested, kind });
        }
        let session = self.sessions.get_mut(&session_id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        if session.uses_topic_ids != uses_topic_ids {
            return Err(ErrorCode::FetchSessionTopicIdError);
        }
        requested.into_iter().for_each(|wanted| session.put(wanted));
        forgotten.iter().for_each(|key| session.forget(key));
        if session.len() == 0 {
            self.sessions.remove(&session_id);
            return Ok(Fetching { partitions: Vec::new(), kind: Kind::Sessionless });
        }
        session.last_used_ms = now_ms;
        session.epoch = next_epoch(session.epoch);
        let kind = Kind::Incremental { session_id, epoch: session.epoch };
        Ok(Fetching { partitions: Vec::new(), kind })
    }

    /// Takes over what an incremental fetch reads, now that its turn has come.
    ///
    /// # Errors
    /// `FETCH_SESSION_ID_NOT_FOUND` when the session was evicted meanwhile, `INVALID_FETCH_SESSION_EPOCH` when
    /// another request of the session has come.
    pub(crate) fn load(&self, fetching: &mut Fetching) -> Result<(), ErrorCode> {
        let Kind::Incremental { session_id, epoch } = fetching.kind else { return Ok(()) };
        let session = self.sessions.get(&session_id).ok_or(ErrorCode::FetchSessionIdNotFound)?;
        if session.epoch != epoch {
            return Err(ErrorCode::InvalidFetchSessionEpoch);
        }
        fetching.partitions = session.wanted();
        Ok(())
    }

    /// Decides which answers of an admitted request are sent, and under which session. `news` has one entry for
    /// each of `fetching.partitions`. `draw` gives random numbers for a new session's id.
    pub(crate) fn complete(
        &mut self,
        now_ms: i64,
        fetching: &Fetching,
        news: &[News],
        draw: impl FnMut() -> i32,
    ) -> SessionOutcome {
        assert_eq!(news.len(), fetching.partitions.len(), "every partition has an answer");
        let everything = vec![true; news.len()];
        match fetching.kind {
            Kind::Sessionless => SessionOutcome { error: ErrorCode::None, session_id: NO_SESSION, send: everything },
            Kind::Full { privileged, uses_topic_ids } => {
                let session_id = match self.make_room(now_ms, privileged, fetching.partitions.len()) {
                    true => self.create(now_ms, privileged, uses_topic_ids, &fetching.partitions, news, draw),
                    false => NO_SESSION,
                };
                SessionOutcome { error: ErrorCode::None, session_id, send: everything }
            }
            Kind::Incremental { session_id, epoch } => {
                self.complete_incremental(session_id, epoch, &fetching.partitions, news)
            }
        }
    }

    fn complete_incremental(
        &mut self,
        session_id: i32,
        epoch: i32,
        partitions: &[FetchPartition],
        news: &[News],
    ) -> SessionOutcome {
        match self.sessions.get_mut(&session_id) {
            // Another request of the session came in between: a duplicate. Nothing may count as sent.
            Some(session) if session.epoch != epoch => {
                SessionOutcome { error: ErrorCode::InvalidFetchSessionEpoch, session_id, send: vec![false; news.len()] }
            }
            Some(session) => {
                let send = partitions.iter().zip(news).map(|(wanted, news)| session.offer(&wanted.key, news)).collect();
                SessionOutcome { error: ErrorCode::None, session_id, send }
            }
            // Evicted while the request waited: answer what was read; the client's next request learns of it.
            None => SessionOutcome { error: ErrorCode::None, session_id, send: vec![true; news.len()] },
        }
    }

    fn create(
        &mut self,
        now_ms: i64,
        privileged: bool,
        uses_topic_ids: bool,
        partitions: &[FetchPartition],
        news: &[News],
        mut draw: impl FnMut() -> i32,
    ) -> i32 {
        let id = loop {
            let id = draw() & i32::MAX;
            if id != NO_SESSION && !self.sessions.contains_key(&id) {
                break id;
            }
        };
        let mut session = Session::new(id, privileged, uses_topic_ids, now_ms);
        partitions.iter().for_each(|wanted| session.put(wanted.clone()));
        partitions.iter().zip(news).for_each(|(wanted, news)| session.remember(&wanted.key, news));
        self.sessions.insert(id, session);
        id
    }

    /// Frees a slot for a newcomer of `size` partitions, if there is something less valuable: an idle
    /// session; or, among those older than the idle time, an unprivileged one or a smaller one.
    fn make_room(&mut self, now_ms: i64, privileged: bool, size: usize) -> bool {
        if self.sessions.len() < self.slots {
            return true;
        }
        let idle = self.sessions.values().min_by_key(|session| (session.last_used_ms, session.id));
        let Some(idle) = idle else { return false };
        let victim = if now_ms - idle.last_used_ms > EVICTION_IDLE_MS {
            Some(idle.id)
        } else {
            self.least_valuable(now_ms, privileged, size)
        };
        let Some(victim) = victim else { return false };
        self.sessions.remove(&victim);
        self.evictions += 1;
        true
    }

    fn least_valuable(&self, now_ms: i64, privileged: bool, size: usize) -> Option<i32> {
        let is_settled =
            |session: &&Session| now_ms - session.created_ms > EVICTION_IDLE_MS || (privileged && !session.privileged);
        let value = |session: &Session| (session.privileged, session.len());
        let candidate = self.sessions.values().filter(is_settled).min_by_key(|session| (value(session), session.id))?;
        (value(candidate) < (privileged, size)).then_some(candidate.id)
    }
}
