//! Skills that are policies: one, or several blended.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nalgebra::Point3;
use serde_json::Value;
use sinew_model::{
    Axes, GroundSkill, PolicyInput, PolicyPart, PolicySkill, Predicate, SkillManifest, Until,
};
use sinew_policy::{
    ActionSpec, CommandInputs, Embodiment, Policy, PolicyBlend, PolicyError, PolicyManifest,
};
use sinew_robot::{CommandInterface, RobotModel};
use sinew_types::{ActuatorCommand, ErrorCode, GroupKind, Layout, RobotState, Time};

use crate::body::Body;
use crate::context::{Context, Skill, Status};
use crate::error::SkillError;
use crate::goal::Rejection;
use crate::io::{ControlSource, Failure};

/// Post-conditions must hold in so many ticks in a row.
const MET_TICKS: u32 = 3;

/// The policies of a skill, loaded and checked against what the skill's manifest says.
pub(crate) struct LearnedPolicies {
    spec: Arc<PolicySkill>,
    policies: Policies,
    period: Duration,
}

enum Policies {
    One { policy: Box<Policy>, inputs: CommandInputs },
    Blend(PolicyBlend),
}

impl LearnedPolicies {
    pub(crate) fn load(
        skill: &SkillManifest,
        spec: &PolicySkill,
        model: &RobotModel,
        robot: &Embodiment,
        tick: Duration,
    ) -> Result<Self, SkillError> {
        let load = |part: &PolicyPart| Policy::load(&part.manifest, robot);
        let mut loaded = spec.policies.iter().map(load).collect::<Result<Vec<_>, _>>()?;
        for (policy, part) in loaded.iter().zip(&spec.policies) {
            check_groups(skill, policy.manifest(), robot.layout())?;
            check_interfaces(skill, policy.manifest(), model)?;
            check_inputs(skill, policy, &part.inputs)?;
            if policy.period() < tick {
                return Err(SkillError::PolicyRate {
                    skill: skill.id.clone(),
                    policy: policy.manifest().id.clone(),
                    rate_hz: policy.manifest().rate_hz,
                    allowed_hz: 1.0 / tick.as_secs_f64(),
                });
            }
        }
        let period = loaded.first().map_or(tick, Policy::period);
        let policies = if loaded.len() == 1 {
            let policy = Box::new(loaded.remove(0));
            Policies::One { inputs: policy.command_inputs(), policy }
        } else {
            Policies::Blend(PolicyBlend::new(loaded, robot.layout())?)
        };
        Ok(Self { spec: Arc::new(spec.clone()), policies, period })
    }

    /// Starts an episode: nothing of the last one is left.
    fn start(&mut self, state: &RobotState, weights: &[f64]) -> Result<(), PolicyError> {
        match &mut self.policies {
            Policies::One { policy, inputs } => {
                inputs.clear();
                policy.reset(state)
            }
            Policies::Blend(blend) => {
                (0..blend.len()).for_each(|index| blend.inputs(index).clear());
                blend.set_weights(weights)?;
                blend.reset(state)
            }
        }
    }

    fn inputs(&mut self, index: usize) -> &mut CommandInputs {
        match &mut self.policies {
            Policies::One { inputs, .. } => inputs,
            Policies::Blend(blend) => blend.inputs(index),
        }
    }

    fn step(&mut self, state: &RobotState, out: &mut ActuatorCommand) -> Result<(), PolicyError> {
        match &mut self.policies {
            Policies::One { policy, inputs } => {
                policy.step(state, inputs)?;
                policy.write(out);
                Ok(())
            }
            Policies::Blend(blend) => blend.step(state, out),
        }
    }
}

/// All that a policy commands is of a group that its skill claims.
fn check_groups(
    skill: &SkillManifest,
    policy: &PolicyManifest,
    layout: &Layout,
) -> Result<(), SkillError> {
    let mut needed = BTreeSet::new();
    let of_joint = |name: &String| {
        let index = layout.joint_index(name);
        let group = layout
            .groups()
            .iter()
            .find(|group| index.is_some_and(|index| group.joints.contains(&index)));
        group.map(|group| group.name.clone())
    };
    needed.extend(policy.action.joints().iter().filter_map(of_joint));
    match &policy.action {
        ActionSpec::Twist { .. } => {
            let bases = layout.groups().iter().filter(|group| group.kind == GroupKind::Base);
            needed.extend(bases.map(|group| group.name.clone()));
        }
        ActionSpec::ToolTwist { group, .. } | ActionSpec::ToolPose { group, .. } => {
            needed.insert(group.clone());
        }
        _ => {}
    }
    needed.extend(policy.gripper.as_ref().map(|gripper| gripper.group.clone()));
    needed.retain(|group| !skill.groups.contains(group));
    if needed.is_empty() {
        return Ok(());
    }
    Err(SkillError::Unclaimed {
        skill: skill.id.clone(),
        by: format!("policy `{}`", policy.id),
        groups: needed.into_iter().collect::<Vec<_>>().join(", "),
        claimed: skill.groups.join(", "),
    })
}

