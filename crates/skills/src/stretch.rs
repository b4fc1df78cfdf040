use sinew_types::{ActuatorCommand, JointCommand};

/// Joint targets of a policy that is run at a share of its rate: slower than full speed, time is stretched, and what
/// it commands is interpolated.
#[derive(Default)]
pub(crate) struct Stretch {
    /// Of the last run of the policy, and of the one before.
    to: Vec<f64>,
    from: Vec<f64>,
    /// Progress from `from` to `to`, in runs.
    phase: f64,
}

impl Stretch {
    /// From these targets on; the policy is due.
    pub(crate) fn start(&mut self, positions: Vec<f64>) {
        self.from.clone_from(&positions);
        self.to = positions;
        self.phase = 1.0;
    }

    /// Whether the policy is to be run in this tick.
    pub(crate) fn is_due(&self) -> bool {
        self.phase >= 1.0 - 1e-9
    }

    /// Takes the targets of the run that was due.
    pub(crate) fn take(&mut self, joints: &[usize], command: &ActuatorCommand) {
        self.phase -= 1.0;
        std::mem::swap(&mut self.from, &mut self.to);
        for (to, joint) in self.to.iter_mut().zip(joints) {
            *to = command.joints[*joint].position;
        }
    }

    /// Moves on by one tick at a share of full speed.
    pub(crate) fn step(&mut self, speed_scale: f64, joints: &[usize], out: &mut ActuatorCommand) {
        self.phase += speed_scale;
        let share = self.phase.min(1.0);
        for (i, joint) in joints.iter().enumerate() {
            let position = self.from[i] + share * (self.to[i] - self.from[i]);
            out.joints[*joint] = JointCommand::position(position);
        }
    }
}
