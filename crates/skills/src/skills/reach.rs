use nalgebra::{Isometry3, Point3};
use serde_json::Value;
use sinew_model::{WorldObject, WorldState};

use crate::arm::{ArmServo, Tolerance};
use crate::body::Body;
use crate::builtin::{number, text};
use crate::context::{Context, Skill, Status};
use crate::goal::Rejection;
use crate::grasp::{GraspAxis, choose_axis, choose_yaw, grasp_pose, over, top_down};
use crate::io::{Failure, Inputs};
use crate::sight::Sight;
use crate::skills::{object, unreachable};

/// Brings the tool over an object, aligned with how it would be grasped, by the policy `reach`.
struct ReachByPolicy {
    reach: Reach,
    servo: ArmServo,
}

/// Where the tool is to be, over an object.
pub(crate) struct Reach {
    target: String,
    hover_m: f64,
    alignment: Alignment,
    sight: Sight,
}

/// Which way the fingers are turned.
enum Alignment {
    /// As the object would be grasped.
    Grasp(GraspAxis),
    /// As the wrist turns least: it cannot be grasped from above.
    Yaw(f64),
}

pub(crate) fn make(
    args: &Value,
    body: &mut Body,
    inputs: &Inputs<'_>,
) -> Result<Box<dyn Skill>, Rejection> {
    let reach = Reach::new(args, body, inputs)?;
    Ok(Box::new(ReachByPolicy { reach, servo: ArmServo::default() }))
}

impl Reach {
    /// Checks that the arm gets there.
    pub(crate) fn new(
        args: &Value,
        body: &mut Body,
        inputs: &Inputs<'_>,
    ) -> Result<Self, Rejection> {
        let id = text(args, "target");
        let target = object(inputs.world, id)?;
        let hover_m = number(args, "hover_m");
        let axis = if target.fixed {
            None
        } else {
            choose_axis(body, inputs.state, inputs.world, target, hover_m)?
        };
        let alignment = match axis {
            Some(axis) => Alignment::Grasp(axis),
            None => {
                let point = hover_point(target, inputs.world, hover_m);
                let yaw = choose_yaw(body, inputs.state, point)?.ok_or_else(|| {
                    unreachable(format!(
                        "the arm does not reach over `{id}` from where the base stands"
                    ))
                })?;
                Alignment::Yaw(yaw)
            }
        };
        Ok(Self { target: id.into(), hover_m, alignment, sight: Sight::new(id) })
    }

    /// Of the tool in the map, by what is seen of the object by now.
    pub(crate) fn pose(&mut self, cx: &Context<'_>) -> Result<Isometry3<f64>, Failure> {
        let target = cx.object(&self.target)?;
        let seen = self.sight.update(cx.world).unwrap_or(target.map_from_object);
        Ok(match &self.alignment {
            Alignment::Grasp(axis) => {
                let top_m = seen.translation.z + target.half_extent().z;
                over(&grasp_pose(target, &seen, axis), top_m + self.hover_m)
            }
            Alignment::Yaw(yaw) => top_down(hover_point(target, cx.world, self.hover_m), *yaw),
        })
    }
}

/// Over where the tool works at the object; on furniture, over the nearest part of it.
fn hover_point(target: &WorldObject, world: &WorldState, hover_m: f64) -> Point3<f64> {
    let robot = &world.robot;
    let mut wanted = robot.map_from_base * Point3::new(robot.reach.preferred_distance_m, 0.0, 0.0);
    wanted.z = target.top_m();
    let mut point = target.work_point(wanted);
    point.z += hover_m;
    point
}

impl Skill for ReachByPolicy {
    fn step(&mut self, cx: &mut Context<'_>) -> Result<Status, Failure> {
        let pose = self.reach.pose(cx)?;
        cx.report.phase("reaching", 0.5);
        self.servo.step(cx, &pose, Tolerance::COARSE)
    }
}
