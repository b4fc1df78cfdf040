//! Robots that are bolted down, and robots that balance.

use std::path::Path;

use sinew_driver_sim::World;
use sinew_types::JointCommand;

use crate::rig::Rig;

const LEGGED: &str = r#"<mujoco model="hopper">
  <compiler angle="radian"/>
  <worldbody>
    <geom name="ground" type="plane" size="0 0 0.05"/>
    <body name="pelvis" pos="0 0 0.6">
      <freejoint name="root"/>
      <inertial pos="0.03 0 0" mass="4" diaginertia="0.05 0.05 0.05"/>
      <geom type="sphere" size="0.1"/>
      <site name="imu_site" pos="0.05 0 0"/>
      <body name="thigh" pos="0 0 -0.15">
        <inertial pos="0 0 -0.1" mass="1" diaginertia="0.005 0.005 0.001"/>
        <joint name="hip" axis="0 1 0" range="-1 1"/>
        <geom type="capsule" size="0.03" fromto="0 0 0 0 0 -0.2"/>
      </body>
    </body>
  </worldbody>
  <actuator><position name="hip" joint="hip" kp="50" forcerange="-20 20"/></actuator>
  <sensor><jointpos joint="hip"/></sensor>
  <keyframe><key qpos="0 0 0.6 1 0 0 0 0"/></keyframe>
</mujoco>"#;

const LEGGED_YAML: &str = "
name: hopper
mjcf: robot.xml
control_rate_hz: 500
base: floating
groups:
  leg:
    joints: [hip]
    command: impedance
    rw_rate_hz: 500
    limits: {impedance: {effort_scale: 1.0, position_margin: 0.0, max_velocity: 20}}
    stop: {action: damp, still_within_s: 2}
sensors:
  imu: {frame: imu_site}
";

pub(crate) const BOLTED: &str = r#"<robot name="bolted">
  <link name="stand"/>
  <link name="beam">
    <inertial><origin xyz="0.2 0 0"/><mass value="1"/>
      <inertia ixx="0.001" ixy="0" ixz="0" iyy="0.01" iyz="0" izz="0.01"/></inertial>
    <collision><origin xyz="0.2 0 0"/><geometry><box size="0.4 0.04 0.04"/></geometry></collision>
  </link>
  <joint name="hinge" type="revolute">
    <parent link="stand"/><child link="beam"/>
    <origin xyz="0 0 0.5"/><axis xyz="0 1 0"/>
    <limit lower="-1" upper="1" effort="20" velocity="2"/>
  </joint>
</robot>"#;

pub(crate) const BOLTED_YAML: &str = "
name: bolted
urdf: robot.urdf
control_rate_hz: 500
base: fixed
groups:
  arm:
    joints: [hinge]
    command: position
    rw_rate_hz: 500
    limits: {trajectory: {velocity_scale: 1.0, max_acceleration: 8.0, max_jerk: 80.0}}
    stop: {action: hold, still_within_s: 1}
";

pub(crate) fn world(folder: &Path, body: (&str, &str), robot: &str) -> World {
    std::fs::write(folder.join(body.0), body.1).unwrap();
    std::fs::write(folder.join("robot.yaml"), robot).unwrap();
    let text =
        "name: empty\nrobot: {file: robot.yaml, start: {x_m: 1.0, y_m: 2.0, yaw_rad: 0.5}}\n";
    std::fs::write(folder.join("world.yaml"), text).unwrap();
    World::load(folder.join("world.yaml")).unwrap()
}

#[test]
fn a_floating_base_falls_and_its_drives_only_damp_while_inactive() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path(), ("robot.xml", LEGGED), LEGGED_YAML);
    let scene = world.scene().unwrap();
    let mut rig = Rig::inactive(world, &scene);
    let base = rig.state.base.unwrap().map_from_base;
    assert!((base.translation.vector - nalgebra::Vector3::new(1.0, 2.0, 0.6)).norm() < 1e-9);
    assert!((base.rotation.euler_angles().2 - 0.5).abs() < 1e-9);
    rig.wait(0.1);
    assert!(rig.state.imu.unwrap().linear_acceleration.norm() < 0.5, "it falls freely");
    rig.wait(3.0);
    assert!(rig.state.base.unwrap().map_from_base.translation.z < 0.3, "nobody balances it");
}

#[test]
fn an_impedance_command_is_all_that_moves_a_floating_robots_joint() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path(), ("robot.xml", LEGGED), LEGGED_YAML);
    let scene = world.scene().unwrap();
    let mut rig = Rig::new(world, &scene);
    rig.command.joints[0] =
        JointCommand { position: 0.3, velocity: 0.0, effort: 0.5, kp: 20.0, kd: 1.0 };
    rig.tick(|_, _| {});
    let before = rig.state.joints[0];
    rig.now += std::time::Duration::from_millis(1);
    let period = std::time::Duration::from_millis(1);
    sinew_hardware::HardwareInterface::read(&mut rig.driver, rig.now, period, &mut rig.state)
        .unwrap();
    let expected = 20.0 * (0.3 - before.position) - before.velocity + 0.5;
    assert!((rig.state.joints[0].effort - expected).abs() < 1e-9);
}

#[test]
fn a_fixed_base_stays_where_it_was_put() {
    let folder = tempfile::tempdir().unwrap();
    let world = world(folder.path(), ("robot.urdf", BOLTED), BOLTED_YAML);
    let scene = world.scene().unwrap();
    let mut rig = Rig::new(world, &scene);
    assert!(rig.state.base.is_none());
    rig.move_to("arm", &[0.5], 1.0);
    rig.wait(0.5);
    assert!((rig.positions("arm")[0] - 0.5).abs() < 1e-3);
    let effort = rig.state.joints[0].effort;
    let carried = -9.81 * 0.2 * 0.5f64.cos();
    assert!((effort - carried).abs() < 0.05, "{effort} N m, {carried} expected");
}
