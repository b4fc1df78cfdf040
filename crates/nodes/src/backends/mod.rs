//! Other systems that carry skills out, as clients of their actions: Nav2 and MoveIt.

mod moveit;
mod nav2;

use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinew_bus::names::ActionName;
use sinew_bus::{Action, ActionClient, BusError, BusNode, GoalCall, GoalEvent, GoalStatus};
use sinew_bus::{Call, ServiceClient, names};
use sinew_msgs::moveit_msgs::action::MoveGroup;
use sinew_msgs::nav2_msgs::action::NavigateToPose;
use sinew_msgs::std_srvs::srv::Trigger;
use sinew_msgs::std_srvs::{TriggerRequest, TriggerResponse};
use sinew_skills::{DelegateCall, DelegateEnd, DelegateEvent, Motion, Navigation, Task};
use sinew_types::ErrorCode;

/// How `navigation: nav2` reaches Nav2.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Nav2Parameters {
    /// The frame of goal poses: it must be the one in which the base's pose is measured, which is that of `odom`'s
    /// header, and Nav2 must know it by `tf`.
    pub frame_id: String,
}

/// How `motion: moveit` reaches MoveIt.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MoveitParameters {
    /// MoveIt's name for the joint group of the arm, in its SRDF.
    pub group: String,
}

/// What is wrong with the parameters for other systems, if anything.
pub(crate) fn check(
    navigation: Navigation,
    nav2: Option<&Nav2Parameters>,
    motion: Motion,
    moveit: Option<&MoveitParameters>,
) -> Result<(), String> {
    match (navigation, nav2) {
        (Navigation::Nav2, None) => {
            return Err("`navigation: nav2` wants `nav2.frame_id`: the frame of goal poses, which is that of odom".into());
        }
        (Navigation::Own, Some(_)) => {
            return Err(
                "`nav2.frame_id` is of no use with `navigation: own`; allowed: `navigation: nav2`"
                    .into(),
            );
        }
        _ => {}
    }
    match (motion, moveit) {
        (Motion::Moveit, None) => {
            Err("`motion: moveit` wants `moveit.group`: MoveIt's name for the arm's joint group"
                .into())
        }
        (Motion::Own, Some(_)) => {
            Err("`moveit.group` is of no use with `motion: own`; allowed: `motion: moveit`".into())
        }
        _ => Ok(()),
    }
}

/// At the end, other systems are given this long to say that they end goals.
const FAREWELL: Duration = Duration::from_millis(500);

/// Goals at other systems.
pub(crate) struct Backends {
    nav2: Option<(Goals<NavigateToPose>, Nav2Parameters)>,
    moveit: Option<(Goals<MoveGroup>, MoveitParameters)>,
    stop: Option<ServiceClient<Trigger>>,
    stopping: Vec<Call<TriggerResponse>>,
}

impl Backends {
    /// Those that there are parameters for.
    pub(crate) fn new(
        node: &BusNode,
        nav2: Option<Nav2Parameters>,
        moveit: Option<MoveitParameters>,
    ) -> Result<Self, BusError> {
        let any = nav2.is_some() || moveit.is_some();
        let nav2 =
            nav2.map(|p| Ok::<_, BusError>((Goals::new(node, &names::NAVIGATE_TO_POSE)?, p)));
        let moveit = moveit.map(|p| Ok::<_, BusError>((Goals::new(node, &names::MOVE_GROUP)?, p)));
        Ok(Self {
            nav2: nav2.transpose()?,
            moveit: moveit.transpose()?,
            stop: any.then(|| node.service_client(&names::E_STOP_TRIGGER)).transpose()?,
            stopping: Vec::new(),
        })
    }

    /// Asks another system. `base_frame`: in which the base's pose is measured.
    pub(crate) fn call(&mut self, call: DelegateCall, base_frame: &str) {
        match call {
            DelegateCall::Send { request, task, .. } => {
                match (task, &mut self.nav2, &mut self.moveit) {
                    (Task::Navigate { map_from_base }, Some((goals, parameters)), _) => {
                        match nav2::goal(&map_from_base, parameters, base_frame) {
                            Ok(goal) => goals.send(request, goal),
                            Err(why) => goals.refuse(request, why),
                        }
                    }
                    (
                        Task::MoveJoints { joints, tolerance_rad, speed_scale },
                        _,
                        Some((goals, p)),
                    ) => {
                        goals.send(request, moveit::goal(&joints, tolerance_rad, speed_scale, p));
                    }
                    // The skill server has only such tasks as it was set up for with the same parameters.
                    (task, ..) => tracing::error!(?task, "is for a system that is not configured"),
                }
            }
            DelegateCall::Cancel { request } => {
                if let Some((goals, _)) = &mut self.nav2 {
                    goals.cancel(request);
                }
                if let Some((goals, _)) = &mut self.moveit {
                    goals.cancel(request);
                }
            }
            DelegateCall::Stop { why } => {
                tracing::error!(why, "the emergency stop is triggered");
                if let Some(stop) = &self.stop {
                    self.stopping.push(stop.call(&TriggerRequest::default()));
                }
            }
        }
    }

