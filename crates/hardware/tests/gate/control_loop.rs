//! The loop with the mock driver, ticked inline.

use std::time::Duration;

use sinew_driver_mock::{MockControl, MockDriver};
use sinew_hardware::{
    Accepted, Cause, CommandRefusal, ControlHandle, ControlLoop, DriverError, GateConfig, GroupSet,
    HardwareError, LeaseRequest, Mode, Notice, OutputKind, Refused, Unconfigured, VoidReason,
};
use sinew_types::{ActuatorCommand, BaseTwist, BootId, GroupKind, Layout, LeaseId, Source, Time};

use crate::rig::mobi;

pub(crate) struct Bench {
    pub(crate) control: ControlLoop,
    pub(crate) handle: ControlHandle,
    pub(crate) mock: MockControl,
    pub(crate) now: Time,
    seq: u64,
}

pub(crate) const BOOT: BootId = BootId(5);

impl Bench {
    pub(crate) fn new() -> Self {
        let config = GateConfig::from_robot(&mobi()).unwrap();
        let driver = MockDriver::new(config.layout.clone(), 3.0);
        let mock = driver.control();
        let (driver, _stop) = Unconfigured::new(Box::new(driver)).configure().unwrap();
        let (control, handle) = ControlLoop::new(driver, config).unwrap();
        let mut bench = Self { control, handle, mock, now: Time::ZERO, seq: 0 };
        bench.tick();
        bench
    }

    pub(crate) fn armed() -> Self {
        let mut bench = Self::new();
        bench.handle.arm().unwrap();
        bench.tick();
        assert!(matches!(bench.handle.poll(), Some(Notice::Reply { result: Ok(_), .. })));
        bench
    }

    pub(crate) fn tick(&mut self) -> sinew_hardware::TickReport {
        self.now += self.control.period();
        self.control.tick(self.now)
    }

