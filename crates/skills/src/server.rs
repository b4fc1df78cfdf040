use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use schemars::JsonSchema;
use semver::VersionReq;
use serde::{Deserialize, Serialize};
use sinew_model::{SkillKind, SkillManifest, SkillRegistry};
use sinew_policy::Embodiment;
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, ErrorCode, GoalId, Layout, LeaseId, StopEpoch, Time};

use crate::body::Body;
use crate::builtin::{BUILTINS, DELEGATED, Maker, builtin_manifests};
use crate::delegate::{Backend, Delegate, DelegateEvent};
use crate::error::SkillError;
use crate::goal::{OnBusy, Rejection, SkillGoal};
use crate::io::{Inputs, LeaseCall, StepOutput};
use crate::learned::{LearnedPolicies, Picture};
use crate::leaving::Leaving;
use crate::limbs::Limbs;
use crate::run::{Calls, Phase, Run};

/// How the skills `pick` and `place` move arm and gripper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Manipulation {
    /// Step by step: the tool by the policy `reach`, the gripper by rules.
    #[default]
    Scripted,
    /// Arm and gripper together by the policies `pick` and `place`, which were learned from demonstrations.
    Learned,
}

/// Who drives the base for the skill `drive_to`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Navigation {
    /// The policy `drive_to`.
    #[default]
    Own,
    /// Nav2, by its action `NavigateToPose`.
    Nav2,
}

/// Who moves the arm for the skills `home` and `reach`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Motion {
    /// Motion primitives and the policy `reach`.
    #[default]
    Own,
    /// MoveIt, by its action `MoveGroup`.
    Moveit,
}

/// What a skill server is made of.
pub struct SkillSetup {
    /// The robot; for the built-in skills that move something, one that [`crate::lacks`] nothing.
    pub robot: Arc<RobotModel>,
    /// Order of joints and groups of its states and commands.
    pub layout: Layout,
    /// The skills that are served.
    pub registry: Arc<SkillRegistry>,
    /// For the built-in skills that move something: the folder that has the policies, each in a folder of its name: `reach`; with
    /// [`Navigation::Own`] `drive_to` too; with [`Manipulation::Learned`] `pick` and `place` too.
    pub policies: PathBuf,
    /// How objects are picked and placed.
    pub manipulation: Manipulation,
    /// Who drives.
    pub navigation: Navigation,
    /// Who moves the arm.
    pub motion: Motion,
    /// Between two calls of [`SkillServer::step`].
    pub tick: Duration,
    /// Whether time stands still while a step is computed, as in a simulation in lock-step: a step then waits for
    /// networks in the background, so that a run can be repeated. On a robot it must not.
    pub waits: bool,
}

/// Takes goals and carries them out; see the crate's documentation.
///
/// Goals whose skills claim different groups run side by side; one that claims groups of another is
/// rejected as busy, or pre-empts it.
pub struct SkillServer {
    registry: Arc<SkillRegistry>,
    body: Body,
    navigation: Navigation,
    motion: Motion,
    /// In the order in which they were accepted.
    runs: Vec<Run>,
    /// Goals of other systems that outlast the skills that sent them.
    leaving: Vec<Leaving>,
    requests: u64,
    /// Leases that were granted to goals which had ended by then.
    unwanted: Vec<LeaseId>,
    last_step: Option<Time>,
}

/// Goals older than this are rejected, unless they say otherwise.
const VALID_FOR: Duration = Duration::from_secs(2);

impl SkillServer {
    /// Loads the policies, and checks that every skill can be carried out by this robot.
    ///
    /// # Errors
    /// A skill's group or kind that does not exist; a built-in skill on a robot that lacks what it moves; a policy that
    /// cannot be loaded, or that does not fit its skill, by name.
    pub fn new(setup: SkillSetup) -> Result<Self, SkillError> {
        let SkillSetup {
            robot,
            layout,
            registry,
            policies,
            manipulation,
            navigation,
            motion,
            tick,
            waits,
        } = setup;
        let limbs = match need_limbs(&registry) {
            true => Some(Limbs::load(&robot, &layout, &policies, manipulation, navigation)?),
            false => None,
        };
        let embodiment = Embodiment::new(&layout, Arc::clone(&robot));
        let mut learned = BTreeMap::new();
        for manifest in registry.iter() {
            groups_of(manifest, &layout)?;
            if let SkillKind::Policy(spec) = &manifest.kind {
                let policies =
                    LearnedPolicies::load(manifest, spec, &robot, &embodiment, tick, waits)?;
                learned.insert(manifest.id.clone(), policies);
            }
        }
        let body = Body::new(&robot, layout, limbs, learned, tick)?;
        Self::with_body(registry, body, navigation, motion)
    }

