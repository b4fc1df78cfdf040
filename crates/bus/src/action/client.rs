//! The client's end of an action.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use sinew_msgs::action_msgs::GoalInfo;
use sinew_msgs::unique_identifier_msgs::UUID;

use super::wire::{
    FeedbackMessage, GetResultRequest, GetResultResponse, GoalId, GoalStatus, SendGoalRequest,
    SendGoalResponse, cancel_code,
};
use super::{CancelGoalRequest, CancelGoalResponse, Feedback, Goal, Outcome, Parts};
use crate::inbox::lock;
use crate::node::BusNode;
use crate::service::{Call, ClientPort};
use crate::topic::SubscriptionPort;
use crate::{Action, BusError, CallError};

/// Feedback that waits per goal before the oldest is dropped.
const FEEDBACK_DEPTH: usize = 64;

type Mailboxes<A> = BTreeMap<GoalId, VecDeque<Feedback<A>>>;

struct Inner<A: Action> {
    name: String,
    send_goal: Box<dyn ClientPort<SendGoalRequest<Goal<A>>, SendGoalResponse>>,
    cancel_goal: Box<dyn ClientPort<CancelGoalRequest, CancelGoalResponse>>,
    get_result: Box<dyn ClientPort<GetResultRequest, GetResultResponse<Outcome<A>>>>,
    feedback: Box<dyn SubscriptionPort<FeedbackMessage<Feedback<A>>>>,
    mailboxes: Mutex<Mailboxes<A>>,
    node: BusNode,
}

impl<A: Action> Inner<A> {
    /// Sorts feedback of all goals of this client into their mailboxes; the rest is others'.
    fn next_feedback(&self, id: GoalId) -> Option<Feedback<A>> {
        let mut mailboxes = lock(&self.mailboxes);
        while let Some(received) = self.feedback.take() {
            let FeedbackMessage { goal_id, feedback } = received.message;
            if let Some(mailbox) = mailboxes.get_mut(&goal_id) {
                if mailbox.len() >= FEEDBACK_DEPTH {
                    mailbox.pop_front();
                }
                mailbox.push_back(feedback);
            }
        }
        mailboxes.get_mut(&id)?.pop_front()
    }
}

/// Sends goals to the server of one action.
pub struct ActionClient<A: Action> {
    inner: Arc<Inner<A>>,
}

impl<A: Action> ActionClient<A> {
    pub(crate) fn open(node: &BusNode, name: &str) -> Result<Self, BusError> {
        let parts = Parts::new::<A>(node, name)?;
        let inner = Inner {
            name: node.resolve(name)?,
            send_goal: node.open_client(&parts.send_goal)?,
            cancel_goal: node.open_client(&parts.cancel_goal)?,
            get_result: node.open_client(&parts.get_result)?,
            feedback: node.open_subscription(&parts.feedback)?,
            mailboxes: Mutex::default(),
            node: node.clone(),
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Sends a goal; every way to fail shows in [`GoalCall::poll`].
    pub fn send_goal(&self, goal: Goal<A>) -> GoalCall<A> {
        let id = self.inner.node.new_goal_id();
        lock(&self.inner.mailboxes).insert(id, VecDeque::new());
        let call = self.inner.send_goal.call(&SendGoalRequest { goal_id: id, goal }, true);
        GoalCall { id, inner: self.inner.clone(), phase: Phase::Sent(call), cancel: Cancel::No }
    }

    /// Whether a server is known now. A goal sent without one is lost at once.
    #[must_use]
    pub fn server_available(&self) -> bool {
        self.inner.send_goal.server_available()
            && self.inner.cancel_goal.server_available()
            && self.inner.get_result.server_available()
    }

    /// The full name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }
}

impl<A: Action> std::fmt::Debug for ActionClient<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ActionClient").field("name", &self.inner.name).finish_non_exhaustive()
    }
}

/// What happened to a goal.
pub enum GoalEvent<A: Action> {
    /// The server took it on.
    Accepted,
    /// The server turned it down. Last event.
    Rejected,
    /// A report on the way.
    Feedback(Feedback<A>),
    /// The server's answer to [`GoalCall::cancel`]: `true` = the goal will end, its result follows.
    CancelAnswered {
        /// Whether the server agreed.
        accepted: bool,
    },
    /// It ended. Last event.
    Result {
        /// How.
        status: GoalStatus,
        /// With what.
        result: Outcome<A>,
    },
    /// The server is gone, does not answer, or has forgotten the goal. Last event.
    Lost {
        /// What failed.
        error: CallError,
    },
}

