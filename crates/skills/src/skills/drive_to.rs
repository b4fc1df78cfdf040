use std::time::Instant;

use nalgebra::{Isometry2, Isometry3, Point2, Point3, Rotation2, Vector2};
use serde_json::Value;
use sinew_model::{WorkPose, WorldObject, WorldState};
use sinew_policy::{GoalInBase, goal_in_base};
use sinew_types::{BaseTwist, ErrorCode, RobotState};

use crate::body::Body;
use crate::builtin::text;
use crate::context::{Context, Skill, Status};
use crate::floor::{Floor, Way, Ways};
use crate::goal::Rejection;
use crate::io::{ControlSource, Failure, Inputs};
use crate::policies::Runner;
use crate::skills::{object, unreachable};

/// Drives to a pose from which the arm reaches the target, by the policy `drive_to`; around furniture
/// the policy is led from corner to corner.
struct DriveTo {
    ways: Ways,
    way: Way,
    goal: Isometry2<f64>,
    started: bool,
    /// It has come to the place and only turns.
    turns: bool,
    /// Ticks at the goal; ticks standing near it.
    arrived: u32,
    standing: u32,
    /// The state with velocities as they were at full speed.
    seen: RobotState,
}

/// Distance and turn that are left when it has arrived.
const ARRIVED: (f64, f64) = (0.035, 0.03);
/// What is accepted if the policy comes no closer.
const NEAR: (f64, f64) = (0.05, 0.08);
/// Nearer than the first it only turns, until it is farther away than the second, m.
const TURNS_M: (f64, f64) = (0.028, 0.045);
/// A place on the way is passed at this distance, m.
const PASSED_M: f64 = 0.06;
/// Closer to the limit of the arm's reach it stands only if nothing else is left, m.
const REACH_MARGIN_M: f64 = 0.04;
/// What that costs, m off the preferred distance: rather once around a table.
const FAR_COST_M: f64 = 2.0;
/// A pose is moved up in steps of this, m.
const MOVE_UP_M: f64 = 0.005;
/// By how much less a pose that was moved up may cost, m off the preferred distance.
const MOVED_UP_COST_M: f64 = 0.08;
/// To move at all costs as much as this, m off the preferred distance: a few centimetres to the side take
/// seconds.
const MOVE_COST_M: f64 = 0.1;
/// Slower than this the base stands: m/s and rad/s.
const STANDS: (f64, f64) = (0.02, 0.03);
/// Ticks within [`ARRIVED`], and ticks standing within [`NEAR`].
const STAY_TICKS: (u32, u32) = (3, 25);
/// One metre of way costs as much as this share of a metre off the preferred distance.
const WAY_WEIGHT: f64 = 0.2;

pub(crate) fn make(
    args: &Value,
    body: &mut Body,
    inputs: &Inputs<'_>,
) -> Result<Box<dyn Skill>, Rejection> {
    let (ways, way, goal) = choose(args, body, inputs)?;
    Ok(Box::new(DriveTo {
        ways,
        way,
        goal,
        started: false,
        turns: false,
        arrived: 0,
        standing: 0,
        seen: inputs.state.clone(),
    }))
}

/// The pose to work from that costs least, and the way to it.
pub(super) fn choose(
    args: &Value,
    body: &Body,
    inputs: &Inputs<'_>,
) -> Result<(Ways, Way, Isometry2<f64>), Rejection> {
    let id = text(args, "target");
    let target = object(inputs.world, id)?;
    body.base(inputs.state)?;
    let reach = inputs.world.robot.reach;
    let poses = reach.work_poses(inputs.world, target);
    if poses.is_empty() {
        return Err(unreachable(format!(
            "there is no free place from which the arm reaches `{id}` ({:.2} m over the floor; allowed: {:.2} m to {:.2} m)",
            target.top_m(),
            reach.min_height_m,
            reach.max_height_m
        )));
    }
    let ways = Floor::new(inputs.world, target).ways();
    let start = inputs.world.robot.map_from_base.translation.vector.xy();
    let mut best = stay(inputs.world, target);
    for pose in poses {
        // No way is shorter than the straight one, by which the poses are ordered.
        let off = (pose.distance_m - reach.preferred_distance_m).abs();
        let straight = (pose.map_from_base.translation.vector - start).norm();
        let least = MOVE_COST_M + off + WAY_WEIGHT * straight - MOVED_UP_COST_M;
        if best.as_ref().is_some_and(|(cost, ..)| *cost <= least) {
            break;
        }
        let (goal, distance_m) = moved_up(&ways.floor, &pose, reach.preferred_distance_m);
        let Some(way) = ways.to(Point2::from(goal.translation.vector)) else { continue };
        let off = (distance_m - reach.preferred_distance_m).abs();
        let is_far = distance_m > reach.max_distance_m - REACH_MARGIN_M;
        let far = if is_far { FAR_COST_M } else { 0.0 };
        let cost = MOVE_COST_M + off + far + WAY_WEIGHT * way.length_m;
        if best.as_ref().is_none_or(|(least, ..)| cost < *least) {
            best = Some((cost, way, goal));
        }
    }
    let (_, way, goal) = best
        .ok_or_else(|| unreachable(format!("furniture is on every way to a place near `{id}`")))?;
    Ok((ways, way, goal))
}

