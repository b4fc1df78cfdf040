//! Robots with a `ros2_control` section, and the controllers that they run.

use std::path::{Path, PathBuf};

use sinew_robot::RobotModel;

use crate::controllers::{Controller, Kind};
use crate::plant::Plant;

/// A robot file and the robot that it is for.
pub(crate) struct Robot {
    pub(crate) model: RobotModel,
    pub(crate) plant: Plant,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap()
}

fn load(name: &str, edit: impl FnOnce(String) -> String) -> RobotModel {
    let read = |ending: &str| {
        std::fs::read_to_string(root().join(format!("urdf/{name}{ending}"))).unwrap()
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edited.robot.yaml");
    std::fs::write(folder.path().join(format!("{name}.urdf")), read(".urdf")).unwrap();
    // As often as joint states come.
    let text = read(".robot.yaml").replace("rw_rate_hz: 500", "rw_rate_hz: 100");
    std::fs::write(&file, edit(text)).unwrap();
    RobotModel::load(&file).unwrap_or_else(|error| panic!("{error}"))
}

const ARM: [&str; 6] = [
    "arm_pan_joint",
    "arm_shoulder_joint",
    "arm_elbow_joint",
    "arm_forearm_roll_joint",
    "arm_wrist_pitch_joint",
    "arm_wrist_roll_joint",
];

/// A mobile manipulator. Its arm is somebody else's when it starts, and a finger is not published by itself.
pub(crate) fn mobi() -> Robot {
    mobi_with(|section| section)
}

/// The same with another `ros2_control` section.
pub(crate) fn mobi_with(edit: impl FnOnce(String) -> String) -> Robot {
    let section = "
ros2_control:
  odom: diff_drive_controller/odom
  imu: imu_sensor_broadcaster/imu
  wait_s: 5
  groups:
    arm: {controller: arm_controller, kind: joint_trajectory}
    base: {controller: diff_drive_controller, kind: diff_drive}
    gripper: {controller: gripper_controller, kind: forward_command}
    # The controller has them the other way round than the group.
    head: {controller: head_controller, kind: forward_command, joints: [head_tilt_joint, head_pan_joint]}
";
    let model = load("mobi", |text| format!("{text}{}", edit(section.to_owned())));
    let mut plant = Plant::of(&model);
    plant.hide("gripper_right_finger_joint");
    plant.controllers = vec![
        Controller::broadcaster("joint_state_broadcaster"),
        Controller::new("arm_controller", Kind::Trajectory, &ARM, "position"),
        Controller::new("operator_controller", Kind::Trajectory, &ARM, "position").active_at_boot(),
        Controller::new(
            "head_controller",
            Kind::Forward,
            &["head_tilt_joint", "head_pan_joint"],
            "position",
        ),
        Controller::new(
            "gripper_controller",
            Kind::JointGroup,
            &["gripper_left_finger_joint"],
            "position",
        ),
        Controller::new(
            "diff_drive_controller",
            Kind::DiffDrive,
            &["left_wheel_joint", "right_wheel_joint"],
            "velocity",
        ),
    ];
    plant.boot();
    Robot { model, plant }
}

/// One joint per interface, each with the plainest controller that there is.
pub(crate) fn modes() -> Robot {
    let section = "
ros2_control:
  controller_manager: /left/controller_manager
  joint_states: /left/joint_states
  wait_s: 5
  groups:
    position: {controller: position_controller, kind: forward_command}
    velocity: {controller: velocity_controller, kind: forward_command}
    effort: {controller: effort_controller, kind: forward_command}
    trajectory: {controller: trajectory_controller, kind: joint_trajectory, set_point_s: 0.05}
";
    let model = load("modes", |text| {
        let (text, impedance) = text.split_once("  impedance:\n").unwrap();
        assert!(impedance.contains("impedance_joint"));
        let text = text.replace("{action: damp,", "{action: power_off,");
        let position = text.split_once("  position:\n").unwrap().1;
        let position = position.split_once("  velocity:\n").unwrap().0;
        let trajectory = position.replace("position_joint", "impedance_joint");
        format!("{text}  trajectory:\n{trajectory}{section}")
    });
    let mut plant = Plant::of(&model);
    let one =
        |name: &str, kind, joint: &str, interface| Controller::new(name, kind, &[joint], interface);
    plant.namespace = "/left".to_owned();
    plant.controllers = vec![
        one("position_controller", Kind::Forward, "position_joint", "position"),
        // It leaves its last command with the hardware when it is deactivated.
        one("velocity_controller", Kind::Forward, "velocity_joint", "velocity"),
        one("effort_controller", Kind::Forward, "effort_joint", "effort"),
        one("trajectory_controller", Kind::Trajectory, "impedance_joint", "position"),
    ];
    plant.boot();
    Robot { model, plant }
}
