//! Regular expressions of KIP-848 subscriptions: compiled and matched here, outside of the shards.
//!
//! A heartbeat that brings an expression has it compiled before it goes to its shard, so the shard only needs to know whether
//! that worked. Matching all expressions of a group is a task of its own, in pieces of about a millisecond. What was compiled is
//! remembered, a bounded number of expressions.

use ottla_group::{MatchedRegexes, RegexTask};
use ottla_re2::Re2Pattern;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// Compiled expressions that are remembered; each has a bounded size.
const REMEMBERED_MAX: usize = 64;

/// What was compiled lately.
#[derive(Default)]
pub(super) struct Regexes {
    remembered: Mutex<Remembered>,
}

#[derive(Default)]
struct Remembered {
    by_expression: BTreeMap<Arc<str>, (u64, Re2Pattern)>,
    /// By when they were last asked for.
    by_use: BTreeMap<u64, Arc<str>>,
    uses: u64,
}

impl Regexes {
    /// The compiled expression.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(super) fn compiled(&self, expression: &str) -> Result<Re2Pattern, String> {
        let lock = || self.remembered.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = lock().find(expression) {
            return Ok(known);
        }
        // Not under the lock: it may take a while.
        let regex = Re2Pattern::compile(expression)?;
        lock().keep(expression, regex.clone());
        Ok(regex)
    }

    /// Does what a group's shard asked for. Others get their turn in between.
    pub(super) async fn run(&self, task: RegexTask) -> MatchedRegexes {
        let mut matching = Box::new(task.begin());
        loop {
            match matching.step(|expression| self.compiled(expression)) {
                Ok(matched) => return matched,
                Err(more) => matching = more,
            }
            tokio::task::yield_now().await;
        }
    }
}

impl Remembered {
    fn find(&mut self, expression: &str) -> Option<Re2Pattern> {
        let (last_use, regex) = self.by_expression.get_mut(expression)?;
        let name = self.by_use.remove(last_use)?;
        self.uses += 1;
        *last_use = self.uses;
        self.by_use.insert(self.uses, name);
        Some(regex.clone())
    }

    fn keep(&mut self, expression: &str, regex: Re2Pattern) {
        if self.by_expression.contains_key(expression) {
            return;
        }
        if self.by_expression.len() >= REMEMBERED_MAX
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.by_expression.remove(&oldest);
        }
        let name: Arc<str> = Arc::from(expression);
        self.uses += 1;
        self.by_expression.insert(Arc::clone(&name), (self.uses, regex));
        self.by_use.insert(self.uses, name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_number_is_remembered_and_those_in_use_stay() {
        let regexes = Regexes::default();
        assert!(regexes.compiled("(").is_err());
        for number in 0..3 * REMEMBERED_MAX {
            assert!(regexes.compiled(&format!("t{number}")).unwrap().matches(&format!("t{number}")));
            assert!(regexes.compiled("always").is_ok());
        }
        let remembered = regexes.remembered.lock().unwrap();
        assert_eq!((remembered.by_expression.len(), remembered.by_use.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
        assert!(remembered.by_expression.contains_key("always") && !remembered.by_expression.contains_key("t0"));
    }
}
