//! What the actuators were given last, and where that comes to rest.

use sinew_types::{ActuatorCommand, GroupKind, GroupLayout, Layout};

use crate::config::{AxisLimits, GateGroup, GroupLimits};

/// How the set-point of a joint moves.
#[derive(Clone, Copy, Debug)]
enum Motion {
    /// Not by a set-point with limits: the joint counts as staying where it is measured.
    Measured,
    /// Along positions.
    Position(AxisLimits),
    /// By a velocity, from where it is measured.
    Velocity(AxisLimits),
    /// A finger of this gripper, which makes this share of its width.
    Finger { gripper: usize, share: f64 },
}

/// The newest output of the gate, joint by joint.
#[derive(Debug)]
pub(crate) struct SetPoints {
    motions: Vec<Motion>,
    /// rad or m; NaN where no position is given.
    position: Vec<f64>,
    /// rad/s or m/s; NaN where none is given. Of positions: their last step.
    velocity: Vec<f64>,
    period_s: f64,
}

impl SetPoints {
    pub(crate) fn new(layout: &Layout, groups: &[GateGroup], period_s: f64) -> Self {
        let joints = layout.joints().len();
        let mut motions = vec![Motion::Measured; joints];
        for (layout, group) in layout.groups().iter().zip(groups) {
            for (index, joint) in layout.joints.iter().enumerate() {
                motions[*joint] = motion(layout, &group.limits, index);
            }
        }
        Self {
            motions,
            position: vec![f64::NAN; joints],
            velocity: vec![f64::NAN; joints],
            period_s,
        }
    }

    /// Takes what the actuators are given in this cycle.
    pub(crate) fn note(&mut self, out: &ActuatorCommand) {
        for (joint, motion) in self.motions.iter().enumerate() {
            let last = self.position[joint];
            self.position[joint] = match motion {
                Motion::Finger { gripper, share } => out.grippers[*gripper].width_m * share,
                _ => out.joints[joint].position,
            };
            self.velocity[joint] = match motion {
                Motion::Velocity(_) => out.joints[joint].velocity,
                _ => (self.position[joint] - last) / self.period_s,
            };
        }
    }

    /// Position that a joint was given last; NaN if none.
    pub(crate) fn position(&self, joint: usize) -> f64 {
        self.position[joint]
    }

    /// Velocity that a joint was given last, or the last step of its positions; NaN if none.
    pub(crate) fn velocity(&self, joint: usize) -> f64 {
        self.velocity[joint]
    }

    /// The positions in which the joints come to rest if all brake after `ahead_s`, up to which they
    /// speed up as much as their limits allow.
    pub(crate) fn at_rest(&self, measured: &[f64], ahead_s: f64, rest: &mut [f64]) {
        for (joint, motion) in self.motions.iter().enumerate() {
            let given = self.position[joint];
            rest[joint] = match motion {
                Motion::Measured => measured[joint],
                Motion::Finger { .. } if given.is_nan() => measured[joint],
                Motion::Finger { .. } => given,
                Motion::Position(limits) if !given.is_nan() => {
                    rest_position(given, self.velocity[joint], limits, ahead_s)
                }
                Motion::Velocity(limits) => {
                    rest_position(measured[joint], self.velocity[joint], limits, ahead_s)
                }
                Motion::Position(_) => measured[joint],
            };
        }
    }
}

fn motion(layout: &GroupLayout, limits: &GroupLimits, index: usize) -> Motion {
    match limits {
        GroupLimits::Position(limits) => Motion::Position(limits[index]),
        GroupLimits::Velocity(limits) => Motion::Velocity(limits[index]),
        GroupLimits::Gripper { .. } if layout.kind == GroupKind::Gripper => {
            let fingers = layout.joints.len();
            #[allow(clippy::cast_precision_loss)]
            let share = 1.0 / fingers as f64;
            Motion::Finger { gripper: layout.gripper, share }
        }
        _ => Motion::Measured,
    }
}

/// Where one joint comes to rest; it stays where it is if it has no velocity.
fn rest_position(position: f64, velocity: f64, limits: &AxisLimits, ahead_s: f64) -> f64 {
    if velocity.is_nan() || velocity == 0.0 {
        return position;
    }
    let speed = velocity.abs();
    let fastest = (speed + limits.max_acceleration * ahead_s).min(limits.max_velocity).max(speed);
    let way = fastest * ahead_s + fastest * fastest / (2.0 * limits.max_acceleration);
    // The set-point brakes before the end of its range; outside of it, it only moves inwards.
    (position + way.copysign(velocity))
        .min(limits.upper.max(position))
        .max(limits.lower.min(position))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::axis::Axis;

    const DT: f64 = 0.002;
    const LIMITS: AxisLimits = AxisLimits {
        lower: -1.0,
        upper: 1.0,
        max_velocity: 2.0,
        max_acceleration: 8.0,
        max_jerk: 80.0,
    };

    #[test]
    fn a_joint_that_speeds_up_until_the_next_check_and_brakes_then_rests_before_the_prediction() {
        for speed in [0.001, 0.1, 0.7, 1.9] {
            for cycles in [1_u32, 5] {
                let mut axis = Axis::at(-0.9);
                axis.velocity = speed;
                let predicted =
                    rest_position(axis.position, speed, &LIMITS, f64::from(cycles) * DT);
                for _ in 0..cycles {
                    axis.towards_velocity(5.0, &LIMITS, DT);
                }
                while !axis.is_at_rest() {
                    axis.ramp(&LIMITS, DT);
                }
                assert!(axis.position <= predicted + 1e-12, "{} {predicted}", axis.position);
                assert!(predicted - axis.position < 0.05, "{} {predicted}", axis.position);
            }
        }
    }

    #[test]
    fn the_prediction_stays_within_the_range_and_at_rest_where_it_is() {
        assert!(rest_position(0.99, 1.0, &LIMITS, DT) <= 1.0);
        assert!(rest_position(1.2, -0.1, &LIMITS, DT) < 1.2);
        assert_eq!(rest_position(1.2, 0.1, &LIMITS, DT), 1.2);
        assert_eq!(rest_position(0.3, 0.0, &LIMITS, DT), 0.3);
        assert_eq!(rest_position(0.3, f64::NAN, &LIMITS, DT), 0.3);
    }
}
