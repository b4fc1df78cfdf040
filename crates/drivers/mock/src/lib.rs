//! A driver without a device: commands come back as states, and faults can be injected.
//!
//! For tests of code above the hardware layer, and the example that `docs/drivers.md` walks
//! through: [`MockDriver`] is all that a driver has to be.
//!
//! ```
//! use std::time::Duration;
//! use sinew_driver_mock::MockDriver;
//! use sinew_hardware::{ControlLoop, GateConfig, Mode, Unconfigured};
//! use sinew_robot::RobotModel;
//! use sinew_types::Time;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let yaml = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../urdf/mobi.robot.yaml");
//! let robot = RobotModel::load(yaml)?;
//! let driver = MockDriver::of_robot(&robot)?;
//! let mock = driver.control();
//! let (driver, _stop) = Unconfigured::new(Box::new(driver)).configure()?;
//! let (mut control, mut handle) = ControlLoop::new(driver, GateConfig::from_robot(&robot)?)?;
//!
//! control.tick(Time::ZERO);
//! handle.arm()?;
//! assert_eq!(control.tick(Time::from_nanos(2_000_000)).mode, Mode::Ready);
//! mock.fail_reads(true);
//! assert_eq!(control.tick(Time::from_nanos(4_000_000)).mode, Mode::Fault);
//! # Ok(())
//! # }
//! ```

/// The guide's code is compiled and run.
#[cfg(doctest)]
#[doc = include_str!("../../../../docs/drivers.md")]
struct Guide;

mod control;
mod driver;
mod plant;

pub use control::MockControl;
pub use driver::MockDriver;
