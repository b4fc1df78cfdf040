//! From a robot that is somebody else's to one that moves, and back.

use std::time::Duration;

use sinew_hardware::{HardwareInterface, monotonic_now};
use sinew_types::{ActuatorCommand, BaseTwist, JointCommand};

use crate::controllers::{Controller, Kind};
use crate::rig::Rig;
use crate::robots::{Robot, mobi, mobi_with, modes};

/// What somebody else has active on the mobile manipulator, and what the driver makes of it.
const THEIRS: [&str; 2] = ["joint_state_broadcaster", "operator_controller"];
const OURS: [&str; 5] = [
    "joint_state_broadcaster",
    "arm_controller",
    "head_controller",
    "gripper_controller",
    "diff_drive_controller",
];

fn quick(section: String) -> String {
    section.replace("wait_s: 5", "wait_s: 0.5")
}

fn expect(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

/// What `configure` says of a mobile manipulator that is not as its file has it.
fn refusal(change: impl FnOnce(&mut Robot)) -> String {
    let mut robot = mobi_with(quick);
    change(&mut robot);
    Rig::new(robot).refusal()
}

#[test]
fn a_controller_that_is_not_loaded_is_named_with_those_that_are() {
    let text = refusal(|robot| {
        robot.plant.controllers.retain(|controller| controller.name != "arm_controller");
    });
    expect(&text, &["group `arm`", "`arm_controller`", "not loaded"]);
    expect(&text, &["`head_controller (forward_command_controller/ForwardCommandController)`"]);
}

#[test]
fn a_controller_of_another_type_is_refused_with_the_types_that_fit() {
    let text = refusal(|robot| {
        let head = robot.plant.controller("head_controller");
        head.type_name = "effort_controllers/JointGroupEffortController".to_owned();
    });
    expect(&text, &["`head_controller`", "`effort_controllers/JointGroupEffortController`"]);
    expect(&text, &["`position_controllers/JointGroupPositionController`"]);
}

#[test]
fn a_controller_that_is_not_configured_is_refused() {
    let text = refusal(|robot| robot.plant.controller("arm_controller").state = "unconfigured");
    expect(&text, &["`arm_controller`", "its state is unconfigured", "inactive, active"]);
}

#[test]
fn values_in_another_order_than_the_controllers_are_refused() {
    let text = refusal(|robot| robot.plant.controller("head_controller").joints.reverse());
    expect(&text, &["`head_pan_joint/position`, `head_tilt_joint/position`"]);
    expect(&text, &["`head_tilt_joint/position`, `head_pan_joint/position`, in this order"]);
}

#[test]
fn a_trajectory_controller_of_other_joints_is_refused() {
    let text = refusal(|robot| {
        robot.plant.controller("arm_controller").joints.pop();
    });
    expect(&text, &["`arm_controller`", "those of the joints", "`arm_wrist_roll_joint`"]);
}

#[test]
fn a_joint_that_is_not_published_is_named_with_those_that_are() {
    let text = refusal(|robot| robot.plant.hide("head_tilt_joint"));
    expect(&text, &["`/joint_states`", "nothing of `head_tilt_joint` within 500ms"]);
    expect(&text, &["seen: `arm_elbow_joint`", "`lidar_joint`"]);
}

#[test]
fn a_robot_without_a_controller_manager_is_named() {
    let text = Rig::new(mobi_with(|section| {
        quick(section).replace("  wait_s", "  controller_manager: /other/manager\n  wait_s")
    }))
    .refusal();
    expect(&text, &["`/other/manager/list_controllers` has no server", "`/controller_manager`"]);
}

#[test]
fn odometry_that_does_not_come_is_named() {
    let text =
        Rig::new(mobi_with(|section| quick(section).replace("odom: diff_drive", "odom: other")))
            .refusal();
    expect(&text, &["`/other_controller/odom`", "pose and twist of the base"]);
}

#[test]
fn a_robot_file_without_the_section_is_refused() {
    let robot = mobi_with(|_| String::new());
    let node = sinew_bus::Bus::in_process().node("driver", "/").unwrap();
    let driver = sinew_driver_ros2_control::Ros2ControlDriver::new(&robot.model, node);
    expect(&driver.err().unwrap().to_string(), &["ros2_control: missing; allowed"]);
}

#[test]
fn a_switch_that_is_refused_leaves_everything_as_it_was() {
    let mut rig = Rig::new(mobi());
    rig.configure();
    rig.peer.plant().faults.refuses_switch = true;
    let error = rig.driver.activate(monotonic_now()).err().unwrap().to_string();
    expect(&error, &["activate `arm_controller`", "deactivate `operator_controller`"]);
    expect(&error, &["the hardware refuses the command mode switch"]);
    assert_eq!(rig.active(), THEIRS);
}

#[test]
fn controllers_are_claimed_and_handed_back() {
    let mut rig = Rig::new(mobi());
    rig.configure();
    assert_eq!(rig.active(), THEIRS, "configuring switches nothing");
    for _ in 0..2 {
        rig.activate();
        assert_eq!(rig.active(), OURS);
        let command = rig.hold();
        rig.run(Duration::from_millis(100), &command);
        rig.driver.deactivate();
        assert_eq!(rig.active(), THEIRS);
    }
    rig.activate();
    let Rig { driver, peer, .. } = rig;
    drop(driver);
    assert_eq!(peer.plant().active(), THEIRS, "a driver that is dropped hands back, too");
}

#[test]
fn a_controller_of_ours_that_was_active_before_stays_so() {
    let mut robot = mobi();
    let base = robot.plant.controller("diff_drive_controller");
    *base = base.clone().active_at_boot();
    robot.plant.boot();
    let mut rig = Rig::new(robot);
    rig.configure();
    rig.activate();
    rig.driver.deactivate();
    assert_eq!(rig.active(), [THEIRS[0], THEIRS[1], "diff_drive_controller"]);
}

#[test]
fn joints_in_another_order_go_where_they_are_told() {
    let mut rig = Rig::new(mobi());
    rig.configure();
    rig.activate();
    let mut command = rig.hold();
    let (pan, tilt, roll) = (
        rig.joint("head_pan_joint"),
        rig.joint("head_tilt_joint"),
        rig.joint("arm_wrist_roll_joint"),
    );
    command.joints[pan] = JointCommand::position(0.4);
    command.joints[tilt] = JointCommand::position(0.2);
    command.joints[roll] = JointCommand::position(-0.3);
    command.grippers[0].width_m = 0.05;
    rig.until("all to be where they were told", &command, |rig| {
        let at = |joint: usize, goal: f64| (rig.state.joints[joint].position - goal).abs() < 1e-3;
        at(pan, 0.4)
            && at(tilt, 0.2)
            && at(roll, -0.3)
            && (rig.state.grippers[0].width_m - 0.05).abs() < 1e-3
    });
    let plant = rig.peer.plant();
    assert!((plant.joint("head_pan_joint").position - 0.4).abs() < 1e-3);
    assert!((plant.joint("gripper_right_finger_joint").position - 0.025).abs() < 1e-3);
    drop(plant);
    let command = ActuatorCommand {
        base: Some(BaseTwist { linear_x: 0.2, ..Default::default() }),
        ..command
    };
    rig.run(Duration::from_millis(500), &command);
    let base = rig.state.base.unwrap();
    assert!(base.valid && base.map_from_base.translation.x > 0.04, "{base:?}");
    assert!((base.linear_velocity.x - 0.2).abs() < 0.02, "{base:?}");
}

#[test]
fn first_set_points_are_what_is_measured() {
    let mut rig = Rig::new(modes());
    rig.configure();
    rig.peer.plant().push(0.25);
    let command = ActuatorCommand::unused(&rig.layout);
    rig.until("the push to be measured", &command, |rig| {
        rig.state.joints.iter().all(|joint| (joint.position - 0.25).abs() < 1e-9)
    });
    rig.activate();
    rig.run(Duration::from_millis(100), &command);
    let mut plant = rig.peer.plant();
    for (name, first) in [("position", 0.25), ("velocity", 0.0), ("effort", 0.0)] {
        let controller = plant.controller(&format!("{name}_controller"));
        assert_eq!(controller.first, Some(vec![first]), "{name}");
    }
    // It holds by itself.
    assert_eq!(plant.controller("trajectory_controller").first, None);
}

/// A plain forward command controller leaves its last command with the hardware, so it must have passed on a zero.
#[test]
fn what_turns_stands_still_after_it_was_handed_back() {
    let mut rig = Rig::new(modes());
    rig.configure();
    rig.activate();
    let mut command = rig.hold();
    let joint = rig.joint("velocity_joint");
    command.joints[joint] = JointCommand { velocity: 0.5, ..JointCommand::UNUSED };
    rig.until("it to turn", &command, |rig| rig.state.joints[joint].velocity > 0.4);
    assert_eq!(rig.peer.plant().controller("velocity_controller").kind, Kind::Forward);
    rig.driver.deactivate();
    assert!(rig.active().is_empty());
    let command = ActuatorCommand::unused(&rig.layout);
    rig.until("it to stand", &command, |rig| rig.state.joints[joint].velocity == 0.0);
}

#[test]
fn a_stop_deactivates_and_the_next_activation_hands_back() {
    let mut rig = Rig::new(mobi());
    let mut stop = rig.configure();
    rig.activate();
    let command = rig.hold();
    rig.run(Duration::from_millis(50), &command);
    stop.stop();
    rig.until("our controllers to be inactive", &command, |rig| rig.active() == [THEIRS[0]]);
    rig.driver.deactivate();
    rig.run(Duration::from_millis(200), &command);
    assert_eq!(rig.active(), [THEIRS[0]], "what was active before might move");
    rig.activate();
    assert_eq!(rig.active(), OURS);
    rig.driver.deactivate();
    assert_eq!(rig.active(), THEIRS);
}

#[test]
fn a_stop_is_told_until_the_controller_manager_has_heard() {
    let mut rig = Rig::new(mobi());
    let mut stop = rig.configure();
    rig.activate();
    let command = rig.hold();
    rig.run(Duration::from_millis(50), &command);
    rig.peer.plant().faults.is_away = true;
    rig.run(Duration::from_millis(50), &command);
    stop.stop();
    rig.run(Duration::from_millis(300), &command);
    assert_eq!(rig.active(), OURS);
    rig.peer.plant().faults.is_away = false;
    rig.until("our controllers to be inactive", &command, |rig| rig.active() == [THEIRS[0]]);
}

#[test]
fn a_stop_while_controllers_are_switched_undoes_the_switch_and_activates_nothing() {
    let mut rig = Rig::new(mobi());
    let mut stop = rig.configure();
    rig.peer.plant().faults.switches_late = true;
    let (peer, driver) = (&rig.peer, &mut rig.driver);
    let error = std::thread::scope(|scope| {
        scope.spawn(move || {
            while peer.plant().switch_asked == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
            stop.stop();
            peer.plant().faults.switches_late = false;
        });
        driver.activate(monotonic_now()).err().unwrap().to_string()
    });
    expect(&error, &["stopped while the controllers were being switched"]);
    assert_eq!(rig.active(), [THEIRS[0]]);
    rig.activate();
    rig.driver.deactivate();
    assert_eq!(rig.active(), THEIRS);
}

#[test]
fn what_cannot_be_handed_back_does_not_keep_the_rest() {
    let mut robot = mobi();
    let head = Controller::new("look_around", Kind::Forward, &["head_pan_joint"], "position");
    robot.plant.controllers.push(head.active_at_boot());
    robot.plant.boot();
    let mut rig = Rig::new(robot);
    rig.configure();
    rig.activate();
    assert_eq!(rig.active(), OURS);
    rig.peer.plant().faults.lacks = Some("look_around");
    rig.driver.deactivate();
    assert_eq!(rig.active(), THEIRS);
}

/// As a differential drive that takes `Twist` without a stamp.
#[test]
fn a_controller_that_does_not_listen_is_named_and_nothing_stays_claimed() {
    let mut robot = mobi();
    robot.plant.deaf = Some("diff_drive_controller");
    let mut rig = Rig::new(robot);
    rig.configure();
    let error = rig.driver.activate(monotonic_now()).err().unwrap().to_string();
    expect(&error, &["`/diff_drive_controller/cmd_vel`, to which nobody listens"]);
    expect(&error, &["allowed: one with a subscription for geometry_msgs/TwistStamped"]);
    assert_eq!(rig.active(), THEIRS);
}

#[test]
fn set_points_are_sent_at_the_rate_of_their_group_and_not_once_the_loop_stands_still() {
    let mut rig = Rig::new(modes());
    rig.configure();
    rig.activate();
    let command = rig.hold();
    let before = rig.peer.plant().set_points;
    let start = std::time::Instant::now();
    rig.run(Duration::from_secs(1), &command);
    // 100 Hz each, and what was on its way at both ends; a busy machine sends fewer.
    let most = 4.0 * (100.0 * start.elapsed().as_secs_f64() + 4.0);
    std::thread::sleep(Duration::from_millis(100));
    let sent = rig.peer.plant().set_points - before;
    assert!(sent > 40 && sent as f64 <= most, "{sent} set-points; allowed: up to {most}");
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(rig.peer.plant().set_points - before, sent);
}
