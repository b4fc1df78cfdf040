//! After activation the control loop does not allocate, whatever comes in.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use sinew_driver_mock::MockDriver;
use sinew_hardware::{
    Accepted, Cause, ControlLoop, GateConfig, GroupSet, LeaseRequest, Mode, Notice, Unconfigured,
};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, BaseTwist, BootId, JointCommand, LeaseId, Source, Time};

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

#[test]
fn a_tick_of_an_active_loop_does_not_allocate_nor_does_the_handle() {
    let yaml = concat!(env!("CARGO_MANIFEST_DIR"), "/../../urdf/mobi.robot.yaml");
    let config = GateConfig::from_robot(&RobotModel::load(yaml).unwrap()).unwrap();
    let layout = config.layout.clone();
    let driver = MockDriver::new(layout.clone(), 3.0);
    let mock = driver.control();
    let (driver, _stop) = Unconfigured::new(Box::new(driver)).configure().unwrap();
    let (mut control, mut handle) = ControlLoop::new(driver, config).unwrap();
    let boot_id = BootId(5);
    let groups = GroupSet::all(&layout);
    let request = LeaseRequest {
        source: Source::Skill,
        groups,
        boot_id,
        command_period: Duration::from_millis(20),
    };
    let mut command = ActuatorCommand::unused(&layout);
    command.boot_id = boot_id;
    command.valid_for = Duration::from_secs(1);
    command.base = Some(BaseTwist { linear_x: 0.2, ..BaseTwist::default() });
    command.grippers[0].width_m = 0.03;
    for group in layout.groups().iter().filter(|g| g.kind == sinew_types::GroupKind::Joints) {
        for joint in &group.joints {
            // Upwards, away from the floor.
            command.joints[*joint] = JointCommand::position(-0.3);
        }
    }

    let mut now = Time::ZERO;
    control.tick(now);
    handle.arm().unwrap();
    now += control.period();
    control.tick(now);
    assert!(control.is_active());
    let period = control.period();
    let arm = layout.groups().iter().position(|group| group.name == "arm").unwrap();

    let mut tracked = 0;
    let mut stopped_at_floor = false;
    assert_no_alloc(|| {
        let mut lease = LeaseId::default();
        handle.acquire(request).unwrap();
        for tick in 0..5600_u64 {
            now += period;
            control.tick(now);
            handle.heartbeat(boot_id).unwrap();
            while let Some(notice) = handle.poll() {
                if let Notice::Reply {
                    result: Ok(Accepted::Granted { lease: granted, .. }), ..
                } = notice
                {
                    lease = granted;
                }
            }
            if tick % 10 == 0 {
                command.lease = lease;
                command.seq += 1;
                let _ = handle.command(&command);
            }
            // Losses, refusals, takeovers and stops as well.
            match tick {
                1000 => drop(handle.acquire(LeaseRequest { source: Source::Teleop, ..request })),
                1100 => drop(handle.release(lease)),
                1200 => drop(handle.resume()),
                1300 | 2500 | 4500 | 4650 => drop(handle.acquire(request)),
                2000 => handle.e_stop().press(),
                2300 => handle.e_stop().release(),
                2350 => drop(handle.reset()),
                2400 => drop(handle.arm()),
                3000 => mock.fail_writes(true),
                3010 => mock.fail_writes(false),
                3500 => drop(handle.reset()),
                3600 => drop(handle.arm()),
                3700 => drop(handle.acquire(request)),
                4000 => drop(handle.peer_lost(boot_id)),
                4700 => {
                    for joint in &layout.groups()[arm].joints {
                        command.joints[*joint].position = 0.5;
                    }
                }
                5500 => drop(handle.reset()),
                _ => {}
            }
            let safety = handle.safety();
            stopped_at_floor |= safety.causes.contains(Cause::Workspace);
            tracked += u32::from(safety.groups[0].output == sinew_hardware::OutputKind::Track);
        }
    });
    assert!(tracked > 1500, "{tracked}");
    assert!(stopped_at_floor);
    assert_eq!(control.safety().mode, Mode::Ready);
}
