use std::time::Duration;

use sinew_types::{ActuatorCommand, BaseTwist, GroupKind, JointCommand, Layout, RobotState};

use crate::PolicyError;
use crate::manifest::{ActionSpec, BaseAxis, PerElement, PolicyManifest};
use crate::observation::joint_index;

/// Turns the network's raw output into joint targets or a base twist.
#[derive(Clone, Debug)]
pub struct ActionDecoder {
    policy: String,
    mode: Mode,
    clip: [f64; 2],
    scale: Vec<f64>,
    /// `position`: added; else 0.
    offset: Vec<f64>,
    /// `delta` and `twist`: largest change per tick; `position`: infinite.
    slew: Vec<f64>,
    /// `clip(raw) * scale + offset` of the previous tick, after slew.
    previous: Vec<f64>,
    /// What is commanded.
    output: Vec<f64>,
}

#[derive(Clone, Debug)]
enum Mode {
    Position { joints: Vec<usize> },
    Delta { joints: Vec<usize>, max_lead: f64 },
    Twist { axes: Vec<BaseAxis> },
}

impl ActionDecoder {
    /// Resolves names against the layout.
    ///
    /// # Errors
    /// [`PolicyError::Field`] for a joint that the robot does not have, or a twist for a robot
    /// without a base.
    pub fn compile(manifest: &PolicyManifest, layout: &Layout) -> Result<Self, PolicyError> {
        let width = manifest.action_width();
        let resolve = |joints: &[String]| {
            let index = |(i, joint): (usize, &String)| {
                joint_index(manifest, layout, format!("action.joints[{i}]"), joint)
            };
            joints.iter().enumerate().map(index).collect::<Result<Vec<_>, _>>()
        };
        let all = |value: &PerElement| (0..width).map(|i| value.get(i)).collect::<Vec<_>>();
        let (mode, clip, scale, offset, slew) = match &manifest.action {
            ActionSpec::Position { joints, clip, scale, offset } => (
                Mode::Position { joints: resolve(joints)? },
                *clip,
                all(scale),
                all(offset),
                vec![f64::INFINITY; width],
            ),
            ActionSpec::Delta { joints, clip, scale, slew, max_lead } => (
                Mode::Delta { joints: resolve(joints)?, max_lead: *max_lead },
                *clip,
                all(scale),
                vec![0.0; width],
                vec![*slew; width],
            ),
            ActionSpec::Twist { axes, clip, scale, slew } => {
                if !layout.groups().iter().any(|g| g.kind == GroupKind::Base) {
                    let allowed = "position or delta: the robot has no base group";
                    return Err(manifest.field_error("action.mode", "twist", allowed));
                }
                let mode = Mode::Twist { axes: axes.clone() };
                (mode, *clip, all(scale), vec![0.0; width], all(slew))
            }
        };
        Ok(Self {
            policy: manifest.id.clone(),
            mode,
            clip,
            scale,
            offset,
            slew,
            previous: vec![0.0; width],
            output: vec![0.0; width],
        })
    }

    /// Starts anew: nothing was commanded, joint targets are where the joints are.
    ///
    /// # Errors
    /// [`PolicyError::ObservationStale`] if one of the joints is not measured.
    pub fn reset(&mut self, state: &RobotState) -> Result<(), PolicyError> {
        self.previous.fill(0.0);
        self.output.fill(0.0);
        let (Mode::Position { joints } | Mode::Delta { joints, .. }) = &self.mode else {
            return Ok(());
        };
        for (output, joint) in self.output.iter_mut().zip(joints) {
            let measured = state.joints.get(*joint).filter(|j| j.valid && j.position.is_finite());
            let Some(measured) = measured else {
                return Err(PolicyError::ObservationStale {
                    policy: self.policy.clone(),
                    term: format!("position of joint {joint} of the layout"),
                    problem: "invalid".into(),
                    max_age: Duration::ZERO,
                });
            };
            *output = measured.position;
        }
        Ok(())
    }

    /// Computes the command of this tick: joint targets in the order of `action.joints`, rad or m,
    /// or velocities in the order of `action.axes`, m/s or rad/s. Real-time safe unless it fails.
    ///
    /// # Panics
    /// If `raw` is not as wide as the action.
    ///
    /// # Errors
    /// [`PolicyError::NotFinite`] names the element; the previous command is then kept.
    pub fn decode(&mut self, raw: &[f32], state: &RobotState) -> Result<&[f64], PolicyError> {
        assert_eq!(raw.len(), self.output.len(), "the action's width");
        if let Some((i, value)) = raw.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            return Err(PolicyError::NotFinite {
                policy: self.policy.clone(),
                what: format!("action[{i}]"),
                value: f64::from(*value),
            });
        }
        // One factor for all joints keeps the direction, so that a straight path stays straight; the
        // axes of a base are limited each by itself, so that a hard turn does not delay braking.
        let mut share = 1.0_f64;
        if matches!(self.mode, Mode::Delta { .. }) {
            for (i, raw) in raw.iter().enumerate() {
                let change = (self.wanted(i, *raw) - self.previous[i]).abs();
                share = share.min(self.slew[i] / change.max(f64::MIN_POSITIVE));
            }
        }
        for (i, raw) in raw.iter().enumerate() {
            let change = (self.wanted(i, *raw) - self.previous[i]) * share;
            let value = self.previous[i] + change.clamp(-self.slew[i], self.slew[i]);
            self.previous[i] = value;
            self.output[i] = match &self.mode {
                Mode::Position { .. } | Mode::Twist { .. } => value,
                Mode::Delta { joints, max_lead } => {
                    let measured = state.joints[joints[i]].position;
                    (self.output[i] + value).clamp(measured - max_lead, measured + max_lead)
                }
            };
        }
        Ok(&self.output)
    }

    fn wanted(&self, index: usize, raw: f32) -> f64 {
        let clipped = f64::from(raw).clamp(self.clip[0], self.clip[1]);
        clipped * self.scale[index] + self.offset[index]
    }

    /// The raw output that would be decoded to these changes, targets or velocities: what an expert
    /// is recorded as.
    ///
    /// # Panics
    /// If either slice is not as wide as the action.
    pub fn encode(&self, wanted: &[f64], raw: &mut [f32]) {
        assert_eq!(wanted.len(), self.output.len(), "the action's width");
        assert_eq!(raw.len(), self.output.len(), "the action's width");
        for (i, (wanted, raw)) in wanted.iter().zip(raw).enumerate() {
            let value = (wanted - self.offset[i]) / self.scale[i];
            *raw = value.clamp(self.clip[0], self.clip[1]) as f32;
        }
    }

    /// What was decoded last.
    pub fn output(&self) -> &[f64] {
        &self.output
    }

    /// Puts what was decoded last into a command; what the policy does not command stays as it is.
    pub fn write(&self, command: &mut ActuatorCommand) {
        match &self.mode {
            Mode::Position { joints } | Mode::Delta { joints, .. } => {
                for (joint, target) in joints.iter().zip(&self.output) {
                    command.joints[*joint] = JointCommand::position(*target);
                }
            }
            Mode::Twist { axes } => {
                let mut twist = BaseTwist::default();
                for (axis, value) in axes.iter().zip(&self.output) {
                    match axis {
                        BaseAxis::LinearX => twist.linear_x = *value,
                        BaseAxis::LinearY => twist.linear_y = *value,
                        BaseAxis::AngularZ => twist.angular_z = *value,
                    }
                }
                command.base = Some(twist);
            }
        }
    }
}
