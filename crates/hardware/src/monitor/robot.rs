//! What the robot file says, as the monitor needs it.

use std::time::Duration;

use nalgebra::{Isometry3, Point3, Translation3, UnitQuaternion, Vector3};
use sinew_robot::{
    BoxConfig, CapsuleConfig, Collision, CollisionShape, CommandInterface, Group, Kinematics, Link,
    RobotModel, TrackingConfig,
};

use super::config::{
    AxisAlignedBox, Body, ClampRateLimits, LinkShape, MonitorConfig, SelfCollisionLimits,
    TemperatureLimits, TrackingLimits, WorkspaceLimits,
};
use super::geometry::Geometry;
use crate::error::HardwareError;

impl MonitorConfig {
    /// The limits of a robot file.
    ///
    /// # Errors
    /// [`HardwareError::Monitor`] for a pair of links that, with every joint at its zero, is closer than allowed
    /// but does not touch, and for a name that the robot does not have.
    pub fn from_robot(model: &RobotModel) -> Result<Self, HardwareError> {
        let config = &model.config().monitor;
        let body = Body::from_robot(model);
        let self_collision = match &config.self_collision {
            None => None,
            Some(limits) => {
                let ignored = |a: &Link, b: &Link| {
                    limits.ignore.iter().any(|[first, second]| {
                        (first == &a.name && second == &b.name)
                            || (first == &b.name && second == &a.name)
                    })
                };
                let pairs = pairs(model, &body, limits.min_distance_m, ignored)?;
                Some(SelfCollisionLimits { min_distance_m: limits.min_distance_m, pairs })
            }
        };
        let workspace = match &config.workspace {
            None => None,
            Some(limits) => Some(WorkspaceLimits {
                frame: link_index(model, "monitor.workspace.frame", &limits.frame)?,
                links: match &limits.links {
                    None => moved_links(model, &body),
                    Some(names) => names
                        .iter()
                        .map(|name| link_index(model, "monitor.workspace.links", name))
                        .collect::<Result<_, _>>()?,
                },
                inside: limits.inside.as_ref().map(bounds),
                keep_out: limits.keep_out.iter().map(bounds).collect(),
            }),
        };
        let groups = model.groups();
        Ok(Self {
            check_every: config.check_every,
            body: (self_collision.is_some() || workspace.is_some()).then_some(body),
            workspace,
            self_collision,
            tracking: groups
                .iter()
                .map(|group| tracking(model, group, config.tracking.get(&group.name)))
                .collect(),
            temperature: groups
                .iter()
                .map(|group| {
                    let limits = config.temperature.get(&group.name)?;
                    let (warn_above_c, stop_above_c) = (limits.warn_above_c, limits.stop_above_c);
                    Some(TemperatureLimits { warn_above_c, stop_above_c })
                })
                .collect(),
            clamp_rate: ClampRateLimits {
                window: Duration::from_secs_f64(config.clamp_rate.window_s),
                warn_above: config.clamp_rate.warn_above,
            },
        })
    }
}

impl Body {
    /// Kinematics of a robot, with the shapes of its URDF or those that its robot file gives instead.
    pub fn from_robot(model: &RobotModel) -> Self {
        let given = &model.config().monitor.shapes;
        let shapes = model.links().iter().enumerate().flat_map(|(link, source)| {
            let place = move |collision: Collision| LinkShape {
                link,
                link_from_shape: collision.link_from_shape,
                shape: collision.shape,
            };
            match given.get(&source.name) {
                Some(capsules) => capsules.iter().map(capsule).map(place).collect::<Vec<_>>(),
                None => source.collisions.iter().copied().map(place).collect(),
            }
        });
        Self {
            kinematics: Kinematics::new(model),
            links: model.links().iter().map(|link| link.name.clone()).collect(),
            shapes: shapes.collect(),
        }
    }
}

fn link_index(model: &RobotModel, field: &'static str, name: &str) -> Result<usize, HardwareError> {
    model.link_index(name).map_err(|error| HardwareError::Monitor {
        field,
        actual: error.to_string(),
        allowed: "a link of the robot".to_owned(),
    })
}

fn bounds(config: &BoxConfig) -> AxisAlignedBox {
    AxisAlignedBox { min_m: Vector3::from(config.min_m), max_m: Vector3::from(config.max_m) }
}

