use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinew_bus::{
    ActionClient, ActionEvent, ActionServer, Bus, BusNode, Call, GoalCall, GoalEvent, GoalHandle,
    Publisher, ServiceClient, Subscription, names,
};
use sinew_connector::{Event, Executive, ExecutiveConfig, PlanAnswer, Request, SkillCall, Task};
use sinew_msgs::sinew_msgs::action::{ExecuteSkill, ExecuteTask};
use sinew_msgs::sinew_msgs::srv::MakePlan;
use sinew_msgs::sinew_msgs::{ExecuteSkillGoal, ExecuteTaskFeedback, ExecuteTaskGoal};
use sinew_msgs::sinew_msgs::{MakePlanRequest, MakePlanResponse};
use sinew_msgs::sinew_msgs::{SkillResult, WorldObjects};
use sinew_types::{ErrorCode, Outcome, Time};

use crate::arguments::NodeArguments;
use crate::convert::{
    duration_from_msg, objects_to_msg, skill_outcome_from_msg, step_to_msg, task_result_to_msg,
    time_to_msg,
};
use crate::heart::Heart;
use crate::node::{Node, NodeError, Progress};
use crate::observer::{ObjectsFrom, Observer};

/// Parameters of the connector node.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ConnectorParameters {
    /// The robot file.
    pub robot: PathBuf,
    /// A folder of more skills, `*.skill.yaml`; `none` for none. The same for the skills, connector and planner nodes.
    #[serde(default)]
    pub skill_folder: Option<PathBuf>,
    /// Set where the hardware's simulated time waits for this node: it then stands still while the
    /// planner thinks.
    #[serde(default)]
    pub lock_step: bool,
}

/// How often the world is published.
const WORLD_PERIOD: Duration = Duration::from_millis(100);
/// How long perception looks before the first task is planned.
const LOOK_AROUND: Duration = Duration::from_millis(300);
/// How long the reason of a rejection may lag behind the rejection.
const REASON_WITHIN: Duration = Duration::from_millis(500);

/// Serves `execute_task`: one executive, bound to planner and skills over the bus.
pub struct ConnectorNode {
    name: String,
    lock_step: bool,
    observer: Observer,
    executive: Executive,
    tasks: ActionServer<ExecuteTask>,
    task: Option<GoalHandle<ExecuteTask>>,
    planner: ServiceClient<MakePlan>,
    planning: Option<Call<MakePlanResponse>>,
    skills: ActionClient<ExecuteSkill>,
    skill: Option<RunningSkill>,
    results: Subscription<SkillResult>,
    world: Publisher<WorldObjects>,
    world_published: Option<Time>,
    /// When the robot's state was known first.
    seen_since: Option<Time>,
    heart: Heart,
    history: Vec<sinew_msgs::sinew_msgs::StepOutcome>,
}

struct RunningSkill {
    call: u64,
    correlation_id: String,
    goal: GoalCall<ExecuteSkill>,
    rejected_at: Option<Time>,
}

impl ConnectorNode {
    /// Claims the names on the bus.
    ///
    /// # Errors
    /// Parameters or robot file that are wrong, by name.
    pub fn new(bus: &Bus, arguments: &NodeArguments) -> Result<Self, NodeError> {
        Self::on(&crate::bus_node(bus, arguments)?, arguments)
    }

    pub(crate) fn on(node: &BusNode, arguments: &NodeArguments) -> Result<Self, NodeError> {
        let failed = |error: &dyn std::fmt::Display| NodeError::new(&arguments.name, error);
        let parameters: ConnectorParameters = arguments.parameters_as().map_err(|e| failed(&e))?;
        let observer = Observer::new(node, &parameters.robot, ObjectsFrom::Detections)?;
        let folder = parameters.skill_folder.as_deref();
        let (robot, layout) = (&observer.robot, &observer.layout);
        let registry = crate::skill_registry(&arguments.name, robot, layout, folder)?;
        Ok(Self {
            name: arguments.name.clone(),
            lock_step: parameters.lock_step,
            observer,
            executive: Executive::new(ExecutiveConfig::default(), registry),
            tasks: node.action_server(&names::EXECUTE_TASK).map_err(|e| failed(&e))?,
            task: None,
            planner: node.service_client(&names::MAKE_PLAN).map_err(|e| failed(&e))?,
            planning: None,
            skills: node.action_client(&names::EXECUTE_SKILL).map_err(|e| failed(&e))?,
            skill: None,
            results: node.subscription(&names::SKILL_RESULTS).map_err(|e| failed(&e))?,
            world: node.publisher(&names::WORLD).map_err(|e| failed(&e))?,
            world_published: None,
            seen_since: None,
            heart: Heart::new(node, &arguments.name, crate::new_boot_id())
                .map_err(|e| failed(&e))?,
            history: Vec::new(),
        })
    }

