use std::time::Duration;

use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, Layout, RobotState, Time};

use super::fixture::{Fault, Fixture};
use super::mover::Mover;
use super::rule::Unmet;
use crate::interface::{DriverError, EmergencyStop, HardwareInterface};
use crate::robot_config::layout_of;

/// The longest that anything may take on the fixture's clock: opening a bus, coming to rest, coming back.
pub(super) const LONG: Duration = Duration::from_secs(5);
/// How long nothing is to happen.
pub(super) const WHILE: Duration = Duration::from_millis(300);

macro_rules! broken {
    ($($message:tt)*) => { Err(crate::conformance::rule::Unmet::Broken(format!($($message)*))) };
}
pub(super) use broken;

/// What came of one tick.
pub(super) struct Ticked {
    pub(super) read: Result<(), DriverError>,
    pub(super) write: Result<(), DriverError>,
}

/// A configured driver with a loop about it that trusts nothing.
pub(super) struct Rig<'f> {
    pub(super) fixture: &'f mut dyn Fixture,
    pub(super) driver: Box<dyn HardwareInterface>,
    pub(super) stop: Box<dyn EmergencyStop>,
    pub(super) robot: RobotModel,
    pub(super) layout: Layout,
    pub(super) movers: Vec<Mover>,
    pub(super) period: Duration,
    pub(super) now: Time,
    pub(super) state: RobotState,
    /// Written in each tick, if it is to be.
    pub(super) command: ActuatorCommand,
    pub(super) writes: bool,
}

impl<'f> Rig<'f> {
    /// Configured, inactive, and measured.
    pub(super) fn inactive(fixture: &'f mut dyn Fixture) -> Result<Self, Unmet> {
        let robot = fixture.robot().clone();
        let layout = match layout_of(&robot) {
            Ok(layout) => layout,
            Err(error) => return broken!("the robot file has no layout: {error}"),
        };
        let mut driver = fixture.driver();
        let configured = match driver.configure() {
            Ok(configured) => configured,
            Err(error) => return broken!("`configure` of a healthy device failed: {error}"),
        };
        let mut rig = Self {
            movers: Mover::all(&robot, &layout),
            period: Duration::from_secs(1) / robot.control_rate_hz(),
            now: Time::ZERO,
            state: RobotState::invalid(&layout),
            command: ActuatorCommand::unused(&layout),
            writes: false,
            stop: configured.emergency_stop,
            driver,
            fixture,
            robot,
            layout,
        };
        if configured.layout != rig.layout {
            let (joints, expected) = (configured.layout.joints(), rig.layout.joints());
            return broken!(
                "the layout is {joints:?} in {} groups; that of the robot file is {expected:?} in {}: \
                 names, order and groups must be the same",
                configured.layout.groups().len(),
                rig.layout.groups().len()
            );
        }
        rig.until_measured()?;
        Ok(rig)
    }

    /// Active, holding where it is.
    pub(super) fn active(fixture: &'f mut dyn Fixture) -> Result<Self, Unmet> {
        let mut rig = Self::inactive(fixture)?;
        rig.activate()?;
        Ok(rig)
    }

    pub(super) fn activate(&mut self) -> Result<(), Unmet> {
        if let Err(error) = self.driver.activate(self.now) {
            return broken!("`activate` of a healthy device failed: {error}");
        }
        self.hold();
        self.writes = true;
        Ok(())
    }

    pub(super) fn deactivate(&mut self) {
        self.driver.deactivate();
        self.writes = false;
    }

    /// Has everything stay where it is measured.
    pub(super) fn hold(&mut self) {
        for mover in &self.movers {
            mover.hold(&mut self.command, mover.measured(&self.state));
        }
    }

    pub(super) fn tick(&mut self) -> Ticked {
        self.now = self.fixture.advance(self.period);
        let read = self.driver.read(self.now, self.period, &mut self.state);
        let write = match self.writes {
            true => self.driver.write(self.now, self.period, &self.command),
            false => Ok(()),
        };
        Ticked { read, write }
    }

    /// A tick of a healthy device.
    pub(super) fn good_tick(&mut self) -> Result<(), Unmet> {
        let ticked = self.tick();
        if let Err(error) = ticked.read {
            return broken!("a read of a healthy device failed: {error}");
        }
        if let Err(error) = ticked.write {
            return broken!("a write to a healthy device failed: {error}");
        }
        self.check_state()
    }

    pub(super) fn run(&mut self, time: Duration) -> Result<(), Unmet> {
        let end = self.now + time;
        while self.now < end {
            self.good_tick()?;
        }
        Ok(())
    }

    /// Ticks until `holds`, at most [`LONG`]; whether it came.
    pub(super) fn until(&mut self, holds: impl Fn(&Self) -> bool) -> bool {
        let end = self.now + LONG;
        while self.now < end {
            let ticked = self.tick();
            if ticked.read.is_ok() && holds(self) {
                return true;
            }
        }
        false
    }

