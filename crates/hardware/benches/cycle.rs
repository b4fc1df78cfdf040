//! Time of one control cycle of the mobile manipulator, all groups tracked: with its monitors checking distances
//! in every cycle, in every fifth, and not at all; the difference is what they cost.
#![allow(missing_docs, clippy::unwrap_used)]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use sinew_driver_mock::MockDriver;
use sinew_hardware::{
    Accepted, ControlLoop, GateConfig, GroupSet, LeaseRequest, Mode, MonitorConfig, Notice,
    Unconfigured,
};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, BaseTwist, BootId, GroupKind, JointCommand, Source, Time};

fn cycle(criterion: &mut Criterion) {
    let yaml = concat!(env!("CARGO_MANIFEST_DIR"), "/../../urdf/mobi.robot.yaml");
    let config = GateConfig::from_robot(&RobotModel::load(yaml).unwrap()).unwrap();
    for check_every in [1, 5] {
        let mut config = config.clone();
        config.monitor.check_every = check_every;
        measure(criterion, &format!(", distances checked every {check_every}"), config);
    }
    let mut config = config;
    config.monitor = MonitorConfig::default();
    measure(criterion, ", no monitors", config);
}

fn measure(criterion: &mut Criterion, name: &str, config: GateConfig) {
    let layout = config.layout.clone();
    let driver = MockDriver::new(layout.clone(), 3.0);
    let (driver, _stop) = Unconfigured::new(Box::new(driver)).configure().unwrap();
    let (mut control, mut handle) = ControlLoop::new(driver, config).unwrap();
    let (period, boot_id) = (control.period(), BootId(5));
    let mut now = Time::ZERO;
    control.tick(now);
    handle.arm().unwrap();
    handle
        .acquire(LeaseRequest {
            source: Source::Skill,
            groups: GroupSet::all(&layout),
            boot_id,
            command_period: Duration::from_millis(20),
        })
        .unwrap();
    now += period;
    control.tick(now);
    let mut command = ActuatorCommand::unused(&layout);
    while let Some(notice) = handle.poll() {
        if let Notice::Reply { result: Ok(Accepted::Granted { lease, .. }), .. } = notice {
            command.lease = lease;
        }
    }
    command.boot_id = boot_id;
    command.valid_for = Duration::from_secs(1);
    command.base = Some(BaseTwist { linear_x: 0.2, ..BaseTwist::default() });
    command.grippers[0].width_m = 0.03;
    let mut phase = 0.0_f64;
    criterion.bench_function(&format!("tick with a new command{name}"), |bencher| {
        bencher.iter(|| {
            phase += 0.001;
            for group in layout.groups().iter().filter(|g| g.kind == GroupKind::Joints) {
                for joint in &group.joints {
                    command.joints[*joint] = JointCommand::position(0.15 * phase.sin() - 0.15);
                }
            }
            command.seq += 1;
            handle.heartbeat(boot_id).unwrap();
            handle.command(&command).unwrap();
            now += period;
            black_box(control.tick(now))
        });
    });
    assert_eq!(control.safety().mode, Mode::Ready);
    criterion.bench_function(&format!("tick in hold{name}"), |bencher| {
        bencher.iter(|| {
            now += period;
            black_box(control.tick(now))
        });
    });
}

criterion_group!(benches, cycle);
criterion_main!(benches);
