use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sinew_bus::{ActionClient, Bus, BusError, GoalCall, GoalEvent, names};
use sinew_msgs::sinew_msgs::action::ExecuteTask;
use sinew_msgs::sinew_msgs::{ExecuteTaskFeedback, ExecuteTaskGoal, ExecuteTaskResult};
use sinew_types::Time;

use crate::convert::task_result_from_msg;
use crate::node::{Node, NodeError, Progress};

/// What a task says of itself.
#[derive(Clone, Debug)]
pub enum TaskEvent {
    /// The connector took it on.
    Accepted,
    /// How far it is.
    Feedback(ExecuteTaskFeedback),
    /// It ended.
    Finished(Box<ExecuteTaskResult>),
    /// The connector is gone, or turned the goal down.
    Lost(String),
}

/// Sends one task and hands on what is said of it, as the last node of a system.
///
/// The task is sent once the connector is there and the world has been seen for a moment.
pub struct TaskClient {
    client: ActionClient<ExecuteTask>,
    goal: Option<ExecuteTaskGoal>,
    not_before: Time,
    call: Option<GoalCall<ExecuteTask>>,
    monitor: TaskMonitor,
}

/// The other end of a [`TaskClient`].
#[derive(Clone, Default)]
pub struct TaskMonitor(Arc<Mutex<MonitorState>>);

#[derive(Default)]
struct MonitorState {
    events: VecDeque<(Time, TaskEvent)>,
    ended: bool,
    cancel: bool,
}

impl TaskMonitor {
    /// The next event, with the moment at which it came.
    pub fn take(&self) -> Option<(Time, TaskEvent)> {
        self.lock().events.pop_front()
    }

    /// Whether the task has ended.
    pub fn has_ended(&self) -> bool {
        self.lock().ended
    }

    /// Has the task cancelled; its end still comes as an event.
    pub fn cancel(&self) {
        self.lock().cancel = true;
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, MonitorState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn push(&self, now: Time, event: TaskEvent) {
        let mut state = self.lock();
        state.ended |= matches!(event, TaskEvent::Finished(_) | TaskEvent::Lost(_));
        state.events.push_back((now, event));
    }
}

impl TaskClient {
    /// A client of the connector in `namespace`, and what it hears.
    ///
    /// # Errors
    /// When the name cannot be had on the bus.
    pub fn new(
        bus: &Bus,
        namespace: &str,
        goal: ExecuteTaskGoal,
        not_before: Time,
    ) -> Result<(Self, TaskMonitor), BusError> {
        let node = bus.node("task_client", namespace)?;
        let monitor = TaskMonitor::default();
        let client = Self {
            client: node.action_client(&names::EXECUTE_TASK)?,
            goal: Some(goal),
            not_before,
            call: None,
            monitor: monitor.clone(),
        };
        Ok((client, monitor))
    }
}

impl Node for TaskClient {
    fn name(&self) -> &str {
        "task_client"
    }

    fn period(&self) -> Duration {
        Duration::from_millis(20)
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        if now >= self.not_before
            && self.client.server_available()
            && let Some(goal) = self.goal.take()
        {
            self.call = Some(self.client.send_goal(goal));
        }
        let Some(call) = &mut self.call else { return Ok(Progress::Done) };
        if std::mem::take(&mut self.monitor.lock().cancel) {
            call.cancel();
        }
        while let Some(event) = call.poll() {
            let event = match event {
                GoalEvent::Accepted => TaskEvent::Accepted,
                GoalEvent::CancelAnswered { .. } => continue,
                GoalEvent::Feedback(feedback) => TaskEvent::Feedback(feedback),
                GoalEvent::Result { status, result } => {
                    TaskEvent::Finished(Box::new(task_result_from_msg(status, result)))
                }
                GoalEvent::Rejected => TaskEvent::Lost("the connector turned the task down".into()),
                GoalEvent::Lost { error } => {
                    TaskEvent::Lost(format!("the connector is gone: {error}"))
                }
            };
            self.monitor.push(now, event);
        }
        Ok(Progress::Done)
    }
}
