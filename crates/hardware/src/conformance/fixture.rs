use std::time::Duration;

use sinew_robot::RobotModel;
use sinew_types::Time;

use crate::interface::HardwareInterface;

/// What can go wrong with a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// It answers every read with an error.
    FailingReads,
    /// It gives no new measurement, and no error either.
    Silent,
    /// It is unplugged: neither read nor written to.
    Disconnected,
    /// A read that begins now does not end before [`Fixture::heal`].
    HangingReads,
    /// It refuses to be switched on.
    RefusesActivation,
}

/// A driver and its device, as the suite needs them.
///
/// What a device cannot do is left at its default; the rules that need it are then reported as
/// [`crate::conformance::Verdict::NotTried`].
pub trait Fixture {
    /// The robot that the driver is for; each of its groups is tried by its own command interface.
    fn robot(&self) -> &RobotModel;

    /// A driver that nothing was done with, for a device that is healthy, at rest and switched off.
    ///
    /// Called at the start of each rule, after the driver before it was dropped.
    fn driver(&mut self) -> Box<dyn HardwareInterface>;

    /// Lets `period` pass and tells the time then: adds it up in virtual time, sleeps in real time.
    fn advance(&mut self, period: Duration) -> Time;

    /// Has the device of the driver that was made last fail like this until [`Fixture::heal`]; false
    /// if it cannot.
    fn inject(&mut self, fault: Fault) -> bool {
        let _ = fault;
        false
    }

    /// Undoes every fault: what was unplugged is plugged in again.
    fn heal(&mut self) {}

    /// Pushes every joint by `distance` (rad or m) by hand while the drives are off; false if that
    /// cannot be done.
    fn push(&mut self, distance: f64) -> bool {
        let _ = distance;
        false
    }

    /// How many set-points the device has received so far; none if that cannot be told.
    fn set_points(&mut self) -> Option<u64> {
        None
    }

    /// Runs `work` and tells how often this thread allocated in it; none if that is not measured.
    ///
    /// A program with `assert_no_alloc`'s allocator runs it in `assert_no_alloc` and returns 0.
    fn allocations(&mut self, work: &mut dyn FnMut()) -> Option<u64> {
        work();
        None
    }

    /// How long a measurement may be on its way, and a fault unnoticed: zero unless the driver reads
    /// on a thread of its own.
    fn latency(&self) -> Duration {
        Duration::ZERO
    }

    /// Whether the driver is read so often that measured velocities can be compared with measured positions: not in
    /// real time on a machine that may be busy with other things.
    fn follows_motion(&self) -> bool {
        true
    }

    /// How exactly a set-point is reached, rad or m.
    fn tolerance(&self) -> f64 {
        0.01
    }
}
