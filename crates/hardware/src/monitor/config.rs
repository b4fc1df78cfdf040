use std::time::Duration;

use nalgebra::{Isometry3, Vector3};
use sinew_robot::{CollisionShape, Kinematics};
use sinew_types::{GroupKind, Layout};

use crate::error::HardwareError;

/// What is watched, and where the limits are. The default watches the rate of clamped commands only.
#[derive(Clone, Debug, PartialEq)]
pub struct MonitorConfig {
    /// Control ticks from one check of distances to the next, at least 1.
    pub check_every: u32,
    /// Shape and kinematics of the robot; distances are checked where there is one.
    pub body: Option<Body>,
    /// Where links may be.
    pub workspace: Option<WorkspaceLimits>,
    /// How close links may come to each other.
    pub self_collision: Option<SelfCollisionLimits>,
    /// One per group of the layout, or none at all.
    pub tracking: Vec<Option<TrackingLimits>>,
    /// One per group of the layout, or none at all.
    pub temperature: Vec<Option<TemperatureLimits>>,
    /// When a group counts as clamped persistently.
    pub clamp_rate: ClampRateLimits,
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            check_every: 1,
            body: None,
            workspace: None,
            self_collision: None,
            tracking: Vec::new(),
            temperature: Vec::new(),
            clamp_rate: ClampRateLimits::default(),
        }
    }
}

impl MonitorConfig {
    /// Whether it fits the layout.
    pub(crate) fn check(&self, layout: &Layout) -> Result<(), HardwareError> {
        let refused = |field, actual: usize, allowed: String| {
            Err(HardwareError::Monitor { field, actual: actual.to_string(), allowed })
        };
        let groups = layout.groups().len();
        for (field, entries) in [
            ("monitor.tracking", self.tracking.len()),
            ("monitor.temperature", self.temperature.len()),
        ] {
            if entries != 0 && entries != groups {
                return refused(field, entries, format!("0 or {groups} groups"));
            }
        }
        for (group, tracking) in layout.groups().iter().zip(&self.tracking) {
            let axes = if group.kind == GroupKind::Base { 2 } else { group.joints.len() };
            if let Some(limits) = tracking
                && limits.max_error.len() != axes
            {
                let actual = limits.max_error.len();
                return refused("monitor.tracking", actual, format!("{axes} for `{}`", group.name));
            }
        }
        let Some(body) = &self.body else { return Ok(()) };
        let (joints, links) = (layout.joints().len(), body.links.len());
        if body.kinematics.joints() != joints {
            let actual = body.kinematics.joints();
            return refused("monitor.body", actual, format!("the {joints} joints of the layout"));
        }
        let named = self.self_collision.iter().flat_map(|limits| &limits.pairs);
        let named = named.flat_map(|(a, b)| [*a, *b]).chain(
            self.workspace
                .iter()
                .flat_map(|limits| limits.links.iter().copied().chain([limits.frame])),
        );
        match named.chain(body.shapes.iter().map(|shape| shape.link)).find(|link| *link >= links) {
            Some(link) => refused("monitor", link, format!("a link, below {links}")),
            None => Ok(()),
        }
    }
}

/// Kinematics and collision shapes of a robot whose joints are those of the layout, in its order.
#[derive(Clone, Debug, PartialEq)]
pub struct Body {
    /// Poses of the links.
    pub kinematics: Kinematics,
    /// Names of the links, by index.
    pub links: Vec<String>,
    /// Shapes, in the order of their links.
    pub shapes: Vec<LinkShape>,
}

/// A collision shape of a link.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LinkShape {
    /// Index of the link.
    pub link: usize,
    /// Pose of the shape in the link's frame.
    pub link_from_shape: Isometry3<f64>,
    /// The shape.
    pub shape: CollisionShape,
}

/// A box along the axes of a frame, m.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AxisAlignedBox {
    /// Lowest corner.
    pub min_m: Vector3<f64>,
    /// Highest corner.
    pub max_m: Vector3<f64>,
}

/// Where links may be.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkspaceLimits {
    /// Index of the link whose frame the boxes are in.
    pub frame: usize,
    /// Indices of the links that are watched.
    pub links: Vec<usize>,
    /// Box that they must not leave.
    pub inside: Option<AxisAlignedBox>,
    /// Boxes that they must not enter.
    pub keep_out: Vec<AxisAlignedBox>,
}

/// How close links may come to each other.
#[derive(Clone, Debug, PartialEq)]
pub struct SelfCollisionLimits {
    /// m.
    pub min_distance_m: f64,
    /// Pairs of indices of links.
    pub pairs: Vec<(usize, usize)>,
}

/// How far a group may be from its set-point, and for how long.
#[derive(Clone, Debug, PartialEq)]
pub struct TrackingLimits {
    /// One per joint in joint units: of positions for a group commanded by position, of velocities for one
    /// commanded by velocity. For a twist two: m/s along x, rad/s about z.
    pub max_error: Vec<f64>,
    /// The error may be larger for this long.
    pub patience: Duration,
}

/// How hot drives may be.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TemperatureLimits {
    /// °C; hotter is reported, and [`crate::Cause::OverTemperature`] stays until nothing is.
    pub warn_above_c: f64,
    /// °C; hotter stops the robot.
    pub stop_above_c: f64,
}

/// When a group counts as clamped persistently.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ClampRateLimits {
    /// Length of the window; at least one control period.
    pub window: Duration,
    /// Share of its cycles, above 0 up to 1.
    pub warn_above: f64,
}

impl Default for ClampRateLimits {
    fn default() -> Self {
        Self { window: Duration::from_secs(2), warn_above: 0.5 }
    }
}
