use sinew_types::{ActuatorCommand, GripperCommand, Layout, RobotState};

/// A last set-point further than this from the measured position, rad or m, is not what holds the
/// joint there: it is measured that counts.
const BELIEVED: f64 = 0.1;

/// What each joint and gripper was commanded last, by whomever.
///
/// An arm hangs a little below its set-point. Who starts from the measured position lets it sink by
/// that much; who starts from the last set-point does not.
pub(crate) struct SetPoints {
    /// rad or m; NaN where there was none.
    positions: Vec<f64>,
    grippers: Vec<GripperCommand>,
}

impl SetPoints {
    pub(crate) fn new(layout: &Layout) -> Self {
        Self {
            positions: vec![f64::NAN; layout.joints().len()],
            grippers: vec![GripperCommand::UNUSED; layout.grippers()],
        }
    }

    pub(crate) fn observe(&mut self, command: &ActuatorCommand) {
        for (last, joint) in self.positions.iter_mut().zip(&command.joints) {
            if joint.position.is_finite() {
                *last = joint.position;
            }
        }
        for (last, gripper) in self.grippers.iter_mut().zip(&command.grippers) {
            if gripper.width_m.is_finite() {
                *last = *gripper;
            }
        }
    }

    /// Where a joint's set-point is, rad or m, as far as is known.
    pub(crate) fn position(&self, joint: usize, state: &RobotState) -> f64 {
        let measured = state.joints[joint].position;
        let last = self.positions[joint];
        // A comparison with NaN is false.
        if (last - measured).abs() <= BELIEVED { last } else { measured }
    }

    /// What a gripper was told last; before that, what is measured.
    pub(crate) fn gripper(&self, gripper: usize, state: &RobotState) -> GripperCommand {
        let last = self.grippers[gripper];
        let width_m = state.grippers[gripper].width_m;
        if last.width_m.is_nan() { GripperCommand { width_m, ..last } } else { last }
    }
}
