//! A polled ROS 2 action server on r2r's services and topics.
//!
//! An action is three services and two topics. r2r 0.9.7 has a server of its own on top of
//! rcl_action, which this replaces, because there: a goal whose cancel was accepted can no longer
//! abort or succeed, and its status stays CANCELING; a cancel request for two goals is answered with
//! "rejected" though both are cancelled; results are kept for ever, and 10 s after the first one
//! `spin_once` no longer waits, so that the process spins at full load.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::convert::{from_ros, to_ros};
use futures::{FutureExt, Stream, StreamExt};
use r2r::action_msgs::msg::{GoalInfo, GoalStatus, GoalStatusArray};
use r2r::action_msgs::srv::CancelGoal;
use r2r::{QosProfile, ServiceRequest, WrappedActionTypeSupport, WrappedServiceTypeSupport};
use serde::{Serialize, de::DeserializeOwned};

/// How long a result can still be asked for after the goal has ended, as rcl_action's default.
const RESULT_KEPT_FOR: Duration = Duration::from_secs(10);

/// Id of a goal, chosen by the client (a UUID).
pub type GoalId = [u8; 16];

/// One action: our structs and r2r's type support of the same interface.
pub trait Action: 'static {
    /// r2r's generated type support.
    type Ros: WrappedActionTypeSupport + 'static;
    /// Our struct of the goal.
    type Goal: DeserializeOwned;
    /// Our struct of the result.
    type Result: Serialize;
    /// Our struct of the feedback.
    type Feedback: Serialize;
}

/// What a client asks of the server.
pub enum Event<A: Action> {
    /// A new goal, to be answered with `accept` or `reject`.
    Goal(GoalId, A::Goal),
    /// A request to cancel an accepted goal, to be answered with `accept_cancel` or `reject_cancel`.
    Cancel(GoalId),
}

/// State of a goal; the numbers are those of action_msgs/GoalStatus.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(i8)]
pub enum State {
    /// Accepted and running.
    Executing = 2,
    /// Running on towards its end after an accepted cancel request.
    Canceling = 3,
    /// Ended: it did what was asked.
    Succeeded = 4,
    /// Ended: cancelled by a client.
    Canceled = 5,
    /// Ended: by the server, for another reason.
    Aborted = 6,
}

type Request<S> = ServiceRequest<S>;
type Requests<S> = Box<dyn Stream<Item = Request<S>> + Unpin>;
type SendGoal<A> = <<A as Action>::Ros as WrappedActionTypeSupport>::SendGoal;
type GetResult<A> = <<A as Action>::Ros as WrappedActionTypeSupport>::GetResult;
type ResultReply<A> = <GetResult<A> as WrappedServiceTypeSupport>::Response;
type FeedbackMessage<A> = <<A as Action>::Ros as WrappedActionTypeSupport>::FeedbackMessage;

struct Goal<A: Action> {
    state: State,
    accepted_at: Duration,
    cancel_reported: bool,
    waiting_for_result: Vec<Request<GetResult<A>>>,
    result: Option<(Instant, ResultReply<A>)>,
}

/// A cancel request that is answered once each goal it names has been decided.
struct CancelRequest {
    request: Request<CancelGoal::Service>,
    undecided: Vec<GoalId>,
    accepted: Vec<GoalId>,
}

/// Server of one action. It does its work in [`ActionServer::take_event`], after the node has spun.
pub struct ActionServer<A: Action> {
    goal_requests: Requests<SendGoal<A>>,
    cancel_requests: Requests<CancelGoal::Service>,
    result_requests: Requests<GetResult<A>>,
    feedback: r2r::Publisher<FeedbackMessage<A>>,
    status: r2r::Publisher<GoalStatusArray>,
    offered: BTreeMap<GoalId, Request<SendGoal<A>>>,
    goals: BTreeMap<GoalId, Goal<A>>,
    cancels: Vec<CancelRequest>,
}

impl<A: Action> ActionServer<A> {
    /// Offers the action under an absolute name such as `/execute_skill`.
    pub fn new(node: &mut r2r::Node, name: &str) -> r2r::Result<Self> {
        let services = QosProfile::services_default();
        let latched = QosProfile::default().keep_last(1).reliable().transient_local();
        let part = |part: &str| format!("{name}/_action/{part}");
        Ok(Self {
            goal_requests: Box::new(node.create_service(&part("send_goal"), services.clone())?),
            cancel_requests: Box::new(node.create_service(&part("cancel_goal"), services.clone())?),
            result_requests: Box::new(node.create_service(&part("get_result"), services)?),
            feedback: node.create_publisher(&part("feedback"), QosProfile::default())?,
            status: node.create_publisher(&part("status"), latched)?,
            offered: BTreeMap::new(),
            goals: BTreeMap::new(),
            cancels: Vec::new(),
        })
    }