fn capsule(config: &CapsuleConfig) -> Collision {
    let (from, to) = (Point3::from(config.from_m), Point3::from(config.to_m));
    let line = to - from;
    let rotation = UnitQuaternion::rotation_between(&Vector3::z(), &line)
        // Straight down, or a sphere: about any axis across.
        .unwrap_or_else(|| {
            UnitQuaternion::from_axis_angle(&Vector3::x_axis(), std::f64::consts::PI)
        });
    let centre = nalgebra::center(&from, &to);
    Collision {
        link_from_shape: Isometry3::from_parts(Translation3::from(centre.coords), rotation),
        shape: CollisionShape::Capsule {
            radius_m: config.radius_m,
            half_length_m: line.norm() / 2.0,
        },
    }
}

/// Links with shapes that a joint moves which is in a group not commanded by twist.
fn moved_links(model: &RobotModel, body: &Body) -> Vec<usize> {
    let geometry = Geometry::new(body);
    let is_driven = |joint: usize| {
        model
            .groups()
            .iter()
            .any(|group| group.command != CommandInterface::Twist && group.joints.contains(&joint))
    };
    let mut moved: Vec<bool> = Vec::new();
    for link in model.links() {
        let above = link.parent.is_some_and(|parent| moved[parent]);
        moved.push(above || link.joints.clone().any(is_driven));
    }
    (0..moved.len()).filter(|&link| moved[link] && geometry.has_shape(link)).collect()
}

/// The first link of the rigid body that a link belongs to.
fn rigid_body(links: &[Link], mut link: usize) -> usize {
    while links[link].joints.is_empty()
        && let Some(parent) = links[link].parent
    {
        link = parent;
    }
    link
}

/// Pairs of links that can come closer to each other: in different rigid bodies that are not neighbours in
/// the tree, and do not touch with every joint at its zero.
fn pairs(
    model: &RobotModel,
    body: &Body,
    min_distance_m: f64,
    ignored: impl Fn(&Link, &Link) -> bool,
) -> Result<Vec<(usize, usize)>, HardwareError> {
    let links = model.links();
    let mut geometry = Geometry::new(body);
    let zeros: Vec<f64> =
        model.joints().iter().map(|joint| joint.limits.clamp(joint.zero)).collect();
    geometry.update(&zeros).map_err(|error| HardwareError::Monitor {
        field: "monitor.self_collision",
        actual: error.to_string(),
        allowed: "one position per joint".to_owned(),
    })?;
    let parent = |link: usize| links[link].parent.map(|parent| rigid_body(links, parent));
    let mut pairs = Vec::new();
    for a in 0..links.len() {
        for b in a + 1..links.len() {
            let (body_a, body_b) = (rigid_body(links, a), rigid_body(links, b));
            let is_related = body_a == body_b
                || parent(body_a) == Some(body_b)
                || parent(body_b) == Some(body_a);
            let is_shaped = geometry.has_shape(a) && geometry.has_shape(b);
            if is_related || !is_shaped || ignored(&links[a], &links[b]) {
                continue;
            }
            let distance = geometry.distance(a, b, min_distance_m);
            if distance > 0.0 && distance < min_distance_m {
                return Err(HardwareError::Monitor {
                    field: "monitor.self_collision.min_distance_m",
                    actual: format!(
                        "{min_distance_m}, but `{}` and `{}` are {distance:.4} m apart with every \
                         joint at its zero",
                        links[a].name, links[b].name
                    ),
                    allowed: "less, or the pair in monitor.self_collision.ignore".to_owned(),
                });
            }
            if distance > 0.0 {
                pairs.push((a, b));
            }
        }
    }
    Ok(pairs)
}

fn tracking(
    model: &RobotModel,
    group: &Group,
    given: Option<&TrackingConfig>,
) -> Option<TrackingLimits> {
    let (max_error, seconds) = match (given, group.command) {
        (Some(limits), CommandInterface::Twist) => {
            (vec![limits.max_error, limits.max_angular_error_rad_s?], limits.for_s)
        }
        (Some(limits), _) => (vec![limits.max_error; group.joints.len()], limits.for_s),
        (None, CommandInterface::Position) if group.gripper.is_none() => {
            let default = |joint: &usize| {
                if model.joints()[*joint].kind.is_rotary() {
                    TrackingConfig::DEFAULT_REVOLUTE.max_error
                } else {
                    TrackingConfig::DEFAULT_PRISMATIC.max_error
                }
            };
            let max_error = group.joints.iter().map(default).collect();
            (max_error, TrackingConfig::DEFAULT_REVOLUTE.for_s)
        }
        (None, _) => return None,
    };
    Some(TrackingLimits { max_error, patience: Duration::from_secs_f64(seconds) })
}