    pub(crate) fn with_body(
        registry: Arc<SkillRegistry>,
        body: Body,
        navigation: Navigation,
        motion: Motion,
    ) -> Result<Self, SkillError> {
        let (runs, unwanted) = (Vec::new(), Vec::new());
        let server = Self {
            registry,
            body,
            navigation,
            motion,
            runs,
            leaving: Vec::new(),
            requests: 0,
            unwanted,
            last_step: None,
        };
        let own = own_manifests();
        for manifest in server.registry.iter() {
            server.maker(manifest)?;
            check_builtin(manifest, &own)?;
            groups_of(manifest, &server.body.layout)?;
        }
        Ok(server)
    }

    /// Takes a goal, or says why not.
    ///
    /// # Errors
    /// [`Rejection`] with an [`ErrorCode`]: unknown skill or version, arguments, unknown object, stale
    /// goal, robot not ready or not measured, busy, a pre-condition that does not hold, out of reach; with
    /// [`Navigation::Nav2`] also a `speed_scale` other than 1 for `drive_to`, which has no way to Nav2.
    /// Nothing has moved then.
    pub fn goal(
        &mut self,
        goal: SkillGoal,
        inputs: &Inputs<'_>,
        now: Time,
    ) -> Result<(), Rejection> {
        let registry = Arc::clone(&self.registry);
        let manifest = registry.get(&goal.skill)?;
        self.check_request(&goal, manifest, now)?;
        check_safety(&goal, inputs)?;
        let ground = registry.ground(&goal.skill, &goal.args, inputs.world)?;
        let groups = groups_of(manifest, &self.body.layout).map_err(internal)?;
        self.body.check_state(inputs.state, &groups, now)?;
        let busy: Vec<&str> = self
            .runs
            .iter()
            .filter(|run| run.uses(&groups))
            .map(|run| run.goal.skill.as_str())
            .collect();
        let is_busy = !busy.is_empty();
        if is_busy && goal.on_busy == OnBusy::Reject && !goal.dry_run {
            let message = format!("{} in use by {}", manifest.groups.join(", "), busy.join(", "));
            return Err(Rejection::new(ErrorCode::Busy, message));
        }
        if !inputs.world.judge_all(&ground.preconditions).holds {
            let message = inputs.unmet(&ground.preconditions, "needs");
            return Err(Rejection::new(ErrorCode::PreconditionFailed, message));
        }
        let (maker, backend) = self.maker(manifest).map_err(internal)?;
        if backend == Some(Backend::Nav2) && goal.speed_scale != 1.0 {
            let message = format!(
                "speed_scale {}: Nav2 drives at its own speed; allowed: 1",
                goal.speed_scale
            );
            return Err(Rejection::new(ErrorCode::InvalidArguments, message));
        }
        let skill = maker.make(&ground, &mut self.body, inputs)?;
        if !goal.dry_run {
            for run in self.runs.iter_mut().filter(|run| run.uses(&groups)) {
                run.ending.get_or_insert(ErrorCode::Preempted);
            }
        }
        let limit = match goal.max_duration {
            Duration::ZERO => manifest.time_limit(),
            asked => asked.min(manifest.time_limit()),
        };
        let delegate = backend.map(|backend| Delegate::new(backend, goal.id));
        self.runs.push(Run::new(
            goal,
            groups,
            manifest.groups.clone(),
            ground,
            limit,
            skill,
            delegate,
            manifest.pausable.then_some(maker),
            ActuatorCommand::unused(&self.body.layout),
            inputs.safety.stop_epoch,
            now,
        ));
        Ok(())
    }

    fn check_request(
        &self,
        goal: &SkillGoal,
        manifest: &SkillManifest,
        now: Time,
    ) -> Result<(), Rejection> {
        let invalid = |message: String| Rejection::new(ErrorCode::InvalidArguments, message);
        if !goal.version.trim().is_empty() {
            let asked = VersionReq::parse(&goal.version).map_err(|error| {
                invalid(format!(
                    "skill_version `{}`: {error}; allowed: a semantic version requirement",
                    goal.version
                ))
            })?;
            if !asked.matches(&manifest.version) {
                let message = format!(
                    "skill `{}` has version {}; asked for: {asked}",
                    manifest.id, manifest.version
                );
                return Err(Rejection::new(ErrorCode::UnknownSkill, message));
            }
        }
        if matches!(manifest.kind, SkillKind::Policy(_)) && goal.speed_scale != 1.0 {
            let message = format!(
                "speed_scale {}: allowed for skill `{}`: 1, since a policy runs as fast as it was trained",
                goal.speed_scale, manifest.id
            );
            return Err(invalid(message));
        }
        if !(goal.speed_scale > 0.0 && goal.speed_scale <= 1.0) {
            let message = format!("speed_scale {}: allowed: above 0, up to 1", goal.speed_scale);
            return Err(invalid(message));
        }
        if self.runs.iter().any(|run| run.goal.id == goal.id) {
            return Err(invalid("a goal of this id runs already".into()));
        }
        let valid_for = if goal.valid_for.is_zero() { VALID_FOR } else { goal.valid_for };
        let age = now.since(goal.issued_at);
        if goal.issued_at != Time::ZERO && age > valid_for {
            let message = format!(
                "the goal is {:.2} s old; allowed: {:.2} s",
                age.as_secs_f64(),
                valid_for.as_secs_f64()
            );
            return Err(Rejection::new(ErrorCode::StaleGoal, message));
        }
        Ok(())
    }