    pub(crate) fn request(&self, source: Source, names: &[&'static str]) -> LeaseRequest {
        LeaseRequest {
            source,
            groups: GroupSet::named(self.control.layout(), names.iter().copied()).unwrap(),
            boot_id: BOOT,
            command_period: Duration::from_millis(20),
        }
    }

    pub(crate) fn lease(&mut self, names: &[&'static str]) -> LeaseId {
        let request = self.request(Source::Skill, names);
        let id = self.handle.acquire(request).unwrap();
        self.tick();
        while let Some(notice) = self.handle.poll() {
            if let Notice::Reply { request, result } = notice
                && request == id
            {
                let Ok(Accepted::Granted { lease, .. }) = result else { panic!("{result:?}") };
                return lease;
            }
        }
        panic!("no reply");
    }

    pub(crate) fn drive(&mut self, lease: LeaseId, speed: f64) -> Result<(), CommandRefusal> {
        let mut command = ActuatorCommand::unused(self.control.layout());
        self.seq += 1;
        (command.lease, command.seq, command.boot_id) = (lease, self.seq, BOOT);
        command.valid_for = Duration::from_millis(200);
        command.base = Some(BaseTwist { linear_x: speed, ..BaseTwist::default() });
        self.handle.command(&command)
    }
}

#[test]
fn a_disarmed_loop_reads_but_does_not_write() {
    let mut bench = Bench::new();
    for _ in 0..10 {
        let report = bench.tick();
        assert!(report.read_ok && !report.wrote);
    }
    assert_eq!((bench.mock.writes(), bench.mock.is_active()), (0, false));
    assert!(bench.handle.state().joints.iter().all(|joint| joint.valid));
    assert_eq!(bench.handle.safety().mode, Mode::Disarmed);
}

#[test]
fn replies_come_with_the_next_tick_in_the_order_of_the_requests() {
    let mut bench = Bench::new();
    let arm = bench.handle.arm().unwrap();
    let request = bench.request(Source::Skill, &["base"]);
    let first = bench.handle.acquire(request).unwrap();
    let second = bench.handle.acquire(request).unwrap();
    let disarm = bench.handle.disarm().unwrap();
    let again = bench.handle.acquire(request).unwrap();
    assert_eq!(bench.handle.poll(), None);
    bench.tick();
    let mut notices = Vec::new();
    while let Some(notice) = bench.handle.poll() {
        notices.push(notice);
    }
    let reply = |index: usize| match notices[index] {
        Notice::Reply { request, result } => (request, result),
        other => panic!("{other:?}"),
    };
    assert_eq!(reply(0), (arm, Ok(Accepted::Done)));
    assert_eq!(reply(1).0, first);
    assert!(reply(1).1.is_ok());
    assert!(matches!(reply(2), (id, Err(Refused::Busy { .. })) if id == second));
    assert!(
        matches!(notices[3], Notice::LeaseVoided(voided) if voided.reason == VoidReason::Disarmed)
    );
    assert_eq!(reply(4), (disarm, Ok(Accepted::Done)));
    assert_eq!(reply(5), (again, Err(Refused::Disarming)));
    assert_eq!(notices.len(), 6);
}

#[test]
fn a_command_moves_the_robot_and_a_lost_stream_brings_it_to_rest() {
    let mut bench = Bench::armed();
    let lease = bench.lease(&["base"]);
    for _ in 0..25 {
        bench.drive(lease, 0.4).unwrap();
        for _ in 0..10 {
            bench.tick();
        }
        bench.handle.heartbeat(BOOT).unwrap();
    }
    assert_eq!(bench.handle.safety().groups[1].output, OutputKind::Track);
    assert!((bench.handle.output().base.unwrap().linear_x - 0.4).abs() < 1e-9);
    let x =
        |bench: &mut Bench| bench.handle.state().base.unwrap().map_from_base.translation.vector.x;
    let lost_at = x(&mut bench);
    assert!(lost_at > 0.05);
    for _ in 0..400 {
        bench.tick();
        bench.handle.heartbeat(BOOT).unwrap();
    }
    let still = x(&mut bench);
    for _ in 0..50 {
        bench.tick();
        bench.handle.heartbeat(BOOT).unwrap();
    }
    assert_eq!(x(&mut bench), still);
    assert!(bench.handle.safety().is_still());
    // 60 ms at 0.4 m/s, then 0.4²/(2 x 0.8) m.
    assert!(still - lost_at < 0.024 + 0.1 + 0.01, "{}", still - lost_at);
    assert_eq!(bench.drive(lease, 0.4), Err(CommandRefusal::UnknownLease));
    bench.tick();
    assert_eq!(bench.handle.safety().refused.get(CommandRefusal::UnknownLease), 1);
}

#[test]
fn a_press_of_the_e_stop_between_two_ticks_is_not_missed() {
    let mut bench = Bench::armed();
    let lease = bench.lease(&["base"]);
    bench.drive(lease, 0.4).unwrap();
    bench.tick();
    let button = bench.handle.e_stop().clone();
    button.press();
    button.release();
    assert_eq!(bench.tick().mode, Mode::EStop);
    assert!(!bench.handle.safety().e_stop_pressed);
    assert_ne!(bench.handle.safety().groups[1].output, OutputKind::Track);
}

#[test]
fn a_failing_read_is_a_fault_and_its_error_is_told_once() {
    let mut bench = Bench::armed();
    bench.mock.fail_reads(true);
    for _ in 0..5 {
        assert_eq!(bench.tick().mode, Mode::Fault);
    }
    assert!(bench.handle.state().joints.iter().all(|joint| !joint.valid));
    assert!(matches!(bench.handle.driver_error(), Some(DriverError::Disconnected { .. })));
    assert!(bench.handle.driver_error().is_none());
    bench.handle.reset().unwrap();
    bench.tick();
    let refused = bench.handle.poll();
    assert!(matches!(
        refused,
        Some(Notice::Reply { result: Err(Refused::StateNotFresh { .. }), .. })
    ));
    bench.mock.fail_reads(false);
    bench.tick();
    bench.handle.reset().unwrap();
    bench.handle.arm().unwrap();
    assert_eq!(bench.tick().mode, Mode::Ready);
    assert!(bench.mock.is_active());
}

#[test]
fn a_failing_write_is_a_fault() {
    let mut bench = Bench::armed();
    bench.mock.fail_writes(true);
    assert_eq!(bench.tick().mode, Mode::Fault);
    assert!(bench.handle.driver_error().is_some());
    bench.tick();
    assert!(bench.handle.safety().causes.contains(Cause::DriverError));
}

#[test]
fn a_driver_that_does_not_activate_is_told_in_the_reply() {
    let mut bench = Bench::new();
    bench.mock.fail_activation(true);
    bench.handle.arm().unwrap();
    assert_eq!(bench.tick().mode, Mode::Fault);
    let refused = bench.handle.poll();
    assert!(matches!(refused, Some(Notice::Reply { result: Err(Refused::ActivationFailed), .. })));
    assert!(matches!(bench.handle.driver_error(), Some(DriverError::DeviceFault { .. })));
    assert!(!bench.mock.is_active());
}

#[test]
fn disarming_deactivates_the_driver_and_ends_writing() {
    let mut bench = Bench::armed();
    bench.handle.disarm().unwrap();
    for _ in 0..5 {
        bench.tick();
    }
    assert!(!bench.mock.is_active() && !bench.control.is_active());
    let writes = bench.mock.writes();
    bench.tick();
    assert_eq!(bench.mock.writes(), writes);
    assert_eq!(bench.handle.safety().mode, Mode::Disarmed);
}

#[test]
fn a_driver_of_another_layout_is_refused() {
    let config = GateConfig::from_robot(&mobi()).unwrap();
    let joints = vec!["x".to_owned()];
    let layout =
        Layout::new(joints.clone(), vec![("x".to_owned(), GroupKind::Joints, joints)]).unwrap();
    let (driver, _) =
        Unconfigured::new(Box::new(MockDriver::new(layout, 1.0))).configure().unwrap();
    assert!(matches!(
        ControlLoop::new(driver, config).err(),
        Some(HardwareError::LayoutMismatch { .. })
    ));
}

#[test]
fn the_same_calls_give_the_same_bits() {
    let run = || {
        let mut bench = Bench::armed();
        let lease = bench.lease(&["base"]);
        let mut bits = Vec::new();
        for k in 0..200_u32 {
            if k % 10 == 0 {
                bench.drive(lease, 0.3 * f64::from(k).sin()).unwrap();
                bench.handle.heartbeat(BOOT).unwrap();
            }
            bench.tick();
            bits.push(bench.handle.output().base.unwrap().linear_x.to_bits());
        }
        bits
    };
    assert_eq!(run(), run());
}
