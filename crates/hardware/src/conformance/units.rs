use sinew_robot::{BaseConfig, CommandInterface};
use sinew_types::{BaseTwist, JointCommand};

use super::fixture::Fixture;
use super::mover::Mover;
use super::rig::{LONG, Rig, WHILE, broken};
use super::rule::Unmet;

/// The joints that are commanded by an interface, each with its index.
fn joints(rig: &Rig<'_>, wanted: CommandInterface) -> Result<Vec<(usize, Mover)>, Unmet> {
    let of_it = rig.movers.iter().filter(|mover| mover.interface() == Some(wanted));
    let joints: Vec<_> = of_it
        .filter_map(|mover| match mover {
            Mover::Joint { index, .. } => Some((*index, *mover)),
            _ => None,
        })
        .collect();
    if joints.is_empty() {
        return Err(Unmet::NotTried("the robot has no group of this command interface"));
    }
    Ok(joints)
}

pub(super) fn positions_are_radians_or_metres(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    for (index, mover) in joints(&rig, CommandInterface::Position)? {
        let name = rig.layout.joints()[index].clone();
        let before = rig.positions();
        let distance = mover.distance(before[index]);
        rig.move_once(&mover)?;
        let goal = before[index] + distance;
        let tolerance = rig.fixture.tolerance();
        if !rig.until(|rig| (mover.measured(&rig.state) - goal).abs() <= tolerance) {
            return broken!(
                "joint `{name}` was sent {distance:+} rad (or m) on and moved by {:+.4} in {LONG:?}; \
                 allowed: {tolerance} off: units, sign, or order of joints",
                mover.measured(&rig.state) - before[index]
            );
        }
        rig.expect_unmoved(&before, Some(index), &format!("when `{name}` was moved"))?;
    }
    Ok(())
}

pub(super) fn velocities_are_per_second(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    for (index, mover) in joints(&rig, CommandInterface::Velocity)? {
        let name = rig.layout.joints()[index].clone();
        let before = rig.positions();
        let distance = mover.distance(before[index]);
        rig.move_once(&mover)?;
        let moved = mover.measured(&rig.state) - before[index];
        if (moved - distance).abs() > 0.3 * distance.abs() {
            return broken!(
                "joint `{name}` was commanded {:+} per second and moved by {moved:+.4}; expected: \
                 {distance:+}: units, sign, or order of joints",
                mover.speed().copysign(distance)
            );
        }
        rig.expect_unmoved(&before, Some(index), &format!("when `{name}` was moved"))?;
        mover.hold(&mut rig.command, 0.0);
    }
    Ok(())
}

pub(super) fn a_measured_velocity_is_that_of_the_motion(
    fixture: &mut dyn Fixture,
) -> Result<(), Unmet> {
    if !fixture.follows_motion() {
        return Err(Unmet::NotTried("the fixture does not follow motion closely enough"));
    }
    let mut rig = Rig::active(fixture)?;
    let mut tried = false;
    for mover in rig.movers.clone() {
        let Mover::Joint {
            index,
            interface: CommandInterface::Position | CommandInterface::Velocity,
            ..
        } = mover
        else {
            continue;
        };
        tried = true;
        let from = mover.measured(&rig.state);
        let distance = mover.distance(from);
        let integral = rig.move_once(&mover)?;
        let moved = mover.measured(&rig.state) - from;
        let most = 0.5 * distance.abs();
        if (moved - distance).abs() > most || (integral - moved).abs() > most {
            let name = &rig.layout.joints()[index];
            return broken!(
                "joint `{name}` was sent {distance:+} rad (or m) on and moved by {moved:+.4}, while its \
                 measured velocity adds up to {integral:+.4}: units or sign of the velocity"
            );
        }
    }
    if tried {
        Ok(())
    } else {
        Err(Unmet::NotTried("no joint is commanded by position or velocity"))
    }
}

pub(super) fn effort_moves_a_joint_its_way(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    for (index, mover) in joints(&rig, CommandInterface::Effort)? {
        let name = rig.layout.joints()[index].clone();
        let before = rig.positions();
        let distance = mover.distance(before[index]);
        mover.go(&mut rig.command, before[index], distance, 0.0);
        let gone = |rig: &Rig<'_>| (mover.measured(&rig.state) - before[index]) / distance;
        if !rig.until(|rig| gone(rig).abs() > 0.3) || gone(&rig) < 0.0 {
            return broken!(
                "joint `{name}` was pushed with {:+.3} N m (or N) and moved by {:+.4}: units, sign, \
                 or order of joints",
                mover.push_effort().copysign(distance),
                mover.measured(&rig.state) - before[index]
            );
        }
        rig.expect_unmoved(&before, Some(index), &format!("when `{name}` was moved"))?;
        mover.hold(&mut rig.command, 0.0);
    }
    Ok(())
}

