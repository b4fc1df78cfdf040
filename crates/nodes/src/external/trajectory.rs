//! From the points of a trajectory to set-points at any time between them.

/// Where all joints are to be at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Knot {
    /// Seconds after the trajectory's start.
    pub(super) at_s: f64,
    /// One per joint, rad or m.
    pub(super) position: Vec<f64>,
    /// One per joint, rad/s or m/s; none if it is not said.
    pub(super) velocity: Vec<f64>,
    /// One per joint, rad/s² or m/s²; none if it is not said, and only beside velocities.
    pub(super) acceleration: Vec<f64>,
}

/// Position, velocity and acceleration of each joint at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sample {
    /// rad or m.
    pub(super) position: Vec<f64>,
    /// rad/s or m/s.
    pub(super) velocity: Vec<f64>,
    /// rad/s² or m/s².
    pub(super) acceleration: Vec<f64>,
}

/// Goes through its knots as ROS 2's joint_trajectory_controller does: between two that both have
/// accelerations by polynomials of degree five, both have velocities of degree three, else in straight lines.
#[derive(Clone, Debug)]
pub(super) struct Trajectory {
    knots: Vec<Knot>,
}

impl Trajectory {
    /// From where the set-point is to the first knot, if that lies ahead, and through all of them, of which
    /// there is at least one, in the order of their times.
    pub(super) fn new(start: Knot, knots: Vec<Knot>) -> Self {
        let is_ahead = knots.first().is_some_and(|first| first.at_s > start.at_s);
        let start = is_ahead.then_some(start);
        Self { knots: start.into_iter().chain(knots).collect() }
    }

    /// Where it begins.
    pub(super) fn first(&self) -> &Knot {
        &self.knots[0]
    }

    /// When the last knot is reached, seconds after the start.
    pub(super) fn end_s(&self) -> f64 {
        self.knots.last().map_or(0.0, |last| last.at_s)
    }

    /// Where the joints are to be; before the first knot at rest there, and after the last.
    pub(super) fn sample(&self, at_s: f64) -> Sample {
        let next = self.knots.partition_point(|knot| knot.at_s <= at_s);
        let (before, after) = match (next.checked_sub(1), self.knots.get(next)) {
            (Some(before), Some(after)) => (&self.knots[before], after),
            (Some(last), None) => return at_rest(&self.knots[last].position),
            (None, first) => return at_rest(first.map_or(&[], |first| &first.position)),
        };
        let (span, t) = (after.at_s - before.at_s, at_s - before.at_s);
        let mut sample = Sample::default();
        for joint in 0..before.position.len() {
            let coefficients = polynomial(before, after, joint, span);
            // Horner's rule, for the polynomial and its derivatives.
            let [mut position, mut velocity, mut half_acceleration] = [0.0; 3];
            for coefficient in coefficients.into_iter().rev() {
                half_acceleration = half_acceleration * t + velocity;
                velocity = velocity * t + position;
                position = position * t + coefficient;
            }
            sample.position.push(position);
            sample.velocity.push(velocity);
            sample.acceleration.push(2.0 * half_acceleration);
        }
        sample
    }
}

fn at_rest(position: &[f64]) -> Sample {
    let still = vec![0.0; position.len()];
    Sample { position: position.to_vec(), velocity: still.clone(), acceleration: still }
}

