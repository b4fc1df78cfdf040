use std::fmt::Write;

use super::{Fixture, faults, life_cycle, stops, units};

/// Something that every driver does.
#[derive(Clone, Copy)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    pub(super) check: fn(&mut dyn Fixture) -> Result<(), Unmet>,
}

/// What came of trying a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The driver does it.
    Holds,
    /// The driver does not, with what was seen and what is allowed.
    Broken(String),
    /// The fixture cannot do what this takes, or the robot has none of it.
    NotTried(&'static str),
}

/// Why a rule's check ended early.
pub(super) enum Unmet {
    Broken(String),
    NotTried(&'static str),
}

impl Rule {
    /// Tries it on a new driver.
    pub fn try_on(&self, fixture: &mut dyn Fixture) -> Verdict {
        let verdict = match (self.check)(fixture) {
            Ok(()) => Verdict::Holds,
            Err(Unmet::Broken(seen)) => Verdict::Broken(seen),
            Err(Unmet::NotTried(why)) => Verdict::NotTried(why),
        };
        fixture.heal();
        verdict
    }
}

macro_rules! rules {
    ($($module:ident :: $name:ident),* $(,)?) => {
        &[$(Rule { name: stringify!($name), check: $module::$name }),*]
    };
}

/// Every rule, in the order in which [`assert_conforms`] tries them.
pub const RULES: &[Rule] = rules![
    life_cycle::the_layout_is_that_of_the_robot_file,
    life_cycle::configuring_again_gives_the_same_layout,
    life_cycle::a_dropped_driver_lets_go_of_its_device,
    life_cycle::an_inactive_driver_measures,
    life_cycle::an_inactive_driver_ignores_set_points,
    life_cycle::activation_moves_nothing,
    life_cycle::set_points_are_forgotten_when_deactivated,
    life_cycle::a_refused_activation_leaves_it_inactive,
    life_cycle::what_is_not_commanded_does_not_move,
    life_cycle::reading_and_writing_do_not_allocate,
    units::positions_are_radians_or_metres,
    units::velocities_are_per_second,
    units::a_measured_velocity_is_that_of_the_motion,
    units::effort_moves_a_joint_its_way,
    units::impedance_has_stiffness_and_damping,
    units::a_gripper_is_commanded_by_its_width_in_metres,
    units::a_twist_is_forward_and_counter_clockwise,
    units::an_imu_at_rest_measures_gravity_upwards,
    faults::failing_reads_are_never_shown_as_valid,
    faults::a_silent_device_is_never_shown_as_valid,
    faults::a_disconnected_device_is_never_shown_as_valid,
    faults::a_reconnected_device_works_again,
    stops::a_stop_when_inactive_does_no_harm,
    stops::a_stop_brings_motion_to_rest,
    stops::after_a_stop_set_points_are_ignored,
    stops::a_stop_does_not_wait_for_a_read,
    stops::a_stop_of_a_disconnected_device_returns,
    stops::activation_ends_a_stop,
];

/// Tries every rule; panics with the broken ones, and with those that could not be tried but for
/// `not_tried`, which names the rules that this fixture is known not to be able to try.
///
/// # Panics
/// If a rule is broken, or if the rules that were not tried are others than said.
pub fn assert_conforms(fixture: &mut dyn Fixture, not_tried: &[&str]) {
    let mut report = String::new();
    for rule in RULES {
        let known = not_tried.contains(&rule.name);
        let wrong = match rule.try_on(fixture) {
            Verdict::Broken(seen) => format!("is broken: {seen}"),
            Verdict::NotTried(why) if !known => format!("could not be tried: {why}"),
            Verdict::Holds if known => "was tried, though it is said that it cannot be".to_owned(),
            Verdict::Holds | Verdict::NotTried(_) => continue,
        };
        let _ = write!(report, "\n  {}: {wrong}", rule.name);
    }
    assert!(
        report.is_empty(),
        "the driver of `{}` does not conform:{report}",
        fixture.robot().name()
    );
}
