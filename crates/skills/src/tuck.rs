use nalgebra::{Isometry3, Translation3};
use sinew_model::WorldState;

use crate::body::Body;
use crate::context::{Context, Status};
use crate::io::{ControlSource, Failure};
use crate::trajectory::JointMotion;

/// Folds the arm into its home configuration, over whatever stands between: if need be the tool is
/// raised first.
#[derive(Default)]
pub(crate) struct Tuck {
    stages: Vec<Vec<f64>>,
    motion: Option<JointMotion>,
    started: bool,
}

/// Height of the tool over the highest thing within reach, m.
const CLEARANCE_M: f64 = 0.09;
/// Things farther from the base than this are not passed over, m.
const WITHIN_M: f64 = 1.0;
/// The tool is not raised higher than this, m: nothing that the arm works on is higher.
const HIGHEST_M: f64 = 0.64;
/// The tool may sink by this on its way, m.
const SAG_M: f64 = 0.01;

impl Tuck {
    /// One tick; done when all set-points were given and the arm has come near the last.
    pub(crate) fn step(&mut self, cx: &mut Context<'_>) -> Result<Status, Failure> {
        /// How near, rad.
        const ARRIVED_RAD: f64 = 0.02;
        if !self.started {
            self.started = true;
            self.stages = stages(cx)?;
            self.stages.reverse();
        }
        cx.report.source = ControlSource::Primitive;
        if let Some(motion) = &mut self.motion {
            if motion.step(cx.now, cx.command) < 1.0 {
                return Ok(Status::Running);
            }
            self.motion = None;
        }
        if let Some(next) = self.stages.pop() {
            let motion =
                JointMotion::plan(&cx.body.limbs().arm, cx.command, &next, cx.speed_scale)?;
            self.motion.insert(motion).step(cx.now, cx.command);
            return Ok(Status::Running);
        }
        let off = cx
            .body
            .limbs()
            .arm
            .positions(cx.state)
            .iter()
            .zip(&cx.body.limbs().home)
            .map(|(position, home)| (position - home).abs())
            .fold(0.0, f64::max);
        cx.report.measure("home_error_rad", off);
        Ok(if off <= ARRIVED_RAD { Status::Done } else { Status::Running })
    }
}

/// Arm positions to stop at: a raised one if need be, then home.
fn stages(cx: &mut Context<'_>) -> Result<Vec<Vec<f64>>, Failure> {
    let base = cx.body.base(cx.state)?;
    let positions = cx.body.limbs().arm.positions(cx.state);
    let home = cx.body.limbs().home.clone();
    let Some(tool) = tool_at(cx.body, &positions) else { return Ok(vec![home]) };
    let away = positions.iter().zip(&home).any(|(a, b)| (a - b).abs() > 0.1);
    let needed = (highest_within_m(cx.world, &base.map_from_base) + CLEARANCE_M).min(HIGHEST_M);
    if !away || (tool.translation.z >= needed - SAG_M && !sags(cx.body, &positions, &home)) {
        return Ok(vec![home]);
    }
    // Straight up; a little more if the way home would still sink.
    for extra in [0.0, 0.04, 0.08] {
        let up = needed.max(tool.translation.z) + extra - tool.translation.z;
        let raised = Translation3::new(0.0, 0.0, up) * tool;
        let Some(solution) = cx.body.limbs_mut().solve(&raised) else { continue };
        if !sags(cx.body, &solution, &home) {
            return Ok(vec![solution, home]);
        }
    }
    Ok(vec![home])
}

fn tool_at(body: &Body, positions: &[f64]) -> Option<Isometry3<f64>> {
    body.limbs().arm.chain.base_from_tool(positions).ok()
}

/// The highest point of what the arm could meet, m; furniture that it cannot pass over is left out.
fn highest_within_m(world: &WorldState, map_from_base: &Isometry3<f64>) -> f64 {
    world
        .objects
        .values()
        .filter(|object| object.held_by.is_none() && object.top_m() < HIGHEST_M)
        .filter(|object| {
            let way = object.center().coords - map_from_base.translation.vector;
            way.xy().norm() - object.half_extent().xy().norm() < WITHIN_M
        })
        .map(|object| object.top_m())
        .fold(0.0, f64::max)
}

/// Whether the straight way in joint space takes the tool below both of its ends.
fn sags(body: &Body, from: &[f64], to: &[f64]) -> bool {
    const SAMPLES: u32 = 20;
    let height = |share: f64| {
        let between: Vec<f64> = from.iter().zip(to).map(|(a, b)| a + share * (b - a)).collect();
        tool_at(body, &between).map_or(f64::INFINITY, |pose| pose.translation.z)
    };
    let ends = height(0.0).min(height(1.0));
    (1..SAMPLES).any(|i| height(f64::from(i) / f64::from(SAMPLES)) < ends - SAG_M)
}