// Derived, it would ask for Debug of A, which is only a marker.
impl<A: Action> std::fmt::Debug for GoalEvent<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Accepted => f.write_str("Accepted"),
            Self::Rejected => f.write_str("Rejected"),
            Self::Feedback(feedback) => f.debug_tuple("Feedback").field(feedback).finish(),
            Self::CancelAnswered { accepted } => {
                f.debug_struct("CancelAnswered").field("accepted", accepted).finish()
            }
            Self::Result { status, result } => {
                f.debug_struct("Result").field("status", status).field("result", result).finish()
            }
            Self::Lost { error } => f.debug_struct("Lost").field("error", error).finish(),
        }
    }
}

enum Phase<A: Action> {
    Sent(Call<SendGoalResponse>),
    Running(Call<GetResultResponse<Outcome<A>>>),
    /// Ended; feedback that came before the end may still wait.
    Ended(GoalEvent<A>),
    Done,
}

enum Cancel {
    No,
    /// Wanted before the goal was accepted, so that the server could not know it yet.
    Wanted,
    Sent(Call<CancelGoalResponse>),
}

/// A goal on its way, polled for what happens to it. Dropping it does not cancel the goal.
#[must_use = "a goal is polled for its events"]
pub struct GoalCall<A: Action> {
    id: GoalId,
    inner: Arc<Inner<A>>,
    phase: Phase<A>,
    cancel: Cancel,
}

impl<A: Action> GoalCall<A> {
    /// The goal's identity.
    #[must_use]
    pub fn id(&self) -> GoalId {
        self.id
    }

    /// Asks the server to end the goal. Before the goal is accepted, the request waits for that; the
    /// second call and calls after the end have no effect.
    pub fn cancel(&mut self) {
        if !matches!(self.cancel, Cancel::No) {
            return;
        }
        match self.phase {
            Phase::Sent(_) => self.cancel = Cancel::Wanted,
            Phase::Running(_) => self.send_cancel(),
            Phase::Ended(_) | Phase::Done => {}
        }
    }

    fn send_cancel(&mut self) {
        let goal_info = GoalInfo { goal_id: UUID { uuid: self.id.0 }, ..GoalInfo::default() };
        let call = self.inner.cancel_goal.call(&CancelGoalRequest { goal_info }, true);
        self.cancel = Cancel::Sent(call);
    }

    /// Whether the last event has been taken.
    #[must_use]
    pub fn is_done(&self) -> bool {
        matches!(self.phase, Phase::Done)
    }

    /// The next event, in order; `None` when nothing new happened and after the last event.
    pub fn poll(&mut self) -> Option<GoalEvent<A>> {
        if self.is_done() {
            return None;
        }
        if let Phase::Sent(call) = &mut self.phase {
            return match call.poll()? {
                Ok(response) if response.accepted => {
                    let request = GetResultRequest { goal_id: self.id };
                    self.phase = Phase::Running(self.inner.get_result.call(&request, false));
                    if matches!(self.cancel, Cancel::Wanted) {
                        self.send_cancel();
                    }
                    Some(GoalEvent::Accepted)
                }
                Ok(_) => self.finish(GoalEvent::Rejected),
                Err(error) => self.finish(GoalEvent::Lost { error }),
            };
        }
        if let Cancel::Sent(call) = &mut self.cancel
            && let Some(answer) = call.poll()
        {
            let accepted = answer.is_ok_and(|answer| answer.return_code == cancel_code::NONE);
            // A refused cancel may be asked for again.
            self.cancel = if accepted { Cancel::Wanted } else { Cancel::No };
            return Some(GoalEvent::CancelAnswered { accepted });
        }
        // The result is looked at first: feedback that came before it is then already here.
        if let Phase::Running(call) = &mut self.phase
            && let Some(answer) = call.poll()
        {
            self.phase = Phase::Ended(match answer {
                Ok(GetResultResponse { status, result }) => match GoalStatus::from_wire(status) {
                    Some(status) => GoalEvent::Result { status, result },
                    None => GoalEvent::Lost {
                        error: CallError::NoServer { service: self.inner.name.clone() },
                    },
                },
                Err(error) => GoalEvent::Lost { error },
            });
        }
        if let Some(feedback) = self.inner.next_feedback(self.id) {
            return Some(GoalEvent::Feedback(feedback));
        }
        match std::mem::replace(&mut self.phase, Phase::Done) {
            Phase::Ended(event) => self.finish(event),
            phase => {
                self.phase = phase;
                None
            }
        }
    }

    fn finish(&mut self, event: GoalEvent<A>) -> Option<GoalEvent<A>> {
        self.phase = Phase::Done;
        Some(event)
    }
}

impl<A: Action> Drop for GoalCall<A> {
    fn drop(&mut self) {
        lock(&self.inner.mailboxes).remove(&self.id);
    }
}

impl<A: Action> std::fmt::Debug for GoalCall<A> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GoalCall").field("id", &self.id).finish_non_exhaustive()
    }
}
