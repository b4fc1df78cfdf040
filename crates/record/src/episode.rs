use std::time::Duration;

use rand_chacha::ChaCha8Rng;
use sinew_policy::{CommandInputs, PolicyError};
use sinew_types::{ActuatorCommand, RobotState};

use crate::{Plant, RecordError};

/// What is to be learned: goals, what the policy is told about them, and an expert.
pub trait Task {
    /// Draws the next goal; the robot starts where it stands.
    ///
    /// # Errors
    /// [`RecordError::NoGoal`] if none is found.
    fn next_goal(&mut self, rng: &mut ChaCha8Rng, state: &RobotState) -> Result<(), RecordError>;

    /// Sets the command inputs of the policy.
    ///
    /// # Errors
    /// [`RecordError::Policy`] if the manifest does not take them.
    fn inputs(&self, state: &RobotState, inputs: &mut CommandInputs) -> Result<(), RecordError>;

    /// What the expert does: joint changes of this tick in rad, or velocities in m/s and rad/s.
    ///
    /// # Errors
    /// Those of the robot's model.
    fn expert(&mut self, state: &RobotState, wanted: &mut [f64]) -> Result<(), RecordError>;

    /// How far the robot is from the goal.
    ///
    /// # Errors
    /// Those of the robot's model.
    fn offset(&self, state: &RobotState) -> Result<Offset, RecordError>;

    /// An episode ends well when the offset stays within this.
    fn tolerance(&self) -> Offset;

    /// An episode ends after this.
    fn time_limit(&self) -> Duration;
}

/// How far a pose is from the wanted one.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Offset {
    /// m.
    pub distance_m: f64,
    /// rad.
    pub angle_rad: f64,
    /// From the straight line between start and goal, m; 0 where no line is asked for.
    pub aside_m: f64,
}

/// Who commands in an episode.
pub trait Pilot {
    /// Starts an episode.
    ///
    /// # Errors
    /// When the robot's state is not valid.
    fn reset(&mut self, state: &RobotState) -> Result<(), PolicyError>;

    /// One tick: fills the command.
    ///
    /// # Errors
    /// Those of the policy and of the task.
    fn tick(
        &mut self,
        task: &mut dyn Task,
        state: &RobotState,
        command: &mut ActuatorCommand,
    ) -> Result<(), RecordError>;
}

/// How an episode went.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct EpisodeResult {
    /// At the start.
    pub first: Offset,
    /// At the end.
    pub last: Offset,
    /// Farthest from the straight line, m.
    pub aside_m: f64,
    /// When the offset came within the tolerance to stay there; none if it did not.
    pub settled: Option<Duration>,
}

/// How long the offset must stay within the tolerance.
const STAY: Duration = Duration::from_millis(500);

/// Runs one episode to a freshly drawn goal.
///
/// # Errors
/// Those of the plant, the task and the pilot.
pub fn run_episode(
    plant: &mut dyn Plant,
    task: &mut dyn Task,
    pilot: &mut dyn Pilot,
    period: Duration,
    rng: &mut ChaCha8Rng,
) -> Result<EpisodeResult, RecordError> {
    task.next_goal(rng, plant.state())?;
    pilot.reset(plant.state())?;
    let mut command = ActuatorCommand::unused(plant.layout());
    let (tolerance, limit) = (task.tolerance(), task.time_limit());
    let started = plant.state().stamp;
    let first = task.offset(plant.state())?;
    let mut within_since = None;
    let mut aside_m = 0.0_f64;
    loop {
        let elapsed = plant.state().stamp.since(started);
        let last = task.offset(plant.state())?;
        aside_m = aside_m.max(last.aside_m);
        let within =
            last.distance_m <= tolerance.distance_m && last.angle_rad <= tolerance.angle_rad;
        within_since = if within { within_since.or(Some(elapsed)) } else { None };
        let stayed = within_since.is_some_and(|since| elapsed - since >= STAY);
        if stayed || elapsed >= limit {
            let settled = within_since.filter(|_| stayed);
            return Ok(EpisodeResult { first, last, aside_m, settled });
        }
        pilot.tick(task, plant.state(), &mut command)?;
        plant.advance(&command, period)?;
    }
}
