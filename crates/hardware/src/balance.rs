use std::time::Duration;

use sinew_robot::{FallbackConfig, RobotModel, TwoWheelBalanceConfig};
use sinew_types::{ActuatorCommand, BaseTwist, JointCommand, RobotState, Time};

use crate::error::HardwareError;
use crate::fallback::{FallbackController, FallbackError};

/// The IMU may be this old.
const IMU_AGE: Duration = Duration::from_millis(20);
/// The wheels may lag behind where they should be by this much before that place is moved along, m: a
/// robot that was pushed away or held does not race back.
const MAX_LAG_M: f64 = 0.25;

/// Balances a robot on two wheels by state feedback; see [`TwoWheelBalanceConfig`].
///
/// The reference is a speed along x and a turning rate; with none, it stays where it came to rest.
pub struct TwoWheelBalance {
    config: TwoWheelBalanceConfig,
    left: usize,
    right: usize,
    /// Where the axle should be, on the way that the wheels measure, m.
    place_m: f64,
}

impl TwoWheelBalance {
    /// Of a robot whose file has been checked.
    ///
    /// # Errors
    /// [`HardwareError::Group`] if the robot has no such joints.
    pub fn new(config: &TwoWheelBalanceConfig, model: &RobotModel) -> Result<Self, HardwareError> {
        let joint = |field: &'static str, name: &str| {
            model.joint_index(name).map_err(|error| HardwareError::Group {
                group: "fallback".to_owned(),
                field,
                actual: name.to_owned(),
                allowed: error.to_string(),
            })
        };
        Ok(Self {
            left: joint("left_wheel_joint", &config.left_wheel_joint)?,
            right: joint("right_wheel_joint", &config.right_wheel_joint)?,
            config: config.clone(),
            place_m: 0.0,
        })
    }

    /// Way and speed of the axle over the ground, m and m/s, from wheels that turn in a body which
    /// itself pitches.
    fn axle(&self, state: &RobotState, pitch: f64, pitch_rate: f64) -> (f64, f64) {
        let (left, right) = (&state.joints[self.left], &state.joints[self.right]);
        let radius = self.config.wheel_radius_m;
        let way = radius * ((left.position + right.position) / 2.0 + pitch);
        let speed = radius * ((left.velocity + right.velocity) / 2.0 + pitch_rate);
        (way, speed)
    }
}

/// Forward lean, rad, and its rate, rad/s: from where up is in the body's frame.
fn lean(now: Time, state: &RobotState) -> Result<(f64, f64, f64), FallbackError> {
    let imu = state.imu.filter(|imu| imu.valid && now.since(imu.stamp) <= IMU_AGE);
    let imu = imu.ok_or(FallbackError::Sensor { sensor: "imu" })?;
    let up = imu.orientation.inverse() * nalgebra::Vector3::z();
    Ok(((-up.x).atan2(up.z), imu.angular_velocity.y, imu.angular_velocity.z))
}

impl FallbackController for TwoWheelBalance {
    fn name(&self) -> &'static str {
        "two_wheel_balance"
    }

    fn start(&mut self, now: Time, state: &RobotState, _last: &ActuatorCommand) {
        // Without an IMU the first step says so.
        let (pitch, rate, _) = lean(now, state).unwrap_or_default();
        self.place_m = self.axle(state, pitch, rate).0;
    }

    fn step(
        &mut self,
        now: Time,
        period: Duration,
        state: &RobotState,
        reference: BaseTwist,
        out: &mut ActuatorCommand,
    ) -> Result<(), FallbackError> {
        let config = &self.config;
        if !(state.joints[self.left].valid && state.joints[self.right].valid) {
            return Err(FallbackError::Sensor { sensor: "wheels" });
        }
        let (pitch, pitch_rate, yaw_rate) = lean(now, state)?;
        let (way, speed) = self.axle(state, pitch, pitch_rate);
        let pitch = pitch - config.balanced_pitch_rad;
        if pitch.abs() > config.max_pitch_rad {
            return Err(FallbackError::Lost { what: "pitch" });
        }
        self.place_m += reference.linear_x * period.as_secs_f64();
        self.place_m = self.place_m.clamp(way - MAX_LAG_M, way + MAX_LAG_M);
        let both = config.distance_gain_n * (way - self.place_m)
            + config.speed_gain_n_s * (speed - reference.linear_x)
            + config.pitch_gain_n_m * pitch
            + config.pitch_rate_gain_n_m_s * pitch_rate;
        let turn = config.yaw_rate_gain_n_m_s * (reference.angular_z - yaw_rate);
        let effort = |effort: f64| JointCommand { effort, ..JointCommand::UNUSED };
        if !(both.is_finite() && turn.is_finite()) {
            return Err(FallbackError::NotFinite);
        }
        out.joints[self.left] = effort((both - turn) / 2.0);
        out.joints[self.right] = effort((both + turn) / 2.0);
        Ok(())
    }
}

/// The controller that a robot file names, if it names one of this crate.
///
/// # Errors
/// [`HardwareError::Group`] if the robot lacks what the controller needs, or the controller is a policy, which
/// whoever has a policy runtime makes.
pub fn fallback_of(
    model: &RobotModel,
) -> Result<Option<Box<dyn FallbackController>>, HardwareError> {
    Ok(match &model.config().fallback {
        Some(FallbackConfig::TwoWheelBalance(config)) => {
            Some(Box::new(TwoWheelBalance::new(config, model)?))
        }
        Some(FallbackConfig::Policy(policy)) => {
            return Err(HardwareError::Group {
                group: "fallback".to_owned(),
                field: "policy",
                actual: policy.manifest.display().to_string(),
                allowed: "two_wheel_balance, where there is no policy runtime".to_owned(),
            });
        }
        None => None,
    })
}
