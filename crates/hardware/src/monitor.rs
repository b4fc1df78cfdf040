//! What stops the robot besides losses and errors of others: where it is, what it fails to do, how hot it is.
//!
//! The gate asks the monitor once per cycle, after the state was read and before anything is written. So what
//! it finds is stopped in the same cycle. All is a pure function of the states, outputs and times that it was
//! given; nothing allocates, locks or logs after construction.
//!
//! - **Workspace** ([`Cause::Workspace`]): links stay inside a box and out of others, in the frame of a link.
//! - **Self-collision** ([`Cause::SelfCollision`]): pairs of links keep a distance.
//!
//!   Both are judged in two postures: as measured, and as the joints will be once the set-points that the
//!   actuators have now come to rest. The latter looks `check_every` cycles further ahead, during which joints may
//!   speed up as their limits allow: so the stop ramp ends before the limit, give or take what joints that brake
//!   against each other make of it: up to 1 mm, and 1 mm per cycle of `check_every`, for the mobile manipulator at full speed. Joints of
//!   impedance and effort groups have no such set-points, and count as staying where they are measured.
//!
//!   A violation is a distance below its limit that was not below it before, or that has shrunk: a robot
//!   that is armed or reset in a posture that violates a limit may move in any way in which none of the distances
//!   that are too small gets smaller by more than 1 mm. Once such a distance has reached its limit again,
//!   the limit holds. Each reset after such a stop is a new start, so each allows 1 mm at most.
//! - **Tracking** ([`Cause::TrackingError`]): a joint is further from its set-point (or from its commanded velocity, a
//!   base from its twist) than allowed, for longer than allowed. The stop comes in the first cycle in
//!   which that is so: time and one cycle after the error began. At reset the set-points of such groups are taken
//!   from the measured state: the cause may be gone, and nothing jumps then.
//! - **Temperature** ([`Cause::OverTemperature`]): a drive is hotter than allowed. It is not cleared before all drives are
//!   below the level of warning, which shows in [`GroupSafety::hot`].
//! - **Clamp rate**: no stop. The share of cycles in which a group's commands were clamped shows in
//!   [`GroupSafety::clamp_rate`] and [`GroupSafety::clamped_persistently`].
//!
//! What a check of distances costs is what `cargo bench -p sinew-hardware` prints for a cycle with monitors less one
//! without.
//!
//! [`Cause::Workspace`]: crate::Cause::Workspace
//! [`Cause::SelfCollision`]: crate::Cause::SelfCollision
//! [`Cause::TrackingError`]: crate::Cause::TrackingError
//! [`Cause::OverTemperature`]: crate::Cause::OverTemperature
//! [`GroupSafety::hot`]: crate::GroupSafety::hot
//! [`GroupSafety::clamp_rate`]: crate::GroupSafety::clamp_rate
//! [`GroupSafety::clamped_persistently`]: crate::GroupSafety::clamped_persistently

mod clamp_rate;
mod clearance;
mod config;
mod geometry;
mod ratchet;
mod robot;
mod set_points;
mod temperature;
mod tracking;
mod violation;

use sinew_types::{ActuatorCommand, RobotState, Time};

use self::clamp_rate::ClampRate;
use self::clearance::Clearance;
use self::set_points::SetPoints;
use self::temperature::Temperature;
use self::tracking::Tracking;
use crate::config::GateConfig;
use crate::safety::{Cause, Causes, SafetyState};

pub use self::config::{
    AxisAlignedBox, Body, ClampRateLimits, LinkShape, MonitorConfig, SelfCollisionLimits,
    TemperatureLimits, TrackingLimits, WorkspaceLimits,
};
pub use self::geometry::Geometry;
pub use self::violation::{Posture, Violation};

/// All monitors of a robot.
pub(crate) struct Monitor {
    set_points: SetPoints,
    clearance: Option<Clearance>,
    tracking: Tracking,
    temperature: Temperature,
    clamp_rates: Vec<ClampRate>,
}

impl Monitor {
    pub(crate) fn new(gate: &GateConfig) -> Self {
        let (layout, config) = (&gate.layout, &gate.monitor);
        let period_s = gate.period.as_secs_f64();
        Self {
            set_points: SetPoints::new(layout, &gate.groups, period_s),
            clearance: Clearance::new(config, layout.joints().len(), period_s),
            tracking: Tracking::new(layout, &gate.groups, &config.tracking),
            temperature: Temperature::new(layout, &config.temperature),
            clamp_rates: (0..gate.groups.len())
                .map(|_| ClampRate::new(config.clamp_rate, gate.period))
                .collect(),
        }
    }

    /// Judges the newest state against the last output, and says what it found. Real-time safe.
    ///
    /// Without power nothing is a violation, and where the robot is then counts as a start.
    pub(crate) fn judge(
        &mut self,
        now: Time,
        state: &RobotState,
        is_powered: bool,
        safety: &mut SafetyState,
    ) -> Causes {
        self.temperature.note(state);
        for (index, (group, rate)) in
            safety.groups.iter_mut().zip(&mut self.clamp_rates).enumerate()
        {
            rate.note(group.clamps.total());
            group.clamp_rate = rate.rate();
            group.clamped_persistently = rate.is_persistent();
            group.hot = self.temperature.is_hot(index);
        }
        if let Some(clearance) = &mut self.clearance {
            clearance.note(state);
        }
        let mut causes = Causes::NONE;
        if !is_powered {
            self.restart();
            return causes;
        }
        let found = [
            self.temperature.judge(),
            self.tracking.judge(now, state, &self.set_points),
            self.clearance.as_mut().and_then(|clearance| clearance.judge(&self.set_points)),
        ];
        for violation in found.into_iter().flatten() {
            let cause = violation.cause();
            if !safety.causes.contains(cause) {
                safety.violation = Some(violation);
            }
            causes.insert(cause);
        }
        causes
    }

    /// Takes what the actuators are given in this cycle. Real-time safe.
    pub(crate) fn note_output(&mut self, out: &ActuatorCommand) {
        self.set_points.note(out);
        self.tracking.note(out);
    }

    /// These causes are being cleared: distances and patience start anew. Real-time safe.
    pub(crate) fn reset(&mut self, causes: Causes) {
        if causes.contains(Cause::TrackingError) {
            self.tracking.restart();
        }
        if causes.contains(Cause::Workspace) || causes.contains(Cause::SelfCollision) {
            self.restart_clearance();
        }
    }

    /// The first group with a drive above the level of warning.
    pub(crate) fn hot_group(&self) -> Option<usize> {
        (0..self.clamp_rates.len()).find(|group| self.temperature.is_hot(*group))
    }

    /// Whether a part of this group is too far from its set-point just now.
    pub(crate) fn is_off_track(&self, group: usize) -> bool {
        self.tracking.is_beyond(group)
    }

    fn restart(&mut self) {
        self.tracking.restart();
        self.restart_clearance();
    }

    fn restart_clearance(&mut self) {
        if let Some(clearance) = &mut self.clearance {
            clearance.restart();
        }
    }
}