    /// Ends a goal: it stops commanding at the next step, and has ended once the robot is at rest. Whether
    /// there is such a goal that can still be cancelled.
    pub fn cancel(&mut self, id: GoalId) -> bool {
        self.end(id, ErrorCode::Canceled)
    }

    /// Ends a goal in the same way, as aborted: its planner has fallen silent.
    pub fn planner_lost(&mut self, id: GoalId) -> bool {
        self.end(id, ErrorCode::PeerLost)
    }

    fn end(&mut self, id: GoalId, error: ErrorCode) -> bool {
        match self.runs.iter_mut().find(|run| run.goal.id == id) {
            Some(run) if !run.is_stopping() => {
                run.ending.get_or_insert(error);
                true
            }
            _ => false,
        }
    }

    /// The gate granted a lease.
    pub fn lease_granted(&mut self, request: u64, lease: LeaseId) {
        match self.asked(request) {
            Some(run) => run.granted(lease),
            None => self.unwanted.push(lease),
        }
    }

    /// The gate refused a lease, or could not be asked.
    pub fn lease_refused(&mut self, request: u64, error: ErrorCode, message: impl Into<String>) {
        if let Some(run) = self.asked(request) {
            run.refused(error, message.into());
        }
    }

    /// Another system said something of a goal that it was sent; what is not awaited any more is dropped.
    pub fn delegate_event(&mut self, request: u64, event: &DelegateEvent, now: Time) {
        let leaving = self.leaving.iter_mut().map(Leaving::delegate);
        let running = self.runs.iter_mut().filter_map(|run| run.delegate.as_mut());
        let mut delegates = running.chain(leaving);
        delegates.any(|delegate| delegate.take(request, event, now));
    }

    /// Names of the cameras through which the skills look.
    pub fn cameras(&self) -> BTreeSet<&str> {
        self.body.learned.values().flat_map(LearnedPolicies::cameras).collect()
    }

    /// Whether a goal that runs looks through a camera.
    pub fn looks_through(&self, camera: &str) -> bool {
        let looks = |run: &Run| {
            let learned = self.body.learned.get(&run.goal.skill);
            learned.is_some_and(|learned| learned.cameras().any(|name| name == camera))
        };
        self.runs.iter().any(looks)
    }

    /// The newest picture of a camera, for the steps to come.
    pub fn see(&mut self, camera: &str, picture: Picture) {
        self.body.pictures.insert(camera.to_owned(), picture);
    }

    fn asked(&mut self, request: u64) -> Option<&mut Run> {
        self.runs.iter_mut().find(
            |run| matches!(run.phase, Phase::Acquiring { request: asked, .. } if asked == request),
        )
    }

