use std::sync::Arc;
use std::time::Duration;

use sinew_hardware::{FallbackController, FallbackError, layout_of};
use sinew_policy::{CommandInputs, Embodiment, Policy, PolicyError};
use sinew_robot::{FallbackConfig, PolicyFallbackConfig, RobotModel};
use sinew_types::{ActuatorCommand, BaseTwist, RobotState, Time};

/// A policy that keeps a robot up in the hardware process, whatever becomes of the process that runs skills.
///
/// While others command the robot it watches them, so that it goes on in mid-step where they end.
pub struct PolicyFallback {
    policy: Policy,
    inputs: CommandInputs,
    velocity_command: String,
    period: Duration,
    /// When it is run or looks next.
    due: Time,
    /// Whether it watched when that was last due.
    is_warm: bool,
    /// Why it cannot go on, found while it was not asked.
    fault: Option<FallbackError>,
}

impl PolicyFallback {
    /// Loads the policy that a robot file names.
    ///
    /// # Errors
    /// Whatever is wrong with the policy, or that it takes no such command.
    pub fn new(
        config: &PolicyFallbackConfig,
        model: &RobotModel,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let folder = model.path().parent().unwrap_or_else(|| std::path::Path::new("."));
        let robot = Embodiment::new(&layout_of(model)?, Arc::new(model.clone()));
        let policy = Policy::load(folder.join(&config.manifest), robot)?;
        let mut inputs = policy.command_inputs();
        inputs.set(&config.velocity_command, &[0.0; 3], Time::ZERO)?;
        inputs.clear();
        Ok(Self {
            inputs,
            velocity_command: config.velocity_command.clone(),
            period: policy.period(),
            policy,
            due: Time::ZERO,
            is_warm: false,
            fault: None,
        })
    }

    /// Whether a tick of the policy is due, and the next one one period later.
    fn is_due(&mut self, now: Time) -> bool {
        if now < self.due {
            return false;
        }
        // After a gap it does not catch up.
        let next = self.due + self.period;
        self.due = if next > now { next } else { now + self.period };
        true
    }

    fn ask(&mut self, now: Time, reference: BaseTwist) -> Result<(), PolicyError> {
        let velocity = [reference.linear_x, reference.linear_y, reference.angular_z];
        self.inputs.set(&self.velocity_command, &velocity, now)
    }
}

impl FallbackController for PolicyFallback {
    fn name(&self) -> &'static str {
        "policy"
    }

    fn start(&mut self, now: Time, state: &RobotState, _last: &ActuatorCommand) {
        self.fault = None;
        // What it remembers is of no use after a gap, such as a stop in which it was not asked.
        let is_warm = std::mem::take(&mut self.is_warm) && now <= self.due + self.period;
        if !is_warm {
            self.due = now;
            self.fault = self.policy.reset(state).err().as_ref().map(fault);
        }
    }

    fn watch(
        &mut self,
        now: Time,
        _period: Duration,
        state: &RobotState,
        reference: BaseTwist,
        last: &ActuatorCommand,
    ) {
        if !self.is_due(now) {
            return;
        }
        let watched = match self.is_warm {
            true => Ok(()),
            false => self.policy.reset(state),
        };
        self.is_warm = watched
            .and_then(|()| self.ask(now, reference))
            .and_then(|()| self.policy.watch(state, &self.inputs, last))
            .is_ok();
    }

    fn step(
        &mut self,
        now: Time,
        _period: Duration,
        state: &RobotState,
        reference: BaseTwist,
        out: &mut ActuatorCommand,
    ) -> Result<(), FallbackError> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.is_due(now) {
            let stepped = self
                .ask(now, reference)
                .and_then(|()| self.policy.step(state, &self.inputs).map(|_| ()));
            stepped.map_err(|error| fault(&error))?;
        }
        self.policy.write(out);
        Ok(())
    }
}

fn fault(error: &PolicyError) -> FallbackError {
    match error {
        PolicyError::ObservationStale { .. } => {
            FallbackError::Sensor { sensor: "observation of the fallback policy" }
        }
        PolicyError::NotFinite { .. } => FallbackError::NotFinite,
        _ => FallbackError::Failed { what: "the fallback policy could not be run" },
    }
}

/// The controller that a robot file names, if it names one.
///
/// # Errors
/// Whatever keeps it from being made: a policy that does not load, a joint that the robot does not have.
pub fn fallback_of(
    model: &RobotModel,
) -> Result<Option<Box<dyn FallbackController>>, Box<dyn std::error::Error>> {
    Ok(match &model.config().fallback {
        Some(FallbackConfig::Policy(config)) => Some(Box::new(PolicyFallback::new(config, model)?)),
        _ => sinew_hardware::fallback_of(model)?,
    })
}
