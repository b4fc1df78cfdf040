use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinew_bus::{
    ActionEvent, ActionServer, Bus, BusNode, Call, GoalHandle, GoalRequest, Publisher,
    ServiceClient, Subscription, names,
};
use sinew_msgs::sinew_msgs::action::ExecuteSkill;
use sinew_msgs::sinew_msgs::srv::{AcquireLease, ReleaseLease};
use sinew_msgs::sinew_msgs::{
    AcquireLeaseRequest, AcquireLeaseResponse, ReleaseLeaseRequest, ReleaseLeaseResponse,
};
use sinew_msgs::sinew_msgs::{
    ActuatorCommand, Heartbeat, SafetyState, SkillManifestArray, SkillResult, SkillStatus,
};
use sinew_msgs::sinew_msgs::{ExecuteSkillFeedback, ExecuteSkillGoal};
use sinew_skills::{
    Feedback, GroupAuthority, Inputs, LeaseCall, Manipulation, Motion, Navigation, OnBusy,
    Rejection, SafetyView, SkillGoal, SkillServer, SkillSetup,
};
use sinew_types::{ErrorCode, GoalId, LeaseId, Outcome, Source, StopEpoch, Time};

use crate::TICK_RATE_HZ;
use crate::arguments::NodeArguments;
use crate::backends::{self, Backends, MoveitParameters, Nav2Parameters};
use crate::convert::{
    authority_from_msg, command_to_msg, duration_from_msg, duration_to_msg, manifest_to_msg,
    rejection_to_msg, skill_outcome_to_result_msg, skill_result_to_msg, source_to_msg,
    time_from_msg, time_to_msg,
};
use crate::heart::Heart;
use crate::node::{Node, NodeError, Progress};
use crate::observer::{ObjectsFrom, Observer};
use crate::pictures::{Eyes, ImageTransport};
use crate::ros_clock::RosClock;
use crate::system::NodeKind;

/// Parameters of the skills node.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SkillsParameters {
    /// The robot file.
    pub robot: PathBuf,
    /// The folder of the policies of the built-in skills.
    pub policies: PathBuf,
    /// A folder of more skills, `*.skill.yaml`; `none` for none. The same for the skills, connector and planner nodes.
    #[serde(default)]
    pub skill_folder: Option<PathBuf>,
    /// How objects are picked and placed: `scripted` or `learned`.
    #[serde(default)]
    pub manipulation: Manipulation,
    /// Who carries out `drive_to`: `own` (the policy) or `nav2`.
    #[serde(default)]
    pub navigation: Navigation,
    /// With `navigation: nav2`.
    pub nav2: Option<Nav2Parameters>,
    /// Who carries out `home` and `reach`: `own` (primitives and a policy) or `moveit`.
    #[serde(default)]
    pub motion: Motion,
    /// With `motion: moveit`.
    pub moveit: Option<MoveitParameters>,
    /// Set where the hardware's simulated time waits for this node: a step then waits for networks in the background, so
    /// that a run can be repeated. Only with `use_sim_time`.
    #[serde(default)]
    pub lock_step: bool,
    /// How the pictures for policies come: `raw` or `compressed`.
    #[serde(default)]
    pub image_transport: ImageTransport,
    /// Whether pictures are stamped by `/clock`, as those of a simulated robot; else by wall time.
    #[serde(default)]
    pub use_sim_time: bool,
}

/// Serves `execute_skill`: one skill server, bound to gate and clients over the bus.
pub struct SkillsNode {
    name: String,
    server: SkillServer,
    eyes: Eyes,
    observer: Observer,
    actions: ActionServer<ExecuteSkill>,
    goals: BTreeMap<GoalId, Goal>,
    acquire: ServiceClient<AcquireLease>,
    release: ServiceClient<ReleaseLease>,
    acquiring: Vec<(u64, Call<AcquireLeaseResponse>)>,
    releasing: Vec<Call<ReleaseLeaseResponse>>,
    safety_states: Subscription<SafetyState>,
    safety: SafetyState,
    live: Vec<LeaseId>,
    authority: Vec<GroupAuthority>,
    /// News of the planner, and when the last came, in the robot's time.
    planner: Subscription<Heartbeat>,
    planner_heard: Time,
    command: Publisher<ActuatorCommand>,
    status: Publisher<SkillStatus>,
    results: Publisher<SkillResult>,
    /// Latched: said once, kept alive here.
    _skills: Publisher<SkillManifestArray>,
    backends: Backends,
    heart: Heart,
    seq: u64,
}

