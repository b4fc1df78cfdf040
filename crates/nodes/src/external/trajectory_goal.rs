//! Whether a trajectory is one that a group can follow, and what of it is judged.

use std::time::Duration;

use sinew_msgs::builtin_interfaces::Duration as DurationMsg;
use sinew_msgs::control_msgs::{FollowJointTrajectoryGoal, JointTolerance};
use sinew_msgs::trajectory_msgs::{JointTrajectory, JointTrajectoryPoint};
use sinew_types::Time;

use super::joints::Joints;
use super::trajectory::{Knot, Trajectory};
use super::unfit::Unfit;
use crate::convert::duration_from_msg;
use crate::ros_clock::RosClock;

/// A start that lies no further in the past than this is made at once.
const LATEST: Duration = Duration::from_millis(500);
/// A start further ahead is on another clock than this robot's.
const FURTHEST_AHEAD: Duration = Duration::from_secs(60);
/// A position beyond its limit by no more than this, rad or m, is what a planner made of a measured one, and is
/// taken to be the limit.
const SLACK: f64 = 1e-3;
/// Speed that counts as none, rad/s or m/s.
const NO_SPEED: f64 = f32::EPSILON as f64;
/// How far off a joint may end where the goal says nothing.
const GOAL_RAD: f64 = 0.02;
const GOAL_M: f64 = 0.005;
/// How long after its end a trajectory may settle where the goal says nothing.
const GOAL_TIME: Duration = Duration::from_secs(2);

/// A trajectory that its group can follow.
#[derive(Debug)]
pub(super) struct TrajectoryGoal {
    /// When it starts; none for at once.
    pub(super) start: Option<Time>,
    /// At least one, with times that rise from the start on; joints in the group's order.
    pub(super) knots: Vec<Knot>,
    /// What a joint may be off on the way, in the group's order.
    pub(super) path: Vec<Tolerance>,
    /// What a joint may be off at the end.
    pub(super) goal: Vec<Tolerance>,
    /// How long after the end it may take to be within `goal`; none for as long as it takes.
    pub(super) goal_time: Option<Duration>,
}

/// What one joint may be off; none where that is not judged.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Tolerance {
    /// rad or m.
    pub(super) position: Option<f64>,
    /// rad/s or m/s.
    pub(super) velocity: Option<f64>,
}

/// Where the way between two points is looked at.
const SAMPLES: u32 = 16;
/// How far beyond a limit a polynomial may swing between two points that are within, rad or m: a planner's own rounding of
/// corners. The gate keeps to the limit.
const SWING: f64 = 0.05;

impl TrajectoryGoal {
    /// Checks all of a goal, whose stamp is of that clock. `still` is the speed under which a joint is at rest, rad/s or
    /// m/s.
    pub(super) fn of(
        goal: &FollowJointTrajectoryGoal,
        joints: &Joints,
        still: f64,
        now: Time,
        clock: RosClock,
    ) -> Result<Self, Unfit> {
        let multi_dof = &goal.multi_dof_trajectory;
        let parts = [
            ("multi_dof_trajectory.joint_names", multi_dof.joint_names.len()),
            ("multi_dof_trajectory.points", multi_dof.points.len()),
            ("component_path_tolerance", goal.component_path_tolerance.len()),
            ("component_goal_tolerance", goal.component_goal_tolerance.len()),
        ];
        if let Some((field, count)) = parts.into_iter().find(|(_, count)| *count > 0) {
            return Err(Unfit::new(
                field,
                count,
                "none: the group has joints of one degree of freedom",
            ));
        }
        let order = order(&goal.trajectory, joints)?;
        let on_path = |_: bool| Tolerance { position: None, velocity: None };
        let at_goal = |is_rotary: bool| Tolerance {
            position: Some(if is_rotary { GOAL_RAD } else { GOAL_M }),
            velocity: Some(still),
        };
        let knots = knots(&goal.trajectory, joints, &order)?;
        between(&knots, joints)?;
        Ok(Self {
            start: start(&goal.trajectory, now, clock)?,
            knots,
            path: tolerances("path_tolerance", &goal.path_tolerance, joints, &on_path)?,
            goal: tolerances("goal_tolerance", &goal.goal_tolerance, joints, &at_goal)?,
            goal_time: goal_time(&goal.goal_time_tolerance)?,
        })
    }
}

