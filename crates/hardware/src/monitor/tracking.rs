//! Whether actuators do what they were told.

use sinew_types::{ActuatorCommand, BaseTwist, GroupKind, Layout, RobotState, Time};

use super::config::TrackingLimits;
use super::set_points::SetPoints;
use super::violation::Violation;
use crate::config::{GateGroup, GroupLimits};

/// One axis: since when its error has been too large.
#[derive(Clone, Copy, Debug, Default)]
struct Lag(Option<Time>);

impl Lag {
    /// Whether the error has been above its limit for longer than `patience`.
    fn is_late(&mut self, now: Time, is_beyond: bool, patience: std::time::Duration) -> bool {
        if !is_beyond {
            self.0 = None;
            return false;
        }
        let since = *self.0.get_or_insert(now);
        now.since(since) > patience
    }
}

/// Compares the last output with what was measured since.
pub(crate) struct Tracking {
    groups: Vec<Option<Watched>>,
    /// The last base twist that was given.
    twist: Option<BaseTwist>,
}

struct Watched {
    group: usize,
    joints: Vec<usize>,
    kind: Kind,
    limits: TrackingLimits,
    lags: Vec<Lag>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Position,
    Velocity,
    Twist,
}

impl Tracking {
    /// `limits` has one entry per group, or none.
    pub(crate) fn new(
        layout: &Layout,
        groups: &[GateGroup],
        limits: &[Option<TrackingLimits>],
    ) -> Self {
        let watched = |(group, limits): (usize, &Option<TrackingLimits>)| {
            let limits = limits.clone()?;
            let kind = match groups[group].limits {
                GroupLimits::Position(_) => Kind::Position,
                GroupLimits::Velocity(_) => Kind::Velocity,
                GroupLimits::Twist(_) => Kind::Twist,
                _ => return None,
            };
            debug_assert_eq!(kind == Kind::Twist, layout.groups()[group].kind == GroupKind::Base);
            let lags = vec![Lag::default(); limits.max_error.len()];
            Some(Watched {
                group,
                joints: layout.groups()[group].joints.clone(),
                kind,
                limits,
                lags,
            })
        };
        Self { groups: limits.iter().enumerate().map(watched).collect(), twist: None }
    }

    /// Takes what the actuators are given in this cycle.
    pub(crate) fn note(&mut self, out: &ActuatorCommand) {
        self.twist = out.base;
    }

    /// Patience starts anew.
    pub(crate) fn restart(&mut self) {
        self.groups.iter_mut().flatten().for_each(|watched| watched.lags.fill(Lag::default()));
    }

    /// Whether an axis of this group is too far from its set-point just now.
    pub(crate) fn is_beyond(&self, group: usize) -> bool {
        let watched = self.groups.get(group).and_then(Option::as_ref);
        watched.is_some_and(|watched| watched.lags.iter().any(|lag| lag.0.is_some()))
    }

    /// The first violation.
    pub(crate) fn judge(
        &mut self,
        now: Time,
        state: &RobotState,
        set_points: &SetPoints,
    ) -> Option<Violation> {
        let twist = self.twist;
        let mut found = None;
        for watched in self.groups.iter_mut().flatten() {
            let violation = match watched.kind {
                Kind::Twist => watched.judge_twist(now, state, twist),
                _ => watched.judge_joints(now, state, set_points),
            };
            found = found.or(violation);
        }
        found
    }
}

impl Watched {
    fn judge_joints(
        &mut self,
        now: Time,
        state: &RobotState,
        set_points: &SetPoints,
    ) -> Option<Violation> {
        let mut found = None;
        for ((joint, lag), limit) in
            self.joints.iter().zip(&mut self.lags).zip(&self.limits.max_error)
        {
            let measured = state.joints[*joint];
            let error = if self.kind == Kind::Position {
                set_points.position(*joint) - measured.position
            } else {
                set_points.velocity(*joint) - measured.velocity
            };
            // Without a set-point, or a measured value, the error is NaN: not beyond.
            if lag.is_late(now, error.abs() > *limit, self.limits.patience) {
                found.get_or_insert(Violation::Tracking { joint: *joint, error });
            }
        }
        found
    }

    fn judge_twist(
        &mut self,
        now: Time,
        state: &RobotState,
        twist: Option<BaseTwist>,
    ) -> Option<Violation> {
        let errors = match (twist, state.base.filter(|base| base.valid)) {
            (Some(twist), Some(base)) => {
                [twist.linear_x - base.linear_velocity.x, twist.angular_z - base.angular_velocity.z]
            }
            _ => [f64::NAN; 2],
        };
        let mut is_late = false;
        for ((error, lag), limit) in errors.iter().zip(&mut self.lags).zip(&self.limits.max_error) {
            is_late |= lag.is_late(now, error.abs() > *limit, self.limits.patience);
        }
        let [linear_error_m_s, angular_error_rad_s] = errors;
        is_late.then_some(Violation::TwistTracking {
            group: self.group,
            linear_error_m_s,
            angular_error_rad_s,
        })
    }
}