    /// The next event, if any; also answers requests for results and forgets old ones.
    pub fn take_event(&mut self) -> anyhow::Result<Option<Event<A>>> {
        self.goals.retain(|_, goal| {
            goal.result.as_ref().is_none_or(|(ended, _)| ended.elapsed() < RESULT_KEPT_FOR)
        });
        while let Some(request) = next(&mut self.result_requests) {
            self.answer_result_request(request)?;
        }
        while let Some(request) = next(&mut self.cancel_requests) {
            self.queue_cancel_request(request)?;
        }
        let undecided = self.cancels.iter().flat_map(|cancel| &cancel.undecided);
        for id in undecided {
            if let Some(goal) = self.goals.get_mut(id)
                && !goal.cancel_reported
            {
                goal.cancel_reported = true;
                return Ok(Some(Event::Cancel(*id)));
            }
        }
        let Some(request) = next(&mut self.goal_requests) else { return Ok(None) };
        let (id, goal) = A::Ros::destructure_goal_request_msg(request.message.clone());
        let id = goal_id(&id)?;
        if self.goals.contains_key(&id) || self.offered.contains_key(&id) {
            request.respond(A::Ros::make_goal_response_msg(false, Default::default()))?;
            return Ok(None);
        }
        self.offered.insert(id, request);
        Ok(Some(Event::Goal(id, from_ros(&goal)?)))
    }

    /// Accepts an offered goal; it is executing from here on.
    pub fn accept(&mut self, id: GoalId) -> anyhow::Result<()> {
        let accepted_at = SystemTime::now().duration_since(UNIX_EPOCH)?;
        let goal = Goal {
            state: State::Executing,
            accepted_at,
            cancel_reported: false,
            waiting_for_result: Vec::new(),
            result: None,
        };
        self.offered(id)?.respond(A::Ros::make_goal_response_msg(true, stamp(accepted_at)))?;
        self.goals.insert(id, goal);
        self.publish_status()
    }

    /// Rejects an offered goal. The wire carries no reason: that goes out on a topic.
    pub fn reject(&mut self, id: GoalId) -> anyhow::Result<()> {
        let reply = A::Ros::make_goal_response_msg(false, Default::default());
        Ok(self.offered(id)?.respond(reply)?)
    }

    /// Tells the client how an accepted goal is getting on.
    pub fn feedback(&mut self, id: GoalId, feedback: &A::Feedback) -> anyhow::Result<()> {
        let message = A::Ros::make_feedback_msg(uuid(id), to_ros(feedback)?);
        Ok(self.feedback.publish(&message)?)
    }

    /// Agrees to cancel: the goal goes on as `Canceling` until `finish`.
    pub fn accept_cancel(&mut self, id: GoalId) -> anyhow::Result<()> {
        let asked = self.cancels.iter().any(|cancel| cancel.undecided.contains(&id));
        anyhow::ensure!(asked, "nobody asked to cancel goal {id:02x?}");
        self.running(id)?.state = State::Canceling;
        self.decide_cancel(id, true)?;
        self.publish_status()
    }

    /// Refuses to cancel: the goal goes on as before and can be asked again.
    pub fn reject_cancel(&mut self, id: GoalId) -> anyhow::Result<()> {
        self.running(id)?.cancel_reported = false;
        self.decide_cancel(id, false)
    }

    /// Ends a goal; `Canceled` only after `accept_cancel`, the other two at any time.
    pub fn finish(&mut self, id: GoalId, end: State, result: &A::Result) -> anyhow::Result<()> {
        let goal = self.running(id)?;
        let allowed = match end {
            State::Succeeded | State::Aborted => true,
            State::Canceled => goal.state == State::Canceling,
            State::Executing | State::Canceling => false,
        };
        anyhow::ensure!(allowed, "a goal cannot go from {:?} to {end:?}", goal.state);
        goal.state = end;
        let reply = A::Ros::make_result_response_msg(end as i8, to_ros(result)?);
        for request in std::mem::take(&mut goal.waiting_for_result) {
            request.respond(reply.clone())?;
        }
        goal.result = Some((Instant::now(), reply));
        self.decide_cancel(id, false)?;
        self.publish_status()
    }

    fn offered(&mut self, id: GoalId) -> anyhow::Result<Request<SendGoal<A>>> {
        self.offered.remove(&id).ok_or_else(|| anyhow::anyhow!("no goal {id:02x?} on offer"))
    }

