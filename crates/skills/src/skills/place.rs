use std::f64::consts::FRAC_PI_2;

use nalgebra::{Isometry3, Point3};
use serde_json::Value;
use sinew_model::{WorldObject, WorldState};
use sinew_types::RobotState;

use crate::arm::{ArmServo, Tolerance};
use crate::body::Body;
use crate::builtin::text;
use crate::context::{Context, Skill, Status};
use crate::goal::Rejection;
use crate::grasp::{Between, FINGER_ROOM_M, fingers_fit, motion_cost, over, top_down};
use crate::grasp_policy::{GraspGoal, GraspServo, Grasping};
use crate::io::{ControlSource, Failure, Inputs};
use crate::sight::Sight;
use crate::skills::pick::command_gripper;
use crate::skills::{object, unreachable};
use crate::spot::{Spot, level_yaw_rad, spots};
use crate::tuck::Tuck;

/// Brings the held object over its place, lowers it, lets go, rises, folds the arm; the tool is moved
/// by the policy `reach`, or all but the folding is left to the policy `place`.
struct Place {
    object: String,
    destination: String,
    into: bool,
    sight: Sight,
    stage: Stage,
    servo: ArmServo,
    grasping: GraspServo,
    tuck: Tuck,
    poses: Poses,
    ticks: u32,
}

/// Poses of the tool in the map.
#[derive(Clone, Copy, Default)]
struct Poses {
    /// When the object is let go.
    release: Isometry3<f64>,
    /// Before and after that.
    hover: Isometry3<f64>,
}

#[derive(Clone, Copy, PartialEq)]
enum Stage {
    /// The robot stands: how the object hangs in the hand is measured.
    Look,
    Carry,
    Lower,
    Open,
    Rise,
    /// All of these, by a policy.
    Release,
    Tuck,
}

/// The object's bottom passes this high over its place, m.
const HOVER_M: f64 = 0.08;
/// A container's rim is passed this high by the object's bottom, m.
const OVER_RIM_M: f64 = 0.05;
/// The object is let go this high over a surface, m.
const DROP_M: f64 = 0.003;
/// The tool rises by this after it let go, m.
const RISE_M: f64 = 0.10;
/// A policy is done when the tool has risen by this over where it let go, m,
const RISEN_M: f64 = 0.09;
/// and the gripper is open by this more than the object is wide, m.
const RELEASED_M: f64 = 0.015;
/// Sights of the held object that are waited for, and for how long, ticks.
const SIGHTS: (u32, u32) = (5, 25);
/// A gripper needs no longer to open, ticks.
const GRIPPER_TICKS: u32 = 50;
/// Of a gripper that was told to open, m.
const WIDTH_TOLERANCE_M: f64 = 0.005;
/// Places that are tried for reach, the best first.
const TRIES: usize = 16;

pub(crate) fn make(
    args: &Value,
    body: &mut Body,
    inputs: &Inputs<'_>,
) -> Result<Box<dyn Skill>, Rejection> {
    let (held, to) = (text(args, "object"), text(args, "destination"));
    let mut place = Place {
        object: held.into(),
        destination: to.into(),
        into: text(args, "relation") == "in",
        sight: Sight::new(held),
        stage: Stage::Look,
        servo: ArmServo::default(),
        grasping: GraspServo::default(),
        tuck: Tuck::default(),
        poses: Poses::default(),
        ticks: 0,
    };
    let seen = object(inputs.world, held)?.map_from_object;
    place.choose(body, inputs.state, inputs.world, &seen)?;
    Ok(Box::new(place))
}

impl Place {
    /// Chooses where to put the object, as it hangs in the hand, and how the hand is turned there.
    fn choose(
        &mut self,
        body: &mut Body,
        state: &RobotState,
        world: &WorldState,
        map_from_object: &Isometry3<f64>,
    ) -> Result<(), Rejection> {
        let held = object(world, &self.object)?;
        let destination = object(world, &self.destination)?;
        let relation = if self.into { "in" } else { "on" };
        let all = spots(world, destination, held, self.into);
        if all.is_empty() {
            return Err(unreachable(format!(
                "no free place {relation} `{}` for `{}`",
                destination.id, held.id
            )));
        }
        let map_from_tool =
            world.robot.map_from_tool.ok_or_else(|| unreachable("the robot has no tool"))?;
        let tool_from_object = map_from_tool.inv_mul(map_from_object);
        for spot in all.into_iter().take(TRIES) {
            if let Some(poses) = poses(body, state, world, held, &spot, &tool_from_object)? {
                self.poses = poses;
                return Ok(());
            }
        }
        Err(unreachable(format!(
            "no free place {relation} `{}` is within the arm's reach from where the base stands",
            destination.id
        )))
    }

    fn enter(&mut self, stage: Stage) {
        (self.stage, self.ticks, self.servo) = (stage, 0, ArmServo::default());
    }

    fn look(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        cx.report.phase("measuring how it hangs in the hand", 0.0);
        let seen = self.sight.update(cx.world);
        if self.sight.count() < SIGHTS.0 && self.ticks < SIGHTS.1 {
            return Ok(());
        }
        if let Some(seen) = seen {
            self.choose(cx.body, cx.state, cx.world, &seen)
                .map_err(|rejection| Failure::new(rejection.error, rejection.message))?;
        }
        let by_policy = cx.body.limbs().grasp_policies.is_some();
        self.enter(if by_policy { Stage::Release } else { Stage::Carry });
        Ok(())
    }

