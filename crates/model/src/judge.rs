use nalgebra::{Point3, Vector3};
use sinew_types::Evidence;

use crate::{Predicate, Slot, WorldObject, WorldState};

/// How far measurement may be off before a predicate stops to hold.
pub mod tolerance {
    /// Between an object's bottom and the surface that carries it, m.
    pub const ON_GAP_M: f64 = 0.015;
    /// How far an object's centre may be outside of a footprint or an inner box, m.
    pub const INSIDE_M: f64 = 0.005;
    /// Less force between the pads is no grasp, N.
    pub const GRIP_FORCE_N: f64 = 0.5;
    /// Between the pads' distance and the edges of what they hold, m.
    pub const GRIP_WIDTH_M: f64 = 0.012;
    /// Pads that are closer than this press on each other, m.
    pub const CLOSED_WIDTH_M: f64 = 0.004;
    /// Between the tool and the surface of what it holds, m.
    pub const GRIP_DISTANCE_M: f64 = 0.04;
    /// The tool is above an object if it is off sideways by no more than this, m.
    pub const HOVER_SIDEWAYS_M: f64 = 0.03;
    /// and above its top by no more than this, m.
    pub const HOVER_HEIGHT_M: f64 = 0.22;
    /// A base slower than this is at rest, m/s and rad/s.
    pub const STILL_BASE: f64 = 0.02;
    /// A joint slower than this is at rest, rad/s.
    pub const STILL_JOINT_RAD_S: f64 = 0.05;
    /// What is within this angle of the camera's axis is looked at, rad.
    pub const LOOKING_RAD: f64 = 0.35;
}

/// Whether a predicate holds on measured state, with the numbers behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// Whether it holds.
    pub holds: bool,
    /// What was measured.
    pub evidence: Vec<Evidence>,
}

impl Judgement {
    fn new(holds: bool) -> Self {
        Self { holds, evidence: vec![] }
    }

    /// Of what only a tool can do, on a robot without one.
    fn no_tool() -> Self {
        Self::new(false).with("tool", "none")
    }

    fn with(mut self, key: &str, value: impl std::fmt::Display) -> Self {
        self.evidence.push(Evidence::new(key, value));
        self
    }

    fn with_m(self, key: &str, value: f64) -> Self {
        self.with(key, format_args!("{value:.4}"))
    }

    fn negated(self) -> Self {
        Self { holds: !self.holds, ..self }
    }
}

impl WorldState {
    /// Judges a predicate on what was measured.
    ///
    /// An object that the world does not hold makes an affirmed predicate false. `$any` stands for
    /// at least one of the objects. `tolerance` holds the thresholds.
    pub fn judge(&self, predicate: &Predicate) -> Judgement {
        match predicate {
            Predicate::Not(inner) => self.judge(inner).negated(),
            Predicate::Near { target } => self.judge_objects(target, |o| self.near(o)),
            Predicate::Holding { object } => self.judge_objects(object, |o| self.holding(o)),
            Predicate::HandEmpty => self.hand_empty(),
            Predicate::On { object, support } => {
                self.judge_objects(object, |a| self.judge_objects(support, |b| self.on(a, b)))
            }
            Predicate::In { object, container } => {
                self.judge_objects(object, |a| self.judge_objects(container, |b| self.inside(a, b)))
            }
            Predicate::Clear { object } => self.judge_objects(object, |o| self.clear(o)),
            Predicate::ArmAt { configuration } => {
                let at = self.robot.arm_configuration.as_deref();
                Judgement::new(at.is_some_and(|name| configuration.matches(name)))
                    .with("arm_configuration", at.unwrap_or("none"))
            }
            Predicate::ToolAt { object } => self.judge_objects(object, |o| self.tool_at(o)),
            Predicate::RobotStill => self.robot_still(),
            Predicate::LookingAt { target } => self.judge_objects(target, |o| self.looking_at(o)),
            Predicate::Known { object } => self.judge_objects(object, |o| self.known(o)),
        }
    }

