use sinew_driver_sim::{SimDriver, World};
use sinew_hardware::HardwareInterface;
use sinew_types::{ActuatorCommand, BaseTwist, GripperCommand, JointCommand, RobotState, Time};

use crate::rig::{PERIOD, PERIOD_S, Rig, repository, tabletop};

fn trajectory(seed: u64) -> Vec<u64> {
    let world = tabletop();
    let scene = world.sample(seed).unwrap();
    let mut rig = Rig::new(world, &scene);
    let mut bits = Vec::new();
    for tick in 0..2000 {
        let t = f64::from(tick) * PERIOD_S;
        rig.tick(|state, command: &mut ActuatorCommand| {
            for joint in &state.joints {
                bits.push(joint.position.to_bits());
            }
            command.base =
                Some(BaseTwist { linear_x: 0.2, linear_y: 0.0, angular_z: (2.0 * t).sin() });
            command.joints[2] = JointCommand::position(0.3 * t.sin());
            command.grippers[0] = GripperCommand { width_m: 0.04, max_force_n: 10.0 };
        });
    }
    for object in rig.seen.truth().objects {
        bits.extend(object.map_from_object.translation.vector.iter().map(|v| v.to_bits()));
    }
    bits
}

#[test]
fn the_same_seed_gives_the_same_trajectory_bit_for_bit() {
    let first = trajectory(7);
    assert_eq!(first, trajectory(7));
    assert_ne!(first, trajectory(8));
}

#[test]
fn objects_rest_on_the_table_while_nobody_commands() {
    for seed in 0..3 {
        let world = tabletop();
        let scene = world.sample(seed).unwrap();
        let mut rig = Rig::inactive(world, &scene);
        let before = rig.seen.truth();
        let base = rig.base();
        for _ in 0..1000 {
            rig.now += PERIOD;
            rig.driver.read(rig.now, PERIOD, &mut rig.state).unwrap();
        }
        let after = rig.seen.truth();
        for (before, after) in before.objects.iter().zip(&after.objects) {
            let shift = after.map_from_object.translation.vector
                - before.map_from_object.translation.vector;
            assert!(shift.norm() < 1e-4, "{}: moved by {shift}", after.info.id);
            assert!(after.linear_velocity.norm() < 1e-4, "{}", after.info.id);
        }
        let [x, y, _] = rig.base();
        assert!((x - base[0]).hypot(y - base[1]) < 1e-3, "the robot stands");
        let arm = rig.positions("arm");
        let home = rig.robot.group("arm").unwrap().configuration("home").unwrap();
        for (position, home) in arm.iter().zip(home) {
            assert!((position - home).abs() < 1e-3, "the brakes hold");
        }
    }
}

#[test]
fn an_emergency_stop_brakes_until_the_driver_is_activated_again() {
    let world = tabletop();
    let mut scene = world.nominal().unwrap();
    scene.robot_start.x_m = -1.5;
    let mut rig = Rig::new(world, &scene);
    rig.command.base = Some(BaseTwist { linear_x: 0.4, linear_y: 0.0, angular_z: 0.0 });
    rig.wait(1.0);
    assert!(rig.state.base.unwrap().linear_velocity.x > 0.35);
    rig.stop.stop();
    rig.wait(0.5);
    assert!(
        rig.state.base.unwrap().linear_velocity.norm() < 0.01,
        "it goes on being commanded, but stands"
    );
    rig.driver.activate(rig.now).unwrap();
    rig.wait(1.0);
    assert!(rig.state.base.unwrap().linear_velocity.x > 0.35);
}

#[test]
fn an_inactive_driver_does_not_follow_commands() {
    let world = tabletop();
    let scene = world.nominal().unwrap();
    let mut rig = Rig::inactive(world, &scene);
    rig.command.base = Some(BaseTwist { linear_x: 0.4, linear_y: 0.0, angular_z: 0.0 });
    let [x0, ..] = rig.base();
    rig.wait(0.5);
    assert!((rig.base()[0] - x0).abs() < 1e-3);
}