pub(super) fn impedance_has_stiffness_and_damping(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    for (index, mover) in joints(&rig, CommandInterface::Impedance)? {
        let name = rig.layout.joints()[index].clone();
        let before = rig.positions();
        let (tolerance, distance) = (rig.fixture.tolerance(), mover.distance(before[index]));
        // Without stiffness a target pulls at nothing.
        let (_, kd) = mover.gains();
        let target = before[index] + distance;
        rig.command.joints[index] =
            JointCommand { position: target, velocity: 0.0, effort: 0.0, kp: 0.0, kd };
        rig.run(WHILE)?;
        rig.expect_unmoved(&before, None, "towards a target without stiffness (kp = 0)")?;
        rig.move_once(&mover)?;
        if !rig.until(|rig| (mover.measured(&rig.state) - target).abs() <= 2.0 * tolerance) {
            return broken!(
                "joint `{name}` was pulled {distance:+} rad (or m) on with {:?} (kp, kd) and moved by \
                 {:+.4} in {LONG:?}: units, sign, or order of joints",
                mover.gains(),
                mover.measured(&rig.state) - before[index]
            );
        }
        rig.expect_unmoved(&before, Some(index), &format!("when `{name}` was moved"))?;
    }
    Ok(())
}

pub(super) fn a_gripper_is_commanded_by_its_width_in_metres(
    fixture: &mut dyn Fixture,
) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    let mut tried = false;
    for group in rig.layout.groups().to_vec() {
        let mover = rig.movers.iter().copied().find(|mover| {
            matches!(mover, Mover::Gripper { index, .. }
                if group.kind == sinew_types::GroupKind::Gripper && *index == group.gripper)
        });
        let Some(mover) = mover else { continue };
        tried = true;
        for _ in 0..2 {
            let from = mover.measured(&rig.state);
            let goal = from + mover.distance(from);
            rig.move_once(&mover)?;
            if !rig.until(|rig| (mover.measured(&rig.state) - goal).abs() < 0.002) {
                return broken!(
                    "gripper `{}` was sent to a width of {goal:.3} m and is at {:.3} m after {LONG:?}",
                    group.name,
                    mover.measured(&rig.state)
                );
            }
        }
        let fingers = group.joints.iter().map(|joint| rig.state.joints[*joint].position);
        let (sum, width) = (fingers.sum::<f64>(), mover.measured(&rig.state));
        if (sum - width).abs() > 0.002 {
            return broken!(
                "gripper `{}` is {width:.3} m wide while its fingers are {sum:.3} m apart",
                group.name
            );
        }
    }
    if tried { Ok(()) } else { Err(Unmet::NotTried("the robot has no gripper")) }
}

pub(super) fn a_twist_is_forward_and_counter_clockwise(
    fixture: &mut dyn Fixture,
) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    let Some(base) = rig.movers.iter().copied().find(|mover| matches!(mover, Mover::Base { .. }))
    else {
        return Err(Unmet::NotTried("the robot has no group that is commanded by twist"));
    };
    let Some(start) = rig.state.base.filter(|base| base.valid) else {
        return Err(Unmet::NotTried("the driver does not say where the base is"));
    };
    let speed = base.speed();
    let seconds = std::time::Duration::from_secs(2);
    rig.command.base = Some(BaseTwist { linear_x: speed, ..BaseTwist::default() });
    rig.run(seconds)?;
    let Some(there) = rig.state.base else { return broken!("the base is no longer measured") };
    let way = (start.map_from_base.inverse() * there.map_from_base).translation.vector;
    // The base may take its time to reach the speed.
    let expected = speed * seconds.as_secs_f64();
    if way.x < 0.6 * expected || way.x > 1.1 * expected || way.y.abs() > 0.2 * expected {
        return broken!(
            "the base was driven with {speed:+.3} m/s for {seconds:?} and went {:+.3} m forward and \
             {:+.3} m to the left; expected: {expected:.3} and 0",
            way.x,
            way.y
        );
    }
    if (there.linear_velocity.x - speed).abs() > 0.2 * speed {
        let measured = there.linear_velocity.x;
        return broken!("the base drives with {speed:+.3} m/s and measures {measured:+.3} m/s");
    }
    let turn_rad_s = 0.4;
    rig.command.base = Some(BaseTwist { angular_z: turn_rad_s, ..BaseTwist::default() });
    rig.run(seconds)?;
    let Some(turned) = rig.state.base else { return broken!("the base is no longer measured") };
    let angle = there.map_from_base.rotation.rotation_to(&turned.map_from_base.rotation);
    let (yaw, rate) = (angle.scaled_axis().z, turned.angular_velocity.z);
    let expected = turn_rad_s * seconds.as_secs_f64();
    if yaw < 0.6 * expected || yaw > 1.1 * expected || (rate - turn_rad_s).abs() > 0.2 * turn_rad_s
    {
        return broken!(
            "the base was turned with {turn_rad_s:+} rad/s for {seconds:?}, turned by {yaw:+.3} rad \
             and measures {rate:+.3} rad/s; expected: {expected:.3} rad, counter-clockwise"
        );
    }
    Ok(())
}

pub(super) fn an_imu_at_rest_measures_gravity_upwards(
    fixture: &mut dyn Fixture,
) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    if matches!(rig.robot.base(), BaseConfig::Floating) {
        return Err(Unmet::NotTried("a robot that must balance is not at rest"));
    }
    rig.run(WHILE)?;
    let Some(imu) = rig.state.imu.filter(|imu| imu.valid) else {
        return Err(Unmet::NotTried("the driver measures no IMU"));
    };
    let up = (imu.orientation * imu.linear_acceleration).z;
    if !(9.3..10.3).contains(&up) || imu.angular_velocity.norm() > 0.1 {
        return broken!(
            "at rest the IMU measures {up:+.2} m/s² upwards and turns with {:.3} rad/s; expected: \
             +9.81 and 0",
            imu.angular_velocity.norm()
        );
    }
    Ok(())
}
