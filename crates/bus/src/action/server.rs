//! The server's end of an action.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use sinew_msgs::action_msgs::{GoalInfo, GoalStatus as StatusEntry, GoalStatusArray};
use sinew_msgs::builtin_interfaces::Time;
use sinew_msgs::unique_identifier_msgs::UUID;

use super::wire::{
    FeedbackMessage, GetResultRequest, GetResultResponse, GoalId, GoalStatus, SendGoalRequest,
    SendGoalResponse, cancel_code, status,
};
use super::{CancelGoalRequest, CancelGoalResponse, Feedback, Goal, Outcome, Parts};
use crate::inbox::lock;
use crate::node::BusNode;
use crate::service::{Responder, ServerPort};
use crate::topic::PublisherPort;
use crate::{Action, BusError};

/// Ended goals whose results are kept for late `get_result` requests.
const KEPT_RESULTS: usize = 64;

/// What the server knows of one goal.
struct Record<A: Action> {
    status: i8,
    stamp: Time,
    result: Option<Outcome<A>>,
    /// `get_result` requests that wait for the end.
    waiting: Vec<Responder<GetResultResponse<Outcome<A>>>>,
}

struct State<A: Action> {
    goals: BTreeMap<GoalId, Record<A>>,
    /// Ended goals, oldest first.
    ended: VecDeque<GoalId>,
    /// Cancels that were asked for but not yet handed to the node.
    cancels: VecDeque<CancelRequest<A>>,
}

struct Inner<A: Action> {
    name: String,
    send_goal: Box<dyn ServerPort<SendGoalRequest<Goal<A>>, SendGoalResponse>>,
    cancel_goal: Box<dyn ServerPort<CancelGoalRequest, CancelGoalResponse>>,
    get_result: Box<dyn ServerPort<GetResultRequest, GetResultResponse<Outcome<A>>>>,
    feedback: Box<dyn PublisherPort<FeedbackMessage<Feedback<A>>>>,
    status: Box<dyn PublisherPort<GoalStatusArray>>,
    state: Mutex<State<A>>,
    clock: fn() -> Time,
}

/// Serves one action. The node calls [`Self::take_event`] in each step until it gives `None`.
pub struct ActionServer<A: Action> {
    inner: Arc<Inner<A>>,
}

/// Something that a client wants.
pub enum ActionEvent<A: Action> {
    /// A new goal, to be accepted or rejected.
    Goal(GoalRequest<A>),
    /// The end of a running goal, to be accepted or rejected.
    Cancel(CancelRequest<A>),
}

// Derived, it would ask for Debug of A, which is only a marker.
impl<A: Action> std::fmt::Debug for ActionEvent<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Goal(request) => request.fmt(f),
            Self::Cancel(request) => request.fmt(f),
        }
    }
}