    fn running(&mut self, id: GoalId) -> anyhow::Result<&mut Goal<A>> {
        let goal = self.goals.get_mut(&id).filter(|goal| goal.result.is_none());
        goal.ok_or_else(|| anyhow::anyhow!("no running goal {id:02x?}"))
    }

    fn answer_result_request(&mut self, request: Request<GetResult<A>>) -> anyhow::Result<()> {
        let id = goal_id(&A::Ros::destructure_result_request_msg(request.message.clone()))?;
        match self.goals.get_mut(&id) {
            Some(Goal { result: Some((_, reply)), .. }) => request.respond(reply.clone())?,
            Some(goal) => goal.waiting_for_result.push(request),
            None => {
                let unknown = GoalStatus::STATUS_UNKNOWN as i8;
                request.respond(A::Ros::make_result_response_msg(unknown, Default::default()))?;
            }
        }
        Ok(())
    }

    /// Which goals a request means is laid down in action_msgs/CancelGoal: that of the id, and all
    /// accepted up to the stamp; with neither, all.
    fn queue_cancel_request(
        &mut self,
        request: Request<CancelGoal::Service>,
    ) -> anyhow::Result<()> {
        let info = &request.message.goal_info;
        let id = goal_id(&info.goal_id)?;
        let until = Duration::new(info.stamp.sec.try_into()?, info.stamp.nanosec);
        let all = id == GoalId::default() && until.is_zero();
        let undecided: Vec<GoalId> = self
            .goals
            .iter()
            .filter(|(goal, record)| all || **goal == id || record.accepted_at <= until)
            .filter(|(_, record)| record.state == State::Executing)
            .map(|(goal, _)| *goal)
            .collect();
        if undecided.is_empty() {
            let return_code = match self.goals.contains_key(&id) {
                _ if id == GoalId::default() => CancelGoal::Response::ERROR_NONE as i8,
                true => CancelGoal::Response::ERROR_GOAL_TERMINATED as i8,
                false => CancelGoal::Response::ERROR_UNKNOWN_GOAL_ID as i8,
            };
            request.respond(CancelGoal::Response { return_code, goals_canceling: Vec::new() })?;
            return Ok(());
        }
        self.cancels.push(CancelRequest { request, undecided, accepted: Vec::new() });
        Ok(())
    }

    fn decide_cancel(&mut self, id: GoalId, accepted: bool) -> anyhow::Result<()> {
        for cancel in &mut self.cancels {
            if cancel.undecided.contains(&id) {
                cancel.undecided.retain(|other| *other != id);
                cancel.accepted.extend(accepted.then_some(id));
            }
        }
        for cancel in self.cancels.extract_if(.., |cancel| cancel.undecided.is_empty()) {
            let return_code = match cancel.accepted.is_empty() {
                true => CancelGoal::Response::ERROR_REJECTED as i8,
                false => CancelGoal::Response::ERROR_NONE as i8,
            };
            let goals_canceling = cancel
                .accepted
                .iter()
                .filter_map(|id| self.goals.get(id).map(|goal| info(*id, goal.accepted_at)));
            let goals_canceling = goals_canceling.collect();
            cancel.request.respond(CancelGoal::Response { return_code, goals_canceling })?;
        }
        Ok(())
    }

    fn publish_status(&self) -> anyhow::Result<()> {
        let status_list = self.goals.iter().map(|(id, goal)| GoalStatus {
            goal_info: info(*id, goal.accepted_at),
            status: goal.state as i8,
        });
        Ok(self.status.publish(&GoalStatusArray { status_list: status_list.collect() })?)
    }
}

/// What a stream of r2r holds already, without waiting.
pub fn next<T>(stream: &mut (impl Stream<Item = T> + Unpin)) -> Option<T> {
    stream.next().now_or_never().flatten()
}

fn goal_id(uuid: &r2r::unique_identifier_msgs::msg::UUID) -> anyhow::Result<GoalId> {
    Ok(uuid.uuid.as_slice().try_into()?)
}

fn uuid(id: GoalId) -> r2r::unique_identifier_msgs::msg::UUID {
    r2r::unique_identifier_msgs::msg::UUID { uuid: id.to_vec() }
}

fn info(id: GoalId, accepted_at: Duration) -> GoalInfo {
    GoalInfo { goal_id: uuid(id), stamp: stamp(accepted_at) }
}

fn stamp(since_epoch: Duration) -> r2r::builtin_interfaces::msg::Time {
    r2r::builtin_interfaces::msg::Time {
        sec: since_epoch.as_secs() as i32,
        nanosec: since_epoch.subsec_nanos(),
    }
}
