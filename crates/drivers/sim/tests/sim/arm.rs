use sinew_types::JointCommand;

use crate::rig::{PERIOD_S, Rig, tabletop};

#[test]
fn follows_set_points_at_one_radian_per_second() {
    let world = tabletop();
    let scene = world.nominal().unwrap();
    let mut rig = Rig::new(world, &scene);
    let ready = rig.robot.group("arm").unwrap().configuration("ready").unwrap().to_vec();
    rig.move_to("arm", &ready, 2.0);
    rig.wait(0.5);

    let joints = rig.robot.group("arm").unwrap().joints.clone();
    let mut worst = vec![0f64; joints.len()];
    // A sine of 0.25 rad at 1 rad/s in its middle, for all joints at once.
    let (amplitude, frequency) = (0.25, 4.0);
    for tick in 0..2000 {
        let t = f64::from(tick) * PERIOD_S;
        let blend = (t / 1.0).min(1.0);
        rig.tick(|state, command| {
            for (i, joint) in joints.iter().enumerate() {
                let error = command.joints[*joint].position - state.joints[*joint].position;
                worst[i] = worst[i].max(error.abs());
                let goal = ready[i] + blend * amplitude * (frequency * t).sin();
                command.joints[*joint] = JointCommand::position(goal);
            }
        });
    }
    println!("largest lag, mrad: {:.2?}", worst.iter().map(|e| e * 1e3).collect::<Vec<f64>>());
    for (i, error) in worst.iter().enumerate() {
        assert!(*error < 0.005, "joint {i} lags by {error} rad");
    }
}

#[test]
fn stretched_out_it_does_not_sag() {
    let world = tabletop();
    let mut scene = world.nominal().unwrap();
    scene.robot_start.x_m = -2.0;
    let mut rig = Rig::new(world, &scene);
    rig.move_to("arm", &[0.0; 6], 4.0);
    rig.wait(1.0);
    for (joint, position) in rig.positions("arm").iter().enumerate() {
        assert!(position.abs() < 5e-4, "joint {joint} at {position} rad");
    }
    let shoulder = rig.robot.joint_index("arm_shoulder_joint").unwrap();
    let effort = rig.state.joints[shoulder].effort;
    assert!(effort < -10.0, "the shoulder carries the arm: {effort} N m");
}

#[test]
fn each_command_interface_moves_a_joint_its_own_way() {
    let world = tabletop();
    let scene = world.nominal().unwrap();
    let mut rig = Rig::new(world, &scene);
    let pan = rig.robot.joint_index("head_pan_joint").unwrap();
    let at = |rig: &Rig| rig.state.joints[pan];
    rig.wait(0.2);

    let start = at(&rig).position;
    rig.command.joints[pan] = JointCommand { velocity: 0.5, ..JointCommand::UNUSED };
    rig.wait(1.0);
    assert!((at(&rig).position - start - 0.5).abs() < 0.01, "velocity: {}", at(&rig).position);

    rig.command.joints[pan] =
        JointCommand { position: 0.3, velocity: 0.0, effort: 0.0, kp: 20.0, kd: 2.0 };
    rig.wait(1.5);
    assert!((at(&rig).position - 0.3).abs() < 0.01, "impedance: {}", at(&rig).position);

    rig.command.joints[pan] = JointCommand { effort: 0.5, ..JointCommand::UNUSED };
    rig.tick(|_, _| {});
    rig.tick(|_, _| {});
    assert!((at(&rig).effort - 0.5).abs() < 1e-9, "effort: {}", at(&rig).effort);
    assert!(at(&rig).velocity > 0.0);

    rig.command.joints[pan] = JointCommand::position(-0.2);
    rig.wait(1.0);
    assert!((at(&rig).position + 0.2).abs() < 0.001, "position: {}", at(&rig).position);
}