struct Goal {
    handle: GoalHandle<ExecuteSkill>,
    skill: String,
    correlation_id: String,
    accepted_at: Time,
    /// Whether it ends when the planner falls silent.
    needs_planner: bool,
}

/// A planner that is silent for longer is lost.
const PLANNER_SILENT: Duration = Duration::from_secs(2);
/// How long a command may be followed after its receipt.
const VALID_FOR: Duration = Duration::from_millis(100);

impl SkillsNode {
    /// Loads the policies and claims the names on the bus.
    ///
    /// # Errors
    /// Parameters, robot file, manifests or policies that are wrong, by name.
    pub fn new(bus: &Bus, arguments: &NodeArguments) -> Result<Self, NodeError> {
        Self::on(&crate::bus_node(bus, arguments)?, arguments)
    }

    pub(crate) fn on(node: &BusNode, arguments: &NodeArguments) -> Result<Self, NodeError> {
        let failed = |error: &dyn std::fmt::Display| NodeError::new(&arguments.name, error);
        let parameters: SkillsParameters = arguments.parameters_as().map_err(|e| failed(&e))?;
        let SkillsParameters {
            robot,
            policies,
            skill_folder,
            manipulation,
            navigation,
            nav2,
            motion,
            moveit,
            lock_step,
            image_transport,
            use_sim_time,
        } = parameters;
        if lock_step && !use_sim_time {
            return Err(failed(&"lock_step: true; allowed: only with use_sim_time: true"));
        }
        backends::check(navigation, nav2.as_ref(), motion, moveit.as_ref())
            .map_err(|e| failed(&format!("parameters: {e}")))?;
        let observer = Observer::new(node, &robot, ObjectsFrom::World)?;
        let (robot, layout) = (&observer.robot, &observer.layout);
        let folder = skill_folder.as_deref();
        let registry = crate::skill_registry(&arguments.name, robot, layout, folder)?;
        for (parameter, is_given, skill) in [
            ("manipulation", manipulation != Manipulation::default(), "pick"),
            ("navigation", navigation != Navigation::default(), "drive_to"),
            ("motion", motion != Motion::default(), "home"),
        ] {
            if is_given && registry.get(skill).is_err() {
                let why = sinew_skills::lacks(robot, layout);
                let why = why.map_or_else(String::new, |why| format!(": {why}"));
                return Err(failed(&format!(
                    "parameter {parameter}: the robot has no skill `{skill}`{why}"
                )));
            }
        }
        let skills = node.publisher(&names::SKILLS).map_err(|e| failed(&e))?;
        let manifests = registry.iter().map(manifest_to_msg).collect::<Vec<_>>();
        skills.publish(&SkillManifestArray { skills: manifests }).map_err(|e| failed(&e))?;
        let server = SkillServer::new(SkillSetup {
            robot: observer.robot.clone(),
            layout: observer.layout.clone(),
            registry,
            policies,
            manipulation,
            navigation,
            motion,
            tick: Duration::from_secs(1) / TICK_RATE_HZ,
            waits: lock_step,
        })
        .map_err(|e| failed(&e))?;
        let clock = if use_sim_time { RosClock::Simulated } else { RosClock::Wall };
        Ok(Self {
            name: arguments.name.clone(),
            eyes: Eyes::new(node, &server, image_transport, clock, lock_step)
                .map_err(|e| failed(&e))?,
            server,
            actions: node.action_server(&names::EXECUTE_SKILL).map_err(|e| failed(&e))?,
            goals: BTreeMap::new(),
            acquire: node.service_client(&names::ACQUIRE_LEASE).map_err(|e| failed(&e))?,
            release: node.service_client(&names::RELEASE_LEASE).map_err(|e| failed(&e))?,
            acquiring: Vec::new(),
            releasing: Vec::new(),
            safety_states: node.subscription(&names::SAFETY_STATE).map_err(|e| failed(&e))?,
            safety: SafetyState::default(),
            live: Vec::new(),
            authority: Vec::new(),
            planner: node
                .subscription(&names::heartbeat(NodeKind::Planner.name()))
                .map_err(|e| failed(&e))?,
            planner_heard: Time::ZERO,
            command: node.publisher(&names::COMMAND).map_err(|e| failed(&e))?,
            status: node.publisher(&names::SKILL_STATUS).map_err(|e| failed(&e))?,
            results: node.publisher(&names::SKILL_RESULTS).map_err(|e| failed(&e))?,
            _skills: skills,
            backends: Backends::new(node, nav2, moveit).map_err(|e| failed(&e))?,
            heart: Heart::new(node, &arguments.name, crate::new_boot_id())
                .map_err(|e| failed(&e))?,
            observer,
            seq: 0,
        })
    }

