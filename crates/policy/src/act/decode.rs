use std::f64::consts::TAU;
use std::sync::Arc;
use std::time::Duration;

use sinew_types::{
    ActuatorCommand, BaseTwist, GripperCommand, GroupKind, JointCommand, RobotState,
};

use super::tool::{ToolMotion, elements_of};
use crate::manifest::{ActionSpec, BaseAxis, Gains, PerElement, PolicyManifest, ToolFrame};
use crate::observe::joint_index;
use crate::{Embodiment, PolicyError, Staleness};

/// Turns the network's raw output into joint targets, a base twist or the motion of a tool.
#[derive(Clone, Debug)]
pub struct ActionDecoder {
    policy: Arc<str>,
    /// What errors call the joints that targets start from, and the gripper.
    positions: Vec<Arc<str>>,
    width: Arc<str>,
    action: Arc<str>,
    mode: Mode,
    gripper: Option<Gripper>,
    /// Bounds of the raw output, per element.
    clip: Vec<[f64; 2]>,
    scale: Vec<f64>,
    /// `position`: added; else 0.
    offset: Vec<f64>,
    /// Largest change per tick: of the delta, of the target, of the velocity.
    slew: Vec<f64>,
    /// Share of the way to a new target that the low pass leaves for later ticks, 0 to 1.
    lag: f64,
    /// The raw output of the last good tick after its clip.
    clipped: Vec<f32>,
    /// The delta or the value of the previous tick, after slew.
    previous: Vec<f64>,
    /// What is commanded.
    output: Vec<f64>,
}

#[derive(Clone, Debug)]
enum Mode {
    Position { joints: Vec<usize>, gains: Option<Vec<(f64, f64)>> },
    Delta { joints: Vec<usize>, max_lead: f64 },
    Velocity { joints: Vec<usize> },
    Effort { joints: Vec<usize> },
    Twist { axes: Vec<BaseAxis> },
    ToolTwist { tool: ToolMotion, frame: ToolFrame },
    ToolPose { tool: ToolMotion, fastest: [f64; 2] },
}

/// What the last element of an action commands, where there is one.
#[derive(Clone, Copy, Debug)]
struct Gripper {
    index: usize,
    max_force_n: f64,
}

impl ActionDecoder {
    /// Resolves names against the robot.
    ///
    /// # Errors
    /// [`PolicyError::Field`] for a joint, a gripper or a chain that the robot does not have, a twist for a robot
    /// without a base, and commands beyond the robot's limits.
    pub fn compile(manifest: &PolicyManifest, robot: &Embodiment) -> Result<Self, PolicyError> {
        robot.check_limits(manifest)?;
        let action = &manifest.action;
        let width = action.width();
        let layout = robot.layout();
        let index = |(i, joint): (usize, &String)| {
            joint_index(manifest, layout, format!("action.joints[{i}]"), joint)
        };
        let tool = |group: &str, max_lead: f64| {
            let (ik, joints) = robot.tool(manifest, group)?;
            Ok::<_, PolicyError>(ToolMotion::new(ik, joints, max_lead, 1.0 / manifest.rate_hz))
        };
        let joints =
            action.joints().iter().enumerate().map(index).collect::<Result<Vec<_>, _>>()?;
        let all = |value: &PerElement| (0..width).map(|i| value.get(i)).collect::<Vec<_>>();
        let (mut offset, mut lag) = (vec![0.0; width], 0.0);
        let unlimited = vec![f64::INFINITY; width];
        let (mode, mut slew) = match action {
            ActionSpec::Position { offset: added, slew, low_pass_hz, gains, .. } => {
                offset = all(added);
                lag = low_pass_hz.map_or(0.0, |hz| (-TAU * hz / manifest.rate_hz).exp());
                let gains = gains.as_ref().map(|Gains { kp, kd }| {
                    (0..width).map(|i| (kp.get(i), kd.get(i))).collect::<Vec<_>>()
                });
                (Mode::Position { joints, gains }, slew.as_ref().map_or(unlimited, all))
            }
            ActionSpec::Delta { slew, max_lead, .. } => {
                (Mode::Delta { joints, max_lead: *max_lead }, vec![*slew; width])
            }
            ActionSpec::Velocity { slew, .. } => (Mode::Velocity { joints }, all(slew)),
            ActionSpec::Effort { .. } => (Mode::Effort { joints }, unlimited),
            ActionSpec::Twist { axes, slew, .. } => {
                if !layout.groups().iter().any(|g| g.kind == GroupKind::Base) {
                    let allowed = "another mode: the robot has no base group";
                    return Err(manifest.field_error("action.mode", "twist", allowed));
                }
                (Mode::Twist { axes: axes.clone() }, all(slew))
            }
            ActionSpec::ToolTwist { group, frame, slew, max_lead, .. } => {
                (Mode::ToolTwist { tool: tool(group, *max_lead)?, frame: *frame }, all(slew))
            }
            ActionSpec::ToolPose {
                group,
                offset: added,
                max_linear_m_s,
                max_angular_rad_s,
                max_lead,
                ..
            } => {
                offset = all(added);
                let fastest = [*max_linear_m_s, *max_angular_rad_s];
                (Mode::ToolPose { tool: tool(group, *max_lead)?, fastest }, unlimited)
            }
        };
        let unbounded = [f64::NEG_INFINITY, f64::INFINITY];
        let clip = |i| action.clip().map_or(unbounded, |clip| clip.get(i));
        let mut clip: Vec<_> = (0..width).map(clip).collect();
        let mut scale = all(action.scale());
        let gripper = match &manifest.gripper {
            None => None,
            Some(gripper) => {
                clip.push(unbounded);
                scale.push(gripper.scale);
                offset.push(gripper.offset);
                slew.push(f64::INFINITY);
                let index = robot.gripper(manifest, "gripper.group", &gripper.group)?;
                Some(Gripper { index, max_force_n: gripper.max_force_n })
            }
        };
        let moved = match &mode {
            Mode::Position { joints, .. } | Mode::Delta { joints, .. } => joints.as_slice(),
            Mode::ToolTwist { tool, .. } | Mode::ToolPose { tool, .. } => tool.joints(),
            Mode::Velocity { .. } | Mode::Effort { .. } | Mode::Twist { .. } => &[],
        };
        let named = |joint: &usize| format!("joint_position[{}]", layout.joints()[*joint]).into();
        let positions = moved.iter().map(named).collect();
        let width = manifest.action_width();
        Ok(Self {
            policy: manifest.id.as_str().into(),
            positions,
            width: "gripper_width".into(),
            action: "action".into(),
            mode,
            gripper,
            clip,
            scale,
            offset,
            slew,
            lag,
            clipped: vec![0.0; width],
            previous: vec![0.0; width],
            output: vec![0.0; width],
        })
    }