    fn publish_world(&mut self, now: Time) -> Result<(), NodeError> {
        if self.world_published.is_some_and(|at| now.since(at) < WORLD_PERIOD) {
            return Ok(());
        }
        self.world_published = Some(now);
        let message = objects_to_msg(self.observer.world().objects.values(), now);
        self.world.publish(&message).map_err(|e| NodeError::new(&self.name, e))
    }

    fn take_tasks(&mut self, now: Time) -> Vec<Request> {
        let mut requests = Vec::new();
        // Tasks wait in the queue until there is a measured world to plan in: perception needs more
        // than one look to have seen every object.
        if !self.observer.is_ready() {
            return requests;
        }
        let seen_since = *self.seen_since.get_or_insert(now);
        if now.since(seen_since) < LOOK_AROUND {
            return requests;
        }
        while let Some(event) = self.tasks.take_event() {
            match event {
                ActionEvent::Goal(goal) => {
                    let task = task_of(goal.goal());
                    let handle = goal.accept();
                    // A goal that cannot be served is accepted and ended at once: a rejection on
                    // ROS 2's action wire would carry no reason.
                    match self.executive.start(task, now) {
                        Ok(wanted) => {
                            self.history.clear();
                            self.task = Some(handle);
                            requests.extend(wanted);
                        }
                        Err(error) => {
                            let message = "another task is running; cancel it first";
                            handle.abort(task_result_to_msg(error, message));
                        }
                    }
                }
                ActionEvent::Cancel(cancel) => {
                    if self.task.as_ref().is_some_and(|task| task.id() == cancel.goal_id()) {
                        cancel.accept();
                        requests.extend(self.executive.cancel(now));
                    } else {
                        cancel.reject();
                    }
                }
            }
        }
        requests
    }

    fn take_events(&mut self, now: Time) -> Vec<Event> {
        let mut events = Vec::new();
        if let Some(answer) = self.planning.as_mut().and_then(Call::poll) {
            self.planning = None;
            events.push(Event::Planned(match answer {
                Ok(response) => plan_answer(response),
                Err(error) => PlanAnswer::Refused {
                    error: ErrorCode::PlannerUnavailable,
                    message: format!("the planner node is not there: {error}"),
                },
            }));
        }
        let Some(mut skill) = self.skill.take() else {
            while self.results.take().is_some() {}
            return events;
        };
        let mut ended = false;
        while let Some(event) = skill.goal.poll() {
            match event {
                GoalEvent::Accepted | GoalEvent::CancelAnswered { .. } => {}
                GoalEvent::Feedback(feedback) => events.push(Event::SkillProgress {
                    call: skill.call,
                    progress: feedback.progress,
                    phase: feedback.phase,
                }),
                GoalEvent::Rejected => skill.rejected_at = Some(now),
                GoalEvent::Result { status, result } => {
                    let outcome = skill_outcome_from_msg(status, &result);
                    events.push(Event::SkillEnded { call: skill.call, outcome });
                    ended = true;
                }
                GoalEvent::Lost { error } => {
                    let message = format!("the skill server is gone: {error}");
                    let outcome = Outcome::aborted(ErrorCode::PeerLost, message, Duration::ZERO);
                    events.push(Event::SkillEnded { call: skill.call, outcome });
                    ended = true;
                }
            }
        }
        if let Some(since) = skill.rejected_at {
            // The reason comes by another way than the rejection, and may come later.
            let reason = self.reason(&skill.correlation_id);
            if let Some((error, message)) = reason {
                events.push(Event::SkillRejected { call: skill.call, error, message });
                ended = true;
            } else if now.since(since) > REASON_WITHIN {
                let message = "the skill server rejected the call without a reason".into();
                let error = ErrorCode::InvalidArguments;
                events.push(Event::SkillRejected { call: skill.call, error, message });
                ended = true;
            }
        }
        if !ended {
            self.skill = Some(skill);
        }
        events
    }

    fn reason(&self, correlation_id: &str) -> Option<(ErrorCode, String)> {
        while let Some(received) = self.results.take() {
            let result = received.message;
            if result.correlation_id == correlation_id && !result.accepted {
                let error =
                    ErrorCode::from_u16(result.error_code).unwrap_or(ErrorCode::InvalidArguments);
                return Some((error, result.error_msg));
            }
        }
        None
    }