    fn take_safety(&mut self) {
        if let Some(received) = self.safety_states.take_newest() {
            self.safety = received.message;
            self.live = self
                .safety
                .owners
                .iter()
                .filter(|owner| owner.lease_id != 0)
                .map(|owner| LeaseId(owner.lease_id))
                .collect();
            self.authority = authority_from_msg(&self.safety, &self.observer.layout);
        }
    }

    fn take_goals(&mut self) -> Result<(), NodeError> {
        while let Some(event) = self.actions.take_event() {
            match event {
                ActionEvent::Goal(request) => self.take_goal(request)?,
                ActionEvent::Cancel(cancel) => {
                    if self.server.cancel(GoalId(cancel.goal_id().0)) {
                        cancel.accept();
                    } else {
                        cancel.reject();
                    }
                }
            }
        }
        Ok(())
    }

    fn take_goal(&mut self, request: GoalRequest<ExecuteSkill>) -> Result<(), NodeError> {
        let now = self.observer.now();
        let id = GoalId(request.id().0);
        let message = request.goal().clone();
        let checked = match skill_goal(id, &message) {
            Ok(goal) => {
                let safety = safety_view(&self.safety, &self.live, &self.authority);
                let inputs = inputs(&self.observer, safety);
                self.server.goal(goal, &inputs, now)
            }
            Err(rejection) => Err(rejection),
        };
        if let Err(rejection) = checked {
            request.reject();
            let result = rejection_to_msg(id, &message, &rejection, now);
            return self.results.publish(&result).map_err(|e| NodeError::new(&self.name, e));
        }
        let goal = Goal {
            handle: request.accept(),
            skill: message.skill_id,
            correlation_id: message.correlation_id,
            accepted_at: now,
            needs_planner: message.on_planner_loss == ExecuteSkillGoal::ON_PLANNER_LOSS_ABORT,
        };
        self.goals.insert(id, goal);
        Ok(())
    }

    /// Ends the goals that are not to go on without a planner.
    fn watch_planner(&mut self, now: Time) {
        if self.planner.take_newest().is_some() {
            self.planner_heard = now;
        }
        for (id, goal) in self.goals.iter().filter(|(_, goal)| goal.needs_planner) {
            if now.since(self.planner_heard.max(goal.accepted_at)) > PLANNER_SILENT {
                self.server.planner_lost(*id);
            }
        }
    }

    fn take_leases(&mut self) {
        let server = &mut self.server;
        self.acquiring.retain_mut(|(request, call)| match call.poll() {
            None => true,
            Some(Ok(response)) if response.granted => {
                // Live from the grant on; the safety state that says so comes later.
                self.live.push(LeaseId(response.lease_id));
                server.lease_granted(*request, LeaseId(response.lease_id));
                false
            }
            Some(Ok(response)) => {
                let error =
                    ErrorCode::from_u16(response.error_code).unwrap_or(ErrorCode::HardwareFault);
                server.lease_refused(*request, error, response.error_msg);
                false
            }
            Some(Err(error)) => {
                server.lease_refused(*request, ErrorCode::PeerLost, error.to_string());
                false
            }
        });
        // A lease that is not given back dies with its last command.
        self.releasing.retain_mut(|call| call.poll().is_none());
    }

