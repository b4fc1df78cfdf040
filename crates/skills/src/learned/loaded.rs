//! The policies of a skill, loaded and checked.

use std::sync::Arc;
use std::time::Duration;

use sinew_model::{PolicyPart, PolicySkill, SkillManifest};
use sinew_policy::{
    BackgroundPolicy, CommandInputs, Embodiment, Policy, PolicyBlend, PolicyError, PolicyManifest,
};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, RobotState, Time};

use super::Pictures;
use super::check::{check_cameras, check_groups, check_inputs, check_interfaces};
use crate::error::SkillError;

/// The policies of a skill, loaded and checked against what the skill's manifest says.
pub(crate) struct LearnedPolicies {
    spec: Arc<PolicySkill>,
    policies: Policies,
    period: Duration,
    /// What each of them looks through, and when the picture that it has was taken.
    cameras: Vec<(usize, String, Option<Time>)>,
    waits: bool,
}

enum Policies {
    One { policy: Box<Policy>, inputs: CommandInputs },
    Background { policy: Box<BackgroundPolicy>, inputs: CommandInputs },
    Blend(PolicyBlend),
}

impl LearnedPolicies {
    /// `waits`: time stands still while a network runs in the background, so that runs can be repeated.
    pub(crate) fn load(
        skill: &SkillManifest,
        spec: &PolicySkill,
        model: &RobotModel,
        robot: &Embodiment,
        tick: Duration,
        waits: bool,
    ) -> Result<Self, SkillError> {
        let check = |part: &PolicyPart, policy: &PolicyManifest, inputs: &CommandInputs| {
            check_groups(skill, policy, robot.layout())?;
            check_interfaces(skill, policy, model)?;
            check_inputs(skill, policy, inputs, &part.inputs)?;
            check_cameras(skill, policy, inputs, model)?;
            let period = Duration::from_secs_f64(1.0 / policy.rate_hz);
            if period < tick {
                return Err(SkillError::PolicyRate {
                    skill: skill.id.clone(),
                    policy: policy.id.clone(),
                    rate_hz: policy.rate_hz,
                    allowed_hz: 1.0 / tick.as_secs_f64(),
                });
            }
            Ok(period)
        };
        let (policies, period) = match spec.policies.as_slice() {
            [part] if part.background => {
                let policy = Box::new(BackgroundPolicy::load(&part.manifest, robot, None)?);
                let inputs = policy.command_inputs();
                let period = check(part, policy.manifest(), &inputs)?;
                (Policies::Background { policy, inputs }, period)
            }
            [part] => {
                let policy = Box::new(Policy::load(&part.manifest, robot)?);
                let inputs = policy.command_inputs();
                let period = check(part, policy.manifest(), &inputs)?;
                (Policies::One { policy, inputs }, period)
            }
            parts => {
                let mut loaded = Vec::with_capacity(parts.len());
                let mut period = tick;
                for part in parts {
                    let policy = Policy::load(&part.manifest, robot)?;
                    period = check(part, policy.manifest(), &policy.command_inputs())?;
                    loaded.push(policy);
                }
                (Policies::Blend(PolicyBlend::new(loaded, robot.layout())?), period)
            }
        };
        let (spec, cameras) = (Arc::new(spec.clone()), Vec::new());
        let mut made = Self { spec, policies, period, cameras, waits };
        for index in 0..made.spec.policies.len() {
            let names: Vec<_> = made.inputs(index).cameras().map(str::to_owned).collect();
            made.cameras.extend(names.into_iter().map(|name| (index, name, None)));
        }
        Ok(made)
    }

    pub(super) fn spec(&self) -> &PolicySkill {
        &self.spec
    }

    /// Between two runs.
    pub(super) fn period(&self) -> Duration {
        self.period
    }

    /// Names of the cameras that they look through.
    pub(crate) fn cameras(&self) -> impl Iterator<Item = &str> {
        self.cameras.iter().map(|(_, name, _)| name.as_str())
    }

    /// Starts an episode: nothing of the last one is left.
    pub(super) fn start(&mut self, state: &RobotState, weights: &[f64]) -> Result<(), PolicyError> {
        for (_, _, taken) in &mut self.cameras {
            *taken = None;
        }
        match &mut self.policies {
            Policies::One { policy, inputs } => {
                inputs.clear();
                policy.reset(state)
            }
            Policies::Background { policy, inputs } => {
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

    pub(super) fn inputs(&mut self, index: usize) -> &mut CommandInputs {
        match &mut self.policies {
            Policies::One { inputs, .. } | Policies::Background { inputs, .. } => inputs,
            Policies::Blend(blend) => blend.inputs(index),
        }
    }

    /// Shows them the pictures that are new.
    pub(super) fn look(&mut self, pictures: &Pictures) -> Result<(), PolicyError> {
        let mut cameras = std::mem::take(&mut self.cameras);
        let shown = cameras.iter_mut().try_for_each(|(index, name, taken)| {
            let Some(picture) = pictures.get(name).filter(|new| *taken != Some(new.stamp)) else {
                return Ok(());
            };
            *taken = Some(picture.stamp);
            let inputs = self.inputs(*index);
            inputs.set_image(name, picture.width, picture.height, &picture.rgb, picture.stamp)
        });
        self.cameras = cameras;
        shown
    }

    /// One run, and whether it gave a command: a network in the background has none at first, and the command stays.
    pub(super) fn step(
        &mut self,
        state: &RobotState,
        out: &mut ActuatorCommand,
    ) -> Result<bool, PolicyError> {
        match &mut self.policies {
            Policies::One { policy, inputs } => {
                policy.step(state, inputs)?;
                policy.write(out);
                Ok(true)
            }
            Policies::Background { policy, inputs } => {
                if self.waits {
                    policy.wait();
                }
                let commands = policy.step(state, inputs)?.is_some();
                if commands {
                    policy.write(out);
                }
                Ok(commands)
            }
            Policies::Blend(blend) => blend.step(state, out).map(|()| true),
        }
    }
}
