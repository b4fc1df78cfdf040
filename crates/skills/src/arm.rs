use std::time::{Duration, Instant};

use nalgebra::Isometry3;
use sinew_policy::{ToolError, tool_error};
use sinew_types::{ErrorCode, Time};

use crate::context::{Context, Status};
use crate::io::{ControlSource, Failure};
use crate::stretch::Stretch;

/// How well a pose of the tool must be met.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tolerance {
    pub(crate) position_m: f64,
    pub(crate) angle_rad: f64,
}

impl Tolerance {
    /// On the way.
    pub(crate) const LOOSE: Self = Self { position_m: 0.02, angle_rad: 0.1 };
    /// Over something.
    pub(crate) const COARSE: Self = Self { position_m: 0.008, angle_rad: 0.06 };
    /// At something that is touched next.
    pub(crate) const FINE: Self = Self { position_m: 0.004, angle_rad: 0.04 };

    fn is_met(self, error: &ToolError) -> bool {
        error.distance_m() <= self.position_m && error.angle_rad() <= self.angle_rad
    }

    /// Joints slower than this no longer change the tool's pose by much, rad/s.
    fn speed_rad_s(self) -> f64 {
        SLOW_RAD_S * (self.position_m / Self::FINE.position_m)
    }

    /// What is accepted once the arm comes no closer.
    fn loosened(self) -> Self {
        Self { position_m: 2.0 * self.position_m, angle_rad: 2.0 * self.angle_rad }
    }
}

/// Moves the tool to a pose by the policy `reach`.
#[derive(Default)]
pub(crate) struct ArmServo {
    started: Option<Time>,
    stretch: Stretch,
    /// Ticks within the tolerance and slow; ticks slow.
    within: u32,
    slow: u32,
}

/// Joints slower than this stand, as far as the finest tolerance goes, rad/s.
const SLOW_RAD_S: f64 = 0.06;
/// Ticks that it must stay within the tolerance.
const STAY_TICKS: u32 = 3;
/// Ticks without motion after which it comes no closer.
const STUCK_TICKS: u32 = 25;
/// Longer than this no motion of the arm takes at full speed.
const TIME_OUT: Duration = Duration::from_secs(8);

impl ArmServo {
    /// One tick towards the pose; done when the tool is measured there.
    pub(crate) fn step(
        &mut self,
        cx: &mut Context<'_>,
        map_from_target: &Isometry3<f64>,
        tolerance: Tolerance,
    ) -> Result<Status, Failure> {
        let error = tool_error_to(cx, map_from_target)?;
        let started = match self.started {
            Some(started) => started,
            None => {
                cx.body.limbs_mut().reach_policy.start(cx.state)?;
                self.stretch.start(cx.body.limbs().arm.positions(cx.state));
                cx.now
            }
        };
        self.started = Some(started);
        cx.report.measure("tool_position_error_m", error.distance_m());
        cx.report.measure("tool_angle_error_rad", error.angle_rad());
        if self.is_there(cx, &error, tolerance) {
            return Ok(Status::Done);
        }
        if cx.now.since(started) > TIME_OUT.div_f64(cx.speed_scale) {
            return Err(Failure::new(
                ErrorCode::PolicyFailed,
                format!(
                    "policy `reach` did not bring the tool there: {:.1} mm and {:.3} rad are left; allowed: {:.1} mm and {:.3} rad",
                    error.distance_m() * 1e3,
                    error.angle_rad(),
                    tolerance.position_m * 1e3,
                    tolerance.angle_rad
                ),
            ));
        }
        if self.stretch.is_due() {
            self.run(cx, &error)?;
        }
        self.stretch.step(cx.speed_scale, &cx.body.limbs().arm.joints, cx.command);
        cx.report.source = ControlSource::Policy;
        Ok(Status::Running)
    }

    fn run(&mut self, cx: &mut Context<'_>, error: &ToolError) -> Result<(), Failure> {
        let began = Instant::now();
        let inputs: [(&str, &[f64]); 2] =
            [("tool_position_error", &error.position), ("tool_rotation_error", &error.rotation)];
        cx.body.limbs_mut().reach_policy.run(cx.state, &inputs)?;
        cx.report.inference = began.elapsed();
        cx.body.limbs_mut().reach_policy.write(cx.command);
        self.stretch.take(&cx.body.limbs().arm.joints, cx.command);
        Ok(())
    }

    fn is_there(&mut self, cx: &Context<'_>, error: &ToolError, tolerance: Tolerance) -> bool {
        let slow = cx.body.limbs().arm_speed(cx.state) <= tolerance.speed_rad_s();
        self.slow = if slow { self.slow + 1 } else { 0 };
        self.within = if slow && tolerance.is_met(error) { self.within + 1 } else { 0 };
        self.within >= STAY_TICKS
            || (self.slow >= STUCK_TICKS && tolerance.loosened().is_met(error))
    }
}

/// How far the tool is from a pose in the map.
pub(crate) fn tool_error_to(
    cx: &Context<'_>,
    target: &Isometry3<f64>,
) -> Result<ToolError, Failure> {
    let map_from_base = cx.body.base(cx.state)?.map_from_base;
    let positions = cx.body.limbs().arm.positions(cx.state);
    let base_from_tool = cx
        .body
        .limbs()
        .arm
        .chain
        .base_from_tool(&positions)
        .map_err(|error| Failure::new(ErrorCode::PolicyFailed, error.to_string()))?;
    let roll = positions.last().copied().unwrap_or_default();
    let limits = cx.body.limbs().arm.limits.last().map_or([-3.0, 3.0], |l| [l.lower, l.upper]);
    Ok(tool_error(&base_from_tool, &map_from_base.inv_mul(target), roll, limits))
}
