use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use nalgebra::{Isometry3, Quaternion, UnitQuaternion, Vector3};
use sinew_types::{BaseState, ImuState, JointState, Layout, RobotState, Time};

use crate::manifest::{Rollout, RolloutImu, RolloutTick};
use crate::policy::{difference, is_off};
use crate::{CommandInputs, Policy, PolicyError};

impl Rollout {
    /// An empty record of a robot's ticks, which a replay is to repeat to the last bit.
    pub fn exact(layout: &Layout) -> Self {
        Self {
            joints: layout.joints().to_vec(),
            observation_tolerance: 0.0,
            action_tolerance: 0.0,
            target_tolerance: 0.0,
            ticks: Vec::new(),
        }
    }

    /// Takes down the tick that a policy has just made of this state and these commands; pictures are left out.
    pub fn record(&mut self, policy: &Policy, state: &RobotState, commands: &CommandInputs) {
        let of_joints = |field: fn(&JointState) -> f64| state.joints.iter().map(field).collect();
        self.ticks.push(RolloutTick {
            joint_position: of_joints(|joint| joint.position),
            joint_velocity: of_joints(|joint| joint.velocity),
            joint_effort: of_joints(|joint| joint.effort),
            grippers: state.grippers.iter().map(|g| [g.width_m, g.force_n]).collect(),
            imu: state.imu.filter(|imu| imu.valid).map(|imu| RolloutImu {
                orientation: [
                    imu.orientation.w,
                    imu.orientation.i,
                    imu.orientation.j,
                    imu.orientation.k,
                ],
                angular_velocity: imu.angular_velocity.into(),
                linear_acceleration: imu.linear_acceleration.into(),
            }),
            base_linear_velocity: state
                .base
                .filter(|base| base.valid)
                .map(|base| base.linear_velocity.into()),
            base_angular_velocity: state
                .base
                .filter(|base| base.valid)
                .map(|base| base.angular_velocity.into()),
            commands: commands.given().collect(),
            images: BTreeMap::new(),
            inputs: policy
                .observations()
                .map(|(name, values)| (name.to_owned(), values.to_vec()))
                .collect(),
            action: policy.raw_action().to_vec(),
            target: policy.output().to_vec(),
        });
    }
}

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
        let fields: [(&[f64], JointField); 3] = [
            (&tick.joint_position, |joint| &mut joint.position),
            (&tick.joint_velocity, |joint| &mut joint.velocity),
            (&tick.joint_effort, |joint| &mut joint.effort),
        ];
        for (values, field) in fields {
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
                *field(joint) = *value;
            }
        }
        for (gripper, [width_m, force_n]) in state.grippers.iter_mut().zip(&tick.grippers) {
            (gripper.valid, gripper.stamp) = (true, now);
            (gripper.width_m, gripper.force_n) = (*width_m, *force_n);
        }
        state.imu = tick.imu.map(|imu| {
            let [w, x, y, z] = imu.orientation;
            let quaternion = Quaternion::new(w, x, y, z);
            // One that was recorded here is a unit quaternion, and must stay the same to the last bit.
            let is_unit = (quaternion.norm_squared() - 1.0).abs() < 1e-12;
            ImuState {
                orientation: match is_unit {
                    true => UnitQuaternion::new_unchecked(quaternion),
                    false => UnitQuaternion::from_quaternion(quaternion),
                },
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
            angular_velocity: tick
                .base_angular_velocity
                .or(tick.imu.map(|imu| imu.angular_velocity))
                .map_or(Vector3::zeros(), Vector3::from),
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

/// One number of a joint.
type JointField = fn(&mut JointState) -> &mut f64;

/// Time of the first tick: an age is never longer than the time that there was.
const EPOCH: Duration = Duration::from_secs(1);
