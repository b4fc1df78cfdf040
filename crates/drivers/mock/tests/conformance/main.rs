//! The mock passes the suite that every driver passes, and the suite sees what is wrong with others.
#![allow(clippy::unwrap_used)]

mod fixture;
mod flaws;

use assert_no_alloc::AllocDisabler;
use fixture::Mock;
use sinew_hardware::conformance::assert_conforms;

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

#[test]
fn a_mobile_manipulator_conforms() {
    let not_tried = [
        "velocities_are_per_second",
        "effort_moves_a_joint_its_way",
        "impedance_has_stiffness_and_damping",
        "an_imu_at_rest_measures_gravity_upwards",
    ];
    assert_conforms(&mut Mock::of("mobi"), &not_tried);
}

#[test]
fn joints_of_every_command_interface_conform() {
    let not_tried = [
        "a_gripper_is_commanded_by_its_width_in_metres",
        "a_twist_is_forward_and_counter_clockwise",
        "an_imu_at_rest_measures_gravity_upwards",
    ];
    assert_conforms(&mut Mock::of("modes"), &not_tried);
}

#[test]
fn the_example_of_the_guide_stays_under_150_lines() {
    let lines = include_str!("../../src/driver.rs").lines().count();
    assert!(lines < 150, "{lines}");
}
