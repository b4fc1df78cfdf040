use serde::{Deserialize, Serialize};

use crate::safety::Cause;

/// Which posture a distance belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
pub enum Posture {
    /// As measured.
    Measured = 0,
    /// In which the set-points come to rest.
    AtRest = 1,
}

/// What a monitor stopped the robot for. Indices are those of the robot's links, and of the layout's joints and groups.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Violation {
    /// A link leaves its box, or enters one that it is to keep out of.
    Workspace {
        /// The link.
        link: usize,
        /// How far it is inside its box, or outside of the other: below 0 m.
        distance_m: f64,
        /// Where.
        posture: Posture,
    },
    /// Two links are too close.
    SelfCollision {
        /// The links.
        links: (usize, usize),
        /// Their distance, m.
        distance_m: f64,
        /// Where.
        posture: Posture,
    },
    /// A joint is not where its set-point is, or not as fast.
    Tracking {
        /// The joint.
        joint: usize,
        /// How far from it: rad or m, rad/s or m/s.
        error: f64,
    },
    /// A base does not move as it is told.
    TwistTracking {
        /// The group.
        group: usize,
        /// m/s.
        linear_error_m_s: f64,
        /// rad/s.
        angular_error_rad_s: f64,
    },
    /// A drive is too hot.
    OverTemperature {
        /// Its joint.
        joint: usize,
        /// °C.
        temperature_c: f64,
    },
}

impl Violation {
    /// The cause that it latches.
    pub const fn cause(&self) -> Cause {
        match self {
            Self::Workspace { .. } => Cause::Workspace,
            Self::SelfCollision { .. } => Cause::SelfCollision,
            Self::Tracking { .. } | Self::TwistTracking { .. } => Cause::TrackingError,
            Self::OverTemperature { .. } => Cause::OverTemperature,
        }
    }
}