    /// One tick, to be called once per new state of the robot.
    pub fn step(&mut self, now: Time, inputs: &Inputs<'_>) -> StepOutput<'_> {
        let missed = self.missed(now);
        let mut output = StepOutput::default();
        let mut calls =
            Calls { leases: Vec::new(), delegates: Vec::new(), next_request: self.requests };
        calls.leases.extend(self.unwanted.drain(..).map(LeaseCall::Release));
        let mut index = 0;
        while index < self.runs.len() {
            let (before, rest) = self.runs.split_at_mut(index);
            let run = &mut rest[0];
            let blocked = before.iter().any(|other| other.uses(&run.groups));
            run.report.missed += missed;
            match run.step(now, inputs, &mut self.body, blocked, &mut calls) {
                Some(outcome) => {
                    output.ended.push((run.goal.id, outcome));
                    self.leaving.extend(Leaving::of(self.runs.remove(index)));
                }
                None => index += 1,
            }
        }
        for leaving in &mut self.leaving {
            leaving.step(now, &inputs.safety, &self.runs, &mut calls);
        }
        self.leaving.retain(|leaving| !leaving.is_over());
        self.requests = calls.next_request;
        output.lease_calls = calls.leases;
        output.delegate_calls = calls.delegates;
        for (index, run) in self.runs.iter().enumerate() {
            let waiting = self.runs[index + 1..].iter().filter(|other| other.uses(&run.groups));
            let queue_depth = u32::try_from(waiting.count()).unwrap_or(u32::MAX);
            output.feedback.push((run.goal.id, run.feedback(queue_depth)));
            if run.commands {
                output.commands.push(&run.command);
            }
        }
        output
    }

    /// What carries a skill out, and the other system that does so.
    fn maker(&self, manifest: &SkillManifest) -> Result<(Maker, Option<Backend>), SkillError> {
        let name = match &manifest.kind {
            SkillKind::Builtin(name) => name,
            SkillKind::Policy(_) => return Ok((Maker::Learned(manifest.id.clone()), None)),
        };
        let delegated = DELEGATED.iter().find(|(known, backend, _)| {
            let is_chosen = match backend {
                Backend::Nav2 => self.navigation == Navigation::Nav2,
                Backend::MoveIt => self.motion == Motion::Moveit,
            };
            known == name && is_chosen
        });
        if let Some((_, backend, make)) = delegated {
            return Ok((Maker::Builtin(*make), Some(*backend)));
        }
        let own = BUILTINS.iter().find(|(known, _)| known == name);
        own.map(|(_, make)| (Maker::Builtin(*make), None)).ok_or_else(|| SkillError::UnknownKind {
            skill: manifest.id.clone(),
            actual: format!("builtin: {name}"),
            allowed: BUILTINS.map(|(name, _)| format!("builtin: {name}")).join(", "),
        })
    }

    /// Ticks without a step since the last one.
    fn missed(&mut self, now: Time) -> u32 {
        let tick = self.body.tick.as_secs_f64();
        let missed = self.last_step.map_or(0, |last| {
            let ticks = (now.since(last).as_secs_f64() / tick).round();
            (ticks - 1.0).clamp(0.0, 1e6) as u32
        });
        self.last_step = Some(now);
        missed
    }
}

/// The built-in skills, whose code may carry out others too.
fn own_manifests() -> Vec<SkillManifest> {
    builtin_manifests().expect("manifests that are compiled in can be read")
}

/// Whether any of these skills is carried out by a built-in one that moves something.
fn need_limbs(registry: &SkillRegistry) -> bool {
    let own = own_manifests();
    let moves = |m: &SkillManifest| own.iter().any(|o| o.kind == m.kind && !o.groups.is_empty());
    registry.iter().any(moves)
}

/// A skill that uses a built-in skill's code claims what that moves.
fn check_builtin(manifest: &SkillManifest, own: &[SkillManifest]) -> Result<(), SkillError> {
    let Some(own) = own.iter().find(|own| own.kind == manifest.kind) else { return Ok(()) };
    let missing: Vec<_> = own.groups.iter().filter(|g| !manifest.groups.contains(g)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(SkillError::Unclaimed {
        skill: manifest.id.clone(),
        by: format!("the built-in skill `{}`", own.id),
        groups: missing.into_iter().cloned().collect::<Vec<_>>().join(", "),
        claimed: manifest.groups.join(", "),
    })
}

fn groups_of(manifest: &SkillManifest, layout: &Layout) -> Result<Vec<usize>, SkillError> {
    manifest
        .groups
        .iter()
        .map(|group| {
            layout.group_index(group).ok_or_else(|| SkillError::UnknownGroup {
                skill: manifest.id.clone(),
                group: group.clone(),
                known: layout
                    .groups()
                    .iter()
                    .map(|g| g.name.as_str())
                    .collect::<Vec<_>>()
                    .join(", "),
            })
        })
        .collect()
}

/// Manifests were checked when the server was made.
fn internal(error: SkillError) -> Rejection {
    Rejection::new(ErrorCode::UnknownSkill, error.to_string())
}

fn check_safety(goal: &SkillGoal, inputs: &Inputs<'_>) -> Result<(), Rejection> {
    let safety = &inputs.safety;
    let expected = goal.expected_stop_epoch;
    if expected != StopEpoch(0) && expected != safety.stop_epoch {
        let message = format!(
            "a stop happened since the goal was issued: stop epoch {}, expected {}",
            safety.stop_epoch.0, expected.0
        );
        return Err(Rejection::new(ErrorCode::StaleGoal, message));
    }
    if !safety.ready {
        let message = format!("the robot's mode is {}; allowed: ready", safety.mode);
        return Err(Rejection::new(ErrorCode::NotReady, message));
    }
    Ok(())
}