    /// Judges each predicate; all must hold. The evidence's keys get the predicate's text in front.
    pub fn judge_all<'a>(&self, predicates: impl IntoIterator<Item = &'a Predicate>) -> Judgement {
        predicates.into_iter().fold(Judgement::new(true), |mut all, predicate| {
            let one = self.judge(predicate);
            all.holds &= one.holds;
            all.evidence.push(Evidence::new(predicate.to_string(), one.holds));
            all.evidence.extend(
                one.evidence
                    .into_iter()
                    .map(|e| Evidence::new(format!("{predicate}.{}", e.key), e.value)),
            );
            all
        })
    }

    fn judge_objects(&self, slot: &Slot, judge: impl Fn(&WorldObject) -> Judgement) -> Judgement {
        match slot {
            Slot::Id(id) => match self.objects.get(id) {
                Some(object) => judge(object),
                None => Judgement::new(false).with("unknown_object", id),
            },
            Slot::Any => self
                .objects
                .values()
                .find_map(|object| {
                    let judgement = judge(object);
                    judgement.holds.then(|| judgement.with("object", &object.id))
                })
                .unwrap_or_else(|| Judgement::new(false).with("object", "none")),
        }
    }

    fn near(&self, target: &WorldObject) -> Judgement {
        let standing = self.robot.reach.standing(&self.robot.map_from_base, target);
        Judgement::new(standing.reachable)
            .with_m("distance_m", standing.distance_m)
            .with_m("bearing_rad", standing.bearing_rad)
            .with_m("height_m", standing.point.z)
    }

    fn holding(&self, object: &WorldObject) -> Judgement {
        use tolerance::*;
        let Some(map_from_tool) = self.robot.map_from_tool else { return Judgement::no_tool() };
        let tool_from_object = map_from_tool.inverse() * object.map_from_object;
        // How far the tool's origin is outside of the object's bounding box.
        let tool_in_object = tool_from_object.inverse().translation.vector;
        let outside =
            Vector3::from_fn(|i, _| (tool_in_object[i].abs() - object.size_m[i] / 2.0).max(0.0));
        let distance_m = outside.norm();
        let smallest = object.size_m.into_iter().fold(f64::INFINITY, f64::min);
        let largest = object.size_m.into_iter().fold(0.0, f64::max);
        let best = self
            .robot
            .grippers
            .iter()
            .max_by(|a, b| a.1.force_n.total_cmp(&b.1.force_n))
            .map(|(name, gripper)| (name.as_str(), *gripper));
        let Some((name, gripper)) = best else {
            return Judgement::new(false).with("gripper", "none");
        };
        let fits =
            gripper.width_m >= smallest - GRIP_WIDTH_M && gripper.width_m <= largest + GRIP_WIDTH_M;
        let holds = gripper.force_n >= GRIP_FORCE_N && fits && distance_m <= GRIP_DISTANCE_M;
        Judgement::new(holds)
            .with("gripper", name)
            .with_m("force_n", gripper.force_n)
            .with_m("width_m", gripper.width_m)
            .with_m("tool_to_object_m", distance_m)
    }

    fn hand_empty(&self) -> Judgement {
        let held: Vec<_> = self
            .objects
            .values()
            .filter(|o| !o.fixed && self.holding(o).holds)
            .map(|o| o.id.as_str())
            .collect();
        let force = self.robot.grippers.values().map(|g| g.force_n).fold(0.0, f64::max);
        // Something that perception does not know may be between the pads as well.
        let grips = self.robot.grippers.values().any(|gripper| {
            gripper.force_n >= tolerance::GRIP_FORCE_N
                && gripper.width_m > tolerance::CLOSED_WIDTH_M
        });
        Judgement::new(held.is_empty() && !grips)
            .with("held", held.join(", "))
            .with_m("force_n", force)
    }

    fn on(&self, object: &WorldObject, support: &WorldObject) -> Judgement {
        use tolerance::*;
        if object.id == support.id || !support.is_support() {
            return Judgement::new(false).with("support", support.is_support());
        }
        if self.holding(object).holds {
            return Judgement::new(false).with("held", true);
        }
        let mut center = object.center();
        center.z = object.bottom_m();
        // The surface that fits best is the one to report.
        support
            .surfaces()
            .into_iter()
            .map(|surface| {
                let bottom: Point3<f64> = surface.map_from_surface.inverse_transform_point(&center);
                let outside_m = (bottom.x.abs() - surface.size_m[0] / 2.0)
                    .max(bottom.y.abs() - surface.size_m[1] / 2.0);
                (bottom.z, outside_m)
            })
            .min_by(|a, b| a.0.abs().total_cmp(&b.0.abs()))
            .map(|(gap_m, outside_m)| {
                Judgement::new(gap_m.abs() <= ON_GAP_M && outside_m <= INSIDE_M)
                    .with_m("gap_m", gap_m)
                    .with_m("inside_footprint_by_m", -outside_m)
            })
            .unwrap_or_else(|| Judgement::new(false))
    }

    fn inside(&self, object: &WorldObject, container: &WorldObject) -> Judgement {
        let Some(inner) = container.container.filter(|_| object.id != container.id) else {
            return Judgement::new(false).with("container", false);
        };
        if self.holding(object).holds {
            return Judgement::new(false).with("held", true);
        }
        let center = container.map_from_object.inverse_transform_point(&object.center())
            - Point3::from(inner.center_m);
        // Below the rim above, and sideways within the walls; the floor cannot be missed.
        let sideways_m = (0..2)
            .map(|i| center[i].abs() - inner.size_m[i] / 2.0)
            .fold(f64::NEG_INFINITY, f64::max);
        let below_rim_m = inner.size_m[2] / 2.0 - center.z;
        let above_floor_m = inner.size_m[2] / 2.0 + center.z;
        let holds = sideways_m <= tolerance::INSIDE_M
            && below_rim_m >= 0.0
            && above_floor_m >= -tolerance::INSIDE_M;
        Judgement::new(holds)
            .with_m("inside_walls_by_m", -sideways_m)
            .with_m("below_rim_m", below_rim_m)
    }

    fn clear(&self, object: &WorldObject) -> Judgement {
        let on_it: Vec<_> = self
            .objects
            .values()
            .filter(|other| !other.fixed && self.on(other, object).holds)
            .map(|other| other.id.as_str())
            .collect();
        Judgement::new(on_it.is_empty()).with("on_it", on_it.join(", "))
    }

    fn tool_at(&self, object: &WorldObject) -> Judgement {
        use tolerance::*;
        let Some(map_from_tool) = self.robot.map_from_tool else { return Judgement::no_tool() };
        let tool = map_from_tool.translation.vector;
        let point = object.work_point(Point3::from(tool));
        let sideways_m = (tool.xy() - point.coords.xy()).norm();
        let above_m = tool.z - point.z;
        Judgement::new(sideways_m <= HOVER_SIDEWAYS_M && (0.0..=HOVER_HEIGHT_M).contains(&above_m))
            .with_m("sideways_m", sideways_m)
            .with_m("above_m", above_m)
    }

    fn robot_still(&self) -> Judgement {
        use tolerance::*;
        let robot = &self.robot;
        let holds = robot.base_linear_m_s.abs() <= STILL_BASE
            && robot.base_angular_rad_s.abs() <= STILL_BASE
            && robot.max_joint_velocity_rad_s.abs() <= STILL_JOINT_RAD_S;
        Judgement::new(holds)
            .with_m("base_linear_m_s", robot.base_linear_m_s)
            .with_m("base_angular_rad_s", robot.base_angular_rad_s)
            .with_m("max_joint_velocity_rad_s", robot.max_joint_velocity_rad_s)
    }

    fn looking_at(&self, target: &WorldObject) -> Judgement {
        let Some(map_from_camera) = self.robot.map_from_camera else {
            return Judgement::new(false).with("camera", "none");
        };
        let in_camera = map_from_camera.inverse_transform_point(&target.center());
        let angle_rad = in_camera.xy().coords.norm().atan2(in_camera.z);
        Judgement::new(angle_rad <= tolerance::LOOKING_RAD).with_m("off_axis_rad", angle_rad)
    }

    fn known(&self, object: &WorldObject) -> Judgement {
        let confidence = self.confidence(object);
        Judgement::new(confidence >= Self::KNOWN_CONFIDENCE)
            .with_m("confidence", confidence)
            .with_m("age_s", self.age(object).as_secs_f64())
    }
}
