//! Several policies over the same actuators, blended by weights.

use sinew_types::{ActuatorCommand, BaseTwist, JointCommand, Layout, RobotState};

use crate::{CommandInputs, Policy, PolicyError, PolicyManifest};

/// Runs several policies that command the same joints, and gives one command: the mean of theirs by weight. So
/// it is one skill under one lease, however many policies take part.
///
/// Every policy sees every tick and remembers what it would have done, so that its weight may rise at any time.
pub struct PolicyBlend {
    parts: Vec<Part>,
    output: ActuatorCommand,
}

struct Part {
    policy: Policy,
    inputs: CommandInputs,
    weight: f64,
    command: ActuatorCommand,
}

impl PolicyBlend {
    /// A blend in which the first policy has all the weight.
    ///
    /// # Errors
    /// [`PolicyError::Field`] where the policies do not command the same joints or axes in the same mode at the
    /// same rate; of none.
    pub fn new(policies: Vec<Policy>, layout: &Layout) -> Result<Self, PolicyError> {
        let Some(first) = policies.first() else { return Err(PolicyError::NoPolicy) };
        let first = first.manifest().clone();
        let mut joints = first.action.joints().to_vec();
        joints.sort_unstable();
        for policy in &policies[1..] {
            let other = policy.manifest();
            let mut others = other.action.joints().to_vec();
            others.sort_unstable();
            let kinds = [&first, other].map(|of| std::mem::discriminant(&of.action));
            let is_alike = |alike: bool, field: &str, value: String, allowed: String| {
                if alike { Ok(()) } else { Err(other.field_error(field, value, allowed)) }
            };
            let same = format!("what `{}` has: they are blended", first.id);
            is_alike(kinds[0] == kinds[1], "action.mode", "another".into(), same.clone())?;
            is_alike(joints == others, "action.joints", others.join(", "), joints.join(", "))?;
            let is_without = |of: &PolicyManifest| of.gripper.is_none();
            let none = || "nothing: a gripper is not blended".to_owned();
            is_alike(is_without(other) && is_without(&first), "gripper", "given".into(), none())?;
            let rates = (other.rate_hz, first.rate_hz);
            is_alike(rates.0 == rates.1, "rate_hz", rates.0.to_string(), rates.1.to_string())?;
        }
        let parts = policies.into_iter().enumerate().map(|(index, policy)| Part {
            inputs: policy.command_inputs(),
            policy,
            weight: if index == 0 { 1.0 } else { 0.0 },
            command: ActuatorCommand::unused(layout),
        });
        Ok(Self { parts: parts.collect(), output: ActuatorCommand::unused(layout) })
    }

    /// Number of policies.
    pub fn len(&self) -> usize {
        self.parts.len()
    }

    /// Whether there is none; never so.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// One of the policies.
    ///
    /// # Panics
    /// If there is none of this number.
    pub fn policy(&self, index: usize) -> &Policy {
        &self.parts[index].policy
    }

    /// The inputs of one policy, to be set before each step.
    ///
    /// # Panics
    /// If there is none of this number.
    pub fn inputs(&mut self, index: usize) -> &mut CommandInputs {
        &mut self.parts[index].inputs
    }

    /// Sets how much each policy counts, in the next step; only their ratios matter. Real-time safe.
    ///
    /// # Errors
    /// [`PolicyError::Weights`] unless there is one for each policy, none is negative, all are finite, and one is
    /// above 0: the weights of before then remain.
    pub fn set_weights(&mut self, weights: &[f64]) -> Result<(), PolicyError> {
        let sum: f64 = weights.iter().sum();
        let is_good = weights.len() == self.parts.len()
            && weights.iter().all(|weight| *weight >= 0.0)
            && sum > 0.0
            && sum.is_finite();
        if !is_good {
            return Err(PolicyError::Weights { given: weights.to_vec(), policies: self.len() });
        }
        for (part, weight) in self.parts.iter_mut().zip(weights) {
            part.weight = weight / sum;
        }
        Ok(())
    }

    /// Starts an episode of every policy.
    ///
    /// # Errors
    /// Those of [`Policy::reset`].
    pub fn reset(&mut self, state: &RobotState) -> Result<(), PolicyError> {
        self.parts.iter_mut().try_for_each(|part| part.policy.reset(state))
    }

    /// One tick of every policy, and the mean of their commands in `out`; what they do not command stays.
    /// Real-time safe unless it fails.
    ///
    /// # Errors
    /// Those of [`Policy::step`] of a policy that counts; one that has no weight may fail.
    pub fn step(
        &mut self,
        state: &RobotState,
        out: &mut ActuatorCommand,
    ) -> Result<(), PolicyError> {
        let zero = JointCommand { position: 0.0, velocity: 0.0, effort: 0.0, kp: 0.0, kd: 0.0 };
        self.output.joints.fill(zero);
        let mut twist = BaseTwist::default();
        for part in &mut self.parts {
            let stepped = part.policy.step(state, &part.inputs).map(|_| ());
            if part.weight == 0.0 {
                continue;
            }
            stepped?;
            part.policy.write(&mut part.command);
            for (sum, joint) in self.output.joints.iter_mut().zip(&part.command.joints) {
                // NaN, which is an interface that is not used, stays NaN.
                sum.position += part.weight * joint.position;
                sum.velocity += part.weight * joint.velocity;
                sum.effort += part.weight * joint.effort;
                sum.kp += part.weight * joint.kp;
                sum.kd += part.weight * joint.kd;
            }
            if let Some(base) = part.command.base {
                twist.linear_x += part.weight * base.linear_x;
                twist.linear_y += part.weight * base.linear_y;
                twist.angular_z += part.weight * base.angular_z;
            }
        }
        for (out, blended) in out.joints.iter_mut().zip(&self.output.joints) {
            if blended.is_used() {
                *out = *blended;
            }
        }
        if self.parts.iter().any(|part| part.command.base.is_some()) {
            out.base = Some(twist);
        }
        Ok(())
    }
}