impl<A: Action> ActionServer<A> {
    pub(crate) fn open(node: &BusNode, name: &str) -> Result<Self, BusError> {
        let parts = Parts::new::<A>(node, name)?;
        let inner = Inner {
            name: node.resolve(name)?,
            send_goal: node.open_server(&parts.send_goal)?,
            cancel_goal: node.open_server(&parts.cancel_goal)?,
            get_result: node.open_server(&parts.get_result)?,
            feedback: node.open_publisher(&parts.feedback)?,
            status: node.open_publisher(&parts.status)?,
            state: Mutex::new(State {
                goals: BTreeMap::new(),
                ended: VecDeque::new(),
                cancels: VecDeque::new(),
            }),
            clock: node.clock(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The next goal or cancel request. Requests for results are answered on the way, so a server
    /// must be polled as long as clients wait.
    #[must_use]
    pub fn take_event(&self) -> Option<ActionEvent<A>> {
        while let Some((request, responder)) = self.inner.get_result.take() {
            self.inner.answer_result(request.goal_id, responder);
        }
        if let Some(cancel) = lock(&self.inner.state).cancels.pop_front() {
            return Some(ActionEvent::Cancel(cancel));
        }
        while let Some((request, responder)) = self.inner.cancel_goal.take() {
            Inner::spread_cancel(&self.inner, &request, responder);
            if let Some(cancel) = lock(&self.inner.state).cancels.pop_front() {
                return Some(ActionEvent::Cancel(cancel));
            }
        }
        loop {
            let (SendGoalRequest { goal_id, goal }, responder) = self.inner.send_goal.take()?;
            let inner = self.inner.clone();
            let request =
                GoalRequest { goal_id, goal: Arc::new(goal), inner, responder: Some(responder) };
            if lock(&self.inner.state).goals.contains_key(&goal_id) {
                // Sent again, by a wire or a client that repeats itself: no goal of its own, so that nothing moves twice.
                request.reject();
                continue;
            }
            return Some(ActionEvent::Goal(request));
        }
    }

    /// The full name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Requests lost because their bytes were not requests of this action.
    #[must_use]
    pub fn undecodable(&self) -> u64 {
        self.inner.send_goal.undecodable()
            + self.inner.cancel_goal.undecodable()
            + self.inner.get_result.undecodable()
    }
}

impl<A: Action> Drop for ActionServer<A> {
    fn drop(&mut self) {
        // They hold on to the server's state, which holds them.
        let cancels = std::mem::take(&mut lock(&self.inner.state).cancels);
        drop(cancels);
    }
}

impl<A: Action> std::fmt::Debug for ActionServer<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActionServer").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

impl<A: Action> Inner<A> {
    fn answer_result(&self, id: GoalId, responder: Responder<GetResultResponse<Outcome<A>>>) {
        let mut state = lock(&self.state);
        let answer = match state.goals.get_mut(&id) {
            Some(Record { result: None, waiting, .. }) => {
                waiting.push(responder);
                return;
            }
            Some(Record { result: Some(result), status, .. }) => {
                GetResultResponse { status: *status, result: result.clone() }
            }
            None => GetResultResponse { status: status::UNKNOWN, result: Outcome::<A>::default() },
        };
        drop(state);
        self.send(responder, answer);
    }

    /// Sends an answer; a client that is gone must not stop the server, so a failure is only logged.
    fn send<R>(&self, responder: Responder<R>, answer: R) {
        if let Err(error) = responder(answer) {
            tracing::warn!(action = self.name, %error, "answer to a client of the action was lost");
        }
    }

    /// Turns one cancel request into one event per goal that it names: by id, or, with a zero id,
    /// all goals; with a stamp, those accepted at or before it too.
    fn spread_cancel(
        inner: &Arc<Self>,
        request: &CancelGoalRequest,
        responder: Responder<CancelGoalResponse>,
    ) {
        let id = GoalId(request.goal_info.goal_id.uuid);
        let stamp = &request.goal_info.stamp;
        let key = |time: &Time| (time.sec, time.nanosec);
        let (any_id, any_stamp) = (id == GoalId::default(), key(stamp) == (0, 0));
        let mut state = lock(&inner.state);
        let running = |record: &Record<A>| record.result.is_none();
        let targets: Vec<(GoalId, Time)> = state
            .goals
            .iter()
            .filter(|(_, record)| running(record))
            .filter(|(goal, record)| {
                **goal == id
                    || (any_id && any_stamp)
                    || (!any_stamp && key(&record.stamp) <= key(stamp))
            })
            .map(|(goal, record)| (*goal, record.stamp))
            .collect();
        if targets.is_empty() {
            let return_code = match state.goals.get(&id) {
                Some(_) => cancel_code::GOAL_TERMINATED,
                None if any_id => cancel_code::NONE,
                None => cancel_code::UNKNOWN_GOAL_ID,
            };
            drop(state);
            let answer = CancelGoalResponse { return_code, goals_canceling: Vec::new() };
            return inner.send(responder, answer);
        }
        let reply = Arc::new(CancelReply {
            inner: inner.clone(),
            open: Mutex::new((Vec::new(), Some(responder))),
        });
        state.cancels.extend(targets.into_iter().map(|(goal_id, stamp)| CancelRequest {
            goal_id,
            stamp,
            reply: reply.clone(),
        }));
    }

    fn publish_status(&self) {
        let status_list = lock(&self.state)
            .goals
            .iter()
            .map(|(id, record)| StatusEntry {
                goal_info: goal_info(*id, &record.stamp),
                status: record.status,
            })
            .collect();
        if let Err(error) = self.status.publish(&GoalStatusArray { status_list }) {
            tracing::warn!(action = self.name, %error, "status of the action was lost");
        }
    }

    fn end(&self, id: GoalId, status: GoalStatus, result: Outcome<A>) {
        let status = status.to_wire();
        let mut state = lock(&self.state);
        let Some(record) = state.goals.get_mut(&id) else { return };
        record.status = status;
        record.result = Some(result.clone());
        let waiting = std::mem::take(&mut record.waiting);
        state.ended.push_back(id);
        if state.ended.len() > KEPT_RESULTS {
            let oldest = state.ended.pop_front();
            oldest.and_then(|oldest| state.goals.remove(&oldest));
        }
        drop(state);
        self.publish_status();
        for responder in waiting {
            self.send(responder, GetResultResponse { status, result: result.clone() });
        }
    }
}

fn goal_info(id: GoalId, stamp: &Time) -> GoalInfo {
    GoalInfo { goal_id: UUID { uuid: id.0 }, stamp: *stamp }
}

/// A goal that waits to be accepted or rejected. Dropped, it is rejected.
#[must_use = "a goal is accepted or rejected"]
pub struct GoalRequest<A: Action> {
    goal_id: GoalId,
    goal: Arc<Goal<A>>,
    inner: Arc<Inner<A>>,
    responder: Option<Responder<SendGoalResponse>>,
}

impl<A: Action> GoalRequest<A> {
    /// What the client asks for.
    #[must_use]
    pub fn goal(&self) -> &Goal<A> {
        &self.goal
    }

    /// The goal's identity.
    #[must_use]
    pub fn id(&self) -> GoalId {
        self.goal_id
    }

    /// Takes the goal on; from now on it runs. A goal whose id is already known is rejected on the
    /// wire, and its handle has no effect.
    pub fn accept(mut self) -> GoalHandle<A> {
        let stamp = (self.inner.clock)();
        let fresh = {
            let mut state = lock(&self.inner.state);
            let fresh = !state.goals.contains_key(&self.goal_id);
            if fresh {
                let record =
                    Record { status: status::EXECUTING, stamp, result: None, waiting: Vec::new() };
                state.goals.insert(self.goal_id, record);
            }
            fresh
        };
        if let Some(responder) = self.responder.take() {
            self.inner.send(responder, SendGoalResponse { accepted: fresh, stamp });
        }
        if fresh {
            self.inner.publish_status();
        }
        GoalHandle {
            id: self.goal_id,
            goal: self.goal.clone(),
            inner: self.inner.clone(),
            live: fresh,
        }
    }

    /// Turns the goal down. ROS 2's action wire has no room for the reason.
    pub fn reject(self) {}
}

impl<A: Action> Drop for GoalRequest<A> {
    fn drop(&mut self) {
        if let Some(responder) = self.responder.take() {
            let stamp = (self.inner.clock)();
            self.inner.send(responder, SendGoalResponse { accepted: false, stamp });
        }
    }
}

impl<A: Action> std::fmt::Debug for GoalRequest<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GoalRequest")
            .field("id", &self.goal_id)
            .field("goal", &self.goal)
            .finish_non_exhaustive()
    }
}

/// Collects the decisions on the goals of one cancel request; the last one sends the answer.
struct CancelReply<A: Action> {
    inner: Arc<Inner<A>>,
    open: Mutex<(Vec<GoalInfo>, Option<Responder<CancelGoalResponse>>)>,
}

impl<A: Action> Drop for CancelReply<A> {
    fn drop(&mut self) {
        let (goals_canceling, responder) = std::mem::take(&mut *lock(&self.open));
        let return_code =
            if goals_canceling.is_empty() { cancel_code::REJECTED } else { cancel_code::NONE };
        if let Some(responder) = responder {
            self.inner.send(responder, CancelGoalResponse { return_code, goals_canceling });
        }
    }
}

/// A wish to end a running goal. Dropped, it is rejected.
#[must_use = "a cancel request is accepted or rejected"]
pub struct CancelRequest<A: Action> {
    goal_id: GoalId,
    stamp: Time,
    reply: Arc<CancelReply<A>>,
}

impl<A: Action> CancelRequest<A> {
    /// The goal that should end.
    #[must_use]
    pub fn goal_id(&self) -> GoalId {
        self.goal_id
    }