    fn run_skills(&mut self, now: Time) -> Result<(), NodeError> {
        let safety = safety_view(&self.safety, &self.live, &self.authority);
        let inputs = inputs(&self.observer, safety);
        let output = self.server.step(now, &inputs);
        for command in output.commands {
            self.seq += 1;
            let mut message = command_to_msg(command, &self.observer.layout);
            message.seq = self.seq;
            message.boot_id = self.heart.boot_id().0;
            message.tick = self.observer.state.tick;
            message.valid_for = duration_to_msg(VALID_FOR);
            self.command.publish(&message).map_err(|e| NodeError::new(&self.name, e))?;
        }
        for call in output.lease_calls {
            match call {
                LeaseCall::Acquire { request, goal, groups } => {
                    let correlation_id = self.goals.get(&goal).map(|g| g.correlation_id.clone());
                    let asked = AcquireLeaseRequest {
                        source: source_to_msg(Source::Skill),
                        groups,
                        boot_id: self.heart.boot_id().0,
                        holder: self.name.clone(),
                        command_period: duration_to_msg(Duration::from_secs(1) / TICK_RATE_HZ),
                        goal_id: goal.0,
                        correlation_id: correlation_id.unwrap_or_default(),
                    };
                    self.acquiring.push((request, self.acquire.call(&asked)));
                }
                LeaseCall::Release(lease) => {
                    self.live.retain(|live| *live != lease);
                    let boot_id = self.heart.boot_id().0;
                    let asked = ReleaseLeaseRequest { lease_id: lease.0, boot_id };
                    self.releasing.push(self.release.call(&asked));
                }
            }
        }
        for call in output.delegate_calls {
            self.backends.call(call, &self.observer.base_frame);
        }
        for (id, feedback) in output.feedback {
            report(&self.goals, &self.status, id, &feedback, now)
                .map_err(|e| NodeError::new(&self.name, e))?;
        }
        for (id, outcome) in output.ended {
            self.end(id, &outcome, now)?;
        }
        Ok(())
    }

    fn end(&mut self, id: GoalId, outcome: &Outcome, now: Time) -> Result<(), NodeError> {
        let Some(goal) = self.goals.remove(&id) else { return Ok(()) };
        let (skill, correlation) = (&goal.skill, &goal.correlation_id);
        let latched = skill_outcome_to_result_msg(id, skill, correlation, outcome, now);
        let ended = SkillStatus { active: false, ..status(id, &goal, now) };
        let sent = self.results.publish(&latched).and_then(|()| self.status.publish(&ended));
        let result = skill_result_to_msg(outcome);
        match outcome.termination {
            sinew_types::Termination::Succeeded => goal.handle.succeed(result),
            sinew_types::Termination::Canceled => goal.handle.canceled(result),
            sinew_types::Termination::Aborted => goal.handle.abort(result),
        }
        sent.map_err(|e| NodeError::new(&self.name, e))
    }
}

impl Node for SkillsNode {
    fn name(&self) -> &str {
        &self.name
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1) / TICK_RATE_HZ
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        let is_new = self.observer.take();
        self.take_safety();
        self.take_leases();
        for (request, event) in self.backends.take() {
            self.server.delegate_event(request, &event, self.observer.now());
        }
        self.take_goals()?;
        // Skills are computed once per state of the robot: that is their clock.
        if is_new && self.observer.is_ready() {
            self.watch_planner(self.observer.now());
            self.eyes.look(&mut self.server, self.observer.now());
            self.run_skills(self.observer.now())?;
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
        self.backends.shutdown();
        let now = self.observer.now();
        let running: Vec<_> =
            self.goals.iter().map(|(id, goal)| (*id, now.since(goal.accepted_at))).collect();
        for (id, elapsed) in running {
            let message = "the skills node was shut down before the skill ended";
            let outcome = Outcome::aborted(ErrorCode::PeerLost, message, elapsed);
            if let Err(error) = self.end(id, &outcome, now) {
                tracing::warn!(node = self.name, %error, "the end of a skill could not be told");
            }
        }
    }
}

