//! Forward kinematics against MuJoCo's own.

use std::path::{Path, PathBuf};

use mujoco_rs::prelude::{MjModel, MjtObjBase};
use nalgebra::{Isometry3, Point3, Quaternion, Translation3, UnitQuaternion, Vector3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sinew_robot::{Kinematics, RobotModel};

const CONFIGURATIONS: usize = 1000;
const TOLERANCE: f64 = 1e-6;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Largest difference over random configurations, in m and rad, over all bodies that both sides know.
fn compare(model: &RobotModel, mujoco: &MjModel) -> (f64, f64) {
    let bodies: Vec<(usize, usize)> = (0..model.links().len())
        .filter_map(|link| {
            Some((link, mujoco.name_to_id(MjtObjBase::mjOBJ_BODY, &model.links()[link].name)?))
        })
        .collect();
    let sites: Vec<(usize, usize)> = (0..model.links().len())
        .filter_map(|link| {
            Some((link, mujoco.name_to_id(MjtObjBase::mjOBJ_SITE, &model.links()[link].name)?))
        })
        .collect();
    // MuJoCo has no body for the root link of a URDF, and knows that of `features.xml` by another name.
    let compared = bodies.len() + sites.len();
    assert!(
        compared + 1 >= model.links().len(),
        "only {compared} of {} links compared",
        model.links().len()
    );
    let addresses: Vec<usize> = model
        .joints()
        .iter()
        .map(|joint| {
            let id = mujoco.name_to_id(MjtObjBase::mjOBJ_JOINT, &joint.name).unwrap();
            usize::try_from(mujoco.jnt_qposadr()[id]).unwrap()
        })
        .collect();
    let mut data = mujoco.make_data();
    let mut kinematics = Kinematics::new(model);
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut worst = (0.0_f64, 0.0_f64);
    for _ in 0..CONFIGURATIONS {
        let positions: Vec<f64> = model
            .joints()
            .iter()
            .map(|joint| {
                random.random_range(joint.limits.lower.max(-6.0)..=joint.limits.upper.min(6.0))
            })
            .collect();
        if mujoco.ffi().nq as usize == positions.len() + 7 {
            // A free root stands where the base frame is.
            data.qpos_mut()[..7].copy_from_slice(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0]);
        }
        for (address, position) in addresses.iter().zip(&positions) {
            data.qpos_mut()[*address] = *position;
        }
        data.kinematics();
        kinematics.update(&positions).unwrap();
        for &(link, site) in &sites {
            let origin = kinematics.base_from_link()[link].translation.vector;
            worst.0 = worst.0.max((origin - Vector3::from(data.site_xpos()[site])).norm());
        }
        for &(link, body) in &bodies {
            let [w, x, y, z] = data.xquat()[body];
            let expected = Isometry3::from_parts(
                Translation3::from(Vector3::from(data.xpos()[body])),
                UnitQuaternion::new_normalize(Quaternion::new(w, x, y, z)),
            );
            let difference = expected.inv_mul(&kinematics.base_from_link()[link]);
            worst.0 = worst.0.max(difference.translation.vector.norm());
            worst.1 = worst.1.max(difference.rotation.angle());
        }
    }
    worst
}

#[test]
fn mobi_stands_as_in_mujoco() {
    let model = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
    let urdf = std::fs::read_to_string(model.body_path()).unwrap();
    let settings =
        "<mujoco><compiler discardvisual=\"false\" fusestatic=\"false\"/></mujoco></robot>";
    let mujoco = MjModel::from_xml_string(&urdf.replace("</robot>", settings)).unwrap();
    let (position_m, rotation_rad) = compare(&model, &mujoco);
    println!(
        "mobi: {position_m:.1e} m, {rotation_rad:.1e} rad over {CONFIGURATIONS} configurations"
    );
    assert!(
        position_m < TOLERANCE && rotation_rad < TOLERANCE,
        "{position_m} m, {rotation_rad} rad"
    );
}

#[test]
fn g1_stands_as_in_mujoco() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/g1.robot.yaml");
    if !root().join("../shared/data/g1/g1.xml").exists() {
        assert!(std::env::var_os("CI").is_none(), "the G1 model is missing");
        println!("skipped: no G1 model at ../shared/data/g1/g1.xml");
        return;
    }
    let model = RobotModel::load(path).unwrap();
    assert_eq!(model.joints().len(), 29);
    assert_eq!(model.joints()[0].limits.max_effort, 88.0);
    let mujoco =
        MjModel::from_xml_string(&std::fs::read_to_string(model.body_path()).unwrap()).unwrap();
    let (position_m, rotation_rad) = compare(&model, &mujoco);
    println!("G1: {position_m:.1e} m, {rotation_rad:.1e} rad over {CONFIGURATIONS} configurations");
    assert!(
        position_m < TOLERANCE && rotation_rad < TOLERANCE,
        "{position_m} m, {rotation_rad} rad"
    );
}

