use std::sync::mpsc;
use std::time::Duration;

use super::fixture::{Fault, Fixture};
use super::life_cycle::{command_elsewhere, expect_no_set_points};
use super::mover::Mover;
use super::rig::{Rig, WHILE, broken};
use super::rule::Unmet;

/// How long a stop may take in wall time: far more than any does, for it only ends a test that hangs.
const HANGS: Duration = Duration::from_secs(5);

/// How long a read may take in wall time that does not hang.
const READS: Duration = Duration::from_millis(200);

/// Fails if anything moves, or set-points reach the device, once there was time to come to rest.
fn expect_rest(rig: &mut Rig<'_>) -> Result<(), Unmet> {
    // The loop goes on writing until the gate has had the driver deactivated; errors are fine.
    rig.writes = true;
    let coming_to_rest = rig.now + Duration::from_secs(1) + rig.fixture.latency();
    while rig.now < coming_to_rest {
        rig.tick();
    }
    let measured = |rig: &Rig<'_>| -> Vec<f64> {
        rig.movers.iter().map(|mover| mover.measured(&rig.state)).collect()
    };
    let (before, sent) = (measured(rig), rig.fixture.set_points());
    command_elsewhere(rig);
    let end = rig.now + WHILE;
    while rig.now < end {
        rig.tick();
    }
    expect_no_set_points(rig, sent, "after an emergency stop")?;
    let tolerance = rig.fixture.tolerance();
    for ((mover, was), is) in rig.movers.iter().zip(before).zip(measured(rig)) {
        let moved = match mover {
            Mover::Base { .. } => is,
            _ => is - was,
        };
        if moved.abs() > tolerance {
            return broken!(
                "{} still moves after an emergency stop: by {moved:.4} (rad, m, or m/s of a base); \
                 allowed: {tolerance}",
                mover.name(&rig.layout)
            );
        }
    }
    Ok(())
}

pub(super) fn a_stop_when_inactive_does_no_harm(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::inactive(fixture)?;
    let before = rig.positions();
    rig.stop.stop();
    rig.stop.stop();
    rig.until_measured()?;
    rig.expect_unmoved(&before, None, "when it was stopped while inactive")?;
    rig.activate()?;
    rig.run(WHILE)?;
    rig.deactivate();
    rig.stop.stop();
    rig.until_measured()
}

pub(super) fn a_stop_brings_motion_to_rest(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    rig.set_in_motion()?;
    rig.stop.stop();
    expect_rest(&mut rig)
}

pub(super) fn after_a_stop_set_points_are_ignored(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    rig.run(WHILE)?;
    rig.stop.stop();
    expect_rest(&mut rig)?;
    rig.stop.stop();
    expect_rest(&mut rig)
}

pub(super) fn a_stop_does_not_wait_for_a_read(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    rig.set_in_motion()?;
    rig.inject(Fault::HangingReads)?;
    let (returned, has_returned) = mpsc::channel();
    let Rig { fixture, driver, stop, now, period, state, .. } = &mut rig;
    let (at, period) = (fixture.advance(*period), *period);
    let in_time = std::thread::scope(|scope| {
        let (begun, has_begun) = mpsc::channel();
        let (ended, has_ended) = mpsc::channel();
        scope.spawn(move || {
            let _ = begun.send(());
            // It may end with an error, and a driver that reads on another thread is not even blocked.
            let _ = driver.read(at, period, state);
            let _ = ended.send(());
        });
        let _ = has_begun.recv();
        // It hangs, if it has not ended by then.
        let _ = has_ended.recv_timeout(READS);
        fixture.advance(period);
        scope.spawn(move || {
            stop.stop();
            let _ = returned.send(());
        });
        let in_time = has_returned.recv_timeout(HANGS).is_ok();
        fixture.heal();
        in_time
    });
    *now = at;
    if !in_time {
        return broken!("`EmergencyStop::stop` waited for a read that hung");
    }
    expect_rest(&mut rig)
}

pub(super) fn a_stop_of_a_disconnected_device_returns(
    fixture: &mut dyn Fixture,
) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    rig.set_in_motion()?;
    rig.inject(Fault::Disconnected)?;
    rig.tick();
    rig.stop.stop();
    rig.tick();
    rig.fixture.heal();
    // What could not be told while it was unplugged is told now.
    expect_rest(&mut rig)
}

pub(super) fn activation_ends_a_stop(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    rig.run(WHILE)?;
    rig.stop.stop();
    rig.tick();
    rig.deactivate();
    rig.until_measured()?;
    let before = rig.positions();
    rig.activate()?;
    rig.run(WHILE)?;
    rig.expect_unmoved(&before, None, "when it was activated after a stop")?;
    let mover = rig.set_in_motion()?;
    let tolerance = rig.fixture.tolerance();
    let moved = |rig: &Rig<'_>| match mover {
        Mover::Joint { index, .. } => mover.measured(&rig.state) - before[index],
        // It is at rest at zero, and a gripper has moved half of its distance.
        Mover::Base { .. } => mover.measured(&rig.state),
        Mover::Gripper { .. } => tolerance,
    };
    if !rig.until(|rig| moved(rig).abs() >= 0.2 * mover.distance(0.0).abs()) {
        let name = mover.name(&rig.layout);
        return broken!("{name} does not follow set-points after a stop and a new activation");
    }
    Ok(())
}