    /// Agrees: the server stops and then calls [`GoalHandle::canceled`]. A goal that ended in the
    /// meantime stays as it ended, and the client is told so.
    pub fn accept(self) {
        let inner = self.reply.inner.clone();
        let running = match lock(&inner.state).goals.get_mut(&self.goal_id) {
            Some(record) if record.result.is_none() => {
                record.status = status::CANCELING;
                true
            }
            _ => false,
        };
        if running {
            inner.publish_status();
            lock(&self.reply.open).0.push(goal_info(self.goal_id, &self.stamp));
        }
    }

    /// Refuses: the goal goes on.
    pub fn reject(self) {}
}

impl<A: Action> std::fmt::Debug for CancelRequest<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelRequest").field("goal_id", &self.goal_id).finish_non_exhaustive()
    }
}

/// A running goal. Dropped before an end is reported, it aborts with a default result.
#[must_use = "a goal is brought to an end"]
pub struct GoalHandle<A: Action> {
    id: GoalId,
    goal: Arc<Goal<A>>,
    inner: Arc<Inner<A>>,
    live: bool,
}

impl<A: Action> GoalHandle<A> {
    /// The goal's identity.
    #[must_use]
    pub fn id(&self) -> GoalId {
        self.id
    }

    /// What the client asked for.
    #[must_use]
    pub fn goal(&self) -> &Goal<A> {
        &self.goal
    }