/// Every way to write an orientation, several joints on one body, anchors, references, default classes and degrees.
#[test]
fn mjcf_features_mean_what_mujoco_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests");
    let model = RobotModel::load(folder.join("features.robot.yaml")).unwrap();
    let mujoco =
        MjModel::from_xml_string(&std::fs::read_to_string(model.body_path()).unwrap()).unwrap();
    let (position_m, rotation_rad) = compare(&model, &mujoco);
    assert!(
        position_m < TOLERANCE && rotation_rad < TOLERANCE,
        "{position_m} m, {rotation_rad} rad"
    );
    // The robot file narrows the limits of `lift`.
    for joint in model.joints().iter().filter(|joint| joint.name != "lift") {
        let id = mujoco.name_to_id(MjtObjBase::mjOBJ_JOINT, &joint.name).unwrap();
        let [lower, upper] = mujoco.jnt_range()[id];
        if joint.limits.lower.is_finite() {
            assert!(
                (joint.limits.lower - lower).abs() < 1e-12
                    && (joint.limits.upper - upper).abs() < 1e-12,
                "{}",
                joint.name
            );
        }
    }
}

#[test]
fn home_fits_the_circle_that_the_robot_file_promises() {
    let model = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
    let sinew_robot::BaseConfig::PlanarDiffDrive(drive) = model.base() else {
        panic!("mobi drives")
    };
    let mut positions = vec![0.0; model.joints().len()];
    for group in model.groups() {
        if let Ok(home) = group.configuration("home") {
            group
                .joints
                .iter()
                .zip(home)
                .for_each(|(joint, position)| positions[*joint] = *position);
        }
    }
    let mut kinematics = Kinematics::new(&model);
    kinematics.update(&positions).unwrap();
    let urdf = urdf_rs::read_file(model.body_path()).unwrap();
    for link in &urdf.links {
        let base_from_link = kinematics.base_from_link()[model.link_index(&link.name).unwrap()];
        for shape in &link.collision {
            let link_from_shape = Isometry3::from_parts(
                Translation3::from(Vector3::from(shape.origin.xyz.0)),
                UnitQuaternion::from_euler_angles(
                    shape.origin.rpy.0[0],
                    shape.origin.rpy.0[1],
                    shape.origin.rpy.0[2],
                ),
            );
            let (half, round) = match shape.geometry {
                urdf_rs::Geometry::Box { size } => (Vector3::from(size.0) / 2.0, false),
                urdf_rs::Geometry::Cylinder { radius, length } => {
                    (Vector3::new(radius, radius, length / 2.0), true)
                }
                urdf_rs::Geometry::Sphere { radius } => (Vector3::repeat(radius), true),
                _ => panic!("mobi has primitive shapes only"),
            };
            for corner in 0..64 {
                // A box by its corners; round shapes by points on their rim at both ends.
                let angle = f64::from(corner) * std::f64::consts::TAU / 64.0;
                let (x, y) = if round {
                    (angle.cos(), angle.sin())
                } else {
                    (f64::from(corner & 1) * 2.0 - 1.0, f64::from(corner >> 1 & 1) * 2.0 - 1.0)
                };
                for z in [-1.0, 1.0] {
                    let point = base_from_link
                        * link_from_shape
                        * Point3::new(x * half.x, y * half.y, z * half.z);
                    let radius = point.x.hypot(point.y);
                    assert!(radius <= drive.tucked_radius_m, "{} reaches {radius} m", link.name);
                }
            }
        }
    }
}

#[test]
fn ready_points_straight_down_over_the_table() {
    let model = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
    let ready = model.group("arm").unwrap().configuration("ready").unwrap();
    let tool = model.chain("arm").unwrap().base_from_tool(ready).unwrap();
    assert!((tool.translation.vector - Vector3::new(0.55, 0.0, 0.65)).norm() < 1e-5, "{tool}");
    assert!((tool * Vector3::x() + Vector3::z()).norm() < 1e-5, "{tool}");
}

#[test]
fn with_every_joint_at_zero_the_arm_points_ahead() {
    let model = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
    let tool = model.chain("arm").unwrap().base_from_tool(&[0.0; 6]).unwrap();
    assert!((tool.translation.vector - Vector3::new(1.09, 0.0, 0.5)).norm() < 1e-12, "{tool}");
    assert!(tool.rotation.angle() < 1e-12, "{tool}");
}
