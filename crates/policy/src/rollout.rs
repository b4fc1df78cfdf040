use std::path::Path;
use std::time::Duration;

use nalgebra::{Isometry3, Quaternion, UnitQuaternion, Vector3};
use sinew_types::{BaseState, ImuState, Layout, RobotState, Time};

use crate::manifest::{Rollout, RolloutTick};
use crate::policy::{difference, is_off};
use crate::{Policy, PolicyError};

impl Policy {
    /// Runs a recorded rollout from a reset on, and compares what the policy makes of it: inputs of the
    /// graph, raw actions and commands. A test of the whole loop, not of the network alone.
    ///
    /// # Errors
    /// [`PolicyError::Golden`] with the tick, the element and both values of the first difference; those of
    /// a step; [`PolicyError::Field`] for a rollout that does not fit the robot.
    pub fn check_rollout(&mut self, rollout: &Rollout, layout: &Layout) -> Result<(), PolicyError> {
        let mut state = RobotState::invalid(layout);
        let mut commands = self.command_inputs();
        let period = self.period();
        for (number, tick) in rollout.ticks.iter().enumerate() {
            let at = format!("rollout tick {number}");
            let elapsed = period * u32::try_from(number).unwrap_or(u32::MAX);
            self.measure(rollout, tick, layout, Time::ZERO + EPOCH + elapsed, &mut state)?;
            for (name, values) in &tick.commands {
                commands.set(name, values, state.stamp)?;
            }
            for (camera, image) in &tick.images {
                commands.set_image(camera, image.width, image.height, &image.rgb, state.stamp)?;
            }
            if number == 0 {
                self.reset(&state)?;
            }
            let target = self.step(&state, &commands)?.to_vec();
            for (name, values) in self.observations() {
                let Some(expected) = tick.inputs.get(name) else { continue };
                let tolerance = rollout.observation_tolerance;
                self.compare(&format!("{at}, input `{name}`"), expected, values, tolerance)?;
            }
            let raw = self.raw_action();
            self.compare(&format!("{at}, action"), &tick.action, raw, rollout.action_tolerance)?;
            let tolerance = rollout.target_tolerance;
            for (index, (expected, actual)) in tick.target.iter().zip(&target).enumerate() {
                if is_off(*expected, *actual, tolerance) {
                    return Err(PolicyError::Golden {
                        policy: self.manifest().id.clone(),
                        what: format!("{at}, target"),
                        index,
                        expected: *expected,
                        actual: *actual,
                        tolerance,
                    });
                }
            }
        }
        Ok(())
    }

    fn compare(
        &self,
        what: &str,
        expected: &[f32],
        actual: &[f32],
        tolerance: f64,
    ) -> Result<(), PolicyError> {
        if !expected.is_empty() && expected.len() != actual.len() {
            let allowed = format!("{} values", actual.len());
            let value = format!("{} values", expected.len());
            return Err(self.manifest().field_error(what, value, allowed));
        }
        match difference(expected, actual, tolerance) {
            None => Ok(()),
            Some((index, expected, actual)) => Err(PolicyError::Golden {
                policy: self.manifest().id.clone(),
                what: what.to_owned(),
                index,
                expected,
                actual,
                tolerance,
            }),
        }
    }

    fn measure(
        &self,
        rollout: &Rollout,
        tick: &RolloutTick,
        layout: &Layout,
        now: Time,
        state: &mut RobotState,
    ) -> Result<(), PolicyError> {
        state.stamp = now;
        for (values, is_position) in [(&tick.joint_position, true), (&tick.joint_velocity, false)] {
            if !values.is_empty() && values.len() != rollout.joints.len() {
                let allowed = format!("{} values, one per joint", rollout.joints.len());
                let value = format!("{} values", values.len());
                return Err(self.manifest().field_error("rollout joints", value, allowed));
            }
            for (name, value) in rollout.joints.iter().zip(values) {
                let Some(index) = layout.joint_index(name) else {
                    let allowed = format!("a joint of the robot: {}", layout.joints().join(", "));
                    return Err(self.manifest().field_error("rollout joints", name, allowed));
                };
                let joint = &mut state.joints[index];
                (joint.valid, joint.stamp) = (true, now);
                if is_position {
                    joint.position = *value;
                } else {
                    joint.velocity = *value;
                }
            }
        }
        state.imu = tick.imu.map(|imu| {
            let [w, x, y, z] = imu.orientation;
            ImuState {
                orientation: UnitQuaternion::from_quaternion(Quaternion::new(w, x, y, z)),
                angular_velocity: Vector3::from(imu.angular_velocity),
                linear_acceleration: Vector3::from(imu.linear_acceleration),
                stamp: now,
                valid: true,
            }
        });
        state.base = tick.base_linear_velocity.map(|velocity| BaseState {
            linear_velocity: Vector3::from(velocity),
            stamp: now,
            valid: true,
            angular_velocity: tick.imu.map_or(Vector3::zeros(), |imu| imu.angular_velocity.into()),
            map_from_base: Isometry3::identity(),
        });
        Ok(())
    }

    /// The same for a rollout in a file.
    pub(crate) fn check_rollout_file(
        &mut self,
        path: &Path,
        layout: &Layout,
    ) -> Result<(), PolicyError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| PolicyError::Read { path: path.to_owned(), source })?;
        let rollout: Rollout = serde_json::from_str(&text).map_err(|error| PolicyError::Parse {
            path: path.to_owned(),
            message: error.to_string(),
        })?;
        self.check_rollout(&rollout, layout)
    }
}

/// Time of the first tick: an age is never longer than the time that there was.
const EPOCH: Duration = Duration::from_secs(1);