/// Where each joint of the group stands in the message.
fn order(trajectory: &JointTrajectory, joints: &Joints) -> Result<Vec<usize>, Unfit> {
    let names = &trajectory.joint_names;
    let unfit = |actual: String| {
        let allowed = format!("each joint of `{}` once: {}", joints.group, joints.names.join(", "));
        Unfit::joints("trajectory.joint_names", actual, allowed)
    };
    for (i, name) in names.iter().enumerate() {
        if !joints.names.contains(name) {
            return Err(unfit(format!("`{name}`")));
        }
        if names[..i].contains(name) {
            return Err(unfit(format!("`{name}` twice")));
        }
    }
    let place = |joint: &String| {
        let found = names.iter().position(|name| name == joint);
        found.ok_or_else(|| unfit(format!("no `{joint}`")))
    };
    joints.names.iter().map(place).collect()
}

fn start(trajectory: &JointTrajectory, now: Time, clock: RosClock) -> Result<Option<Time>, Unfit> {
    let stamp = &trajectory.header.stamp;
    if (stamp.sec, stamp.nanosec) == (0, 0) {
        return Ok(None);
    }
    let at = clock.robot_time(stamp);
    let (late, ahead) = (now.since(at), at.since(now));
    let is_old = stamp.sec < 0 || late > LATEST;
    if !is_old && ahead <= FURTHEST_AHEAD {
        return Ok(Some(at));
    }
    let actual = if is_old { format!("{late:.1?} ago") } else { format!("{ahead:.1?} ahead") };
    let unfit = Unfit::new(
        "trajectory.header.stamp",
        format!("{actual}, on the robot's clock"),
        format!("0 for at once, or {LATEST:?} ago to {FURTHEST_AHEAD:?} ahead"),
    );
    Err(Unfit { code: if is_old { "OLD_HEADER_TIMESTAMP" } else { unfit.code }, ..unfit })
}

fn knots(
    trajectory: &JointTrajectory,
    joints: &Joints,
    order: &[usize],
) -> Result<Vec<Knot>, Unfit> {
    let points = &trajectory.points;
    let Some(last) = points.len().checked_sub(1) else {
        return Err(Unfit::new("trajectory.points", "none", "at least one"));
    };
    let mut knots: Vec<Knot> = Vec::with_capacity(points.len());
    for (i, point) in points.iter().enumerate() {
        let field = |name: &str| format!("trajectory.points[{i}].{name}");
        let mut knot = Knot {
            at_s: at_s(point, knots.last(), &field)?,
            position: values(&point.positions, order, false, &field("positions"))?,
            velocity: values(&point.velocities, order, true, &field("velocities"))?,
            acceleration: values(&point.accelerations, order, true, &field("accelerations"))?,
        };
        if knot.velocity.is_empty() && !knot.acceleration.is_empty() {
            let allowed = "accelerations only beside velocities";
            return Err(Unfit::new(field("velocities"), "none", allowed));
        }
        if !point.effort.is_empty() {
            let allowed = "none: the group is commanded by position";
            return Err(Unfit::new(field("effort"), point.effort.len(), allowed));
        }
        for (joint, position) in knot.position.iter_mut().enumerate() {
            let (name, limits) = (&joints.names[joint], &joints.limits[joint]);
            let unit = joints.unit(joint);
            let (lower, upper) = (limits.lower, limits.upper);
            if *position < lower - SLACK || *position > upper + SLACK {
                let actual = format!("{name} at {position} {unit}");
                let allowed = format!("{lower} to {upper} {unit}");
                return Err(Unfit::new(field("positions"), actual, allowed));
            }
            *position = position.clamp(lower, upper);
        }
        let moving = joints.names.iter().zip(&knot.velocity).find(|(_, v)| v.abs() > NO_SPEED);
        if let Some((name, velocity)) = moving
            && i == last
        {
            let actual = format!("{name} at {velocity}");
            return Err(Unfit::new(field("velocities"), actual, "0: it ends at rest"));
        }
        knots.push(knot);
    }
    Ok(knots)
}

