//! One task: sent, watched, told.

pub(crate) mod composed;
pub(crate) mod progress;
pub(crate) mod remote;
pub(crate) mod report;

use std::time::{Duration, Instant};

use sinew_msgs::sinew_msgs::{ExecuteTaskGoal, ExecuteTaskResult};
use sinew_nodes::{TaskEvent, TaskMonitor};
use sinew_types::Time;

/// A task as the connector takes it.
pub(crate) fn goal(instruction: &str, planner: &str, dry_run: bool) -> ExecuteTaskGoal {
    ExecuteTaskGoal {
        instruction: instruction.into(),
        planner: planner.into(),
        dry_run,
        ..Default::default()
    }
}

/// Watches one task, and keeps its times.
pub(crate) struct Watch {
    monitor: TaskMonitor,
    accepted: Option<(Time, Instant)>,
    planned: Option<Instant>,
    end: Option<(Time, Instant, Result<Box<ExecuteTaskResult>, String>)>,
}

/// How a task went.
#[derive(Clone, Debug)]
pub(crate) struct TaskEnd {
    /// The connector's result, or why there is none.
    pub(crate) result: Result<ExecuteTaskResult, String>,
    /// Wall time until the first plan or refusal.
    pub(crate) planning: Duration,
    /// On the system's clock.
    pub(crate) elapsed: Duration,
    /// In wall time.
    pub(crate) wall: Duration,
}

impl Watch {
    pub(crate) fn new(monitor: TaskMonitor) -> Self {
        Self { monitor, accepted: None, planned: None, end: None }
    }

    /// Hands on what happened since the last time; whether the task has ended.
    pub(crate) fn poll(&mut self, mut tell: impl FnMut(&TaskEvent)) -> bool {
        while let Some((at, event)) = self.monitor.take() {
            let now = Instant::now();
            match &event {
                TaskEvent::Accepted => self.accepted = Some((at, now)),
                TaskEvent::Feedback(feedback) => {
                    if feedback.phase != "planning" && self.planned.is_none() {
                        self.planned = Some(now);
                    }
                }
                TaskEvent::Finished(result) => self.end = Some((at, now, Ok(result.clone()))),
                TaskEvent::Lost(reason) => self.end = Some((at, now, Err(reason.clone()))),
            }
            tell(&event);
        }
        self.end.is_some()
    }

    /// Asks the connector to end the task.
    pub(crate) fn cancel(&self) {
        self.monitor.cancel();
    }

    /// How it went; none while it goes on.
    pub(crate) fn end(&self) -> Option<TaskEnd> {
        let (ended, ended_wall, result) = self.end.as_ref()?;
        let (accepted, accepted_wall) = self.accepted.unwrap_or((*ended, *ended_wall));
        let planned = self.planned.unwrap_or(*ended_wall);
        Some(TaskEnd {
            result: result.clone().map(|result| *result),
            planning: planned.saturating_duration_since(accepted_wall),
            elapsed: ended.since(accepted),
            wall: ended_wall.saturating_duration_since(accepted_wall),
        })
    }
}
