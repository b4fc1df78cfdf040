use std::time::Duration;

use super::fixture::{Fault, Fixture};
use super::rig::{LONG, Rig, WHILE, broken};
use super::rule::Unmet;
use crate::interface::DriverError;

/// What a fault may not look like: values that were not measured, under a stamp as if they were.
fn never_shown_as_valid(fixture: &mut dyn Fixture, fault: Fault) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    rig.run(WHILE)?;
    rig.inject(fault)?;
    // In real time some has passed since the last tick.
    rig.now = rig.fixture.advance(rig.period);
    let since = rig.now + rig.fixture.latency();
    let end = since + Duration::from_secs(1);
    while rig.now < end {
        let ticked = rig.tick();
        for error in [ticked.read.as_ref().err(), ticked.write.as_ref().err()].into_iter().flatten()
        {
            let (says, name) = (driver_of(error), rig.driver.name());
            if says != name {
                return broken!("an error of driver `{name}` says that it is of `{says}`");
            }
        }
        if ticked.read.is_err() {
            continue;
        }
        for (index, joint) in rig.state.joints.iter().enumerate() {
            if joint.valid && joint.stamp > since {
                let name = &rig.layout.joints()[index];
                return broken!(
                    "joint `{name}` is shown as valid at {}, though the device gave no measurement \
                     after {since}",
                    joint.stamp
                );
            }
        }
    }
    Ok(())
}

fn driver_of(error: &DriverError) -> &'static str {
    match error {
        DriverError::Configure { driver, .. }
        | DriverError::Timeout { driver, .. }
        | DriverError::Disconnected { driver }
        | DriverError::DeviceFault { driver, .. } => driver,
    }
}

pub(super) fn failing_reads_are_never_shown_as_valid(
    fixture: &mut dyn Fixture,
) -> Result<(), Unmet> {
    never_shown_as_valid(fixture, Fault::FailingReads)
}

pub(super) fn a_silent_device_is_never_shown_as_valid(
    fixture: &mut dyn Fixture,
) -> Result<(), Unmet> {
    never_shown_as_valid(fixture, Fault::Silent)
}

pub(super) fn a_disconnected_device_is_never_shown_as_valid(
    fixture: &mut dyn Fixture,
) -> Result<(), Unmet> {
    never_shown_as_valid(fixture, Fault::Disconnected)
}

pub(super) fn a_reconnected_device_works_again(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    rig.run(WHILE)?;
    let before = rig.positions();
    rig.inject(Fault::Disconnected)?;
    let end = rig.now + WHILE;
    while rig.now < end {
        rig.tick();
    }
    rig.fixture.heal();
    // The device is there again before the loop has switched the driver off: nothing may start to move.
    let end = rig.now + WHILE;
    while rig.now < end {
        rig.tick();
    }
    rig.deactivate();
    if let Err(unmet) = rig.until_measured() {
        let Unmet::Broken(seen) = unmet else { return Err(unmet) };
        return broken!("{LONG:?} after it was plugged in again: {seen}");
    }
    rig.expect_unmoved(&before, None, "when its device was plugged in again")?;
    rig.activate()?;
    rig.run(WHILE)?;
    rig.expect_unmoved(&before, None, "when it was activated again")
}