    /// Ticks until everything was measured since now.
    pub(super) fn until_measured(&mut self) -> Result<(), Unmet> {
        self.now = self.fixture.advance(self.period);
        let (since, end) = (self.now, self.now + LONG);
        while self.now < end {
            let ticked = self.tick();
            if ticked.read.is_ok() && self.state.joints.iter().all(|j| j.valid && j.stamp > since) {
                return self.check_state();
            }
        }
        let silent =
            self.state.joints.iter().position(|joint| !joint.valid || joint.stamp <= since);
        broken!(
            "joint `{}` of a healthy device is not measured within {LONG:?}",
            silent.map_or("", |index| &self.layout.joints()[index])
        )
    }

    /// What holds of every good read.
    fn check_state(&self) -> Result<(), Unmet> {
        let state = &self.state;
        let (joints, grippers) = (self.layout.joints().len(), self.layout.grippers());
        let lengths = (state.joints.len(), state.health.len(), state.grippers.len());
        if lengths != (joints, joints, grippers) {
            return broken!(
                "a read left {lengths:?} joints, healths and grippers; they must stay \
                 {joints}, {joints} and {grippers}"
            );
        }
        for (name, joint) in self.layout.joints().iter().zip(&state.joints) {
            if joint.stamp > self.now + self.fixture.latency() {
                return broken!(
                    "joint `{name}` is stamped {}, which is after now, {}",
                    joint.stamp,
                    self.now
                );
            }
            if joint.valid
                && ![joint.position, joint.velocity, joint.effort].iter().all(|v| v.is_finite())
            {
                return broken!(
                    "joint `{name}` is shown as valid, but a value is not finite: {joint:?}"
                );
            }
        }
        Ok(())
    }

    /// Where everything is.
    pub(super) fn positions(&self) -> Vec<f64> {
        let joints = self.state.joints.iter().map(|joint| joint.position);
        joints.collect()
    }

    /// Fails if a joint that is commanded by joint, but for `moved`, is no longer where it was.
    pub(super) fn expect_unmoved(
        &self,
        before: &[f64],
        moved: Option<usize>,
        when: &str,
    ) -> Result<(), Unmet> {
        let tolerance = self.fixture.tolerance();
        for mover in &self.movers {
            let Mover::Joint { index, .. } = mover else { continue };
            let (name, was, is) =
                (&self.layout.joints()[*index], before[*index], self.state.joints[*index].position);
            if Some(*index) != moved && (is - was).abs() > tolerance {
                return broken!(
                    "joint `{name}` moved by {:.4} {when}; allowed: {tolerance}",
                    is - was
                );
            }
        }
        Ok(())
    }

    /// A tick of a healthy device that this one is on its way with; the time that its set-point goes on by.
    ///
    /// On a machine that is busy with other things a tick may take long. A position does not jump then to where it
    /// would have been by now; a velocity has moved all the while.
    fn tick_on_the_way(&mut self, mover: &Mover) -> Result<Duration, Unmet> {
        let before = self.now;
        self.good_tick()?;
        let passed = self.now.since(before);
        Ok(if mover.is_moved_by_velocity() { passed } else { passed.min(2 * self.period) })
    }

    /// Moves something so far as is easily seen, and lets it come to rest; the integral of the measured
    /// velocity of a joint over that, rad or m.
    pub(super) fn move_once(&mut self, mover: &Mover) -> Result<f64, Unmet> {
        let from = mover.measured(&self.state);
        let distance = mover.distance(from);
        let end = Duration::from_secs_f64(distance.abs() / mover.speed()) + WHILE;
        let (mut on_the_way, mut integral, mut measured_at) = (Duration::ZERO, 0.0, self.now);
        while on_the_way < end {
            mover.go(&mut self.command, from, distance, on_the_way.as_secs_f64());
            on_the_way += self.tick_on_the_way(mover)?;
            if let Mover::Joint { index, .. } = mover {
                let joint = &self.state.joints[*index];
                integral += joint.velocity * joint.stamp.since(measured_at).as_secs_f64();
                measured_at = measured_at.max(joint.stamp);
            }
        }
        Ok(integral)
    }

    /// Something that a stop can be seen on, in the order of how well; it moves when this returns.
    pub(super) fn set_in_motion(&mut self) -> Result<Mover, Unmet> {
        let mover = self.movers.iter().copied().min_by_key(|mover| match mover {
            Mover::Base { .. } => 0,
            Mover::Joint { .. } => 1,
            Mover::Gripper { .. } => 2,
        });
        let Some(mover) = mover else { return Err(Unmet::NotTried("the robot has no groups")) };
        let from = mover.measured(&self.state);
        let distance = mover.distance(from);
        // Half of the way.
        let end = Duration::from_secs_f64((distance.abs() / mover.speed() / 2.0).max(0.1));
        let mut on_the_way = Duration::ZERO;
        while on_the_way < end {
            mover.go(&mut self.command, from, distance, on_the_way.as_secs_f64());
            on_the_way += self.tick_on_the_way(&mover)?;
        }
        Ok(mover)
    }

    /// Injects a fault, if the device can have it.
    pub(super) fn inject(&mut self, fault: Fault) -> Result<(), Unmet> {
        match self.fixture.inject(fault) {
            true => Ok(()),
            false => Err(Unmet::NotTried("the fixture cannot inject this fault")),
        }
    }
}
