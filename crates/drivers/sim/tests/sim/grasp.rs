use nalgebra::{Isometry3, Matrix3, Rotation3, Translation3, UnitQuaternion, Vector3};
use sinew_driver_sim::Scene;
use sinew_robot::{IkOptions, IkSolver};
use sinew_types::{BaseTwist, GripperCommand};

use crate::rig::{PERIOD_S, Rig, tabletop};

/// Hand pointing down over a point, the fingers opening along `yaw` + 90 degrees; base frame.
fn top_down(x: f64, y: f64, z: f64, yaw: f64) -> Isometry3<f64> {
    // The tool's x axis points down, its y axis is that of the fingers.
    let across = Vector3::new(-yaw.sin(), yaw.cos(), 0.0);
    let down = -Vector3::z();
    let axes = Matrix3::from_columns(&[down, across, down.cross(&across)]);
    let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(axes));
    Isometry3::from_parts(Translation3::new(x, y, z), rotation)
}

fn tool_from_object(rig: &Rig, id: &str) -> Isometry3<f64> {
    let chain = rig.robot.chain("arm").unwrap();
    let base_from_tool = chain.base_from_tool(&rig.positions("arm")).unwrap();
    let map_from_tool = rig.state.base.unwrap().map_from_base * base_from_tool;
    map_from_tool.inverse() * rig.seen.truth().object(id).unwrap().map_from_object
}

/// Stands in front of the table, 0.40 m from its edge, and grasps the red cube.
fn grasp(mut scene: Scene) -> (Rig, Vec<f64>, Vec<f64>) {
    let world = tabletop();
    (scene.robot_start.x_m, scene.robot_start.y_m) = (0.60, 0.0);
    let mut rig = Rig::new(world, &scene);
    let ready = rig.robot.group("arm").unwrap().configuration("ready").unwrap().to_vec();
    rig.command.grippers[0] = GripperCommand { width_m: 0.08, max_force_n: 40.0 };
    rig.move_to("arm", &ready, 2.0);

    let object = rig.seen.truth().object("red_cube").unwrap().map_from_object;
    let local = rig.state.base.unwrap().map_from_base.inverse() * object;
    let mut solver = IkSolver::new(rig.robot.chain("arm").unwrap(), IkOptions::default());
    let (x, y, z) = (local.translation.x, local.translation.y, local.translation.z);
    let above = solver.solve(&top_down(x, y, z + 0.12, 0.0), &ready).unwrap().positions;
    let at = solver.solve(&top_down(x, y, z, 0.0), &above).unwrap().positions;
    rig.move_to("arm", &above, 1.5);
    rig.move_to("arm", &at, 1.5);
    rig.wait(0.3);
    rig.command.grippers[0] = GripperCommand { width_m: 0.0, max_force_n: 25.0 };
    rig.wait(0.8);
    let gripper = rig.state.grippers[0];
    assert!((gripper.width_m - 0.04).abs() < 2e-3, "{gripper:?}");
    assert!((gripper.force_n - 25.0).abs() < 2.0, "{gripper:?}");
    (rig, above, ready)
}

/// Picks the red cube, carries it for 20 s at full speed and acceleration; gives its slip in the hand, m.
fn carry(mass_scale: f64, friction_scale: f64) -> f64 {
    let mut scene = tabletop().nominal().unwrap();
    scene.objects[0].mass_kg *= mass_scale;
    scene.objects[0].friction *= friction_scale;
    let (mut rig, above, ready) = grasp(scene);
    let held = tool_from_object(&rig, "red_cube");
    rig.move_to("arm", &above, 1.0);
    rig.move_to("arm", &ready, 1.5);
    assert!(rig.object_z("red_cube") > 0.6, "it is lifted: {}", rig.object_z("red_cube"));

    // Back and forth with 0.8 m/s² up to 0.6 m/s, in gentle curves.
    let mut speed = 0f64;
    for tick in 0..10_000 {
        let t = f64::from(tick) * PERIOD_S;
        let goal = if ((t / 2.5) as u32).is_multiple_of(2) { -0.6 } else { 0.6 };
        speed += (goal - speed).clamp(-0.8 * PERIOD_S, 0.8 * PERIOD_S);
        let turn = 0.3 * (t * 1.3).sin();
        rig.tick(|_, command| {
            command.base = Some(BaseTwist { linear_x: speed, linear_y: 0.0, angular_z: turn });
        });
    }
    let moved = held.inverse() * tool_from_object(&rig, "red_cube");
    println!(
        "mass x {mass_scale}, friction x {friction_scale}: slip {:.4} mm, {:.4} mrad",
        moved.translation.vector.norm() * 1e3,
        moved.rotation.angle() * 1e3
    );
    assert!(rig.object_z("red_cube") > 0.6, "it is still held");
    moved.translation.vector.norm()
}

#[test]
fn a_grasped_cube_does_not_slip_while_it_is_carried() {
    for (mass_scale, friction_scale) in [(1.0, 1.0), (1.3, 0.7), (0.7, 1.3)] {
        let slip = carry(mass_scale, friction_scale);
        assert!(slip < 1e-3, "mass x {mass_scale}, friction x {friction_scale}: slip {slip} m");
    }
}

#[test]
fn the_corners_of_the_area_are_grasped_from_in_front_of_the_table() {
    for (x, y) in [(-0.2, 0.1), (-0.2, -0.1), (0.2, 0.1), (0.2, -0.1)] {
        let mut scene = tabletop().nominal().unwrap();
        let cube = &mut scene.objects[0].map_from_object.translation;
        (cube.x, cube.y) = (1.3 + x, y);
        // The others stay out of the way.
        scene.objects[1].map_from_object.translation.y = -0.45;
        scene.objects[2].map_from_object.translation.y = -0.38;
        let (mut rig, above, _) = grasp(scene);
        rig.move_to("arm", &above, 1.0);
        assert!(rig.object_z("red_cube") > 0.53, "{x}, {y}: {}", rig.object_z("red_cube"));
    }
}

/// Places where the hand has to get to, in the base frame, from where a robot would stand.
#[test]
fn table_tray_and_bin_are_within_reach() {
    let world = tabletop();
    let robot = world.robot();
    let ready = robot.group("arm").unwrap().configuration("ready").unwrap().to_vec();
    let mut solver = IkSolver::new(robot.chain("arm").unwrap(), IkOptions::default());
    let mut reach = |what: &str, x: f64, y: f64, z: f64, yaw: f64| {
        let solved = solver.solve(&top_down(x, y, z, yaw), &ready);
        assert!(solved.is_ok(), "{what} at {x:.2}, {y:.2}, {z:.2}, yaw {yaw:.2}: {solved:?}");
    };
    // From the table's edge to the base's centre.
    for distance in [0.32, 0.36, 0.40] {
        for depth in [0.1, 0.2, 0.3, 0.4, 0.5] {
            for aside in [-0.1, 0.0, 0.1] {
                for yaw in [-0.78, -0.4, 0.0, 0.4, 0.78] {
                    reach("cube", distance + depth, aside, 0.42, yaw);
                    reach("above cube", distance + depth, aside, 0.54, yaw);
                }
            }
        }
        reach("tray", distance + 0.15, 0.0, 0.43, 0.0);
    }
    // From the bin's centre to the base's centre; the cube hangs over the rim.
    for distance in [0.50, 0.55, 0.60, 0.65] {
        reach("over bin", distance, 0.0, 0.50, 0.0);
        reach("in bin", distance, 0.0, 0.42, 0.0);
    }
}
