use std::path::Path;

use sinew_policy::{CommandInputs, Embodiment, Policy, PolicyError};
use sinew_types::{ActuatorCommand, ErrorCode, RobotState};

use crate::io::Failure;

/// What runs a policy tick by tick; tests put faults in its place.
pub(crate) trait Runner: Send {
    /// Starts an episode: nothing of the last one is left.
    fn start(&mut self, state: &RobotState) -> Result<(), PolicyError>;

    /// One tick.
    fn run(&mut self, state: &RobotState, inputs: &[(&str, &[f64])]) -> Result<(), PolicyError>;

    /// Puts the result of the last tick into a command.
    fn write(&self, command: &mut ActuatorCommand);
}

/// A policy and the inputs that it is given.
pub(crate) struct PolicyRunner {
    policy: Policy,
    inputs: CommandInputs,
}

impl PolicyRunner {
    /// Loads `<folder>/<name>/<name>.policy.yaml` and its model.
    pub(crate) fn load(folder: &Path, name: &str, robot: &Embodiment) -> Result<Self, PolicyError> {
        let policy = Policy::load(folder.join(name).join(format!("{name}.policy.yaml")), robot)?;
        let inputs = policy.command_inputs();
        Ok(Self { policy, inputs })
    }
}

impl Runner for PolicyRunner {
    fn start(&mut self, state: &RobotState) -> Result<(), PolicyError> {
        self.inputs.clear();
        self.policy.reset(state)
    }

    fn run(&mut self, state: &RobotState, inputs: &[(&str, &[f64])]) -> Result<(), PolicyError> {
        for (name, values) in inputs {
            self.inputs.set(name, values, state.stamp)?;
        }
        self.policy.step(state, &self.inputs).map(|_| ())
    }

    fn write(&self, command: &mut ActuatorCommand) {
        self.policy.write(command);
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        let code = match &error {
            PolicyError::NotFinite { .. } => ErrorCode::PolicyNotFinite,
            PolicyError::ObservationStale { .. } => ErrorCode::ObservationStale,
            _ => ErrorCode::PolicyFailed,
        };
        Self::new(code, error.to_string())
    }
}
