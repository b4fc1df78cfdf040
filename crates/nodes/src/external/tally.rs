use std::fmt::Display;

/// How the goals of one action fared, for the log and the diagnostics: ROS 2's actions have no room for why a
/// goal is rejected.
pub(crate) struct Tally {
    action: String,
    accepted: u64,
    rejected: u64,
    aborted: u64,
    /// Why, of the newest that was rejected or aborted.
    why: String,
}

impl Tally {
    pub(super) fn new(action: String) -> Self {
        Self { action, accepted: 0, rejected: 0, aborted: 0, why: String::new() }
    }

    pub(super) fn accepted(&mut self) {
        self.accepted += 1;
    }

    pub(super) fn rejected(&mut self, why: &dyn Display) {
        self.rejected += 1;
        self.why = format!("goal rejected: {why}");
        tracing::warn!(action = self.action, %why, "goal rejected");
    }

    pub(super) fn aborted(&mut self, why: &str) {
        self.aborted += 1;
        self.why = format!("goal aborted: {why}");
        tracing::warn!(action = self.action, why, "goal aborted");
    }

    /// Its name, relative to the robot's namespace.
    pub(crate) fn action(&self) -> &str {
        &self.action
    }

    /// How many goals were accepted, rejected and aborted so far.
    pub(crate) fn counts(&self) -> [(&'static str, u64); 3] {
        [("accepted", self.accepted), ("rejected", self.rejected), ("aborted", self.aborted)]
    }

    /// How many did not go well.
    pub(crate) fn troubles(&self) -> u64 {
        self.rejected + self.aborted
    }

    /// Why the newest of them did not; empty if there is none.
    pub(crate) fn why(&self) -> &str {
        &self.why
    }
}
