use std::time::{Duration, Instant};

use nalgebra::Isometry3;
use sinew_policy::ToolError;
use sinew_types::{ErrorCode, Time};

use crate::arm::tool_error_to;
use crate::body::Body;
use crate::context::Context;
use crate::io::{ControlSource, Failure};
use crate::policies::Runner;
use crate::stretch::Stretch;

/// The policies that move arm and gripper together, where grasping is left to them.
pub(crate) struct GraspPolicies {
    pub(crate) pick: Box<dyn Runner>,
    pub(crate) place: Box<dyn Runner>,
}

/// Which of them.
#[derive(Clone, Copy)]
pub(crate) enum Grasping {
    Pick,
    Place,
}

impl Grasping {
    fn policy(self, body: &mut Body) -> Result<&mut dyn Runner, Failure> {
        let policies = body.limbs_mut().grasp_policies.as_mut().ok_or_else(|| {
            Failure::new(ErrorCode::PolicyFailed, "no policies of grasping were loaded")
        })?;
        Ok(match self {
            Self::Pick => policies.pick.as_mut(),
            Self::Place => policies.place.as_mut(),
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Pick => "pick",
            Self::Place => "place",
        }
    }
}

/// What a policy of grasping is told.
pub(crate) struct GraspGoal {
    /// The tool's pose at the grasp or the release, in the map.
    pub(crate) map_from_tool: Isometry3<f64>,
    /// m over it, at which it is approached; for [`Grasping::Place`], which has to know.
    pub(crate) approach_height_m: Option<f64>,
    /// Of the object between the fingers, m.
    pub(crate) object_width_m: f64,
}

/// Moves tool and gripper by a policy of chunks.
#[derive(Default)]
pub(crate) struct GraspServo {
    started: Option<Time>,
    stretch: Stretch,
}

/// Longer than this it takes nowhere at full speed.
const TIME_OUT: Duration = Duration::from_secs(12);

impl GraspServo {
    /// One tick; how far the tool is from the goal's pose.
    pub(crate) fn step(
        &mut self,
        cx: &mut Context<'_>,
        which: Grasping,
        goal: &GraspGoal,
    ) -> Result<ToolError, Failure> {
        let error = tool_error_to(cx, &goal.map_from_tool)?;
        let started = match self.started {
            Some(started) => started,
            None => {
                which.policy(cx.body)?.start(cx.state)?;
                self.stretch.start(cx.body.limbs().arm.positions(cx.state));
                cx.now
            }
        };
        self.started = Some(started);
        cx.report.measure("tool_position_error_m", error.distance_m());
        cx.report.measure("tool_angle_error_rad", error.angle_rad());
        if cx.now.since(started) > TIME_OUT.div_f64(cx.speed_scale) {
            let gripper = cx.state.grippers[cx.body.limbs().gripper];
            return Err(Failure::new(
                ErrorCode::PolicyFailed,
                format!(
                    "policy `{}` did not end: the tool is {:.1} mm from its pose, the gripper at {:.4} m with {:.1} N",
                    which.name(),
                    error.distance_m() * 1e3,
                    gripper.width_m,
                    gripper.force_n
                ),
            ));
        }
        if self.stretch.is_due() {
            let began = Instant::now();
            let height = [goal.approach_height_m.unwrap_or_default()];
            let given: [(&str, &[f64]); 4] = [
                ("tool_position_error", &error.position),
                ("tool_rotation_error", &error.rotation),
                ("object_width", &[goal.object_width_m]),
                ("approach_height", &height),
            ];
            let is_given = if goal.approach_height_m.is_some() { 4 } else { 3 };
            let policy = which.policy(cx.body)?;
            policy.run(cx.state, &given[..is_given])?;
            policy.write(cx.command);
            cx.report.inference = began.elapsed();
            self.stretch.take(&cx.body.limbs().arm.joints, cx.command);
        }
        self.stretch.step(cx.speed_scale, &cx.body.limbs().arm.joints, cx.command);
        cx.report.source = ControlSource::Policy;
        Ok(error)
    }
}