/// Between points, too, a trajectory keeps to the limits: velocities and accelerations that do not fit the positions would
/// swing it far out.
fn between(knots: &[Knot], joints: &Joints) -> Result<(), Unfit> {
    let Some(first) = knots.first() else { return Ok(()) };
    let trajectory = Trajectory::new(first.clone(), knots.to_vec());
    for (i, pair) in knots.windows(2).enumerate() {
        for part in 1..SAMPLES {
            let share = f64::from(part) / f64::from(SAMPLES);
            let sample = trajectory.sample(pair[0].at_s + share * (pair[1].at_s - pair[0].at_s));
            for (joint, position) in sample.position.iter().enumerate() {
                let limits = &joints.limits[joint];
                let (lower, upper) = (limits.lower - SWING, limits.upper + SWING);
                // Not a number is out, too.
                if !(lower..=upper).contains(position) {
                    let (name, unit) = (&joints.names[joint], joints.unit(joint));
                    return Err(Unfit::new(
                        format!("trajectory.points[{}].velocities", i + 1),
                        format!("{name} at {position} {unit} on the way from the point before"),
                        format!("{} to {} {unit} there, too", limits.lower, limits.upper),
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Seconds from the start, which rise from point to point.
fn at_s(
    point: &JointTrajectoryPoint,
    before: Option<&Knot>,
    field: &dyn Fn(&str) -> String,
) -> Result<f64, Unfit> {
    let DurationMsg { sec, nanosec } = point.time_from_start;
    let at_s = duration_from_msg(&point.time_from_start).as_secs_f64();
    let actual = format!("{sec} s {nanosec} ns");
    if sec < 0 {
        return Err(Unfit::new(field("time_from_start"), actual, "0 s or more"));
    }
    match before {
        Some(before) if at_s <= before.at_s => {
            let allowed = format!("more than {} s, that of the point before", before.at_s);
            Err(Unfit::new(field("time_from_start"), actual, allowed))
        }
        _ => Ok(at_s),
    }
}

/// A point's values in the group's order.
fn values(
    given: &[f64],
    order: &[usize],
    may_be_left_out: bool,
    field: &str,
) -> Result<Vec<f64>, Unfit> {
    if given.is_empty() && may_be_left_out {
        return Ok(Vec::new());
    }
    let joints = order.len();
    if given.len() != joints {
        let or_none = if may_be_left_out { ", or none" } else { "" };
        let allowed = format!("{joints}, one per joint{or_none}");
        return Err(Unfit::new(field, format!("{} values", given.len()), allowed));
    }
    if let Some(value) = given.iter().find(|value| !value.is_finite()) {
        return Err(Unfit::new(field, value, "finite numbers"));
    }
    Ok(order.iter().map(|place| given[*place]).collect())
}

/// What each joint may be off: of the goal, or else the default for its kind.
fn tolerances(
    field: &str,
    given: &[JointTolerance],
    joints: &Joints,
    default: &dyn Fn(bool) -> Tolerance,
) -> Result<Vec<Tolerance>, Unfit> {
    let mut made: Vec<_> = joints.rotary.iter().map(|is_rotary| default(*is_rotary)).collect();
    for tolerance in given {
        let name = &tolerance.name;
        let Some(joint) = joints.names.iter().position(|joint| joint == name) else {
            return Err(Unfit::joints(field, format!("`{name}`"), joints.names.join(", ")));
        };
        let field = |part: &str| format!("{field}: {name}: {part}");
        if tolerance.acceleration != 0.0 && tolerance.acceleration != -1.0 {
            let allowed = "0 or -1: accelerations are not measured";
            return Err(Unfit::new(field("acceleration"), tolerance.acceleration, allowed));
        }
        let Tolerance { position, velocity } = default(joints.rotary[joint]);
        made[joint] = Tolerance {
            position: bound(tolerance.position, position, &field("position"))?,
            velocity: bound(tolerance.velocity, velocity, &field("velocity"))?,
        };
    }
    Ok(made)
}

fn bound(given: f64, default: Option<f64>, field: &str) -> Result<Option<f64>, Unfit> {
    match given {
        0.0 => Ok(default),
        -1.0 => Ok(None),
        above if above > 0.0 && above.is_finite() => Ok(Some(above)),
        _ => Err(Unfit::new(field, given, "0 for the default, -1 for none, or more than 0")),
    }
}

fn goal_time(given: &DurationMsg) -> Result<Option<Duration>, Unfit> {
    match (given.sec, given.nanosec) {
        (0, 0) => Ok(Some(GOAL_TIME)),
        (-1, 0) => Ok(None),
        (0.., _) => Ok(Some(duration_from_msg(given))),
        (sec, nanosec) => Err(Unfit::new(
            "goal_time_tolerance",
            format!("{sec} s {nanosec} ns"),
            "0 s for the default, -1 s for none, or more than 0 s",
        )),
    }
}
