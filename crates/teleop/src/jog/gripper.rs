use sinew_types::{ActuatorCommand, GripperCommand, RobotState};

use super::{Context, Jog};
use crate::set_points::SetPoints;
use crate::signal::Signal;

/// Opens and closes a gripper.
pub(crate) struct GripperJog {
    signal: Signal,
    /// Index into the grippers of state and command.
    gripper: usize,
    max_width_m: f64,
    /// As the mapping says; else the force of the last command is kept.
    max_force_n: Option<f64>,
    /// Nothing else in the mode is commanded, and a command must command something.
    alone: bool,
    target: GripperCommand,
    touched: bool,
}

impl GripperJog {
    pub(crate) fn new(
        signal: Signal,
        gripper: usize,
        max_width_m: f64,
        max_force_n: Option<f64>,
        alone: bool,
    ) -> Self {
        let target = GripperCommand::UNUSED;
        Self { signal, gripper, max_width_m, max_force_n, alone, target, touched: false }
    }
}

impl Jog for GripperJog {
    fn start(&mut self, robot: &RobotState, last: &SetPoints) {
        self.target = last.gripper(self.gripper, robot);
        self.touched = false;
    }

    fn step(&mut self, cx: &Context<'_>, out: &mut ActuatorCommand) {
        let velocity = self.signal.value(cx.reader, cx.pad);
        if velocity != 0.0 {
            if !self.touched {
                self.touched = true;
                self.target.max_force_n = self.max_force_n.unwrap_or(self.target.max_force_n);
            }
            if velocity > 0.0 {
                // Around an object the set-point is narrower than the object: it opens from there.
                let measured = cx.robot.grippers[self.gripper].width_m;
                self.target.width_m = self.target.width_m.max(measured);
            }
            self.target.width_m =
                (self.target.width_m + velocity * cx.dt).clamp(0.0, self.max_width_m);
        }
        // Until it is touched, a gripper is left with what it was told last: it may hold something.
        if self.touched || self.alone {
            out.grippers[self.gripper] = self.target;
        }
    }
}
