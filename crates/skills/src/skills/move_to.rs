use serde_json::Value;
use sinew_types::ErrorCode;

use crate::body::Body;
use crate::context::{Context, Skill, Status};
use crate::delegate::Task;
use crate::goal::Rejection;
use crate::io::{Failure, Inputs};
use crate::skills::reach::Reach;

/// Has MoveIt move the arm to positions of its joints.
struct MoveTo {
    target: Target,
    goal: Option<Vec<f64>>,
}

/// Where to.
enum Target {
    Home,
    /// The tool over an object, by this robot's own inverse kinematics: so MoveIt needs none that agrees with it.
    Over(Reach),
}

/// How far off each joint may end, rad; less than what a configuration is told by.
const TOLERANCE_RAD: f64 = 0.01;

pub(crate) fn home(
    _args: &Value,
    _body: &mut Body,
    _inputs: &Inputs<'_>,
) -> Result<Box<dyn Skill>, Rejection> {
    Ok(Box::new(MoveTo { target: Target::Home, goal: None }))
}

pub(crate) fn reach(
    args: &Value,
    body: &mut Body,
    inputs: &Inputs<'_>,
) -> Result<Box<dyn Skill>, Rejection> {
    let target = Target::Over(Reach::new(args, body, inputs)?);
    Ok(Box::new(MoveTo { target, goal: None }))
}

impl MoveTo {
    fn plan(&mut self, cx: &mut Context<'_>) -> Result<Task, Failure> {
        let positions = match &mut self.target {
            Target::Home => cx.body.limbs().home.clone(),
            Target::Over(reach) => {
                let map_from_tool = reach.pose(cx)?;
                let map_from_base = cx.body.base(cx.state)?.map_from_base;
                let base_from_tool = map_from_base.inv_mul(&map_from_tool);
                cx.body.limbs_mut().solve(&base_from_tool).ok_or_else(|| {
                    let message =
                        "the arm does not reach over the target from where the base stands";
                    Failure::new(ErrorCode::Unreachable, message)
                })?
            }
        };
        let names =
            cx.body.limbs().arm.joints.iter().map(|joint| cx.body.layout.joints()[*joint].clone());
        let joints = names.zip(positions.iter().copied()).collect();
        self.goal = Some(positions);
        let (tolerance_rad, speed_scale) = (TOLERANCE_RAD, cx.speed_scale);
        Ok(Task::MoveJoints { joints, tolerance_rad, speed_scale })
    }
}

impl Skill for MoveTo {
    fn step(&mut self, cx: &mut Context<'_>) -> Result<Status, Failure> {
        let phase = match self.target {
            Target::Home => "folding the arm",
            Target::Over(_) => "reaching",
        };
        cx.report.phase(phase, 0.5);
        if let Some(goal) = &self.goal {
            let positions = cx.body.limbs().arm.positions(cx.state);
            let off = positions.iter().zip(goal).map(|(position, goal)| (position - goal).abs());
            cx.report.measure("joint_error_rad", off.fold(0.0, f64::max));
        }
        cx.delegate(|cx| self.plan(cx))
    }
}