/// Each claimed group is one that the policy can command, or that can be held where it is meanwhile.
fn check_interfaces(
    skill: &SkillManifest,
    policy: &PolicyManifest,
    model: &RobotModel,
) -> Result<(), SkillError> {
    for name in &skill.groups {
        let group = model.group(name)?;
        let wrong = |reason: &str| {
            Err(SkillError::Interface {
                skill: skill.id.clone(),
                policy: policy.id.clone(),
                group: name.clone(),
                reason: reason.into(),
            })
        };
        let commanded =
            |joint: &usize| policy.action.joints().contains(&model.joints()[*joint].name);
        let touches = group.joints.iter().any(commanded);
        let covers = group.joints.iter().all(commanded);
        let fits = match (group.command, &policy.action) {
            // What is not commanded is held where it was.
            (
                CommandInterface::Position,
                ActionSpec::Velocity { .. } | ActionSpec::Effort { .. },
            ) => !touches,
            (CommandInterface::Position | CommandInterface::Twist, _)
            | (CommandInterface::Velocity, ActionSpec::Velocity { .. })
            | (CommandInterface::Effort, ActionSpec::Effort { .. })
            | (CommandInterface::Impedance, ActionSpec::Position { gains: Some(_), .. }) => true,
            _ => false,
        };
        if !fits {
            return wrong(match group.command {
                CommandInterface::Velocity => "it is commanded by velocities: mode `velocity`",
                CommandInterface::Effort => "it is commanded by efforts: mode `effort`",
                CommandInterface::Impedance => {
                    "it is commanded by impedance: mode `position` with `gains`"
                }
                _ => "it is commanded by positions: no mode `velocity` or `effort`",
            });
        }
        let is_held = matches!(group.command, CommandInterface::Position | CommandInterface::Twist);
        if !is_held && !covers {
            return wrong("it is not held by positions: all of its joints must be commanded");
        }
    }
    Ok(())
}

/// Every input is given, in its width, and nothing else.
fn check_inputs(
    skill: &SkillManifest,
    policy: &Policy,
    given: &BTreeMap<String, Vec<PolicyInput>>,
) -> Result<(), SkillError> {
    let inputs = policy.command_inputs();
    let wrong = |what: String| SkillError::PolicyInputs {
        skill: skill.id.clone(),
        policy: policy.manifest().id.clone(),
        what,
        allowed: match inputs.describe() {
            none if none.is_empty() => "no inputs".into(),
            all => all,
        },
    };
    if let Some(camera) = inputs.cameras().next() {
        return Err(SkillError::PolicyCamera {
            skill: skill.id.clone(),
            policy: policy.manifest().id.clone(),
            camera: camera.into(),
        });
    }
    for (name, values) in given {
        let width: usize = values.iter().map(PolicyInput::width).sum();
        if !inputs.takes_of(name, width) {
            return Err(wrong(format!("{name}[{width}] is given")));
        }
    }
    match inputs.names().find(|name| !given.contains_key(*name)) {
        Some(missing) => Err(wrong(format!("{missing} is not given"))),
        None => Ok(()),
    }
}

/// One call of a skill that is policies.
struct Learned {
    skill: String,
    /// Per policy: what goes into each input.
    inputs: Vec<Vec<(String, Vec<Given>)>>,
    weights: Vec<f64>,
    until: End,
    /// When the first run was, and when the next one is due.
    started: Option<Time>,
    due: Time,
    /// For an input's values.
    values: Vec<f64>,
}

enum Given {
    Number(f64),
    Position { object: String, axes: Axes },
}

enum End {
    Postconditions { predicates: Vec<Predicate>, met_ticks: u32 },
    Elapsed(Duration),
    Canceled,
}