/// To turn where the base stands, if the arm reaches well from there; with what that costs.
fn stay(world: &WorldState, target: &WorldObject) -> Option<(f64, Way, Isometry2<f64>)> {
    let reach = world.robot.reach;
    let base = &world.robot.map_from_base;
    let mut wanted = base * Point3::new(reach.preferred_distance_m, 0.0, 0.0);
    wanted.z = target.top_m();
    let point = target.work_point(wanted);
    let place = Point2::from(base.translation.vector.xy());
    let ahead = point.xy() - place;
    let distance_m = ahead.norm();
    let reaches = (reach.min_distance_m + REACH_MARGIN_M..=reach.max_distance_m - REACH_MARGIN_M)
        .contains(&distance_m)
        && reach.reaches_height(point.z);
    let goal = Isometry2::new(place.coords, ahead.y.atan2(ahead.x));
    let way = Way { places: vec![place], length_m: 0.0 };
    reaches.then(|| ((distance_m - reach.preferred_distance_m).abs(), way, goal))
}

/// A pose beyond the preferred distance, moved towards it as far as the floor is free; and its distance.
fn moved_up(floor: &Floor, pose: &WorkPose, preferred_m: f64) -> (Isometry2<f64>, f64) {
    let (mut goal, mut distance_m) = (pose.map_from_base, pose.distance_m);
    while distance_m > preferred_m {
        let next = goal * Isometry2::translation(MOVE_UP_M, 0.0);
        if floor.clearance_m(Point2::from(next.translation.vector)) < 0.0 {
            break;
        }
        (goal, distance_m) = (next, distance_m - MOVE_UP_M);
    }
    (goal, distance_m)
}

impl DriveTo {
    /// Where the policy is sent in this tick: the last place of the way that is in free sight.
    fn next(&mut self, place: Point2<f64>) -> Isometry2<f64> {
        let floor = &self.ways.floor;
        let seen = self.way.places.iter().rposition(|next| floor.is_open(place, *next));
        // What lies behind is forgotten, so that it does not turn back.
        self.way.places.drain(..seen.unwrap_or(0));
        if let [next, _, ..] = self.way.places[..]
            && (next - place).norm() < PASSED_M
        {
            self.way.places.remove(0);
        }
        match self.way.places[..] {
            [next, after, ..] => {
                let ahead: Vector2<f64> = after - next;
                Isometry2::new(next.coords, ahead.y.atan2(ahead.x))
            }
            _ => self.goal,
        }
    }

    fn left_m(&self, place: Point2<f64>) -> f64 {
        let mut last = place;
        self.way.places.iter().fold(0.0, |sum, next| {
            let leg = (next - last).norm();
            last = *next;
            sum + leg
        })
    }
}

impl Skill for DriveTo {
    fn step(&mut self, cx: &mut Context<'_>) -> Result<Status, Failure> {
        let base = cx.body.base(cx.state)?;
        let place = Point2::from(base.map_from_base.translation.vector.xy());
        let left = goal_in_base(&base.map_from_base, &upright(&self.goal));
        cx.report.measure("distance_left_m", left.distance_m());
        cx.report.measure("turn_left_rad", left.yaw_rad());
        let total = self.way.length_m.max(0.01);
        cx.report.phase("driving", (1.0 - self.left_m(place) / total).clamp(0.0, 1.0) as f32);
        let slow =
            base.linear_velocity.norm() < STANDS.0 && base.angular_velocity.norm() < STANDS.1;
        self.arrived = if slow && is_within(&left, ARRIVED) { self.arrived + 1 } else { 0 };
        self.standing = if slow && is_within(&left, NEAR) { self.standing + 1 } else { 0 };
        if self.arrived >= STAY_TICKS.0 || self.standing >= STAY_TICKS.1 {
            cx.command.base = Some(BaseTwist::default());
            return Ok(Status::Done);
        }
        if !self.started {
            self.started = true;
            policy(cx.body)?.start(cx.state)?;
        }
        let next = self.next(place);
        let mut goal = goal_in_base(&base.map_from_base, &upright(&next));
        let nearer_than = if self.turns { TURNS_M.1 } else { TURNS_M.0 };
        self.turns = left.distance_m() < nearer_than;
        if self.turns {
            // The policy trades place against heading; near enough, only the heading is left to ask for.
            goal.position = [0.0; 2];
        }
        // Slower than full speed, time is stretched: the policy sees the velocities of full speed.
        self.seen.copy_from(cx.state);
        if let Some(base) = &mut self.seen.base {
            base.linear_velocity /= cx.speed_scale;
            base.angular_velocity /= cx.speed_scale;
        }
        let began = Instant::now();
        let inputs: [(&str, &[f64]); 2] =
            [("goal_position", &goal.position), ("goal_heading", &goal.heading)];
        policy(cx.body)?.run(&self.seen, &inputs)?;
        cx.report.inference = began.elapsed();
        policy(cx.body)?.write(cx.command);
        if let Some(twist) = &mut cx.command.base {
            twist.linear_x *= cx.speed_scale;
            twist.linear_y *= cx.speed_scale;
            twist.angular_z *= cx.speed_scale;
        }
        cx.report.source = ControlSource::Policy;
        Ok(Status::Running)
    }
}

fn policy(body: &mut Body) -> Result<&mut dyn Runner, Failure> {
    match &mut body.limbs_mut().drive_policy {
        Some(policy) => Ok(policy.as_mut()),
        None => Err(Failure::new(ErrorCode::PolicyFailed, "no policy `drive_to` is loaded")),
    }
}

fn is_within(left: &GoalInBase, (distance_m, turn_rad): (f64, f64)) -> bool {
    left.distance_m() <= distance_m && left.yaw_rad().abs() <= turn_rad
}

pub(super) fn upright(pose: &Isometry2<f64>) -> Isometry3<f64> {
    let turn: Rotation2<f64> = pose.rotation.to_rotation_matrix();
    Isometry3::new(
        nalgebra::Vector3::new(pose.translation.x, pose.translation.y, 0.0),
        nalgebra::Vector3::z() * turn.angle(),
    )
}
