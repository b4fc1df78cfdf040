//! A driver without a device, for tests: joints follow their commands with a limited velocity.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use sinew_types::{
    ActuatorCommand, BaseState, BaseTwist, GroupKind, JointCommand, Layout, RobotState, Time,
};

use crate::interface::{Configured, DriverError, EmergencyStop, HardwareInterface};

const NAME: &str = "mock";

/// Injects faults into a [`MockDriver`] and tells what was done with it. Clones act on the same driver.
#[derive(Clone, Debug, Default)]
pub struct MockControl {
    shared: Arc<Shared>,
}

#[derive(Debug, Default)]
struct Shared {
    fail_activation: AtomicBool,
    fail_reads: AtomicBool,
    fail_writes: AtomicBool,
    freeze_state: AtomicBool,
    active: AtomicBool,
    emergency_stops: AtomicU64,
    writes: AtomicU64,
    read_delay_ms: AtomicU64,
}

impl MockControl {
    /// Has activation refused from now on, or not.
    pub fn fail_activation(&self, fail: bool) {
        self.shared.fail_activation.store(fail, Ordering::SeqCst);
    }

    /// Has reads fail from now on, or not.
    pub fn fail_reads(&self, fail: bool) {
        self.shared.fail_reads.store(fail, Ordering::SeqCst);
    }

    /// Has writes fail from now on, or not.
    pub fn fail_writes(&self, fail: bool) {
        self.shared.fail_writes.store(fail, Ordering::SeqCst);
    }

    /// Has reads succeed with an old state from now on, or not: a silent bus.
    pub fn freeze_state(&self, freeze: bool) {
        self.shared.freeze_state.store(freeze, Ordering::SeqCst);
    }

    /// Has the next read block its thread for so long: a hanging bus.
    pub fn delay_next_read(&self, delay: Duration) {
        let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
        self.shared.read_delay_ms.store(ms, Ordering::SeqCst);
    }

    /// Whether the driver is active.
    pub fn is_active(&self) -> bool {
        self.shared.active.load(Ordering::SeqCst)
    }

    /// How often [`EmergencyStop::stop`] was called.
    pub fn emergency_stops(&self) -> u64 {
        self.shared.emergency_stops.load(Ordering::SeqCst)
    }

    /// How often it was written to.
    pub fn writes(&self) -> u64 {
        self.shared.writes.load(Ordering::SeqCst)
    }
}

impl EmergencyStop for MockControl {
    fn stop(&mut self) {
        self.shared.emergency_stops.fetch_add(1, Ordering::SeqCst);
    }
}

/// Echoes commands as states: positions and widths follow with a limited velocity, velocities at once.
pub struct MockDriver {
    layout: Layout,
    max_velocity: f64,
    positions: Vec<f64>,
    velocities: Vec<f64>,
    efforts: Vec<f64>,
    widths: Vec<(f64, f64)>,
    base: Option<(Isometry3<f64>, BaseTwist)>,
    control: MockControl,
}

impl MockDriver {
    /// All joints at zero; they follow with at most `max_velocity` (rad/s or m/s).
    pub fn new(layout: Layout, max_velocity: f64) -> Self {
        let joints = layout.joints().len();
        let base = layout
            .groups()
            .iter()
            .any(|group| group.kind == GroupKind::Base)
            .then(|| (Isometry3::identity(), BaseTwist::default()));
        Self {
            max_velocity,
            positions: vec![0.0; joints],
            velocities: vec![0.0; joints],
            efforts: vec![0.0; joints],
            widths: vec![(0.0, 0.0); layout.grippers()],
            base,
            control: MockControl::default(),
            layout,
        }
    }

    /// The same with these positions at the start, one per joint of the layout.
    #[must_use]
    pub fn at(mut self, positions: &[f64]) -> Self {
        for (to, from) in self.positions.iter_mut().zip(positions) {
            *to = *from;
        }
        for group in self.layout.groups() {
            if group.kind == GroupKind::Gripper {
                let width = group.joints.iter().map(|joint| self.positions[*joint]).sum();
                self.widths[group.gripper] = (width, 0.0);
            }
        }
        self
    }

    /// Injects faults, also after the driver was handed over.
    pub fn control(&self) -> MockControl {
        self.control.clone()
    }