/// A call of the skill of this id, which is policies.
pub(crate) fn make(
    skill: &str,
    ground: &GroundSkill,
    body: &Body,
) -> Result<Box<dyn Skill>, Rejection> {
    let invalid = |message: String| Rejection::new(ErrorCode::InvalidArguments, message);
    let Some(learned) = body.learned.get(skill) else {
        return Err(invalid(format!("skill `{skill}` has no policies")));
    };
    let spec = &learned.spec;
    let args = &ground.args;
    let weights = spec.policies.iter().map(|part| {
        let weight = part.weight.value(args).filter(|weight| *weight >= 0.0);
        weight.ok_or_else(|| invalid("a policy's weight is below 0; allowed: 0 and more".into()))
    });
    let weights = weights.collect::<Result<Vec<_>, _>>()?;
    if weights.iter().sum::<f64>() <= 0.0 {
        return Err(invalid("all policies have the weight 0; allowed: one above 0".into()));
    }
    let inputs = spec.policies.iter().map(|part| {
        let inputs = part.inputs.iter().map(|(name, values)| {
            let values = values.iter().map(|value| given(value, args)).collect::<Option<_>>()?;
            Some((name.clone(), values))
        });
        inputs.collect::<Option<Vec<_>>>()
    });
    let inputs = inputs
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| invalid("an argument that a policy needs is missing".into()))?;
    let until = match &spec.until {
        Until::Postconditions => {
            End::Postconditions { predicates: ground.postconditions.clone(), met_ticks: 0 }
        }
        until @ Until::ElapsedS(_) => End::Elapsed(until.elapsed(args).ok_or_else(|| {
            invalid("the time after which it ends is below 0; allowed: 0 and more, s".into())
        })?),
        Until::Canceled => End::Canceled,
    };
    Ok(Box::new(Learned {
        skill: skill.into(),
        inputs,
        weights,
        until,
        started: None,
        due: Time::ZERO,
        values: Vec::new(),
    }))
}

fn given(input: &PolicyInput, args: &Value) -> Option<Given> {
    match input {
        PolicyInput::Scalar(scalar) => scalar.value(args).map(Given::Number),
        PolicyInput::Position(position) => {
            let object = args.get(position.position_of.name())?.as_str()?.to_owned();
            Some(Given::Position { object, axes: position.axes })
        }
    }
}

impl Learned {
    /// Gives the policies what is measured now, and runs them.
    fn run(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let base_from_map = cx.world.robot.map_from_base.inverse();
        for (index, inputs) in self.inputs.iter().enumerate() {
            for (name, given) in inputs {
                self.values.clear();
                let mut stamp = cx.state.stamp;
                for given in given {
                    match given {
                        Given::Number(number) => self.values.push(*number),
                        Given::Position { object, axes } => {
                            let object = cx.object(object)?;
                            // What is bolted down is where it was seen, however long ago.
                            stamp = if object.fixed { stamp } else { stamp.min(object.stamp) };
                            let origin = object.map_from_object.translation.vector;
                            let at = base_from_map * Point3::from(origin);
                            self.values.extend(&at.coords.as_slice()[..axes.width()]);
                        }
                    }
                }
                let learned = policies(&mut cx.body.learned, &self.skill)?;
                learned.inputs(index).set(name, &self.values, stamp)?;
            }
        }
        let began = Instant::now();
        policies(&mut cx.body.learned, &self.skill)?.step(cx.state, cx.command)?;
        cx.report.inference = began.elapsed();
        Ok(())
    }

    /// Whether its motion is over, and how far it is.
    fn is_over(&mut self, cx: &Context<'_>, elapsed: Duration) -> (bool, f32) {
        match &mut self.until {
            End::Postconditions { predicates, met_ticks } => {
                let met = cx.world.judge_all(&*predicates).holds;
                *met_ticks = if met { *met_ticks + 1 } else { 0 };
                (*met_ticks >= MET_TICKS, 0.0)
            }
            End::Elapsed(time) if time.is_zero() => (true, 1.0),
            End::Elapsed(time) => (elapsed >= *time, elapsed.div_duration_f32(*time).min(1.0)),
            End::Canceled => (false, 0.0),
        }
    }
}

impl Skill for Learned {
    fn step(&mut self, cx: &mut Context<'_>) -> Result<Status, Failure> {
        let learned = policies(&mut cx.body.learned, &self.skill)?;
        let period = learned.period;
        let started = match self.started {
            Some(started) => started,
            None => {
                learned.start(cx.state, &self.weights)?;
                self.due = cx.now;
                cx.now
            }
        };
        self.started = Some(started);
        let elapsed = cx.now.since(started);
        let (is_over, progress) = self.is_over(cx, elapsed);
        if is_over {
            return Ok(Status::Done);
        }
        // At the tick that is nearest to its time; in between its targets stay. What was missed is not made up for.
        if cx.now + cx.body.tick / 2 >= self.due {
            self.run(cx)?;
            self.due = (self.due + period).max(cx.now + period / 2);
        }
        cx.report.phase("running the policy", progress);
        cx.report.source = ControlSource::Policy;
        Ok(Status::Running)
    }
}

fn policies<'a>(
    all: &'a mut BTreeMap<String, LearnedPolicies>,
    skill: &str,
) -> Result<&'a mut LearnedPolicies, Failure> {
    all.get_mut(skill).ok_or_else(|| {
        Failure::new(ErrorCode::PolicyFailed, format!("skill `{skill}` has no policies"))
    })
}