/// Coefficients of a joint's way between two knots that lie `t` seconds apart, from degree zero up.
fn polynomial(before: &Knot, after: &Knot, joint: usize, t: f64) -> [f64; 6] {
    let at = |values: &[f64]| values.get(joint).copied();
    let (p0, p1) = (before.position[joint], after.position[joint]);
    let way = p1 - p0;
    let (Some(v0), Some(v1)) = (at(&before.velocity), at(&after.velocity)) else {
        return [p0, way / t, 0.0, 0.0, 0.0, 0.0];
    };
    let (Some(a0), Some(a1)) = (at(&before.acceleration), at(&after.acceleration)) else {
        let square = (3.0 * way - (2.0 * v0 + v1) * t) / t.powi(2);
        let cube = ((v0 + v1) * t - 2.0 * way) / t.powi(3);
        return [p0, v0, square, cube, 0.0, 0.0];
    };
    let (v0, v1, a0, a1) = (v0 * t, v1 * t, a0 * t * t, a1 * t * t);
    [
        p0,
        v0 / t,
        a0 / (2.0 * t.powi(2)),
        (20.0 * way - 12.0 * v0 - 8.0 * v1 - 3.0 * a0 + a1) / (2.0 * t.powi(3)),
        (-30.0 * way + 16.0 * v0 + 14.0 * v1 + 3.0 * a0 - 2.0 * a1) / (2.0 * t.powi(4)),
        (12.0 * way - 6.0 * v0 - 6.0 * v1 - a0 + a1) / (2.0 * t.powi(5)),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn knot(at_s: f64, position: f64, velocity: Option<f64>, acceleration: Option<f64>) -> Knot {
        Knot {
            at_s,
            position: vec![position],
            velocity: velocity.into_iter().collect(),
            acceleration: acceleration.into_iter().collect(),
        }
    }

    fn assert_near(actual: f64, expected: f64) {
        assert!((actual - expected).abs() < 1e-9, "{actual}, expected {expected}");
    }

    /// A polynomial of the degree that is used is met everywhere, not only at its ends.
    fn assert_reproduces(degree: i32, has_velocity: bool, has_acceleration: bool) {
        let value = |t: f64| 0.3 + t.powi(degree);
        let slope = |t: f64| f64::from(degree) * t.powi(degree - 1);
        let bend = |t: f64| match degree {
            1 => 0.0,
            _ => f64::from(degree * (degree - 1)) * t.powi(degree - 2),
        };
        let at = |t: f64| {
            knot(t, value(t), has_velocity.then(|| slope(t)), has_acceleration.then(|| bend(t)))
        };
        let trajectory = Trajectory::new(at(0.0), vec![at(0.7), at(1.9)]);
        for step in 0..190 {
            let t = f64::from(step) * 0.01;
            let sample = trajectory.sample(t);
            assert_near(sample.position[0], value(t));
            assert_near(sample.velocity[0], slope(t));
            assert_near(sample.acceleration[0], bend(t));
        }
    }

    #[test]
    fn positions_alone_make_lines_velocities_cubics_accelerations_quintics() {
        assert_reproduces(1, false, false);
        assert_reproduces(3, true, false);
        assert_reproduces(5, true, true);
    }

    #[test]
    fn a_segment_has_the_degree_that_both_its_ends_allow() {
        let first = knot(0.0, 0.0, Some(0.0), Some(0.0));
        let line = Trajectory::new(first.clone(), vec![knot(1.0, 1.0, None, None)]);
        assert_near(line.sample(0.25).position[0], 0.25);
        let cubic = Trajectory::new(first, vec![knot(1.0, 1.0, Some(0.0), None)]);
        assert_near(cubic.sample(0.25).position[0], 3.0 / 16.0 - 2.0 / 64.0);
    }

    #[test]
    fn a_first_knot_at_the_start_is_where_it_starts_and_the_last_one_is_kept() {
        let start = knot(0.0, 5.0, Some(0.0), Some(0.0));
        let trajectory =
            Trajectory::new(start, vec![knot(0.0, 1.0, None, None), knot(1.0, 2.0, None, None)]);
        assert_near(trajectory.sample(0.0).position[0], 1.0);
        assert_near(trajectory.sample(0.5).velocity[0], 1.0);
        assert_near(trajectory.end_s(), 1.0);
        let after = trajectory.sample(7.0);
        assert_eq!((after.position[0], after.velocity[0]), (2.0, 0.0));
    }
}
