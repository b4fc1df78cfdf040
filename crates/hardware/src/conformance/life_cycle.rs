use super::fixture::{Fault, Fixture};
use super::rig::{Rig, WHILE, broken};
use super::rule::Unmet;

pub(super) fn the_layout_is_that_of_the_robot_file(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    // The rig compares them.
    Rig::inactive(fixture).map(|_| ())
}

pub(super) fn configuring_again_gives_the_same_layout(
    fixture: &mut dyn Fixture,
) -> Result<(), Unmet> {
    let mut rig = Rig::inactive(fixture)?;
    match rig.driver.configure() {
        Ok(again) if again.layout == rig.layout => rig.until_measured(),
        Ok(again) => {
            broken!("the second `configure` gave another layout: {:?}", again.layout.joints())
        }
        Err(error) => broken!("the second `configure` failed: {error}"),
    }
}

pub(super) fn a_dropped_driver_lets_go_of_its_device(
    fixture: &mut dyn Fixture,
) -> Result<(), Unmet> {
    drop(Rig::active(fixture)?);
    let mut rig = Rig::active(fixture)?;
    rig.run(WHILE)
}

pub(super) fn an_inactive_driver_measures(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::inactive(fixture)?;
    for _ in 0..3 {
        let before = rig.state.clone();
        rig.until_measured()?;
        for (index, joint) in rig.state.joints.iter().enumerate() {
            if joint.stamp < before.joints[index].stamp {
                let name = &rig.layout.joints()[index];
                return broken!("the stamp of joint `{name}` went back");
            }
        }
        if rig.state.layout_hash != rig.layout.hash() {
            return broken!(
                "a read set `layout_hash` to {:#x}, which is another layout's",
                rig.state.layout_hash
            );
        }
    }
    Ok(())
}

pub(super) fn an_inactive_driver_ignores_set_points(
    fixture: &mut dyn Fixture,
) -> Result<(), Unmet> {
    let mut rig = Rig::inactive(fixture)?;
    let (before, sent) = (rig.positions(), rig.fixture.set_points());
    command_elsewhere(&mut rig);
    // The type states keep the control loop from this; a driver must not rely on being called well.
    rig.writes = true;
    let end = rig.now + WHILE;
    while rig.now < end {
        rig.tick();
    }
    rig.expect_unmoved(&before, None, "while the driver was inactive")?;
    expect_no_set_points(&mut rig, sent, "while the driver was inactive")
}

/// Set-points a good way from where everything is, in one step.
pub(super) fn command_elsewhere(rig: &mut Rig<'_>) {
    for mover in rig.movers.clone() {
        let from = mover.measured(&rig.state);
        mover.go(&mut rig.command, from, mover.distance(from), 1.0);
    }
}

pub(super) fn expect_no_set_points(
    rig: &mut Rig<'_>,
    before: Option<u64>,
    when: &str,
) -> Result<(), Unmet> {
    match (before, rig.fixture.set_points()) {
        (Some(before), Some(after)) if before != after => {
            broken!("the device was sent {} set-points {when}; allowed: 0", after - before)
        }
        _ => Ok(()),
    }
}

pub(super) fn activation_moves_nothing(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::inactive(fixture)?;
    if rig.fixture.push(0.05) {
        rig.until_measured()?;
    }
    let before = rig.positions();
    rig.activate()?;
    rig.writes = false;
    rig.run(WHILE)?;
    rig.expect_unmoved(&before, None, "after activation, before the first set-point")?;
    rig.writes = true;
    rig.run(WHILE)?;
    rig.expect_unmoved(&before, None, "when it was told to stay where it was at activation")
}

pub(super) fn set_points_are_forgotten_when_deactivated(
    fixture: &mut dyn Fixture,
) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    let Some(mover) = rig.movers.first().copied() else {
        return Err(Unmet::NotTried("the robot has no groups"));
    };
    rig.move_once(&mover)?;
    rig.deactivate();
    rig.run(rig.fixture.latency() + rig.period)?;
    let sent = rig.fixture.set_points();
    rig.run(WHILE)?;
    expect_no_set_points(&mut rig, sent, "after it was deactivated")?;
    if rig.fixture.push(-0.05) {
        rig.until_measured()?;
    }
    let before = rig.positions();
    rig.activate()?;
    rig.writes = false;
    rig.run(WHILE)?;
    rig.expect_unmoved(&before, None, "when activated again: a set-point of before was kept")
}

pub(super) fn a_refused_activation_leaves_it_inactive(
    fixture: &mut dyn Fixture,
) -> Result<(), Unmet> {
    let mut rig = Rig::inactive(fixture)?;
    rig.inject(Fault::RefusesActivation)?;
    if rig.driver.activate(rig.now).is_ok() {
        return broken!("`activate` was accepted though the device refused it");
    }
    let (before, sent) = (rig.positions(), rig.fixture.set_points());
    command_elsewhere(&mut rig);
    rig.writes = true;
    let end = rig.now + WHILE;
    while rig.now < end {
        rig.tick();
    }
    rig.expect_unmoved(&before, None, "after a refused activation")?;
    expect_no_set_points(&mut rig, sent, "after a refused activation")?;
    rig.fixture.heal();
    rig.writes = false;
    rig.until_measured()?;
    rig.activate()?;
    rig.run(WHILE)
}

pub(super) fn what_is_not_commanded_does_not_move(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    rig.command = sinew_types::ActuatorCommand::unused(&rig.layout);
    let before = rig.positions();
    rig.run(WHILE)?;
    rig.expect_unmoved(&before, None, "though every interface was unused (NaN)")
}

pub(super) fn reading_and_writing_do_not_allocate(fixture: &mut dyn Fixture) -> Result<(), Unmet> {
    let mut rig = Rig::active(fixture)?;
    for mover in rig.movers.clone() {
        let from = mover.measured(&rig.state);
        for tick in 0..20 {
            let seconds = rig.period.as_secs_f64() * f64::from(tick);
            mover.go(&mut rig.command, from, mover.distance(from), seconds);
            rig.now = rig.fixture.advance(rig.period);
            let Rig { fixture, driver, now, period, state, command, .. } = &mut rig;
            let mut both = || {
                let _ = driver.read(*now, *period, state);
                let _ = driver.write(*now, *period, command);
            };
            match fixture.allocations(&mut both) {
                Some(0) => {}
                Some(count) => {
                    return broken!("read and write allocated {count} times in one tick");
                }
                None => return Err(Unmet::NotTried("the fixture does not measure allocations")),
            }
        }
    }
    Ok(())
}
