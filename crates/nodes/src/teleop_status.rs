use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use sinew_msgs::sinew_msgs::SafetyState;

/// How many notes are kept.
const NOTES: usize = 8;

/// What a person at the device wants to know.
#[derive(Clone, Debug, Default)]
pub struct TeleopStatus {
    /// What the session does, or why it stands still.
    pub phase: String,
    /// More on what it does; empty for most modes.
    pub detail: &'static str,
    /// Whether commands are being sent.
    pub moving: bool,
    /// The present mode.
    pub mode: String,
    /// Names of the groups that the mode moves.
    pub groups: Vec<String>,
    /// What the gate said last; none while nothing was heard of the robot.
    pub safety: Option<SafetyState>,
    /// What was refused, and what the operator's services answered; the newest last.
    pub notes: VecDeque<String>,
}

impl TeleopStatus {
    pub(crate) fn note(&mut self, note: String) {
        if self.notes.back() == Some(&note) {
            return;
        }
        if self.notes.len() == NOTES {
            self.notes.pop_front();
        }
        self.notes.push_back(note);
    }
}

/// Shows the status of a [`crate::TeleopNode`] from any thread.
#[derive(Clone, Debug, Default)]
pub struct TeleopMonitor(Arc<Mutex<TeleopStatus>>);

impl TeleopMonitor {
    /// As of the node's last step.
    pub fn status(&self) -> TeleopStatus {
        self.lock().clone()
    }

    pub(crate) fn lock(&self) -> std::sync::MutexGuard<'_, TeleopStatus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
