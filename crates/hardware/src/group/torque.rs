//! Bounds of efforts and impedance targets.

use sinew_types::JointCommand;

use crate::config::TorqueLimits;

pub(super) fn bounded_effort(effort: f64, limits: &TorqueLimits, position: f64) -> f64 {
    let bounded = effort.clamp(-limits.max_effort, limits.max_effort);
    if (position > limits.upper && bounded > 0.0) || (position < limits.lower && bounded < 0.0) {
        0.0
    } else {
        bounded
    }
}

/// The target within its range, and the feed-forward effort such that the predicted torque is within
/// its bound. Without gains (the drive's own) nothing can be predicted, and only the target is bounded.
pub(super) fn bounded_impedance(
    wanted: &JointCommand,
    limits: &TorqueLimits,
    position: f64,
    velocity: f64,
) -> (JointCommand, bool) {
    let mut bounded =
        JointCommand { position: wanted.position.max(limits.lower).min(limits.upper), ..*wanted };
    let mut clamped = bounded.position != wanted.position;
    let predicted = bounded.kp * (bounded.position - position)
        + bounded.kd * (bounded.velocity - velocity)
        + bounded.effort;
    if predicted.abs() > limits.max_effort {
        bounded.effort += predicted.clamp(-limits.max_effort, limits.max_effort) - predicted;
        clamped = true;
    }
    (bounded, clamped)
}
