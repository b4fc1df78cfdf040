use sinew_robot::TwistLimits;
use sinew_types::{ActuatorCommand, BaseTwist, RobotState};

use super::{Context, Jog};
use crate::set_points::SetPoints;
use crate::signal::Signal;

/// Drives a base.
pub(crate) struct BaseJog {
    /// Along x, along y, about z.
    signals: [Option<Signal>; 3],
    limits: TwistLimits,
    twist: [f64; 3],
}

impl BaseJog {
    pub(crate) fn new(signals: [Option<Signal>; 3], limits: TwistLimits) -> Self {
        Self { signals, limits, twist: [0.0; 3] }
    }
}

impl Jog for BaseJog {
    fn start(&mut self, robot: &RobotState, _last: &SetPoints) {
        // A base that is not localised is taken up at rest; the gate bounds the step all the same.
        self.twist = robot.base.filter(|base| base.valid).map_or([0.0; 3], |base| {
            let sideways = if self.signals[1].is_some() { base.linear_velocity.y } else { 0.0 };
            [base.linear_velocity.x, sideways, base.angular_velocity.z]
        });
    }

    fn step(&mut self, cx: &Context<'_>, out: &mut ActuatorCommand) {
        let limits = &self.limits;
        let linear = (limits.max_linear_m_s, limits.max_linear_acceleration_m_s2);
        let angular = (limits.max_angular_rad_s, limits.max_angular_acceleration_rad_s2);
        for ((value, signal), (most, acceleration)) in
            self.twist.iter_mut().zip(&self.signals).zip([linear, linear, angular])
        {
            let wanted = signal.as_ref().map_or(0.0, |signal| signal.value(cx.reader, cx.pad));
            let change = acceleration * cx.dt;
            *value = wanted.clamp(-most, most).clamp(*value - change, *value + change);
        }
        let [linear_x, linear_y, angular_z] = self.twist;
        out.base = Some(BaseTwist { linear_x, linear_y, angular_z });
    }
}
