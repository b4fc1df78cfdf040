//! A robot of as many joints as are asked for: limbs of up to seven joints around a column, as a humanoid
//! has them, in an empty world.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// Joints per limb at most.
const LIMB: usize = 7;
const LINK_M: f64 = 0.12;

/// Writes URDF, robot YAML and world into a folder; gives the path of the world.
pub(crate) fn write(folder: &Path, joints: usize, rate_hz: u32) -> Result<PathBuf> {
    let world = folder.join("world.yaml");
    let files = [
        (folder.join("chains.urdf"), urdf(joints)),
        (folder.join("chains.robot.yaml"), robot(joints, rate_hz)),
        (world.clone(), "name: chains\nrobot: {file: chains.robot.yaml}\n".to_owned()),
    ];
    for (path, text) in files {
        std::fs::write(&path, text)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    Ok(world)
}

/// Limb and place in it of each joint, by name.
fn joints(count: usize) -> impl Iterator<Item = (usize, usize, String)> {
    (0..count).map(|joint| {
        let (limb, place) = (joint / LIMB, joint % LIMB);
        (limb, place, format!("limb{limb}_joint{place}"))
    })
}

fn urdf(count: usize) -> String {
    let mut text = String::from("<robot name=\"chains\">\n<link name=\"column\"/>\n");
    let limbs = count.div_ceil(LIMB).max(1);
    for (limb, place, name) in joints(count) {
        let link = format!("limb{limb}_link{place}");
        let (parent, origin) = if place == 0 {
            let yaw = std::f64::consts::TAU * limb as f64 / limbs as f64;
            let (x, y) = (0.2 * yaw.cos(), 0.2 * yaw.sin());
            ("column".to_owned(), format!("xyz=\"{x:.4} {y:.4} 1.2\" rpy=\"0 0 {yaw:.6}\""))
        } else {
            (format!("limb{limb}_link{}", place - 1), format!("xyz=\"{LINK_M} 0 0\""))
        };
        let axis = ["0 0 1", "0 1 0", "1 0 0"][place % 3];
        let middle = LINK_M / 2.0;
        let _ = write!(
            text,
            r#"<link name="{link}">
  <inertial><origin xyz="{middle} 0 0"/><mass value="0.6"/>
    <inertia ixx="0.0005" ixy="0" ixz="0" iyy="0.001" iyz="0" izz="0.001"/></inertial>
  <collision><origin xyz="{middle} 0 0"/><geometry><box size="0.08 0.05 0.05"/></geometry></collision>
</link>
<joint name="{name}" type="revolute">
  <parent link="{parent}"/><child link="{link}"/>
  <origin {origin}/><axis xyz="{axis}"/>
  <limit lower="-1.5" upper="1.5" effort="80" velocity="4"/>
</joint>
"#
        );
    }
    text + "</robot>\n"
}

fn robot(count: usize, rate_hz: u32) -> String {
    let mut text = format!(
        "name: chains\nurdf: chains.urdf\ncontrol_rate_hz: {rate_hz}\nbase: fixed\ngroups:\n"
    );
    for limb in 0..count.div_ceil(LIMB) {
        let names = joints(count).filter(|(of, _, _)| *of == limb).map(|(_, _, name)| name);
        let names = names.collect::<Vec<_>>().join(", ");
        let _ = write!(
            text,
            "  limb{limb}:
    joints: [{names}]
    command: position
    rw_rate_hz: {rate_hz}
    limits: {{trajectory: {{velocity_scale: 1.0, max_acceleration: 8.0, max_jerk: 80.0}}}}
    stop: {{action: hold, still_within_s: 1.0}}
"
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use sinew_driver_sim::World;

    #[test]
    fn it_is_a_robot_of_so_many_joints() {
        for joints in [1, 7, 29] {
            let folder = tempfile::tempdir().expect("a folder");
            let world = super::write(folder.path(), joints, 1000).expect("written");
            let world = World::load(world).expect("valid");
            let robot = world.robot();
            assert_eq!((robot.joints().len(), robot.control_rate_hz()), (joints, 1000));
            assert_eq!(robot.groups().len(), joints.div_ceil(7));
        }
    }
}
