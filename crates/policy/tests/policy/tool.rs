//! Actions that move a tool and a gripper, on the shipped robot, and what its limits refuse.

use std::path::Path;
use std::sync::Arc;

use nalgebra::{Isometry3, UnitQuaternion, Vector3};
use sinew_hardware::layout_of;
use sinew_policy::{CommandInputs, Embodiment, Policy, PolicyError};
use sinew_robot::{Chain, RobotModel};
use sinew_types::{ActuatorCommand, RobotState, Time};

use crate::common::{Net, write};

/// The command goes through the network as it is: seven numbers.
const MANIFEST: &str = r#"
id: hand
version: 1.0.0
description: Moves the hand as it is told.
model: {file: test.onnx, sha256: "@SHA@", output: action}
rate_hz: 50
inputs:
  - kind: observation
    name: observation
    history: none
    normalisation: none
    terms:
      - {source: command, name: wish, size: 7, unit: as the action, max_age_s: 0.1}
action: ACTION
gripper: {group: gripper, scale: 0.04, offset: 0.04, max_force_n: 25.0}
on_fault: end
budget: {run_p99_s: 0.5, warm_up_runs: 2}
golden:
  tolerance: 0.001
  cases:
    - {inputs: {observation: [0, 0, 0, 0, 0, 0, 0]}, action: [0, 0, 0, 0, 0, 0, 0]}
"#;

const TWIST: &str =
    "{mode: tool_twist, group: arm, frame: tool, scale: 1.0, slew: 0.05, max_lead: 0.2}";
const POSE: &str = "{mode: tool_pose, group: arm, scale: 1.0, offset: 0.0, max_linear_m_s: 0.3, \
                    max_angular_rad_s: 1.0, max_lead: 0.2}";

fn identity() -> Net {
    let weights = (0..49).map(|i| if i % 8 == 0 { 1.0 } else { 0.0 }).collect();
    Net { inputs: 7, outputs: 7, weights, ..Net::default() }
}

/// The shipped robot, its arm in `ready`, that does at once what it is told.
struct Hand {
    chain: Chain,
    joints: Vec<usize>,
    state: RobotState,
    policy: Policy,
    inputs: CommandInputs,
    command: ActuatorCommand,
}

fn robot() -> (Embodiment, Arc<RobotModel>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../urdf/mobi.robot.yaml");
    let model = Arc::new(RobotModel::load(file).unwrap());
    (Embodiment::new(&layout_of(&model).unwrap(), Arc::clone(&model)), model)
}

fn load(action: &str, robot: &Embodiment) -> Result<Policy, PolicyError> {
    let folder = tempfile::tempdir().unwrap();
    Policy::load(write(folder.path(), &identity(), &MANIFEST.replace("ACTION", action)), robot)
}

impl Hand {
    fn new(action: &str) -> Self {
        let (robot, model) = robot();
        let mut state = RobotState::invalid(robot.layout());
        state.joints.iter_mut().for_each(|joint| joint.valid = true);
        state.grippers[0].valid = true;
        let chain = model.chain("arm").unwrap();
        let joints: Vec<usize> = chain.joints().collect();
        let ready = model.group("arm").unwrap().configuration("ready").unwrap();
        for (joint, position) in joints.iter().zip(ready) {
            state.joints[*joint].position = *position;
        }
        let mut policy = load(action, &robot).unwrap();
        policy.reset(&state).unwrap();
        let command = ActuatorCommand::unused(robot.layout());
        Self { inputs: policy.command_inputs(), chain, joints, state, policy, command }
    }

    fn pose(&self) -> Isometry3<f64> {
        let positions: Vec<f64> =
            self.joints.iter().map(|joint| self.state.joints[*joint].position).collect();
        self.chain.base_from_tool(&positions).unwrap()
    }

    fn run(&mut self, wish: [f64; 7], ticks: u32) {
        for _ in 0..ticks {
            self.inputs.set("wish", &wish, self.state.stamp).unwrap();
            self.policy.step(&self.state, &self.inputs).unwrap();
            self.policy.write(&mut self.command);
            self.state.stamp += self.policy.period();
            for joint in &self.joints {
                self.state.joints[*joint].position = self.command.joints[*joint].position;
                self.state.joints[*joint].stamp = self.state.stamp;
            }
        }
    }
}

#[test]
fn a_tools_velocity_moves_it_along_its_own_axes() {
    let mut hand = Hand::new(TWIST);
    let before = hand.pose();
    hand.run([0.1, 0.0, 0.0, 0.0, 0.0, 0.0, 0.5], 52);
    let way = before.inv_mul(&hand.pose());
    // Two ticks go by until the slew lets it be as fast.
    let straight = way.translation.vector - Vector3::x() * 0.103;
    assert!(straight.norm() < 2e-3, "{way:?}");
    assert!(way.rotation.angle() < 2e-3, "{way:?}");
    let gripper = hand.command.grippers[0];
    assert!((gripper.width_m - 0.06).abs() < 1e-9 && gripper.max_force_n == 25.0, "{gripper:?}");
    // What the network says stands in the order of the action.
    assert_eq!(hand.policy.output().len(), 7);
}

#[test]
fn a_velocity_in_the_base_frame_turns_the_tool_about_the_bases_axes() {
    let mut hand = Hand::new(&TWIST.replace("frame: tool", "frame: base"));
    let before = hand.pose();
    hand.run([0.0, 0.0, 0.0, 0.0, 0.0, 0.4, 0.0], 50);
    let turn = hand.pose().rotation * before.rotation.inverse();
    assert!((turn.scaled_axis() - Vector3::z() * 0.39).norm() < 0.02, "{:?}", turn.scaled_axis());
    assert!((hand.pose().translation.vector - before.translation.vector).norm() < 3e-3);
}