    fn follow_joint(&mut self, joint: usize, command: &JointCommand, seconds: f64) {
        let last = self.positions[joint];
        let reach = self.max_velocity * seconds;
        let velocity = if !command.position.is_nan() {
            let next = command.position.clamp(last - reach, last + reach);
            self.positions[joint] = next;
            (next - last) / seconds
        } else if !command.velocity.is_nan() {
            self.positions[joint] = last + command.velocity * seconds;
            command.velocity
        } else {
            0.0
        };
        self.velocities[joint] = velocity;
        self.efforts[joint] = if command.effort.is_nan() { 0.0 } else { command.effort };
    }
}

impl HardwareInterface for MockDriver {
    fn name(&self) -> &'static str {
        NAME
    }

    fn configure(&mut self) -> Result<Configured, DriverError> {
        Ok(Configured {
            layout: self.layout.clone(),
            emergency_stop: Box::new(self.control.clone()),
        })
    }

    fn activate(&mut self, _now: Time) -> Result<(), DriverError> {
        if self.control.shared.fail_activation.load(Ordering::SeqCst) {
            return Err(DriverError::DeviceFault { driver: NAME, code: 1 });
        }
        self.control.shared.active.store(true, Ordering::SeqCst);
        Ok(())
    }

    fn deactivate(&mut self) {
        self.velocities.fill(0.0);
        self.control.shared.active.store(false, Ordering::SeqCst);
    }

    fn read(
        &mut self,
        now: Time,
        _period: Duration,
        state: &mut RobotState,
    ) -> Result<(), DriverError> {
        let shared = &self.control.shared;
        let delay_ms = shared.read_delay_ms.swap(0, Ordering::SeqCst);
        if delay_ms > 0 {
            std::thread::sleep(Duration::from_millis(delay_ms));
        }
        if shared.fail_reads.load(Ordering::SeqCst) {
            return Err(DriverError::Disconnected { driver: NAME });
        }
        if shared.freeze_state.load(Ordering::SeqCst) {
            return Ok(());
        }
        for (index, joint) in state.joints.iter_mut().enumerate() {
            joint.position = self.positions[index];
            joint.velocity = self.velocities[index];
            joint.effort = self.efforts[index];
            (joint.stamp, joint.valid) = (now, true);
        }
        for (gripper, (width_m, velocity_m_s)) in state.grippers.iter_mut().zip(&self.widths) {
            (gripper.width_m, gripper.velocity_m_s) = (*width_m, *velocity_m_s);
            (gripper.stamp, gripper.valid) = (now, true);
        }
        state.base = self.base.map(|(map_from_base, twist)| BaseState {
            map_from_base,
            linear_velocity: Vector3::new(twist.linear_x, twist.linear_y, 0.0),
            angular_velocity: Vector3::new(0.0, 0.0, twist.angular_z),
            stamp: now,
            valid: true,
        });
        Ok(())
    }

    fn write(
        &mut self,
        _now: Time,
        period: Duration,
        command: &ActuatorCommand,
    ) -> Result<(), DriverError> {
        if self.control.shared.fail_writes.load(Ordering::SeqCst) {
            return Err(DriverError::Disconnected { driver: NAME });
        }
        self.control.shared.writes.fetch_add(1, Ordering::SeqCst);
        let seconds = period.as_secs_f64();
        for (joint, joint_command) in command.joints.iter().enumerate() {
            self.follow_joint(joint, joint_command, seconds);
        }
        for (index, gripper) in command.grippers.iter().enumerate() {
            let (last, _) = self.widths[index];
            let reach = self.max_velocity * seconds;
            let wanted = if gripper.width_m.is_nan() { last } else { gripper.width_m };
            let next = wanted.clamp(last - reach, last + reach);
            self.widths[index] = (next, (next - last) / seconds);
        }
        if let Some((map_from_base, twist)) = &mut self.base {
            *twist = command.base.unwrap_or_default();
            let step = Isometry3::from_parts(
                Translation3::new(twist.linear_x * seconds, twist.linear_y * seconds, 0.0),
                UnitQuaternion::from_euler_angles(0.0, 0.0, twist.angular_z * seconds),
            );
            *map_from_base *= step;
        }
        Ok(())
    }
}
