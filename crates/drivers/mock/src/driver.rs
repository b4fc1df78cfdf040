use std::time::Duration;

use sinew_hardware::{
    Configured, DriverError, EmergencyStop, HardwareError, HardwareInterface, layout_of,
};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, Layout, RobotState, Time};

use crate::MockControl;
use crate::plant::Plant;

const NAME: &str = "mock";

/// Joints that do as they are told, within one velocity limit; fingers and base likewise.
pub struct MockDriver {
    layout: Layout,
    plant: Plant,
    control: MockControl,
}

impl MockDriver {
    /// All joints at zero; they move with at most `max_velocity` (rad/s or m/s).
    pub fn new(layout: Layout, max_velocity: f64) -> Self {
        let plant = Plant::new(layout.clone(), max_velocity);
        Self { layout, plant, control: MockControl::default() }
    }

    /// A robot whose groups are in their configuration `home`, where they have one; joints move with
    /// at most 10 rad/s or m/s.
    ///
    /// # Errors
    /// Those of [`layout_of`].
    pub fn of_robot(robot: &RobotModel) -> Result<Self, HardwareError> {
        let limits = robot.joints().iter().map(|joint| joint.limits);
        let mut at: Vec<f64> = limits.map(|l| 0.0_f64.max(l.lower).min(l.upper)).collect();
        for group in robot.groups() {
            for (joint, position) in
                group.joints.iter().zip(group.configurations.get("home").into_iter().flatten())
            {
                at[*joint] = *position;
            }
        }
        Ok(Self::new(layout_of(robot)?, 10.0).at(&at))
    }

    /// The same with these positions at the start, one per joint of the layout.
    #[must_use]
    pub fn at(mut self, positions: &[f64]) -> Self {
        self.plant.place(positions);
        self
    }

    /// Injects faults, also after the driver was handed over.
    pub fn control(&self) -> MockControl {
        self.control.clone()
    }
}

impl HardwareInterface for MockDriver {
    fn name(&self) -> &'static str {
        NAME
    }

    fn configure(&mut self) -> Result<Configured, DriverError> {
        // A driver with a bus opens it here, asks each device who it is, and refuses a wrong one by name.
        let emergency_stop: Box<dyn EmergencyStop> = Box::new(self.control());
        Ok(Configured { layout: self.layout.clone(), emergency_stop })
    }

    fn activate(&mut self, _now: Time) -> Result<(), DriverError> {
        if self.control.activation_fails() {
            return Err(DriverError::DeviceFault { driver: NAME, code: 1 });
        }
        // Servos are given their measured position as set-point here, and then torque.
        self.control.set_active(true);
        Ok(())
    }

    fn deactivate(&mut self) {
        self.control.set_active(false);
    }

    fn read(
        &mut self,
        now: Time,
        _period: Duration,
        state: &mut RobotState,
    ) -> Result<(), DriverError> {
        if !self.control.read_is_answered() {
            return Err(DriverError::Disconnected { driver: NAME });
        }
        if self.control.state_is_frozen() {
            // Nothing new came: values and stamps stay as they are, and the gate sees their age.
            return Ok(());
        }
        self.plant.push(self.control.take_push());
        if !self.control.is_powered() {
            self.plant.halt();
        }
        state.copy_from(self.plant.measure(now));
        Ok(())
    }

    fn write(
        &mut self,
        _now: Time,
        period: Duration,
        command: &ActuatorCommand,
    ) -> Result<(), DriverError> {
        if !self.control.write_is_answered() {
            return Err(DriverError::Disconnected { driver: NAME });
        }
        // After an emergency stop nothing moves before the next activation.
        if self.control.is_powered() {
            self.control.count_write();
            self.plant.follow(command, period.as_secs_f64());
        }
        Ok(())
    }
}