#[test]
fn a_pose_is_approached_no_faster_than_it_may_be() {
    let mut hand = Hand::new(POSE);
    let mut goal = hand.pose();
    goal.translation.vector += Vector3::new(-0.1, 0.15, 0.05);
    goal.rotation = UnitQuaternion::from_scaled_axis(Vector3::z() * 0.3) * goal.rotation;
    let turn = goal.rotation.scaled_axis();
    let at = goal.translation.vector;
    let wish = [at.x, at.y, at.z, turn.x, turn.y, turn.z, 0.0];
    let mut last = hand.pose();
    for _ in 0..150 {
        hand.run(wish, 1);
        let speed = (hand.pose().translation.vector - last.translation.vector).norm() * 50.0;
        assert!(speed < 0.31, "{speed} m/s");
        last = hand.pose();
    }
    assert!((last.translation.vector - at).norm() < 1e-3);
    assert!(last.rotation.angle_to(&goal.rotation) < 2e-3);
}

#[test]
fn an_arm_that_is_held_back_does_not_wind_up() {
    let mut hand = Hand::new(TWIST);
    for _ in 0..200 {
        hand.inputs.set("wish", &[0.2, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0], hand.state.stamp).unwrap();
        hand.policy.step(&hand.state, &hand.inputs).unwrap();
    }
    hand.policy.write(&mut hand.command);
    for joint in &hand.joints {
        let lead = hand.command.joints[*joint].position - hand.state.joints[*joint].position;
        assert!(lead.abs() <= 0.2 + 1e-9, "{lead}");
    }
}

#[test]
fn a_policy_goes_on_from_what_something_else_commanded() {
    let mut hand = Hand::new(TWIST);
    let mut command = hand.command.clone();
    for joint in &hand.joints {
        command.joints[*joint].position = hand.state.joints[*joint].position + 0.01;
    }
    hand.inputs.set("wish", &[0.0; 7], Time::ZERO).unwrap();
    hand.policy.watch(&hand.state, &hand.inputs, &command).unwrap();
    hand.policy.write(&mut hand.command);
    for joint in &hand.joints {
        assert_eq!(hand.command.joints[*joint].position, command.joints[*joint].position);
    }
    // It is as if it had moved the tool there itself.
    assert!(hand.policy.raw_action()[..6].iter().any(|value| value.abs() > 0.05));
}

#[test]
fn what_the_robot_cannot_do_is_refused_at_load() {
    let (robot, model) = robot();
    let arm = "[arm_pan_joint, arm_shoulder_joint, arm_elbow_joint, arm_forearm_roll_joint, \
               arm_wrist_pitch_joint, arm_wrist_roll_joint]";
    let position =
        |offset: &str| format!("{{mode: position, joints: {arm}, scale: 1.0, offset: {offset}}}");
    let limit = model.joints()[model.joint_index("arm_elbow_joint").unwrap()].limits;
    let fast = |mode: &str, rest: &str| {
        format!("{{mode: {mode}, joints: {arm}, clip: [-1.0, 1.0], scale: 90.0, {rest}}}")
    };
    let cases: [(String, &[&str]); 7] = [
        (TWIST.replace("group: arm", "group: leg"), &["action.group", "leg", "arm, head"]),
        (TWIST.replace("max_lead: 0.2", "max_lead: 0.0"), &["action.max_lead", "above 0"]),
        (TWIST.replace("slew: 0.05", "slew: 0.0"), &["action.slew", "above 0"]),
        (POSE.replace("max_linear_m_s: 0.3", "max_linear_m_s: -1"), &["action.max_linear_m_s"]),
        (
            position("[0, 0, 9.0, 0, 0, 0]"),
            &["action.offset[2]", "9", "range of `arm_elbow_joint`"],
        ),
        (
            fast("velocity", "slew: 1.0"),
            &["action.scale[0]", "90", "largest velocity of `arm_pan_joint`"],
        ),
        (fast("effort", ""), &["action.scale", "90", "largest effort"]),
    ];
    assert!(limit.upper < 9.0);
    for (action, parts) in cases {
        let error = load(&action, &robot).err().expect("refused").to_string();
        for part in parts {
            assert!(error.contains(part), "{part} in: {error}");
        }
    }
    // The same without knowing the robot: its limits are not compared, and no tool is moved.
    assert!(load(&position("[0, 0, 9.0, 0, 0, 0]"), &robot.layout().into()).is_ok());
    let error = load(TWIST, &robot.layout().into()).err().expect("refused").to_string();
    assert!(error.contains("kinematics are not known"), "{error}");
}

#[test]
fn a_gripper_that_is_not_there_or_not_so_strong_is_refused() {
    let (robot, _) = robot();
    let folder = tempfile::tempdir().unwrap();
    let manifest = MANIFEST.replace("ACTION", TWIST);
    for (from, to, parts) in [
        ("group: gripper", "group: hand", ["gripper.group", "hand", "gripper"]),
        ("max_force_n: 25.0", "max_force_n: 400.0", ["gripper.max_force_n", "400", "up to 40"]),
        ("max_force_n: 25.0", "max_force_n: 0", ["gripper.max_force_n", "0", "above 0"]),
    ] {
        let path = write(folder.path(), &identity(), &manifest.replace(from, to));
        let error = Policy::load(path, &robot).err().expect("refused").to_string();
        for part in parts {
            assert!(error.contains(part), "{part} in: {error}");
        }
    }
}