    fn carry_out(&mut self, request: Request, now: Time) -> Result<(), NodeError> {
        match request {
            Request::Plan { instruction, planner, failed_reason } => {
                let world = objects_to_msg(self.observer.world().objects.values(), now);
                self.planning = Some(self.planner.call(&MakePlanRequest {
                    instruction,
                    planner,
                    correlation_id: String::new(),
                    world,
                    history: self.history.clone(),
                    failed_reason,
                }));
            }
            Request::StartSkill(call) => self.start_skill(call, now),
            Request::CancelSkill { call } => {
                if let Some(skill) = self.skill.as_mut().filter(|skill| skill.call == call) {
                    skill.goal.cancel();
                }
            }
            Request::Report(progress) => {
                if let Some(task) = &self.task {
                    let feedback = ExecuteTaskFeedback {
                        phase: progress.phase.name().into(),
                        step_index: u32::try_from(progress.step).unwrap_or(u32::MAX),
                        step_count: u32::try_from(progress.steps).unwrap_or(u32::MAX),
                        skill_id: progress.skill,
                        progress: progress.progress,
                        text: progress.text,
                    };
                    task.publish_feedback(feedback).map_err(|e| NodeError::new(&self.name, e))?;
                }
            }
            Request::Finished(report) => {
                self.history.extend(report.steps.iter().map(step_to_msg));
                if let Some(task) = self.task.take() {
                    let error = report.error;
                    let result = crate::convert::report_to_msg(&report);
                    match error {
                        ErrorCode::None => task.succeed(result),
                        ErrorCode::Canceled => task.canceled(result),
                        _ => task.abort(result),
                    }
                }
            }
        }
        Ok(())
    }

    fn start_skill(&mut self, call: SkillCall, now: Time) {
        let correlation_id = format!("{}-{}", self.heart.boot_id().0, call.call);
        let goal = ExecuteSkillGoal {
            skill_id: call.skill,
            args_json: call.args.to_string(),
            issued_at: time_to_msg(now),
            speed_scale: 1.0,
            correlation_id: correlation_id.clone(),
            ..Default::default()
        };
        self.skill = Some(RunningSkill {
            call: call.call,
            correlation_id,
            goal: self.skills.send_goal(goal),
            rejected_at: None,
        });
    }
}

impl Node for ConnectorNode {
    fn name(&self) -> &str {
        &self.name
    }

    fn period(&self) -> Duration {
        Duration::from_millis(20)
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        self.observer.take();
        self.publish_world(now)?;
        let mut requests = self.take_tasks(now);
        let events = self.take_events(now);
        requests.extend(self.executive.step(now, self.observer.world(), events));
        for request in requests {
            self.carry_out(request, now)?;
        }
        if self.lock_step && self.executive.awaits_planner() {
            return Ok(Progress::WaitsOutside);
        }
        self.heart
            .beat(now, self.observer.state.tick)
            .map_err(|e| NodeError::new(&self.name, e))?;
        Ok(Progress::Done)
    }

    fn keep_alive(&mut self) -> Result<(), NodeError> {
        self.heart.keep_alive().map_err(|e| NodeError::new(&self.name, e))
    }

    fn shutdown(&mut self, _now: Time) {
        if let Some(skill) = &mut self.skill {
            skill.goal.cancel();
        }
        if let Some(task) = self.task.take() {
            let message = "the connector was shut down before the task ended";
            task.abort(task_result_to_msg(ErrorCode::PeerLost, message));
        }
    }
}

fn task_of(goal: &ExecuteTaskGoal) -> Task {
    Task {
        instruction: goal.instruction.clone(),
        planner: goal.planner.clone(),
        dry_run: goal.dry_run,
        correlation_id: goal.correlation_id.clone(),
        max_duration: duration_from_msg(&goal.max_duration),
    }
}

fn plan_answer(response: MakePlanResponse) -> PlanAnswer {
    if !response.accepted {
        let error = ErrorCode::from_u16(response.error_code).unwrap_or(ErrorCode::PlanInvalid);
        return PlanAnswer::Refused { error, message: response.error_msg };
    }
    match serde_json::from_str(&response.plan_json) {
        Ok(proposed) => PlanAnswer::Proposed(proposed),
        Err(error) => PlanAnswer::Refused {
            error: ErrorCode::PlanInvalid,
            message: format!("the planner's answer is no plan: {error}"),
        },
    }
}
