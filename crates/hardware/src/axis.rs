//! The set-point of one axis, kept within its limits against its own last value.
//!
//! In one cycle of length `dt` the velocity changes by at most `a dt` and the position then by `v dt`.
//! Speed towards a target or the end of the range never exceeds that from which full braking comes to
//! rest there, cycle by cycle: so neither is overrun.

use crate::config::AxisLimits;

/// Which limits a request was beyond.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clamped {
    pub(crate) position: bool,
    pub(crate) velocity: bool,
    pub(crate) acceleration: bool,
    pub(crate) effort: bool,
}

impl Clamped {
    pub(crate) fn merge(&mut self, other: Self) {
        self.position |= other.position;
        self.velocity |= other.velocity;
        self.acceleration |= other.acceleration;
        self.effort |= other.effort;
    }
}

/// Last set-point of one axis.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Axis {
    pub(crate) position: f64,
    pub(crate) velocity: f64,
    acceleration: f64,
}

/// The highest speed from which braking by `a dt` per cycle covers no more than `distance`.
///
/// With `n` whole braking cycles the way is `v dt + (v - a dt) dt + ...`, a sum that is solved
/// exactly here rather than by the continuous `sqrt(2 a d)`, which overruns by up to a cycle's way.
pub(crate) fn braking_speed(distance: f64, max_acceleration: f64, dt: f64) -> f64 {
    if !distance.is_finite() {
        return f64::INFINITY;
    }
    let in_cycles = distance.max(0.0) / (max_acceleration * dt * dt);
    let n = (((1.0 + 8.0 * in_cycles).sqrt() - 1.0) / 2.0).floor();
    max_acceleration * dt * (n / 2.0 + in_cycles / (n + 1.0))
}

impl Axis {
    /// At rest at this position.
    pub(crate) fn at(position: f64) -> Self {
        Self { position, velocity: 0.0, acceleration: 0.0 }
    }

    pub(crate) fn is_at_rest(&self) -> bool {
        self.velocity.abs() < 1e-9
    }

    /// One cycle towards a target that itself moves at `target_velocity`.
    pub(crate) fn towards(
        &mut self,
        target: f64,
        target_velocity: f64,
        limits: &AxisLimits,
        dt: f64,
    ) -> Clamped {
        let inside = target.max(limits.lower).min(limits.upper);
        let moving = if inside == target { target_velocity } else { 0.0 };
        let moving_within = moving.clamp(-limits.max_velocity, limits.max_velocity);
        let gap = inside - self.position - moving_within * dt;
        let closing = braking_speed(gap.abs(), limits.max_acceleration, dt).copysign(gap);
        self.step(moving_within + closing, limits, dt);
        Clamped {
            position: inside != target,
            velocity: moving != moving_within,
            ..Clamped::default()
        }
    }

    /// One cycle towards a velocity; the position follows.
    pub(crate) fn towards_velocity(
        &mut self,
        target: f64,
        limits: &AxisLimits,
        dt: f64,
    ) -> Clamped {
        let within = target.clamp(-limits.max_velocity, limits.max_velocity);
        let ends = self.range_of_velocity(limits, dt);
        self.step(within, limits, dt);
        Clamped {
            velocity: within != target,
            position: within > ends.1 || within < ends.0,
            ..Clamped::default()
        }
    }

    /// One cycle of braking as hard as the acceleration allows.
    pub(crate) fn ramp(&mut self, limits: &AxisLimits, dt: f64) {
        self.step(0.0, limits, dt);
    }

    /// One cycle of braking that builds up and fades by jerk, where the range leaves room for it. It
    /// never speeds up: acceleration that still built up is let go of at once.
    pub(crate) fn ramp_gently(&mut self, limits: &AxisLimits, dt: f64) {
        let speed = self.velocity.abs();
        let braking = (-self.acceleration * self.velocity.signum()).max(0.0);
        // What braking is to a position, jerk is to a velocity.
        let fading = braking_speed(speed, limits.max_jerk, dt);
        let most = fading.min(limits.max_acceleration).min(braking + limits.max_jerk * dt);
        self.step((speed - most * dt).max(0.0).copysign(self.velocity), limits, dt);
    }

    /// Velocities from which the ends of the range are not overrun.
    fn range_of_velocity(&self, limits: &AxisLimits, dt: f64) -> (f64, f64) {
        let up = braking_speed(limits.upper - self.position, limits.max_acceleration, dt);
        let down = braking_speed(self.position - limits.lower, limits.max_acceleration, dt);
        (-down, up)
    }

