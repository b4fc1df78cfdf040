use nalgebra::{Isometry2, Vector2};
use serde_json::Value;
use sinew_policy::goal_in_base;
use sinew_types::ErrorCode;

use crate::body::Body;
use crate::context::{Context, Skill, Status};
use crate::delegate::Task;
use crate::goal::Rejection;
use crate::io::{Failure, Inputs};
use crate::skills::drive_to::{choose, upright};

/// Has Nav2 drive to a pose from which the arm reaches the target. Which pose that is, is chosen as for the policy
/// `drive_to`; the way to it is Nav2's.
struct NavigateTo {
    goal: Isometry2<f64>,
    /// From where the base stood to the goal, straight, m.
    begin_m: f64,
    /// Ticks in which Nav2 took the base to be elsewhere.
    disagreed: u32,
}

/// Farther than this from where the base is measured, Nav2 takes it to be elsewhere, m: much more than it drives between
/// its measurement and the tick in which its feedback is read.
const ELSEWHERE_M: f64 = 0.5;
/// So many ticks in a row are no leap of a localisation that has just found out.
const ELSEWHERE_TICKS: u32 = 25;

pub(crate) fn make(
    args: &Value,
    body: &mut Body,
    inputs: &Inputs<'_>,
) -> Result<Box<dyn Skill>, Rejection> {
    let (_, _, goal) = choose(args, body, inputs)?;
    let start = inputs.world.robot.map_from_base.translation.vector.xy();
    let begin_m = (goal.translation.vector - start).norm().max(0.01);
    Ok(Box::new(NavigateTo { goal, begin_m, disagreed: 0 }))
}

impl Skill for NavigateTo {
    fn step(&mut self, cx: &mut Context<'_>) -> Result<Status, Failure> {
        let map_from_base = cx.body.base(cx.state)?.map_from_base;
        let left = goal_in_base(&map_from_base, &upright(&self.goal));
        cx.report.measure("distance_left_m", left.distance_m());
        cx.report.measure("turn_left_rad", left.yaw_rad());
        cx.report.phase("driving", (1.0 - left.distance_m() / self.begin_m).clamp(0.0, 1.0) as f32);
        let measured: Vector2<f64> = map_from_base.translation.vector.xy();
        self.check_belief(cx, measured)?;
        let goal = self.goal;
        cx.delegate(|_| Ok(Task::Navigate { map_from_base: goal }))
    }
}

impl NavigateTo {
    /// Nav2 must take the base to be where it is measured, or it drives to another place than the one that is meant.
    fn check_belief(&mut self, cx: &Context<'_>, measured: Vector2<f64>) -> Result<(), Failure> {
        let believed = cx.delegate.as_ref().and_then(|delegate| delegate.believed());
        let Some(believed) = believed.map(|pose| pose.translation.vector) else { return Ok(()) };
        let off_m = (believed - measured).norm();
        self.disagreed = if off_m > ELSEWHERE_M { self.disagreed + 1 } else { 0 };
        if self.disagreed < ELSEWHERE_TICKS {
            return Ok(());
        }
        let message = format!(
            "Nav2 takes the robot to be at ({:.2}, {:.2}) m, {off_m:.2} m from where it is measured; allowed: {ELSEWHERE_M} m",
            believed.x, believed.y
        );
        Err(Failure::new(ErrorCode::BackendFailed, message))
    }
}