#[test]
fn a_reset_repeats_the_scene_bit_for_bit() {
    let world = tabletop();
    let (first, second) = (world.sample(1).unwrap(), world.sample(2).unwrap());
    let mut rig = Rig::new(world, &first);
    rig.wait(0.3);
    let state = rig.state.clone();
    let generation = rig.seen.reset(&second).unwrap();
    rig.now += PERIOD;
    rig.driver.read(rig.now, PERIOD, &mut rig.state).unwrap();
    assert_eq!(rig.seen.truth().generation, generation);
    assert_eq!(rig.seen.scene(), second);

    rig.seen.reset(&first).unwrap();
    rig.now += PERIOD;
    rig.driver.read(rig.now, PERIOD, &mut rig.state).unwrap();
    rig.wait(0.3);
    for (before, after) in state.joints.iter().zip(&rig.state.joints) {
        assert_eq!(before.position.to_bits(), after.position.to_bits());
    }
}

#[test]
fn a_scene_of_another_world_is_refused() {
    let minimal = World::load(repository("worlds/minimal.yaml")).unwrap();
    let scene = minimal.scene().unwrap();
    let error = SimDriver::new(tabletop(), &scene).err().unwrap().to_string();
    assert!(error.contains("`tabletop` has 3 and 3"), "{error}");
}

#[test]
fn the_gripper_closes_to_the_width_and_stops_at_the_force_it_is_given() {
    let world = tabletop();
    let scene = world.nominal().unwrap();
    let mut rig = Rig::new(world, &scene);
    rig.command.grippers[0] = GripperCommand { width_m: 0.03, max_force_n: 20.0 };
    rig.wait(1.0);
    assert!((rig.state.grippers[0].width_m - 0.03).abs() < 1e-3, "{:?}", rig.state.grippers);
    assert!(rig.state.grippers[0].force_n < 1.0, "{:?}", rig.state.grippers);
}

#[test]
fn perception_is_as_noisy_as_asked_and_the_same_for_a_seed() {
    let world = tabletop();
    let scene = world.nominal().unwrap();
    let mut rig = Rig::new(world, &scene);
    let mut sources = [rig.seen.perception(3), rig.seen.perception(3)];
    let (mut frames, mut seen, mut squares) = (0, 0, 0.0);
    for _ in 0..2500 {
        rig.tick(|_, _| {});
        let first = sources[0].poll();
        assert_eq!(first, sources[1].poll());
        let Some(observation) = first else { continue };
        frames += 1;
        let truth = rig.seen.truth();
        for object in observation.objects.iter().filter(|object| !object.info.is_fixture) {
            seen += 1;
            let real = truth.object(&object.info.id).unwrap().map_from_object.translation.vector;
            squares += (object.map_from_object.translation.vector - real).norm_squared() / 3.0;
        }
        assert_eq!(observation.objects.iter().filter(|o| o.info.is_fixture).count(), 3);
    }
    assert!((frames - 100i32).abs() <= 1, "20 Hz for 5 s: {frames}");
    let share = f64::from(seen) / f64::from(3 * frames);
    assert!((0.90..0.99).contains(&share), "5 % drop out: {share}");
    let deviation = (squares / f64::from(seen)).sqrt();
    assert!((deviation - 0.002).abs() < 3e-4, "{deviation} m");
}

#[test]
fn a_large_step_of_time_is_caught_up_with() {
    let world = tabletop();
    let scene = world.nominal().unwrap();
    let (mut driver, seen) = SimDriver::new(world, &scene).unwrap();
    let layout = driver.configure().unwrap().layout;
    let mut state = RobotState::invalid(&layout);
    driver.read(Time::ZERO, PERIOD, &mut state).unwrap();
    let second = Time::from_nanos(1_000_000_000);
    driver.read(second, PERIOD, &mut state).unwrap();
    assert_eq!(seen.truth().stamp, second);
    assert_eq!(state.stamp, second);
}
