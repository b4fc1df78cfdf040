use nalgebra::{Matrix2, Point3, Vector2};
use serde_json::Value;
use sinew_model::tolerance;
use sinew_types::{ErrorCode, RobotState, Time};

use crate::body::Body;
use crate::builtin::text;
use crate::context::{Context, Skill, Status};
use crate::goal::Rejection;
use crate::io::{ControlSource, Failure, Inputs};
use crate::skills::{object, unreachable};
use crate::trajectory::JointMotion;

/// Turns the head to an object and waits until it is seen.
struct LookAt {
    target: String,
    goal: Vec<f64>,
    motion: Option<JointMotion>,
    /// When the head had been turned.
    turned: Option<Time>,
}

/// Sights that are taken once the head is turned may take this long, s.
const SEEN_WITHIN_S: f64 = 3.0;
/// The head has turned if its joints are this near, rad.
const TURNED_RAD: f64 = 0.01;

pub(crate) fn make(
    args: &Value,
    body: &mut Body,
    inputs: &Inputs<'_>,
) -> Result<Box<dyn Skill>, Rejection> {
    let id = text(args, "target");
    let target = object(inputs.world, id)?;
    let map_from_base = body.base(inputs.state)?.map_from_base;
    let point = map_from_base.inverse_transform_point(&target.center());
    let (goal, off_rad) = aim(body, inputs.state, &point)?;
    if off_rad > tolerance::LOOKING_RAD {
        return Err(unreachable(format!(
            "the head cannot be turned to `{id}`: {off_rad:.2} rad are left; allowed: {:.2} rad",
            tolerance::LOOKING_RAD
        )));
    }
    Ok(Box::new(LookAt { target: id.into(), goal, motion: None, turned: None }))
}

/// Head positions that bring a point (base frame) onto the camera's axis, and what is left, rad.
fn aim(body: &Body, state: &RobotState, point: &Point3<f64>) -> Result<(Vec<f64>, f64), Failure> {
    let head = &body.limbs().head;
    if head.joints.len() != 2 {
        let message = format!("a head of {} joints cannot be aimed; needed: 2", head.joints.len());
        return Err(Failure::new(ErrorCode::Unreachable, message));
    }
    // Direction in the camera, and how far it is off the axis.
    let seen = |positions: &[f64]| -> Result<(Vector2<f64>, f64), Failure> {
        let base_from_camera = head
            .chain
            .base_from_tool(positions)
            .map_err(|error| Failure::new(ErrorCode::Unreachable, error.to_string()))?;
        let at = base_from_camera.inverse_transform_point(point);
        let off = at.xy().coords.norm().atan2(at.z);
        let direction = at.xy().coords;
        let norm = direction.norm();
        Ok((if norm > 1e-12 { direction * (off / norm) } else { direction }, off))
    };
    let clamp = |mut positions: Vec<f64>| {
        for (position, limits) in positions.iter_mut().zip(&head.limits) {
            *position = position.clamp(limits.lower, limits.upper);
        }
        positions
    };
    const STEP_RAD: f64 = 1e-4;
    let mut positions = clamp(head.positions(state));
    // The pan's joint turns about the vertical: a good start leaves Newton's method little to do.
    positions[0] = clamp(vec![point.y.atan2(point.x), 0.0])[0];
    for _ in 0..40 {
        let (error, _) = seen(&positions)?;
        let mut jacobian = Matrix2::zeros();
        for column in 0..2 {
            let mut moved = positions.clone();
            moved[column] += STEP_RAD;
            jacobian.set_column(column, &((seen(&moved)?.0 - error) / STEP_RAD));
        }
        let damped = jacobian.transpose() * jacobian + Matrix2::identity() * 1e-6;
        let Some(inverse) = damped.try_inverse() else { break };
        let step: Vector2<f64> = inverse * jacobian.transpose() * -error;
        let step = step * (0.5 / step.norm().max(0.5));
        positions = clamp(vec![positions[0] + step.x, positions[1] + step.y]);
    }
    let off = seen(&positions)?.1;
    Ok((positions, off))
}

impl Skill for LookAt {
    fn step(&mut self, cx: &mut Context<'_>) -> Result<Status, Failure> {
        if let Some(turned) = self.turned {
            cx.report.phase("waiting for a sight", 0.9);
            let target = cx.object(&self.target)?;
            if target.fixed || target.stamp > turned {
                return Ok(Status::Done);
            }
            if cx.now.since(turned).as_secs_f64() > SEEN_WITHIN_S {
                let message = format!("`{}` was not seen within {SEEN_WITHIN_S} s", self.target);
                return Err(Failure::new(ErrorCode::ObservationStale, message));
            }
            return Ok(Status::Running);
        }
        cx.report.source = ControlSource::Primitive;
        let motion = match &mut self.motion {
            Some(motion) => motion,
            None => self.motion.insert(JointMotion::plan(
                &cx.body.limbs().head,
                cx.command,
                &self.goal,
                cx.speed_scale,
            )?),
        };
        let share = motion.step(cx.now, cx.command);
        cx.report.phase("turning the head", 0.9 * share as f32);
        let positions = cx.body.limbs().head.positions(cx.state);
        let off = positions
            .iter()
            .zip(&self.goal)
            .map(|(position, goal)| (position - goal).abs())
            .fold(0.0, f64::max);
        cx.report.measure("head_error_rad", off);
        if share >= 1.0 && off <= TURNED_RAD {
            self.turned = Some(cx.now);
        }
        Ok(Status::Running)
    }
}