    /// Starts anew: nothing was commanded, joint targets are where the joints are.
    ///
    /// # Errors
    /// [`PolicyError::ObservationStale`] if one of the joints, or the gripper, is not measured.
    pub fn reset(&mut self, state: &RobotState) -> Result<(), PolicyError> {
        self.previous.fill(0.0);
        self.output.fill(0.0);
        self.clipped.fill(0.0);
        let stale = |term: &Arc<str>| PolicyError::ObservationStale {
            policy: Arc::clone(&self.policy),
            term: Arc::clone(term),
            problem: Staleness::Invalid,
            max_age: Duration::ZERO,
        };
        if let (Some(gripper), Some(output)) = (self.gripper, self.output.last_mut()) {
            let measured = state.grippers.get(gripper.index).filter(|gripper| gripper.valid);
            *output = measured.ok_or_else(|| stale(&self.width))?.width_m;
        }
        let is_position = matches!(self.mode, Mode::Position { .. });
        let (joints, targets) = match &mut self.mode {
            Mode::Position { joints, .. } | Mode::Delta { joints, .. } => {
                (joints.as_slice(), self.output.as_mut_slice())
            }
            Mode::ToolTwist { tool, .. } | Mode::ToolPose { tool, .. } => tool.joints_and_targets(),
            Mode::Velocity { .. } | Mode::Effort { .. } | Mode::Twist { .. } => return Ok(()),
        };
        for ((target, joint), name) in targets.iter_mut().zip(joints).zip(&self.positions) {
            let measured = state.joints.get(*joint).filter(|j| j.valid && j.position.is_finite());
            *target = measured.ok_or_else(|| stale(name))?.position;
        }
        // Targets move on from where the joints are.
        if is_position {
            self.previous.copy_from_slice(&self.output);
        }
        if let Mode::ToolPose { tool, .. } = &self.mode {
            self.output[..6].copy_from_slice(&elements_of(&tool.pose()));
        }
        Ok(())
    }

