//! Robots with servos, for tests, and ports for them.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sinew_driver_servo::{OpenPort, SerialOpener};
use sinew_robot::{RobotModel, ServoConfig, ServoProtocol};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap()
}

/// A robot with servos of this protocol.
pub(crate) fn robot(protocol: ServoProtocol) -> RobotModel {
    match protocol {
        ServoProtocol::Dynamixel => edited("koch_follower", |text| text),
        ServoProtocol::FeetechSts => edited("so101_follower", |text| text),
        ServoProtocol::FeetechScs => without_gripper(),
    }
}

/// SO-101 with small servos, whose force cannot be limited: so it has no gripper, and its jaw is fixed.
fn without_gripper() -> RobotModel {
    let jaw =
        ["<joint name=\"gripper\" type=\"prismatic\">", "<joint name=\"gripper\" type=\"fixed\">"];
    load_edited(
        "so101_follower",
        |urdf| urdf.replacen(jaw[0], jaw[1], 1),
        |text| {
            let (start, rest) = text.split_once("  gripper:\n").unwrap();
            let (_, servo) = rest.split_once("servo:").unwrap();
            let servo: Vec<&str> = servo.lines().filter(|line| !line.contains("gripper")).collect();
            let range = "zero_ticks: 512, range_ticks: [100, 900]}";
            let lines = servo.iter().map(|line| match line.split_once("zero_ticks") {
                Some((first, _)) => format!("{first}{range}"),
                None => (*line).to_owned(),
            });
            let servo = lines.collect::<Vec<_>>().join("\n");
            format!("{start}servo:{servo}\n")
                .replace("feetech_sts", "feetech_scs")
                .replace("sts3215", "scs0009")
        },
    )
}

/// A shipped robot whose file says something else.
pub(crate) fn edited(name: &str, edit: impl FnOnce(String) -> String) -> RobotModel {
    load_edited(name, |urdf| urdf, edit)
}

fn load_edited(
    name: &str,
    edit_urdf: impl FnOnce(String) -> String,
    edit: impl FnOnce(String) -> String,
) -> RobotModel {
    let read = |ending: &str| std::fs::read_to_string(root().join(format!("urdf/{name}{ending}")));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edited.robot.yaml");
    std::fs::write(folder.path().join(format!("{name}.urdf")), edit_urdf(read(".urdf").unwrap()))
        .unwrap();
    std::fs::write(&file, edit(read(".robot.yaml").unwrap())).unwrap();
    RobotModel::load(&file).unwrap()
}

pub(crate) fn servos(robot: &RobotModel) -> &ServoConfig {
    robot.config().servo.as_ref().unwrap()
}

/// A port that waits longer for answers than a robot's may: the machine may be busy with other things.
pub(crate) fn patient(robot: &RobotModel, path: &str) -> Box<dyn OpenPort> {
    let port = SerialOpener::new(path, servos(robot).baud_rate);
    Box::new(SerialOpener { reply_allowance: Duration::from_secs(2), ..port })
}