    fn open(&mut self, cx: &mut Context<'_>) {
        let gripper = cx.state.grippers[cx.body.limbs().gripper];
        if self.ticks <= 1 {
            cx.report.measure("release_width_m", gripper.width_m);
        }
        let object = cx.world.objects.get(&self.object);
        let wide = object.map_or(0.0, WorldObject::grasp_width_m);
        let width_m = (wide + FINGER_ROOM_M).min(cx.body.limbs().max_width_m);
        command_gripper(cx, width_m, cx.body.limbs().max_force_n);
        cx.report.source = ControlSource::Primitive;
        if gripper.width_m >= width_m - WIDTH_TOLERANCE_M || self.ticks > GRIPPER_TICKS {
            self.enter(Stage::Rise);
        }
    }

    fn release(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let Poses { release, hover } = self.poses;
        let object = cx.world.objects.get(&self.object);
        let wide = object.map_or(0.0, WorldObject::grasp_width_m);
        let goal = GraspGoal {
            map_from_tool: release,
            approach_height_m: Some(hover.translation.z - release.translation.z),
            object_width_m: wide,
        };
        cx.report.phase("placing", 0.4);
        let error = self.grasping.step(cx, Grasping::Place, &goal)?;
        let gripper = cx.state.grippers[cx.body.limbs().gripper];
        cx.report.measure("release_width_m", gripper.width_m);
        // The tool points down: what it has risen lies along its own x axis.
        if error.position[0] >= RISEN_M && gripper.width_m >= wide + RELEASED_M {
            self.enter(Stage::Tuck);
        }
        Ok(())
    }

    fn servo(
        &mut self,
        cx: &mut Context<'_>,
        pose: &Isometry3<f64>,
        tolerance: Tolerance,
        next: Stage,
    ) -> Result<(), Failure> {
        if self.servo.step(cx, pose, tolerance)? == Status::Done {
            self.enter(next);
        }
        Ok(())
    }
}

impl Skill for Place {
    fn step(&mut self, cx: &mut Context<'_>) -> Result<Status, Failure> {
        self.ticks += 1;
        let Poses { release, hover } = self.poses;
        match self.stage {
            Stage::Look => self.look(cx)?,
            Stage::Carry => {
                cx.report.phase("carrying it over its place", 0.1);
                self.servo(cx, &hover, Tolerance::COARSE, Stage::Lower)?;
            }
            Stage::Lower => {
                cx.report.phase("lowering", 0.4);
                self.servo(cx, &release, Tolerance::FINE, Stage::Open)?;
            }
            Stage::Open => {
                cx.report.phase("letting go", 0.55);
                self.open(cx);
            }
            Stage::Rise => {
                cx.report.phase("rising", 0.6);
                let up = over(&release, hover.translation.z.max(release.translation.z + RISE_M));
                self.servo(cx, &up, Tolerance::LOOSE, Stage::Tuck)?;
            }
            Stage::Release => self.release(cx)?,
            Stage::Tuck => {
                cx.report.phase("folding the arm", 0.75);
                return self.tuck.step(cx);
            }
        }
        Ok(Status::Running)
    }
}

/// Tool poses at and over a spot, the wrist turning as little as it can; none if out of reach.
fn poses(
    body: &mut Body,
    state: &RobotState,
    world: &WorldState,
    held: &WorldObject,
    spot: &Spot,
    tool_from_object: &Isometry3<f64>,
) -> Result<Option<Poses>, Failure> {
    let map_from_base = body.base(state)?.map_from_base;
    let hanging_yaw = level_yaw_rad(&(top_down(Point3::origin(), 0.0) * tool_from_object));
    let half_m = held.half_extent().z;
    let above = spot.rim_over_m.map_or(DROP_M, |_| 0.0);
    let center = Point3::new(spot.point.x, spot.point.y, spot.point.z + half_m + above);
    let mut best: Option<(f64, Poses)> = None;
    for quarter in 0..4 {
        // A box looks the same after a quarter turn: its edges stay along those of the place.
        let yaw = spot.yaw_rad - hanging_yaw + f64::from(quarter) * FRAC_PI_2;
        let between = Between {
            id: &held.id,
            center: spot.point.xy(),
            bottom_m: spot.point.z,
            yaw_rad: yaw,
            width_m: held.grasp_width_m(),
        };
        if spot.rim_over_m.is_none() && !fingers_fit(body, world, &between) {
            continue;
        }
        let turned = top_down(Point3::origin(), yaw);
        let offset = turned.rotation * tool_from_object.translation.vector;
        let release = top_down(center - offset, yaw);
        let passes = spot.rim_over_m.map_or(HOVER_M, |rim| rim + OVER_RIM_M);
        let hover = over(&release, release.translation.z + passes);
        let Some(cost) = motion_cost(body, state, &map_from_base.inv_mul(&hover)) else {
            continue;
        };
        let reaches = body.limbs_mut().solve(&map_from_base.inv_mul(&release)).is_some();
        if reaches && best.as_ref().is_none_or(|best| cost < best.0) {
            best = Some((cost, Poses { release, hover }));
        }
    }
    Ok(best.map(|(_, poses)| poses))
}
