//! The `monitor` section of the robot YAML: what stops the robot besides losses and errors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// What the hardware layer watches at rate. Distances are judged on the measured state, and on the state
/// in which the present set-points would come to rest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MonitorConfig {
    /// Control ticks from one check of `workspace` and `self_collision` to the next, 1 to 100. What is
    /// in between is covered by looking that much further ahead.
    pub check_every: u32,
    /// Capsules that stand for a link instead of its own collision geometry. A link whose geometry
    /// is a mesh needs them, and so does every link of an MJCF, of which no shapes are read.
    pub shapes: BTreeMap<String, Vec<CapsuleConfig>>,
    /// Where links may be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workspace: Option<WorkspaceConfig>,
    /// How close links may come to each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub self_collision: Option<SelfCollisionConfig>,
    /// How far groups may be from their set-points. Groups commanded by position that are not named are
    /// watched with [`TrackingConfig::DEFAULT_REVOLUTE`] and [`TrackingConfig::DEFAULT_PRISMATIC`].
    pub tracking: BTreeMap<String, TrackingConfig>,
    /// How hot the drives of groups may be. Groups that are not named are not watched.
    pub temperature: BTreeMap<String, TemperatureConfig>,
    /// When it is reported that a group's commands are clamped all the time.
    pub clamp_rate: ClampRateConfig,
}

impl Default for MonitorConfig {
    fn default() -> Self {
        Self {
            check_every: 1,
            shapes: BTreeMap::new(),
            workspace: None,
            self_collision: None,
            tracking: BTreeMap::new(),
            temperature: BTreeMap::new(),
            clamp_rate: ClampRateConfig::default(),
        }
    }
}

/// All points within a distance of a line.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CapsuleConfig {
    /// One end of the line in the link's frame.
    pub from_m: [f64; 3],
    /// The other end; the same point makes a sphere.
    pub to_m: [f64; 3],
    /// The distance, above 0.
    pub radius_m: f64,
}

/// Where links may be.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkspaceConfig {
    /// Link whose frame the boxes are in. It moves with the robot.
    pub frame: String,
    /// The links that are watched; by default all that a group moves which is not commanded by twist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub links: Option<Vec<String>>,
    /// Box that they must not leave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inside: Option<BoxConfig>,
    /// Boxes that they must not enter.
    #[serde(default)]
    pub keep_out: Vec<BoxConfig>,
}

/// A box along the axes of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BoxConfig {
    /// Its lowest corner.
    pub min_m: [f64; 3],
    /// Its highest corner.
    pub max_m: [f64; 3],
}

/// How close links may come to each other.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SelfCollisionConfig {
    /// Smallest distance between two links, 0 to 0.1.
    pub min_distance_m: f64,
    /// Pairs of links that are not watched, besides those that are left out by themselves: rigidly connected
    /// links, neighbours in the tree, and pairs that touch with every joint at its zero.
    #[serde(default)]
    pub ignore: Vec<[String; 2]>,
}

/// How far a group may be from its set-point, and for how long.
///
/// For a group commanded by position the error is one of position, for one commanded by velocity or twist
/// one of velocity.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrackingConfig {
    /// Largest error of a joint in joint units (rad, m, rad/s, m/s); of a twist's linear part in m/s.
    pub max_error: f64,
    /// Largest error of a twist's angular part; for groups commanded by twist, which need it, only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_angular_error_rad_s: Option<f64>,
    /// The robot is stopped when the error has been larger for longer than this, above 0 up to 10.
    pub for_s: f64,
}

impl TrackingConfig {
    /// For revolute and continuous joints of groups commanded by position: 0.25 rad for 0.25 s.
    pub const DEFAULT_REVOLUTE: Self =
        Self { max_error: 0.25, max_angular_error_rad_s: None, for_s: 0.25 };
    /// For prismatic joints of groups commanded by position: 0.03 m for 0.25 s.
    pub const DEFAULT_PRISMATIC: Self =
        Self { max_error: 0.03, max_angular_error_rad_s: None, for_s: 0.25 };
}

/// How hot the drives of a group may be.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TemperatureConfig {
    /// °C above which it is reported; after a stop every drive must be below it again.
    pub warn_above_c: f64,
    /// °C above which the robot is stopped; more than `warn_above_c`, up to 150.
    pub stop_above_c: f64,
}

/// When it is reported that a group's commands are clamped all the time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClampRateConfig {
    /// Length of the window, above 0 up to 60.
    pub window_s: f64,
    /// Share of the window's cycles above which it is reported, above 0 up to 1.
    pub warn_above: f64,
}

impl Default for ClampRateConfig {
    fn default() -> Self {
        Self { window_s: 2.0, warn_above: 0.5 }
    }
}
