use sinew_policy::{CommandInputs, Policy};
use sinew_types::{ActuatorCommand, Layout, RobotState};

/// The policy a second time, which does a tick's work without a trace in what the first one remembers.
pub(super) struct Double {
    policy: Policy,
    command: ActuatorCommand,
}

impl Double {
    pub(super) fn new(policy: Policy, layout: &Layout) -> Self {
        Self { policy, command: ActuatorCommand::unused(layout) }
    }

    /// A whole tick on this state, the network's run included, which a tick of a chunk may do without. None if
    /// it fails.
    pub(super) fn step(&mut self, state: &RobotState, inputs: &CommandInputs) -> Option<()> {
        self.policy.reset(state).ok()?;
        self.policy.step(state, inputs).ok()?;
        self.policy.write(&mut self.command);
        Some(())
    }
}
