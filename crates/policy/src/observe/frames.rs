//! The command inputs of the shipped policies, computed from poses.
//!
//! The recorder, the evaluation and the skills use these same functions, so that a policy sees at
//! run time what it saw in training.

use std::f64::consts::{PI, TAU};

use nalgebra::{Isometry3, UnitQuaternion, Vector3};

/// Where a target pose lies, seen from the tool: the inputs of the policy `reach`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ToolError {
    /// `tool_position_error`: from the tool's origin to the target's, m, in the tool frame.
    pub position: [f64; 3],
    /// `tool_rotation_error`: from the tool's orientation to the target's, rad, in the tool frame: the
    /// rotation vector that swings the tool's x axis onto the target's, plus the roll about x.
    pub rotation: [f64; 3],
}

impl ToolError {
    /// m.
    pub fn distance_m(&self) -> f64 {
        Vector3::from(self.position).norm()
    }

    /// rad; above π where the tool has to turn the long way.
    pub fn angle_rad(&self) -> f64 {
        Vector3::from(self.rotation).norm()
    }
}

/// The error of the tool's pose, for a tool whose last joint rolls it about its x axis.
///
/// The rotation is the shortest swing of the x axis onto that of the target, plus a roll about it.
/// The roll is the shortest one, unless that would push the last joint past its limits and the long
/// way round would not: then it is the long one.
pub fn tool_error(
    base_from_tool: &Isometry3<f64>,
    base_from_target: &Isometry3<f64>,
    roll_rad: f64,
    roll_limits_rad: [f64; 2],
) -> ToolError {
    let tool_from_target = base_from_tool.inv_mul(base_from_target);
    let full = tool_from_target.rotation;
    // Swing-twist decomposition: the twist is what of the quaternion lies along x.
    let mut roll = 2.0 * full.i.atan2(full.w);
    if roll.abs() > PI {
        roll -= TAU.copysign(roll);
    }
    let swing = full * UnitQuaternion::from_axis_angle(&Vector3::x_axis(), -roll);
    let within = |roll: f64| (roll_limits_rad[0]..=roll_limits_rad[1]).contains(&(roll_rad + roll));
    let long_way = roll - TAU.copysign(roll);
    if !within(roll) && within(long_way) {
        roll = long_way;
    }
    let rotation = swing.scaled_axis() + Vector3::x() * roll;
    ToolError { position: tool_from_target.translation.vector.into(), rotation: rotation.into() }
}

/// Where a goal lies, seen from the base: the inputs of the policy `drive_to`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GoalInBase {
    /// `goal_position`: x forward and y left, m, in the base frame.
    pub position: [f64; 2],
    /// `goal_heading`: sine and cosine of the goal's yaw in the base frame.
    pub heading: [f64; 2],
}

impl GoalInBase {
    /// m.
    pub fn distance_m(&self) -> f64 {
        self.position[0].hypot(self.position[1])
    }

    /// rad, in (-π, π].
    pub fn yaw_rad(&self) -> f64 {
        self.heading[0].atan2(self.heading[1])
    }
}

/// The goal on the floor in the base frame; height, roll and pitch are left out.
pub fn goal_in_base(map_from_base: &Isometry3<f64>, map_from_goal: &Isometry3<f64>) -> GoalInBase {
    let base_from_goal = map_from_base.inv_mul(map_from_goal);
    let forward = base_from_goal.rotation * Vector3::x();
    let (sin, cos) = forward.y.atan2(forward.x).sin_cos();
    let position = [base_from_goal.translation.x, base_from_goal.translation.y];
    GoalInBase { position, heading: [sin, cos] }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::FRAC_PI_2;

    use nalgebra::Translation3;

    use super::*;

    fn down(yaw: f64) -> Isometry3<f64> {
        let rotation = UnitQuaternion::from_euler_angles(0.0, 0.0, yaw)
            * UnitQuaternion::from_euler_angles(0.0, FRAC_PI_2, 0.0);
        Isometry3::from_parts(Translation3::new(0.5, 0.0, 0.6), rotation)
    }

    #[test]
    fn a_target_before_the_tool_is_along_its_x_axis() {
        let target = Translation3::new(0.0, 0.0, -0.1) * down(0.0);
        let error = tool_error(&down(0.0), &target, 0.0, [-2.9, 2.9]);
        assert!((Vector3::from(error.position) - Vector3::x() * 0.1).norm() < 1e-12);
        assert!(error.angle_rad() < 1e-12);
    }

    #[test]
    fn the_tool_turns_the_long_way_where_the_short_one_is_barred() {
        // About x of a tool that points down, a positive roll is a negative yaw.
        let short = tool_error(&down(0.0), &down(-1.0), 1.0, [-2.9, 2.9]);
        assert!((short.rotation[0] - 1.0).abs() < 1e-9);
        let long = tool_error(&down(0.0), &down(-1.0), 2.5, [-2.9, 2.9]);
        assert!((long.rotation[0] - (1.0 - TAU)).abs() < 1e-9);
    }

    #[test]
    fn a_goal_to_the_left_has_positive_y_and_its_yaw_is_relative() {
        let map_from_base = Isometry3::new(Vector3::new(1.0, 1.0, 0.0), Vector3::z() * FRAC_PI_2);
        let map_from_goal = Isometry3::new(Vector3::new(0.0, 1.0, 0.0), Vector3::z() * PI);
        let goal = goal_in_base(&map_from_base, &map_from_goal);
        assert!(goal.position[0].abs() < 1e-12 && (goal.position[1] - 1.0).abs() < 1e-12);
        assert!((goal.yaw_rad() - FRAC_PI_2).abs() < 1e-12);
    }
}
