use std::f64::consts::FRAC_PI_2;

use sinew_types::BaseTwist;

use crate::rig::{PERIOD_S, Rig, tabletop};

/// Drives with a speed that ramps up, holds and ramps down; `along` scales it into a twist.
fn drive(rig: &mut Rig, distance: f64, speed: f64, acceleration: f64, along: fn(f64) -> BaseTwist) {
    let ramp_s = speed / acceleration;
    let total_s = distance / speed + ramp_s;
    for tick in 0..(total_s / PERIOD_S).round() as u32 {
        let t = f64::from(tick) * PERIOD_S;
        let now = (acceleration * t).min(speed).min(acceleration * (total_s - t)).max(0.0);
        rig.tick(|_, command| command.base = Some(along(now)));
    }
    rig.tick(|_, command| command.base = Some(BaseTwist::default()));
    rig.wait(0.5);
}

#[test]
fn drives_a_metre_straight_and_turns_a_quarter() {
    let world = tabletop();
    let mut scene = world.nominal().unwrap();
    scene.robot_start.x_m = -1.5;
    let mut rig = Rig::new(world, &scene);
    rig.wait(0.5);

    let [x0, y0, yaw0] = rig.base();
    drive(&mut rig, 1.0, 0.6, 0.8, |v| BaseTwist { linear_x: v, ..BaseTwist::default() });
    let [x, y, yaw] = rig.base();
    println!(
        "1 m: {:+.2} mm ahead, {:+.2} mm aside, {:+.2} mrad",
        (x - x0 - 1.0) * 1e3,
        (y - y0) * 1e3,
        (yaw - yaw0) * 1e3
    );
    assert!((x - x0 - 1.0).abs() < 0.01, "{x}");
    assert!((y - y0).abs() < 0.01, "{y}");
    assert!((yaw - yaw0).abs() < 0.01, "{yaw}");

    let [x0, y0, yaw0] = rig.base();
    drive(&mut rig, FRAC_PI_2, 1.2, 2.0, |w| BaseTwist { angular_z: w, ..BaseTwist::default() });
    let [x, y, yaw] = rig.base();
    println!(
        "90 degrees: {:+.2} mrad, moved {:.2} mm",
        (yaw - yaw0 - FRAC_PI_2) * 1e3,
        (x - x0).hypot(y - y0) * 1e3
    );
    assert!((yaw - yaw0 - FRAC_PI_2).abs() < 0.02, "{yaw}");
    assert!((x - x0).hypot(y - y0) < 0.01);
}

#[test]
fn velocities_are_those_of_the_base_frame() {
    let world = tabletop();
    let mut scene = world.nominal().unwrap();
    scene.robot_start.yaw_rad = FRAC_PI_2;
    let mut rig = Rig::new(world, &scene);
    for _ in 0..500 {
        rig.tick(|_, command| {
            command.base = Some(BaseTwist { linear_x: 0.3, linear_y: 0.0, angular_z: 0.2 });
        });
    }
    let base = rig.state.base.unwrap();
    assert!((base.linear_velocity.x - 0.3).abs() < 0.01, "{}", base.linear_velocity);
    assert!(base.linear_velocity.y.abs() < 0.01, "{}", base.linear_velocity);
    assert!((base.angular_velocity.z - 0.2).abs() < 0.01, "{}", base.angular_velocity);
    let imu = rig.state.imu.unwrap();
    assert!((imu.angular_velocity.z - 0.2).abs() < 0.02, "{}", imu.angular_velocity);
    assert!((imu.linear_acceleration.z - 9.81).abs() < 0.1, "{}", imu.linear_acceleration);
}
