//! Matching of regular expressions with topics, in small pieces and outside of the shard.
//!
//! A shard hands out a [`RegexTask`] as an effect. Whoever takes it compiles and matches, and sends what was found back to the
//! shard. So a group with many expressions, or with expensive ones, takes time of nobody but itself.

use crate::group::GroupId;
use crate::topics::GroupTopics;
use ottla_re2::Re2Pattern;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Topics that are looked at in one piece of work.
const TOPICS_PER_STEP: usize = 1_000;

/// All expressions of a group, to be matched with these topics.
#[derive(Debug)]
pub struct RegexTask {
    group_id: GroupId,
    expressions: Vec<String>,
    topics: GroupTopics,
}

/// What the expressions of a group matched.
#[derive(Debug)]
pub struct MatchedRegexes {
    pub(crate) group_id: GroupId,
    pub(crate) topics: BTreeMap<String, Arc<BTreeSet<String>>>,
}

/// A task under way.
#[derive(Debug)]
pub struct Matching {
    names: Vec<Arc<str>>,
    waiting: Vec<String>,
    current: Option<Current>,
    matched: MatchedRegexes,
    /// Results, so that expressions that match the same share one.
    distinct: BTreeSet<Arc<BTreeSet<String>>>,
}

#[derive(Debug)]
struct Current {
    expression: String,
    regex: Re2Pattern,
    next: usize,
    topics: BTreeSet<String>,
}

impl RegexTask {
    pub(crate) fn new(group_id: GroupId, expressions: Vec<String>, topics: GroupTopics) -> RegexTask {
        RegexTask { group_id, expressions, topics }
    }

    /// Begins.
    pub fn begin(self) -> Matching {
        Matching {
            names: self.topics.iter().map(|topic| Arc::clone(&topic.name)).collect(),
            waiting: self.expressions,
            current: None,
            matched: MatchedRegexes { group_id: self.group_id, topics: BTreeMap::new() },
            distinct: BTreeSet::new(),
        }
    }
}

impl Matching {
    /// Compiles one expression, or matches one with a bounded number of topics. Gives itself back while there is more.
    ///
    /// `compile` is [`Re2Pattern::compile`], or something that remembers what it compiled.
    ///
    /// # Errors
    /// The rest of the task: not an error, there is more to do.
    pub fn step(
        mut self,
        compile: impl FnOnce(&str) -> Result<Re2Pattern, String>,
    ) -> Result<MatchedRegexes, Box<Matching>> {
        match self.current.take() {
            Some(current) => self.look_at_topics(current),
            None => match self.waiting.pop() {
                Some(expression) => self.take_up(expression, compile),
                None => return Ok(self.matched),
            },
        }
        Err(Box::new(self))
    }

    fn take_up(&mut self, expression: String, compile: impl FnOnce(&str) -> Result<Re2Pattern, String>) {
        match compile(&expression) {
            Ok(regex) => self.current = Some(Current { expression, regex, next: 0, topics: BTreeSet::new() }),
            Err(reason) => {
                // It was valid when its member joined: perhaps to a Kafka that reads more than this.
                let group_id = &*self.matched.group_id;
                tracing::error!(group_id, expression, %reason, "cannot read a regular expression, it matches nothing");
                self.found(expression, BTreeSet::new());
            }
        }
    }

    fn look_at_topics(&mut self, mut current: Current) {
        let end = self.names.len().min(current.next + TOPICS_PER_STEP);
        let names = self.names[current.next..end].iter().filter(|name| current.regex.matches(name));
        current.topics.extend(names.map(|name| name.to_string()));
        current.next = end;
        match end == self.names.len() {
            true => self.found(current.expression, current.topics),
            false => self.current = Some(current),
        }
    }

    fn found(&mut self, expression: String, topics: BTreeSet<String>) {
        let topics = self.distinct.get(&topics).cloned().unwrap_or_else(|| Arc::new(topics));
        self.distinct.insert(Arc::clone(&topics));
        self.matched.topics.insert(expression, topics);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topics::TopicInfo;
    use ottla_types::Uuid;

    #[test]
    fn a_task_is_done_in_bounded_pieces_and_results_are_shared() {
        let mut topics = GroupTopics::default();
        for number in 0..2_500_u128 {
            let name = Arc::from(format!("t{number:04}"));
            topics.put(TopicInfo { name, id: Uuid(number.to_be_bytes()), partition_racks: vec![Vec::new()] });
        }
        let expressions = ["t000.", "t.*", "(", "t[0]{3}[0-9]"].map(str::to_string).to_vec();
        let mut matching = RegexTask::new(Arc::from("g"), expressions, topics).begin();
        let (mut steps, mut compiled) = (0, 0);
        let matched = loop {
            steps += 1;
            match matching.step(|expression| {
                compiled += 1;
                Re2Pattern::compile(expression)
            }) {
                Ok(matched) => break matched,
                Err(more) => matching = *more,
            }
        };
        // Of each expression one step to compile it, and of those that are valid three for the topics; one to end.
        assert_eq!((steps, compiled), (4 + 3 * 3 + 1, 4));
        let count = |expression: &str| matched.topics[expression].len();
        assert_eq!((count("t000."), count("t.*"), count("(")), (10, 2_500, 0));
        assert!(Arc::ptr_eq(&matched.topics["t000."], &matched.topics["t[0]{3}[0-9]"]));
    }
}