    /// Reports on the way.
    ///
    /// # Errors
    /// [`BusError`] when it cannot be sent.
    pub fn publish_feedback(&self, feedback: Feedback<A>) -> Result<(), BusError> {
        self.inner.feedback.publish(&FeedbackMessage { goal_id: self.id, feedback })
    }

    /// Ends the goal as asked.
    pub fn succeed(self, result: Outcome<A>) {
        self.end(GoalStatus::Succeeded, result);
    }

    /// Ends the goal otherwise.
    pub fn abort(self, result: Outcome<A>) {
        self.end(GoalStatus::Aborted, result);
    }

    /// Ends the goal after an accepted cancel request.
    pub fn canceled(self, result: Outcome<A>) {
        self.end(GoalStatus::Canceled, result);
    }

    fn end(mut self, status: GoalStatus, result: Outcome<A>) {
        if std::mem::take(&mut self.live) {
            self.inner.end(self.id, status, result);
        }
    }
}

/// A goal that is dropped ends as aborted, with a result in which nothing is filled in: its client must not wait for ever.
impl<A: Action> Drop for GoalHandle<A> {
    fn drop(&mut self) {
        if self.live {
            self.inner.end(self.id, GoalStatus::Aborted, Outcome::<A>::default());
        }
    }
}

impl<A: Action> std::fmt::Debug for GoalHandle<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GoalHandle")
            .field("id", &self.id)
            .field("goal", &self.goal)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use sinew_msgs::sinew_msgs::ExecuteSkillGoal;
    use sinew_msgs::sinew_msgs::action::ExecuteSkill;

    use super::*;
    use crate::{Bus, names};

    #[test]
    fn a_goal_that_is_sent_again_is_rejected_and_never_seen() {
        let bus = Bus::in_process();
        let node = bus.node("n", "/mobi").unwrap();
        let server = node.action_server(&names::EXECUTE_SKILL).unwrap();
        let parts = Parts::new::<ExecuteSkill>(&node, &names::EXECUTE_SKILL.name).unwrap();
        let client =
            node.open_client::<SendGoalRequest<_>, SendGoalResponse>(&parts.send_goal).unwrap();
        let goal = ExecuteSkillGoal::new("reach", "{}");
        let request = SendGoalRequest { goal_id: GoalId([7; 16]), goal };
        let mut first = client.call(&request, true);
        let Some(ActionEvent::Goal(offered)) = server.take_event() else { panic!("a goal") };
        let handle = offered.accept();
        assert!(first.poll().unwrap().unwrap().accepted);
        let mut again = client.call(&request, true);
        assert!(server.take_event().is_none());
        assert!(!again.poll().unwrap().unwrap().accepted);
        // Also when it is over.
        handle.succeed(Default::default());
        let mut late = client.call(&request, true);
        assert!(server.take_event().is_none());
        assert!(!late.poll().unwrap().unwrap().accepted);
    }
}
