use std::collections::BTreeMap;
use std::time::Duration;

use nalgebra::Isometry3;
use serde::{Deserialize, Serialize};
use sinew_types::Time;

use crate::{ObjectId, ReachEnvelope, WorldObject};

/// What a gripper measures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GripperFacts {
    /// Distance between the pads, m.
    pub width_m: f64,
    /// Force on what is between the pads, N.
    pub force_n: f64,
    /// Largest opening, m: wider objects cannot be grasped.
    pub max_width_m: f64,
}

/// What was measured of the robot itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotFacts {
    /// When it was measured.
    pub stamp: Time,
    /// `base_link` in the map.
    pub map_from_base: Isometry3<f64>,
    /// Speed of the base over the floor, m/s.
    pub base_linear_m_s: f64,
    /// Turning rate of the base, rad/s.
    pub base_angular_rad_s: f64,
    /// The fastest joint, rad/s, of the groups that are at rest when they stand still: neither wheels and fingers
    /// nor what balances.
    pub max_joint_velocity_rad_s: f64,
    /// The tool of the group `arm` in the map; x is the approach direction. None without such a group.
    #[serde(default)]
    pub map_from_tool: Option<Isometry3<f64>>,
    /// Per gripper group.
    #[serde(default)]
    pub grippers: BTreeMap<String, GripperFacts>,
    /// The named configuration at which the arm stands, within tolerance; none between them.
    #[serde(default)]
    pub arm_configuration: Option<String>,
    /// The head camera's optical frame (z into the picture) in the map; none without a camera.
    #[serde(default)]
    pub map_from_camera: Option<Isometry3<f64>>,
    /// From where the arm reaches what.
    #[serde(default)]
    pub reach: ReachEnvelope,
}

/// What was measured of the world.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldState {
    /// Now: ages are counted up to this moment.
    pub stamp: Time,
    /// By id, in order.
    pub objects: BTreeMap<ObjectId, WorldObject>,
    /// The robot.
    pub robot: RobotFacts,
}

impl WorldState {
    /// After this time the confidence in a loose object's pose has halved.
    pub const CONFIDENCE_HALF_LIFE: Duration = Duration::from_secs(30);
    /// Below this confidence an object is not `known`.
    pub const KNOWN_CONFIDENCE: f64 = 0.5;

    /// Adds an object, or replaces the one with its id.
    pub fn insert(&mut self, object: WorldObject) {
        self.objects.insert(object.id.clone(), object);
    }

    /// How long ago `object` was seen.
    pub fn age(&self, object: &WorldObject) -> Duration {
        self.stamp.since(object.stamp)
    }

    /// Confidence now: that of the last sight, halved each [`Self::CONFIDENCE_HALF_LIFE`]; furniture
    /// keeps its own.
    pub fn confidence(&self, object: &WorldObject) -> f64 {
        if object.fixed {
            return object.confidence;
        }
        let half_lives = self.age(object).as_secs_f64() / Self::CONFIDENCE_HALF_LIFE.as_secs_f64();
        object.confidence * 0.5_f64.powf(half_lives)
    }

    /// All ids, in order, for messages: `bin, red_cube, table`.
    pub fn known_ids(&self) -> String {
        self.objects.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    /// The world in few words, for a language model: what is where, in cm, and what is true.
    pub fn summary(&self) -> serde_json::Value {
        let objects: Vec<_> = self
            .objects
            .values()
            .map(|object| {
                let at = object.center().coords.map(|m| (m * 100.0).round());
                serde_json::json!({
                    "id": object.id,
                    "class": object.class,
                    "attributes": object.attributes,
                    "at_cm": [at.x, at.y, at.z],
                    "container": object.container.is_some(),
                    "support": object.is_support(),
                    "fixed": object.fixed,
                })
            })
            .collect();
        let facts: Vec<_> = crate::Facts::of(self).iter().map(|fact| fact.to_string()).collect();
        serde_json::json!({ "objects": objects, "facts": facts })
    }
}
