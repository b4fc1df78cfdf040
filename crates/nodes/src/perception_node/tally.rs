use std::mem::{Discriminant, discriminant};
use std::time::Duration;

use sinew_types::Time;

use super::interpret::Refusal;
use crate::health::{Found, WARN};

/// A refusal of the same kind is logged once in this time.
const LOGGED_EVERY: Duration = Duration::from_secs(10);
/// Without a message for this long a detector is taken for silent.
const SILENT: Duration = Duration::from_secs(2);

/// What came of detections, counted since the start.
#[derive(Default)]
pub(super) struct Tally {
    node: String,
    now: Time,
    /// When the last message came.
    heard: Option<Time>,
    pub(super) messages: u64,
    pub(super) objects: u64,
    /// Of classes that are not listed.
    pub(super) ignored: u64,
    pub(super) last_ignored: String,
    pub(super) below_min_score: u64,
    pub(super) refused: u64,
    pub(super) last_refusal: String,
    /// Refusals as they were told last.
    told: u64,
    logged: Vec<(Discriminant<Refusal>, Time)>,
}

impl Tally {
    pub(super) fn new(node: &str) -> Self {
        Self { node: node.to_owned(), ..Self::default() }
    }

    /// A message has come.
    pub(super) fn hear(&mut self, now: Time) {
        (self.now, self.heard) = (now, Some(now));
        self.messages += 1;
    }

    /// A detection of a class that is not listed.
    pub(super) fn ignore(&mut self, class_id: &str) {
        self.ignored += 1;
        if self.last_ignored != class_id {
            class_id.clone_into(&mut self.last_ignored);
        }
    }

    /// A detection that cannot be used.
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        self.refused += 1;
        self.last_refusal = refusal.to_string();
        let (kind, now) = (discriminant(refusal), self.now);
        self.logged.retain(|(_, at)| now.since(*at) < LOGGED_EVERY);
        if !self.logged.iter().any(|(logged, _)| *logged == kind) {
            self.logged.push((kind, now));
            tracing::warn!(node = self.node, "detection refused: {refusal}");
        }
    }

    /// What is to be told of it now, with a warning while a detector is silent or is refused.
    pub(super) fn found(&mut self, now: Time, publishers: usize, known: usize) -> Found {
        let mut found = Found::ok();
        if self.refused > self.told {
            let (new, last) = (self.refused - self.told, &self.last_refusal);
            found.raise(WARN, format_args!("{new} refused, the last: {last}"));
            self.told = self.refused;
        }
        if publishers == 0 {
            found.raise(WARN, "nobody publishes detections_3d");
        }
        match self.heard.map(|heard| now.since(heard)) {
            None => found.raise(WARN, "no detections yet"),
            Some(silence) if silence > SILENT => {
                found.raise(WARN, format_args!("no detections for {:.0} s", silence.as_secs_f64()));
            }
            Some(_) => {}
        }
        found.value("messages", self.messages);
        found.value("objects", self.objects);
        found.value("known_objects", known);
        found.value("ignored", self.ignored);
        found.value("last_ignored_class_id", &self.last_ignored);
        found.value("below_min_score", self.below_min_score);
        found.value("refused", self.refused);
        found.value("last_refusal", &self.last_refusal);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_detector_and_a_refusal_are_warnings_until_they_are_over() {
        let at = |s: u64| Time::ZERO + Duration::from_secs(s);
        let mut tally = Tally::new("perception");
        assert_eq!(tally.found(at(0), 0, 0).message, "nobody publishes detections_3d");
        assert_eq!(tally.found(at(1), 1, 0).message, "no detections yet");
        tally.hear(at(2));
        assert_eq!(tally.found(at(4), 1, 3).message, "ok");
        tally.refuse(&Refusal::NoResult);
        let found = tally.found(at(4), 1, 3);
        assert_eq!(found.level, WARN);
        assert!(found.message.starts_with("1 refused, the last: vision_msgs/Detection3D"));
        assert_eq!(tally.found(at(4), 1, 3).level, 0, "told once");
        assert_eq!(tally.found(at(5), 1, 3).message, "no detections for 3 s");
    }
}