fn inputs<'a>(observer: &'a Observer, safety: SafetyView<'a>) -> Inputs<'a> {
    Inputs { state: &observer.state, world: observer.world(), safety }
}

fn safety_view<'a>(
    safety: &'a SafetyState,
    live: &'a [LeaseId],
    authority: &'a [GroupAuthority],
) -> SafetyView<'a> {
    SafetyView {
        ready: safety.mode == SafetyState::MODE_READY,
        mode: match safety.mode {
            SafetyState::MODE_DISARMED => "disarmed",
            SafetyState::MODE_READY => "ready",
            SafetyState::MODE_PROTECTIVE_STOP => "protective_stop",
            SafetyState::MODE_FAULT => "fault",
            _ => "e_stop",
        },
        stop_epoch: StopEpoch(safety.stop_epoch),
        resumes: safety.resumes,
        live_leases: live,
        groups: authority,
    }
}

fn skill_goal(id: GoalId, message: &ExecuteSkillGoal) -> Result<SkillGoal, Rejection> {
    let invalid = |message: String| Rejection { error: ErrorCode::InvalidArguments, message };
    if !matches!(
        message.on_planner_loss,
        ExecuteSkillGoal::ON_PLANNER_LOSS_FINISH | ExecuteSkillGoal::ON_PLANNER_LOSS_ABORT
    ) {
        let allowed = "allowed: 0 finish, 2 abort";
        return Err(invalid(format!("on_planner_loss: {}; {allowed}", message.on_planner_loss)));
    }
    let text = if message.args_json.trim().is_empty() { "{}" } else { &message.args_json };
    Ok(SkillGoal {
        id,
        skill: message.skill_id.clone(),
        version: message.skill_version.clone(),
        args: serde_json::from_str(text).map_err(|e| invalid(format!("args_json: {e}")))?,
        issued_at: time_from_msg(&message.issued_at),
        valid_for: duration_from_msg(&message.valid_for),
        max_duration: duration_from_msg(&message.max_duration),
        speed_scale: f64::from(message.speed_scale),
        on_busy: match message.on_busy {
            0 => OnBusy::Reject,
            1 => OnBusy::Preempt,
            other => {
                return Err(invalid(format!("on_busy: {other}; allowed: 0 reject, 1 pre-empt")));
            }
        },
        expected_stop_epoch: StopEpoch(message.expected_stop_epoch),
        correlation_id: message.correlation_id.clone(),
        dry_run: message.dry_run,
    })
}

fn status(id: GoalId, goal: &Goal, now: Time) -> SkillStatus {
    SkillStatus {
        stamp: time_to_msg(now),
        goal_id: id.0,
        correlation_id: goal.correlation_id.clone(),
        skill_id: goal.skill.clone(),
        active: true,
        elapsed: duration_to_msg(now.since(goal.accepted_at)),
        ..Default::default()
    }
}

fn report(
    goals: &BTreeMap<GoalId, Goal>,
    publisher: &Publisher<SkillStatus>,
    id: GoalId,
    feedback: &Feedback,
    now: Time,
) -> Result<(), sinew_bus::BusError> {
    let Some(goal) = goals.get(&id) else { return Ok(()) };
    publisher.publish(&SkillStatus {
        phase: feedback.phase.to_string(),
        progress: feedback.progress,
        control_source: feedback.control_source.to_string(),
        lease_id: feedback.lease.map_or(0, |lease| lease.0),
        missed_deadlines: feedback.missed_deadlines,
        clamped_commands: feedback.clamped_commands,
        ..status(id, goal, now)
    })?;
    goal.handle.publish_feedback(ExecuteSkillFeedback {
        phase: feedback.phase.to_string(),
        progress: feedback.progress,
        control_source: feedback.control_source.to_string(),
        queue_depth: feedback.queue_depth,
        inference_ms: feedback.inference_ms,
        missed_deadlines: feedback.missed_deadlines,
        clamped_commands: feedback.clamped_commands,
    })
}