    /// Computes the command of this tick: joint targets in the order of `action.joints` (rad, m, rad/s,
    /// m/s, N·m or N), velocities in the order of `action.axes` (m/s or rad/s), or velocity (m/s, rad/s) or pose
    /// (m, rad) of a tool; then the width of a gripper (m). Real-time safe unless it fails.
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
                policy: Arc::clone(&self.policy),
                what: Arc::clone(&self.action),
                element: Some(i),
                value: f64::from(*value),
            });
        }
        // One factor for all joints keeps the direction, so that a straight path stays straight; the
        // axes of a base are limited each by itself, so that a hard turn does not delay braking.
        let mut share = 1.0_f64;
        let movers = raw.len() - usize::from(self.gripper.is_some());
        if matches!(self.mode, Mode::Delta { .. }) {
            for (i, raw) in raw[..movers].iter().enumerate() {
                let change = (self.wanted(i, *raw) - self.previous[i]).abs();
                share = share.min(self.slew[i] / change.max(f64::MIN_POSITIVE));
            }
        }
        for (i, raw) in raw.iter().enumerate() {
            // Written so that without a limit the target is what the network says, to the last bit.
            let wanted = self.wanted(i, *raw);
            let is_gripper = i >= movers;
            if is_gripper || (self.slew[i].is_infinite() && self.lag == 0.0) {
                self.previous[i] = wanted;
            }
            let change = (wanted - self.previous[i]) * share * (1.0 - self.lag);
            let value = self.previous[i] + change.clamp(-self.slew[i], self.slew[i]);
            self.previous[i] = value;
            self.clipped[i] = (f64::from(*raw).clamp(self.clip[i][0], self.clip[i][1])) as f32;
            self.output[i] = match &self.mode {
                Mode::Delta { joints, max_lead } if !is_gripper => {
                    let measured = state.joints[joints[i]].position;
                    (self.output[i] + value).clamp(measured - max_lead, measured + max_lead)
                }
                _ => value,
            };
        }
        match &mut self.mode {
            Mode::ToolTwist { tool, frame } => tool.advance(*frame, &self.output[..6], state),
            Mode::ToolPose { tool, fastest } => tool.approach(&self.output[..6], *fastest, state),
            _ => {}
        }
        Ok(&self.output)
    }

    fn wanted(&self, index: usize, raw: f32) -> f64 {
        let [low, high] = self.clip[index];
        f64::from(raw).clamp(low, high) * self.scale[index] + self.offset[index]
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
            let value = match self.scale[i] {
                0.0 => 0.0,
                scale => (wanted - self.offset[i]) / scale,
            };
            *raw = value.clamp(self.clip[i][0], self.clip[i][1]) as f32;
        }
    }

    /// Takes what something else commanded for its own last output, as far as it commanded the same things;
    /// `raw` becomes what would have been decoded to it. Real-time safe.
    pub fn follow(&mut self, command: &ActuatorCommand, raw: &mut [f32]) {
        let movers = raw.len() - usize::from(self.gripper.is_some());
        let of_tool = match &mut self.mode {
            Mode::ToolTwist { tool, frame } => tool.follow(*frame, command),
            Mode::ToolPose { tool, .. } => {
                tool.follow(ToolFrame::Base, command);
                elements_of(&tool.pose())
            }
            _ => [f64::NAN; 6],
        };
        for (i, raw) in raw.iter_mut().enumerate() {
            let given = match &self.mode {
                _ if i >= movers => {
                    self.gripper.map_or(f64::NAN, |of| command.grippers[of.index].width_m)
                }
                Mode::ToolTwist { .. } | Mode::ToolPose { .. } => of_tool[i],
                Mode::Position { joints, .. } | Mode::Delta { joints, .. } => {
                    command.joints[joints[i]].position
                }
                Mode::Velocity { joints } => command.joints[joints[i]].velocity,
                Mode::Effort { joints } => command.joints[joints[i]].effort,
                Mode::Twist { axes } => command.base.map_or(f64::NAN, |base| match axes[i] {
                    BaseAxis::LinearX => base.linear_x,
                    BaseAxis::LinearY => base.linear_y,
                    BaseAxis::AngularZ => base.angular_z,
                }),
            };
            if !given.is_finite() {
                continue;
            }
            let wanted = match self.mode {
                Mode::Delta { .. } if i < movers => given - self.output[i],
                _ => given,
            };
            self.output[i] = given;
            self.previous[i] = wanted;
            if self.scale[i] != 0.0 {
                *raw = ((wanted - self.offset[i]) / self.scale[i]) as f32;
                let [low, high] = self.clip[i];
                self.clipped[i] = f64::from(*raw).clamp(low, high) as f32;
            }
        }
    }

    /// The raw output that was decoded last, after its clip; 0 after a reset.
    pub fn clipped(&self) -> &[f32] {
        &self.clipped
    }

    /// What was decoded last.
    pub fn output(&self) -> &[f64] {
        &self.output
    }

    /// Puts what was decoded last into a command; what the policy does not command stays as it is.
    pub fn write(&self, command: &mut ActuatorCommand) {
        if let (Some(gripper), Some(width_m)) = (self.gripper, self.output.last()) {
            command.grippers[gripper.index] =
                GripperCommand { width_m: width_m.max(0.0), max_force_n: gripper.max_force_n };
        }
        match &self.mode {
            Mode::Position { joints, gains: Some(gains) } => {
                for ((joint, target), (kp, kd)) in joints.iter().zip(&self.output).zip(gains) {
                    command.joints[*joint] = JointCommand {
                        position: *target,
                        velocity: 0.0,
                        effort: 0.0,
                        kp: *kp,
                        kd: *kd,
                    };
                }
            }
            Mode::Position { joints, gains: None } | Mode::Delta { joints, .. } => {
                for (joint, target) in joints.iter().zip(&self.output) {
                    command.joints[*joint] = JointCommand::position(*target);
                }
            }
            Mode::ToolTwist { tool, .. } | Mode::ToolPose { tool, .. } => {
                for (joint, target) in tool.joints().iter().zip(tool.targets()) {
                    command.joints[*joint] = JointCommand::position(*target);
                }
            }
            Mode::Velocity { joints } => {
                for (joint, velocity) in joints.iter().zip(&self.output) {
                    command.joints[*joint] =
                        JointCommand { velocity: *velocity, ..JointCommand::UNUSED };
                }
            }
            Mode::Effort { joints } => {
                for (joint, effort) in joints.iter().zip(&self.output) {
                    command.joints[*joint] =
                        JointCommand { effort: *effort, ..JointCommand::UNUSED };
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
