//! Drivers that are wrong, each in one way, and the rule that finds it.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use sinew_driver_mock::MockDriver;
use sinew_hardware::conformance::{RULES, Verdict};
use sinew_hardware::{Configured, DriverError, EmergencyStop, HardwareInterface};
use sinew_types::{ActuatorCommand, JointCommand, Layout, RobotState, Time};

use crate::fixture::{Mock, Wrap};

/// One of the arm of `mobi`; those before it are wheels.
const JOINT: usize = 2;

#[derive(Clone, Copy, PartialEq)]
enum Flaw {
    OtherOrderOfJoints,
    Degrees,
    SwapsJoints,
    NegatesVelocity,
    Millimetres,
    TurnsTheOtherWay,
    PushesTheOtherWay,
    TakesImpedanceForPosition,
    ShowsNan,
    StampsOldStatesAnew,
    HidesFailures,
    NeverReconnects,
    MovesWhenInactive,
    JumpsAtActivation,
    KeepsSetPoints,
    StopDoesNothing,
    StopWaitsForReads,
    StopsForGood,
}

struct Flawed {
    inner: MockDriver,
    flaw: Flaw,
    /// Added to what is measured of [`JOINT`].
    offset: f64,
    active: bool,
    failed: bool,
    stopped: Arc<Mutex<bool>>,
    last: Option<ActuatorCommand>,
    measured: f64,
}

fn flawed(inner: MockDriver, flaw: Flaw) -> Box<dyn HardwareInterface> {
    Box::new(Flawed {
        inner,
        flaw,
        offset: 0.0,
        active: false,
        failed: false,
        stopped: Arc::default(),
        last: None,
        measured: 0.0,
    })
}

struct FlawedStop {
    inner: Box<dyn EmergencyStop>,
    flaw: Flaw,
    stopped: Arc<Mutex<bool>>,
}

impl EmergencyStop for FlawedStop {
    fn stop(&mut self) {
        if self.flaw != Flaw::StopDoesNothing {
            *self.stopped.lock().unwrap() = true;
            self.inner.stop();
        }
    }
}

impl HardwareInterface for Flawed {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn configure(&mut self) -> Result<Configured, DriverError> {
        let mut configured = self.inner.configure()?;
        if self.flaw == Flaw::OtherOrderOfJoints {
            let layout = &configured.layout;
            let joints: Vec<String> = layout.joints().iter().rev().cloned().collect();
            let groups = layout.groups().iter().map(|group| {
                let names = group.joints.iter().map(|joint| layout.joints()[*joint].clone());
                (group.name.clone(), group.kind, names.collect())
            });
            configured.layout = Layout::new(joints, groups.collect()).unwrap();
        }
        let (flaw, stopped) = (self.flaw, Arc::clone(&self.stopped));
        let inner = configured.emergency_stop;
        configured.emergency_stop = Box::new(FlawedStop { inner, flaw, stopped });
        Ok(configured)
    }

    fn activate(&mut self, now: Time) -> Result<(), DriverError> {
        self.inner.activate(now)?;
        self.active = true;
        match (self.flaw, &self.last) {
            (Flaw::JumpsAtActivation, _) => self.offset += 0.1,
            (Flaw::KeepsSetPoints, Some(last)) if !last.joints[JOINT].position.is_nan() => {
                self.offset += last.joints[JOINT].position - self.measured;
            }
            _ => {}
        }
        Ok(())
    }

    fn deactivate(&mut self) {
        self.active = false;
        self.inner.deactivate();
    }

    fn read(
        &mut self,
        now: Time,
        period: Duration,
        state: &mut RobotState,
    ) -> Result<(), DriverError> {
        let lock = (self.flaw == Flaw::StopWaitsForReads).then(|| self.stopped.lock().unwrap());
        let read = self.inner.read(now, period, state);
        drop(lock);
        self.failed |= read.is_err();
        if read.is_ok() {
            state.joints[JOINT].position += self.offset;
            self.measured = state.joints[JOINT].position;
        }
        match self.flaw {
            Flaw::NeverReconnects if self.failed => {
                return Err(DriverError::Disconnected { driver: self.name() });
            }
            Flaw::Degrees => {
                state.joints.iter_mut().for_each(|j| j.position = j.position.to_degrees())
            }
            Flaw::NegatesVelocity => state.joints.iter_mut().for_each(|j| j.velocity = -j.velocity),
            Flaw::ShowsNan => state.joints[0].effort = f64::NAN,
            Flaw::StampsOldStatesAnew => state.joints.iter_mut().for_each(|j| j.stamp = now),
            Flaw::HidesFailures => {
                state.joints.iter_mut().for_each(|j| (j.stamp, j.valid) = (now, true));
                return Ok(());
            }
            _ => {}
        }
        read
    }

