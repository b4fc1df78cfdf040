use sinew_types::{ActuatorCommand, RobotState};

use super::{Context, Jog};
use crate::joint_targets::JointTargets;
use crate::set_points::SetPoints;
use crate::signal::Signal;

/// Moves single joints of a group.
pub(crate) struct JointJog {
    targets: JointTargets,
    /// One per joint of the group.
    signals: Vec<Option<Signal>>,
    wanted: Vec<f64>,
}

impl JointJog {
    pub(crate) fn new(targets: JointTargets, signals: Vec<Option<Signal>>) -> Self {
        Self { wanted: vec![0.0; signals.len()], targets, signals }
    }
}

impl Jog for JointJog {
    fn start(&mut self, robot: &RobotState, last: &SetPoints) {
        self.targets.start(robot, last);
    }

    fn step(&mut self, cx: &Context<'_>, out: &mut ActuatorCommand) {
        for (wanted, signal) in self.wanted.iter_mut().zip(&self.signals) {
            *wanted = signal.as_ref().map_or(0.0, |signal| signal.value(cx.reader, cx.pad));
        }
        self.targets.advance(&self.wanted, cx.dt, cx.robot);
        self.targets.write(out);
    }
}
