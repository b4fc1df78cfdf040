//! How long it takes from the cause of a stop to the first command of the ramp, and to standstill.

mod cause;
mod driver_rig;
mod process_rig;
mod report;
pub(crate) mod source;
mod source_process;
mod stuck_encoders;
mod subject;

use std::time::Duration;

use anyhow::{Result, bail};

use cause::Side;
pub(crate) use cause::StopCause;
use driver_rig::DriverRig;
use process_rig::ProcessRig;
pub(crate) use report::StopReport;
use report::{CauseReport, Trial};
use subject::Subject;

use crate::interrupt;

/// Whatever is waited for comes within this time, or the trial has failed.
const WITHIN: Duration = Duration::from_secs(20);
/// After standstill, nothing may move by itself for this long.
const WATCH: Duration = Duration::from_millis(200);
/// The robot is at speed for this long before it is stopped.
const AT_SPEED: Duration = Duration::from_millis(60);
/// What the robot is commanded to while it is stopped: turning in place, which meets nothing.
const TURN_RAD_S: f64 = 0.4;
/// How often, as skills and teleop do it.
const COMMAND_PERIOD: Duration = Duration::from_millis(20);

/// What is measured.
#[derive(Clone, Debug)]
pub(crate) struct StopPlan {
    pub(crate) trials: u32,
    pub(crate) causes: Vec<StopCause>,
}

/// Runs all trials; `tell` hears of each.
pub(crate) fn measure(plan: &StopPlan, tell: &mut dyn FnMut(&str)) -> Result<StopReport> {
    let mut causes = Vec::new();
    let (mut processes, mut servos) = (None, None);
    for cause in &plan.causes {
        let mut trials = Vec::new();
        let mut in_process = None;
        for trial in 0..plan.trials {
            if interrupt::is_set() {
                bail!("interrupted in `{}`", cause.name());
            }
            let phase = phase(trial);
            let made = match cause.side() {
                Side::Driver => {
                    let rig = match &mut in_process {
                        Some(rig) => rig,
                        None => in_process.insert(DriverRig::new()?),
                    };
                    rig.trial(*cause, phase)
                }
                Side::Process => {
                    let rig = match &mut processes {
                        Some(rig) => rig,
                        None => processes.insert(ProcessRig::new(Subject::simulated())?),
                    };
                    rig.trial(*cause, phase)
                }
                Side::Servos => {
                    let rig = match &mut servos {
                        Some(rig) => rig,
                        None => servos.insert(ProcessRig::new(Subject::servos()?)?),
                    };
                    rig.trial(*cause, phase)
                }
            };
            // A trial that could not be brought to its end leaves the rig in an unknown state.
            let made = made.unwrap_or_else(|error| {
                (in_process, processes, servos) = (None, None, None);
                Trial::failed(format!("{error:#}"))
            });
            tell(&format!("{} {}/{}: {made}", cause.name(), trial + 1, plan.trials));
            trials.push(made);
        }
        causes.push(CauseReport::new(*cause, trials));
    }
    Ok(StopReport::new(plan.trials, causes))
}

/// Where in the period of commands a trial's cause falls: spread evenly over any number of trials.
fn phase(trial: u32) -> Duration {
    /// The golden ratio, whose multiples fill an interval most evenly.
    const STEP: f64 = 0.618_033_988_749_895;
    COMMAND_PERIOD.mul_f64((f64::from(trial) * STEP).fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn causes_fall_evenly_into_the_period_of_commands() {
        let phases: Vec<_> = (0..100).map(phase).collect();
        for tenth in 0..10 {
            let (low, high) = (COMMAND_PERIOD * tenth / 10, COMMAND_PERIOD * (tenth + 1) / 10);
            let count = phases.iter().filter(|phase| (low..high).contains(*phase)).count();
            assert!((8..=12).contains(&count), "{count} of 100 from {low:?} to {high:?}");
        }
    }
}