    fn write(
        &mut self,
        now: Time,
        period: Duration,
        command: &ActuatorCommand,
    ) -> Result<(), DriverError> {
        let mut command = command.clone();
        self.last = Some(command.clone());
        match self.flaw {
            Flaw::MovesWhenInactive if !self.active => self.offset += 0.001,
            Flaw::StopsForGood if *self.stopped.lock().unwrap() => return Ok(()),
            Flaw::SwapsJoints => command.joints.swap(JOINT, JOINT + 1),
            Flaw::Millimetres => command.grippers.iter_mut().for_each(|g| g.width_m /= 1e3),
            Flaw::TurnsTheOtherWay => {
                command.base.iter_mut().for_each(|b| b.angular_z = -b.angular_z);
            }
            Flaw::PushesTheOtherWay => {
                command.joints.iter_mut().for_each(|joint| joint.effort = -joint.effort);
            }
            Flaw::TakesImpedanceForPosition => {
                for joint in command.joints.iter_mut().filter(|joint| !joint.kp.is_nan()) {
                    *joint = JointCommand::position(joint.position);
                }
            }
            _ => {}
        }
        self.inner.write(now, period, &command)
    }
}

#[test]
fn each_flaw_breaks_the_rule_that_is_about_it() {
    let cases: [(&str, Wrap, &str); 18] = [
        ("mobi", |d| flawed(d, Flaw::OtherOrderOfJoints), "the_layout_is_that_of_the_robot_file"),
        ("mobi", |d| flawed(d, Flaw::Degrees), "positions_are_radians_or_metres"),
        ("mobi", |d| flawed(d, Flaw::SwapsJoints), "positions_are_radians_or_metres"),
        ("mobi", |d| flawed(d, Flaw::NegatesVelocity), "a_measured_velocity_is_that_of_the_motion"),
        ("mobi", |d| flawed(d, Flaw::Millimetres), "a_gripper_is_commanded_by_its_width_in_metres"),
        ("mobi", |d| flawed(d, Flaw::TurnsTheOtherWay), "a_twist_is_forward_and_counter_clockwise"),
        ("modes", |d| flawed(d, Flaw::PushesTheOtherWay), "effort_moves_a_joint_its_way"),
        (
            "modes",
            |d| flawed(d, Flaw::TakesImpedanceForPosition),
            "impedance_has_stiffness_and_damping",
        ),
        ("mobi", |d| flawed(d, Flaw::ShowsNan), "an_inactive_driver_measures"),
        (
            "mobi",
            |d| flawed(d, Flaw::StampsOldStatesAnew),
            "a_silent_device_is_never_shown_as_valid",
        ),
        ("mobi", |d| flawed(d, Flaw::HidesFailures), "failing_reads_are_never_shown_as_valid"),
        ("mobi", |d| flawed(d, Flaw::NeverReconnects), "a_reconnected_device_works_again"),
        ("mobi", |d| flawed(d, Flaw::MovesWhenInactive), "an_inactive_driver_ignores_set_points"),
        ("mobi", |d| flawed(d, Flaw::JumpsAtActivation), "activation_moves_nothing"),
        ("mobi", |d| flawed(d, Flaw::KeepsSetPoints), "set_points_are_forgotten_when_deactivated"),
        ("mobi", |d| flawed(d, Flaw::StopDoesNothing), "a_stop_brings_motion_to_rest"),
        ("mobi", |d| flawed(d, Flaw::StopWaitsForReads), "a_stop_does_not_wait_for_a_read"),
        ("mobi", |d| flawed(d, Flaw::StopsForGood), "activation_ends_a_stop"),
    ];
    for (robot, wrap, name) in cases {
        let rule = RULES.iter().find(|rule| rule.name == name).unwrap();
        let verdict = rule.try_on(&mut Mock::wrapped(robot, wrap));
        assert!(matches!(verdict, Verdict::Broken(_)), "{name}: {verdict:?}");
    }
}

#[test]
fn a_broken_rule_says_which_joint_what_was_seen_and_what_is_allowed() {
    let rule = RULES.iter().find(|rule| rule.name == "positions_are_radians_or_metres").unwrap();
    let verdict = rule.try_on(&mut Mock::wrapped("mobi", |d| flawed(d, Flaw::SwapsJoints)));
    let Verdict::Broken(seen) = verdict else { panic!("{verdict:?}") };
    for part in ["joint `", "+0.1 rad", "allowed: 0.01", "order of joints"] {
        assert!(seen.contains(part), "`{part}` in: {seen}");
    }
}
