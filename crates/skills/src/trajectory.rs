use rsruckig::prelude::{DataArrayOrVec, InputParameter, Ruckig, ThrowErrorHandler, Trajectory};
use sinew_types::{ActuatorCommand, ErrorCode, JointCommand, Time};

use crate::io::Failure;
use crate::limbs::JointGroup;

/// Share of the limits of the gate that a trajectory uses, so that the gate need not cut it.
const VELOCITY_SHARE: f64 = 0.9;
/// See [`VELOCITY_SHARE`]; the acceleration and its change are also what a held object feels.
const ACCELERATION_SHARE: f64 = 0.6;

/// A time-optimal, jerk-limited motion of a group of joints from rest to rest.
pub(crate) struct JointMotion {
    trajectory: Trajectory<0>,
    duration_s: f64,
    joints: Vec<usize>,
    position: DataArrayOrVec<f64, 0>,
    started: Option<Time>,
}

impl JointMotion {
    /// Plans from the set-points that the command holds to these positions.
    pub(crate) fn plan(
        group: &JointGroup,
        command: &ActuatorCommand,
        to: &[f64],
        speed_scale: f64,
    ) -> Result<Self, Failure> {
        let dofs = group.joints.len();
        let failed = |error: rsruckig::prelude::RuckigError| {
            Failure::new(ErrorCode::InvalidArguments, format!("no trajectory: {error}"))
        };
        let mut input = InputParameter::<0>::new(Some(dofs));
        for (i, (joint, limits)) in group.joints.iter().zip(&group.limits).enumerate() {
            input.current_position[i] = command.joints[*joint].position;
            input.target_position[i] = to[i].clamp(limits.lower, limits.upper);
            let profile = &group.profile;
            let velocity = limits.max_velocity * profile.velocity_scale * VELOCITY_SHARE;
            let acceleration = profile.max_acceleration * ACCELERATION_SHARE;
            let jerk = profile.max_jerk * ACCELERATION_SHARE;
            // Slowed down as a whole: time is stretched by 1 / speed_scale.
            input.max_velocity[i] = velocity * speed_scale;
            input.max_acceleration[i] = acceleration * speed_scale.powi(2);
            input.max_jerk[i] = jerk * speed_scale.powi(3);
        }
        let mut trajectory = Trajectory::<0>::new(Some(dofs));
        Ruckig::<0, ThrowErrorHandler>::new(Some(dofs), 0.02)
            .calculate(&input, &mut trajectory)
            .map_err(failed)?;
        Ok(Self {
            duration_s: trajectory.get_duration(),
            trajectory,
            joints: group.joints.clone(),
            position: DataArrayOrVec::Heap(vec![0.0; dofs]),
            started: None,
        })
    }

    /// Writes this tick's set-points; the share of the motion that has been commanded, 1 at its end.
    pub(crate) fn step(&mut self, now: Time, command: &mut ActuatorCommand) -> f64 {
        let started = *self.started.get_or_insert(now);
        let elapsed_s = now.since(started).as_secs_f64();
        let at_s = elapsed_s.min(self.duration_s);
        self.trajectory.at_time(
            at_s,
            &mut Some(&mut self.position),
            &mut None,
            &mut None,
            &mut None,
            &mut None,
        );
        for (i, joint) in self.joints.iter().enumerate() {
            command.joints[*joint] = JointCommand::position(self.position[i]);
        }
        if elapsed_s >= self.duration_s { 1.0 } else { elapsed_s / self.duration_s }
    }
}