    fn step(&mut self, wanted: f64, limits: &AxisLimits, dt: f64) {
        let last = self.velocity;
        let change = limits.max_acceleration * dt;
        let mut velocity = wanted
            .clamp(-limits.max_velocity, limits.max_velocity)
            .clamp(last - change, last + change);
        if velocity.abs() > last.abs() && velocity * last >= 0.0 {
            // Getting faster: acceleration builds up by jerk. Braking is not slowed down by it.
            let built_up = (self.acceleration * velocity.signum()).max(0.0);
            let most = (built_up + limits.max_jerk * dt) * dt;
            velocity = last + (velocity - last).clamp(-most, most);
        }
        // The range is last, and wins. Outside of it (a seed may be) the only way is inwards.
        let (lowest, highest) = self.range_of_velocity(limits, dt);
        velocity = velocity.max(lowest).min(highest);
        let position = self.position + velocity * dt;
        // Against rounding: never beyond an end that it was not beyond before.
        let position =
            position.min(limits.upper.max(self.position)).max(limits.lower.min(self.position));
        *self = Self { position, velocity, acceleration: (velocity - last) / dt };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DT: f64 = 0.002;
    const LIMITS: AxisLimits = AxisLimits {
        lower: -1.0,
        upper: 1.0,
        max_velocity: 2.0,
        max_acceleration: 8.0,
        max_jerk: 80.0,
    };

    #[test]
    fn a_step_is_reached_without_overrun() {
        let mut axis = Axis::at(0.0);
        for _ in 0..1000 {
            axis.towards(0.7, 0.0, &LIMITS, DT);
            assert!(axis.position <= 0.7 + 1e-12, "{axis:?}");
        }
        assert!((axis.position - 0.7).abs() < 1e-12 && axis.velocity.abs() < 1e-9, "{axis:?}");
    }

    #[test]
    fn a_feasible_stream_is_passed_exactly_once_caught_up() {
        let mut axis = Axis::at(-0.9);
        let mut worst: f64 = 0.0;
        for k in 0..1500_u32 {
            // 0.5 rad/s, from rest: the lag of the first moments must be made up.
            let target = -0.9 + 0.5 * f64::from(k + 1) * DT;
            axis.towards(target, 0.5, &LIMITS, DT);
            if k > 500 && target < 0.9 {
                worst = worst.max((axis.position - target).abs());
            }
        }
        assert!(worst < 1e-9, "{worst}");
    }

    #[test]
    fn full_speed_at_the_end_of_the_range_stops_at_the_end() {
        let mut axis = Axis::at(0.0);
        for _ in 0..2000 {
            axis.towards_velocity(5.0, &LIMITS, DT);
            assert!(axis.position <= LIMITS.upper);
        }
        assert!((axis.position - LIMITS.upper).abs() < 1e-6, "{axis:?}");
    }

    #[test]
    fn a_seed_outside_the_range_may_only_move_inwards() {
        let mut axis = Axis::at(1.1);
        axis.towards(1.3, 0.0, &LIMITS, DT);
        assert!(axis.position <= 1.1);
        for _ in 0..2000 {
            axis.towards(1.3, 0.0, &LIMITS, DT);
        }
        assert!((axis.position - 1.0).abs() < 1e-9);
    }

    #[test]
    fn a_gentle_ramp_keeps_to_jerk_and_acceleration_and_never_speeds_up() {
        for (velocity, acceleration) in [(1.9, 0.0), (-1.9, 0.0), (0.3, 6.0), (0.05, -2.0)] {
            let wide = AxisLimits { lower: -10.0, upper: 10.0, ..LIMITS };
            let mut axis = Axis { position: 0.0, velocity, acceleration };
            let mut braking = (-acceleration * velocity.signum()).max(0.0);
            let mut cycles = 0;
            while !axis.is_at_rest() {
                let before = axis;
                axis.ramp_gently(&wide, DT);
                let now = (before.velocity - axis.velocity) * velocity.signum() / DT;
                assert!(now > 0.0 && now <= LIMITS.max_acceleration + 1e-9, "{axis:?}");
                assert!(
                    (now - braking).abs() <= LIMITS.max_jerk * DT + 1e-6,
                    "{before:?} {axis:?}"
                );
                assert!(axis.velocity * velocity >= 0.0, "{axis:?}");
                braking = now;
                cycles += 1;
            }
            // Two jerk phases, each as long as the acceleration takes to build up, around it.
            let v = velocity.abs();
            let shortest = if v > 0.8 { v / 8.0 + 0.1 } else { 2.0 * (v / 80.0).sqrt() };
            assert!(f64::from(cycles) * DT <= shortest + 0.01, "{cycles} for {velocity}");
        }
    }

    #[test]
    fn a_gentle_ramp_does_not_overrun_the_range_of_its_joint() {
        let mut axis = Axis { position: 0.8, velocity: 1.7, acceleration: 0.0 };
        while !axis.is_at_rest() {
            axis.ramp_gently(&LIMITS, DT);
            assert!(axis.position <= LIMITS.upper, "{axis:?}");
        }
    }

    #[test]
    fn a_ramp_takes_the_shortest_time_that_the_acceleration_allows() {
        let mut axis = Axis { position: 0.0, velocity: 0.8, acceleration: 0.0 };
        let mut cycles = 0;
        while !axis.is_at_rest() {
            axis.ramp(&LIMITS, DT);
            cycles += 1;
        }
        assert_eq!(cycles, 50);
    }
}