    /// What other systems said since the last time, by the numbers of the requests.
    pub(crate) fn take(&mut self) -> Vec<(u64, DelegateEvent)> {
        let mut events = Vec::new();
        if let Some((goals, parameters)) = &mut self.nav2 {
            let believed = |feedback| nav2::believed(&feedback, parameters);
            goals.take(&mut events, believed, nav2::end);
        }
        if let Some((goals, _)) = &mut self.moveit {
            goals.take(&mut events, |_| None, moveit::end);
        }
        self.stopping.retain_mut(|call| match call.poll() {
            None => true,
            Some(Ok(answer)) if answer.success => false,
            Some(Ok(answer)) => {
                tracing::error!(answer.message, "the emergency stop was refused");
                false
            }
            Some(Err(error)) => {
                tracing::error!(%error, "the emergency stop was not triggered");
                false
            }
        });
        events
    }

    /// Has all goals end, and waits a moment for the word that they do: else other systems would carry on with what
    /// nobody watches any more.
    pub(crate) fn shutdown(&mut self) {
        let late = Instant::now() + FAREWELL;
        while self.cancel_all() {
            if Instant::now() >= late {
                tracing::error!(
                    "Nav2 or MoveIt was told to end its goal, and has not said that it did"
                );
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Whether there is any goal that has not ended.
    fn cancel_all(&mut self) -> bool {
        let _ = self.take();
        let nav2 = self.nav2.as_mut().is_some_and(|(goals, _)| goals.cancel_all());
        let moveit = self.moveit.as_mut().is_some_and(|(goals, _)| goals.cancel_all());
        nav2 || moveit
    }
}

/// Goals at the server of one action.
struct Goals<A: Action> {
    client: ActionClient<A>,
    sent: Vec<(u64, GoalCall<A>)>,
    /// Those that were not sent, and why.
    unsent: Vec<(u64, DelegateEnd)>,
}

impl<A: Action> Goals<A> {
    fn new(node: &BusNode, name: &ActionName<A>) -> Result<Self, BusError> {
        Ok(Self { client: node.action_client(name)?, sent: Vec::new(), unsent: Vec::new() })
    }

    fn send(&mut self, request: u64, goal: <A as Action>::Goal) {
        if self.client.server_available() {
            self.sent.push((request, self.client.send_goal(goal)));
            return;
        }
        let text = format!(
            "no server of the action {} is known; it must be up, on the same carrier, and of the same type",
            self.client.name()
        );
        let end = DelegateEnd {
            status: "not sent",
            error: ErrorCode::BackendUnavailable,
            name: String::new(),
            text,
        };
        self.unsent.push((request, end));
    }

    fn refuse(&mut self, request: u64, text: String) {
        let (status, error) = ("not sent", ErrorCode::BackendRefused);
        self.unsent.push((request, DelegateEnd { status, error, name: String::new(), text }));
    }

    fn cancel(&mut self, request: u64) {
        if let Some((_, call)) = self.sent.iter_mut().find(|(sent, _)| *sent == request) {
            call.cancel();
        }
    }

    fn cancel_all(&mut self) -> bool {
        self.sent.iter_mut().for_each(|(_, call)| call.cancel());
        !self.sent.is_empty()
    }

    fn take(
        &mut self,
        events: &mut Vec<(u64, DelegateEvent)>,
        believed: impl Fn(<A as Action>::Feedback) -> Option<nalgebra::Isometry2<f64>>,
        end: impl Fn(GoalStatus, <A as Action>::Result) -> DelegateEnd,
    ) {
        events.extend(self.unsent.drain(..).map(|(r, end)| (r, DelegateEvent::Ended(end))));
        for (request, call) in &mut self.sent {
            while let Some(event) = call.poll() {
                let event = match event {
                    GoalEvent::Accepted => DelegateEvent::Accepted,
                    GoalEvent::Rejected => DelegateEvent::Ended(rejected()),
                    GoalEvent::Feedback(feedback) => {
                        DelegateEvent::Feedback { map_from_base: believed(feedback) }
                    }
                    // What was not agreed to is asked for again.
                    GoalEvent::CancelAnswered { .. } => continue,
                    GoalEvent::Result { status, result } => {
                        DelegateEvent::Ended(end(status, result))
                    }
                    GoalEvent::Lost { error } => DelegateEvent::Lost(error.to_string()),
                };
                events.push((*request, event));
            }
        }
        self.sent.retain(|(_, call)| !call.is_done());
    }
}

fn rejected() -> DelegateEnd {
    DelegateEnd {
        status: "rejected",
        error: ErrorCode::BackendRefused,
        name: String::new(),
        text: String::new(),
    }
}

fn status_name(status: GoalStatus) -> &'static str {
    match status {
        GoalStatus::Succeeded => "succeeded",
        GoalStatus::Canceled => "canceled",
        GoalStatus::Aborted => "aborted",
    }
}

/// What an end means, where the action's own code says no more: `failed` is what it means that it gave up.
fn meaning(status: GoalStatus, failed: ErrorCode) -> ErrorCode {
    match status {
        GoalStatus::Succeeded => ErrorCode::None,
        // A goal that the skill itself had cancelled has its outcome already.
        GoalStatus::Canceled => ErrorCode::BackendInterrupted,
        GoalStatus::Aborted => failed,
    }
}
