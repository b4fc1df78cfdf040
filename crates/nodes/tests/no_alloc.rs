//! The control thread, with each driver: after activation it does not allocate.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout as Memory, System};
use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use sinew_driver_mock::MockDriver;
use sinew_driver_sim::{SimDriver, World};
use sinew_hardware::{
    Accepted, Configured, ControlHandle, ControlLoop, DriverError, GateConfig, GroupSet,
    HardwareInterface, LeaseRequest, Notice, RealTimeConfig, RealTimeRunner, Unconfigured,
};
use sinew_robot::RobotModel;
use sinew_types::{
    ActuatorCommand, BaseTwist, BootId, GroupKind, JointCommand, RobotState, Source, Time,
};

thread_local! {
    static IS_WATCHED: Cell<bool> = const { Cell::new(false) };
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

/// Counts what threads allocate and free while they are watched.
struct Counting;

fn count() {
    if IS_WATCHED.try_with(Cell::get).unwrap_or(false) {
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
    }
}

// SAFETY: every call goes to the system's allocator as it came.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, memory: Memory) -> *mut u8 {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(memory) }
    }

    unsafe fn dealloc(&self, at: *mut u8, memory: Memory) {
        count();
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(at, memory) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What was seen of a control thread between activation and deactivation.
#[derive(Default)]
struct Seen {
    allocations: AtomicU64,
    reads: AtomicU64,
}

/// A driver that has the thread that activates it watched.
struct Watched {
    driver: Box<dyn HardwareInterface>,
    seen: Arc<Seen>,
}

impl HardwareInterface for Watched {
    fn name(&self) -> &'static str {
        self.driver.name()
    }

    fn configure(&mut self) -> Result<Configured, DriverError> {
        self.driver.configure()
    }

    fn activate(&mut self, now: Time) -> Result<(), DriverError> {
        self.driver.activate(now)?;
        IS_WATCHED.set(true);
        Ok(())
    }

    fn deactivate(&mut self) {
        IS_WATCHED.set(false);
        self.seen.allocations.store(ALLOCATIONS.get(), Ordering::SeqCst);
        self.driver.deactivate();
    }

    fn read(
        &mut self,
        now: Time,
        period: Duration,
        state: &mut RobotState,
    ) -> Result<(), DriverError> {
        self.seen.reads.fetch_add(u64::from(IS_WATCHED.get()), Ordering::SeqCst);
        self.driver.read(now, period, state)
    }

    fn write(
        &mut self,
        now: Time,
        period: Duration,
        command: &ActuatorCommand,
    ) -> Result<(), DriverError> {
        self.driver.write(now, period, command)
    }

    fn is_simulated(&self) -> bool {
        self.driver.is_simulated()
    }
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(60), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Commands all groups, and goes on under a new lease when a busy machine has cost it one.
struct Commander {
    handle: ControlHandle,
    request: LeaseRequest,
    command: ActuatorCommand,
    /// Where the joints were at the start.
    start: Vec<f64>,
    accepted: u64,
    /// Whether it is to ask for a lease: a busy machine's loop may take no request for a while.
    asks: bool,
}

impl Commander {
    fn step(&mut self) {
        while let Some(notice) = self.handle.poll() {
            match notice {
                Notice::Reply { result: Ok(Accepted::Granted { lease, .. }), .. } => {
                    self.command.lease = lease;
                }
                Notice::Reply { result: Err(_), .. } | Notice::LeaseVoided(_) => {
                    self.asks = true;
                }
                _ => {}
            }
        }
        if self.asks {
            self.asks = self.handle.acquire(self.request).is_err();
        }
        // Where one has no room, others wait already.
        let _ = self.handle.heartbeat(self.request.boot_id);
        self.command.seq += 1;
        let swing = 0.05 * (self.command.seq as f64 / 100.0).sin();
        for (joint, start) in self.command.joints.iter_mut().zip(&self.start) {
            if joint.is_used() {
                *joint = JointCommand::position(start + swing);
            }
        }
        self.accepted += u64::from(self.handle.command(&self.command).is_ok());
    }
}

fn does_not_allocate(robot: &RobotModel, driver: Box<dyn HardwareInterface>) {
    let config = GateConfig::from_robot(robot).unwrap();
    let layout = config.layout.clone();
    let seen = Arc::new(Seen::default());
    let driver = Watched { driver, seen: Arc::clone(&seen) };
    let (driver, stop) = Unconfigured::new(Box::new(driver)).configure().unwrap();
    let (control, handle) = ControlLoop::new(driver, config).unwrap();
    let real_time = RealTimeConfig {
        fifo_priority: None,
        lock_memory: false,
        stall_timeout: Duration::from_secs(60),
        ..RealTimeConfig::default()
    };
    let request = LeaseRequest {
        source: Source::Skill,
        groups: GroupSet::all(&layout),
        boot_id: BootId(5),
        command_period: Duration::from_millis(100),
    };
    let mut command = ActuatorCommand::unused(&layout);
    command.boot_id = request.boot_id;
    command.valid_for = Duration::from_secs(10);
    command.base = Some(BaseTwist { angular_z: 0.1, ..BaseTwist::default() });
    command.grippers[0].width_m = 0.03;
    for group in layout.groups().iter().filter(|group| group.kind == GroupKind::Joints) {
        for joint in &group.joints {
            command.joints[*joint] = JointCommand::position(0.0);
        }
    }
    let runner = RealTimeRunner::spawn(control, stop, real_time).unwrap();
    let mut commander =
        Commander { handle, request, command, start: Vec::new(), accepted: 0, asks: false };

    let handle = &mut commander.handle;
    until("the state is read", || handle.state().joints.iter().all(|joint| joint.valid));
    commander.start = handle.state().joints.iter().map(|joint| joint.position).collect();
    handle.arm().unwrap();
    until("it is armed", || handle.safety().powered);
    handle.acquire(commander.request).unwrap();
    let reads = || seen.reads.load(Ordering::SeqCst);
    until("it has followed commands", || {
        commander.step();
        reads() > 500 && commander.accepted > 20
    });
    // A stop, too, is to be had without memory.
    commander.handle.e_stop().press();
    let stopped_at = reads();
    until("it has stopped", || reads() > stopped_at + 200 || !commander.handle.safety().powered);
    let control = runner.stop().expect("the control thread does not panic");
    assert!(!control.is_active());
    assert_eq!(seen.allocations.load(Ordering::SeqCst), 0, "allocations of the control thread");
}

fn root(path: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

#[test]
fn with_the_mock_driver() {
    let robot = RobotModel::load(root("urdf/mobi.robot.yaml")).unwrap();
    let driver = MockDriver::of_robot(&robot).unwrap();
    does_not_allocate(&robot, Box::new(driver));
}

#[test]
fn with_the_simulator() {
    let world = World::load(root("worlds/tabletop.yaml")).unwrap();
    let robot = world.robot().clone();
    let scene = world.sample(1).unwrap();
    let (driver, _seen) = SimDriver::new(world, &scene).unwrap();
    does_not_allocate(&robot, Box::new(driver));
}
