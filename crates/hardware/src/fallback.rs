use std::time::Duration;

use sinew_types::{ActuatorCommand, BaseTwist, RobotState, Time};

/// Why a fallback controller cannot go on; the groups that it had are damped then.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FallbackError {
    /// It could not be computed.
    #[error("it failed: {what}")]
    Failed {
        /// What.
        what: &'static str,
    },
    /// A sensor that it needs is not valid, or too old.
    #[error("the {sensor} is not valid")]
    Sensor {
        /// Such as `imu`.
        sensor: &'static str,
    },
    /// The robot is in a state that it cannot bring back, such as lying on the ground.
    #[error("the robot is beyond what can be recovered: {what}")]
    Lost {
        /// What was measured.
        what: &'static str,
    },
    /// It computed NaN or infinity.
    #[error("its output is not finite")]
    NotFinite,
}

/// Keeps a robot safe that falls when it is merely held: what the groups whose stop profile says
/// `fallback` are given when nobody commands them, and in a protective stop.
///
/// It lives in the hardware process and does not depend on the process that runs skills. Its output
/// passes the limits of the groups like any command.
pub trait FallbackController: Send {
    /// Its name, for diagnostics.
    fn name(&self) -> &'static str;

    /// It takes over in this cycle, after `last` was given to the actuators in the cycle before: its
    /// output is to go on from there. Real-time safe.
    fn start(&mut self, now: Time, state: &RobotState, last: &ActuatorCommand);

    /// One control cycle in which others command the groups that fall back, by `last`: a controller that remembers keeps
    /// up with them, so that it can go on where they end. Real-time safe.
    fn watch(
        &mut self,
        _now: Time,
        _period: Duration,
        _state: &RobotState,
        _reference: BaseTwist,
        _last: &ActuatorCommand,
    ) {
    }

    /// One control cycle: writes set-points of the groups that fall back to `out`, whose other parts
    /// are left alone. Real-time safe: no allocation, no lock, bounded time.
    ///
    /// `reference` is what is asked of the base in its own frame, within the limits of the reference
    /// group; zero when nobody asks.
    ///
    /// # Errors
    /// When its sensors or its output are not good: it is not asked again before a reset.
    fn step(
        &mut self,
        now: Time,
        period: Duration,
        state: &RobotState,
        reference: BaseTwist,
        out: &mut ActuatorCommand,
    ) -> Result<(), FallbackError>;
}
