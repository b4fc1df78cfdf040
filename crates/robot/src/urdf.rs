//! URDF -> [`Tree`].
//!
//! `urdf-rs` reads the values; the XML itself is walked beside it, because `urdf-rs` fills in what is
//! missing with zeros and does not say on which line it found something.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nalgebra::{Isometry3, Matrix3, Translation3, UnitQuaternion, UnitVector3, Vector3};
use roxmltree::Node;
use urdf_rs::{Geometry, JointType};

use crate::collision::{Collision, CollisionShape};
use crate::error::{RobotError, list};
use crate::tree::{Joint, JointKind, JointLimits, Link, Mimic, Tree};
use crate::xml::{self, Reader, child, children};

const JOINT_TYPES: &str = "revolute, continuous, prismatic, fixed";

/// Reads a URDF.
pub(crate) fn read(path: &Path, text: &str) -> Result<Tree, RobotError> {
    let document = xml::parse(path, text)?;
    let reader = Reader { path };
    let root = document.root_element();
    if !root.has_tag_name("robot") {
        return Err(reader.error(root, "is not the root element of a URDF", "<robot name=\"…\">"));
    }
    let link_nodes: Vec<Node<'_, '_>> = children(root, "link").collect();
    let joint_nodes: Vec<Node<'_, '_>> = children(root, "joint").collect();
    check_links(reader, root, &link_nodes)?;
    check_joints(reader, &link_nodes, &joint_nodes)?;
    let robot = urdf_rs::read_from_string(text)
        .map_err(|error| RobotError::Urdf { path: path.to_owned(), problem: error.to_string() })?;
    let root_link = find_root(reader, root, &link_nodes, &joint_nodes)?;
    Builder::new(&robot).build(root_link)
}

fn check_links(
    reader: Reader<'_>,
    robot: Node<'_, '_>,
    links: &[Node<'_, '_>],
) -> Result<(), RobotError> {
    if links.is_empty() {
        return Err(reader.error(robot, "has no link", "one link or more"));
    }
    let mut names = BTreeSet::new();
    for &link in links {
        if !names.insert(reader.required(link, "name")?) {
            return Err(reader.error(
                link,
                "a link of this name is there already",
                "each link name once",
            ));
        }
        if let Some(inertial) = child(link, "inertial") {
            check_inertial(reader, link, inertial)?;
        }
        for collision in children(link, "collision") {
            check_shape(reader, link, collision)?;
        }
    }
    Ok(())
}

fn check_shape(
    reader: Reader<'_>,
    link: Node<'_, '_>,
    collision: Node<'_, '_>,
) -> Result<(), RobotError> {
    if let Some(origin) = child(collision, "origin") {
        reader.numbers::<3>(origin, "xyz")?;
        reader.numbers::<3>(origin, "rpy")?;
    }
    let Some(geometry) = child(collision, "geometry") else {
        return Err(reader.error(link, "a collision has no geometry", "<geometry>…</geometry>"));
    };
    for shape in geometry.children().filter(Node::is_element) {
        let sizes = match shape.tag_name().name() {
            "box" => reader.numbers::<3>(shape, "size")?.map_or([0.0; 3], |size| size),
            "cylinder" | "capsule" => [
                reader.number(shape, "radius")?.unwrap_or_default(),
                reader.number(shape, "length")?.unwrap_or_default(),
                1.0,
            ],
            "sphere" => [reader.number(shape, "radius")?.unwrap_or_default(), 1.0, 1.0],
            _ => continue,
        };
        if sizes.iter().any(|size| *size <= 0.0) {
            return Err(reader.error(
                link,
                format!(
                    "a collision {} has a size that is missing or not above 0",
                    shape.tag_name().name()
                ),
                "sizes above 0 m",
            ));
        }
    }
    Ok(())
}

fn check_inertial(
    reader: Reader<'_>,
    link: Node<'_, '_>,
    inertial: Node<'_, '_>,
) -> Result<(), RobotError> {
    let mass = match child(inertial, "mass") {
        Some(mass) => reader.number(mass, "value")?,
        None => None,
    };
    match mass {
        Some(mass) if mass > 0.0 => {}
        Some(mass) => return Err(reader.error(link, format!("mass {mass} kg"), "a mass above 0")),
        None => return Err(reader.error(link, "inertial has no mass", "<mass value=\"kg\"/>")),
    }
    let Some(inertia) = child(inertial, "inertia") else {
        return Err(reader.error(
            link,
            "inertial has no inertia",
            "<inertia ixx=… ixy=… ixz=… iyy=… iyz=… izz=…/>",
        ));
    };
    let mut values = [0.0; 6];
    for (value, name) in values.iter_mut().zip(["ixx", "ixy", "ixz", "iyy", "iyz", "izz"]) {
        reader.required(inertia, name)?;
        *value = reader.number(inertia, name)?.unwrap_or_default();
    }
    let [xx, xy, xz, yy, yz, zz] = values;
    let moments = Matrix3::new(xx, xy, xz, xy, yy, yz, xz, yz, zz).symmetric_eigenvalues();
    let (largest, sum) = (moments.max(), moments.sum());
    // A rigid body's largest principal moment is at most the sum of the others; 1e-6 allows for rounded files.
    if moments.min() <= 0.0 || largest > (sum - largest) * (1.0 + 1e-6) {
        return Err(reader.error(
            link,
            format!(
                "inertia has the principal moments {:.3e}, {:.3e}, {:.3e} kg m²",
                moments[0], moments[1], moments[2]
            ),
            "three moments above 0, none larger than the sum of the others",
        ));
    }
    Ok(())
}

fn check_joints(
    reader: Reader<'_>,
    links: &[Node<'_, '_>],
    joints: &[Node<'_, '_>],
) -> Result<(), RobotError> {
    let link_names: BTreeSet<&str> =
        links.iter().filter_map(|link| link.attribute("name")).collect();
    let mut names = BTreeMap::new();
    for &joint in joints {
        if names.insert(reader.required(joint, "name")?, joint).is_some() {
            return Err(reader.error(
                joint,
                "a joint of this name is there already",
                "each joint name once",
            ));
        }
    }
    for &joint in joints {
        let kind = reader.required(joint, "type")?;
        if !["revolute", "continuous", "prismatic", "fixed"].contains(&kind) {
            return Err(reader.error(joint, format!("type `{kind}`"), JOINT_TYPES));
        }
        for end in ["parent", "child"] {
            let Some(node) = child(joint, end) else {
                return Err(reader.error(
                    joint,
                    format!("has no {end}"),
                    format!("<{end} link=\"…\"/>"),
                ));
            };
            let link = reader.required(node, "link")?;
            if !link_names.contains(link) {
                return Err(reader.error(
                    joint,
                    format!("{end} link `{link}` does not exist"),
                    list(link_names.iter().copied()),
                ));
            }
        }
        if let Some(origin) = child(joint, "origin") {
            reader.numbers::<3>(origin, "xyz")?;
            reader.numbers::<3>(origin, "rpy")?;
        }
        if let Some(dynamics) = child(joint, "dynamics")
            && reader.number(dynamics, "damping")?.is_some_and(|damping| damping < 0.0)
        {
            return Err(reader.error(joint, "damping is negative", "0 or more"));
        }
        if kind != "fixed" {
            check_moving(reader, joint, kind)?;
            check_mimic(reader, joint, &names)?;
        }
    }
    Ok(())
}

fn check_moving(reader: Reader<'_>, joint: Node<'_, '_>, kind: &str) -> Result<(), RobotError> {
    if let Some(axis) = child(joint, "axis")
        && let Some(xyz) = reader.numbers::<3>(axis, "xyz")?
        && Vector3::from(xyz).norm() < 1e-6
    {
        return Err(reader.error(
            joint,
            "axis is the zero vector",
            "a direction such as xyz=\"0 0 1\"",
        ));
    }
    let Some(limit) = child(joint, "limit") else {
        if kind == "continuous" {
            return Ok(());
        }
        return Err(reader.error(
            joint,
            format!("a {kind} joint needs limits, there are none"),
            "<limit lower=… upper=… effort=… velocity=…/>",
        ));
    };
    for name in ["effort", "velocity"] {
        reader.required(limit, name).map_err(|_| {
            reader.error(
                joint,
                format!("limit has no {name}"),
                "<limit lower=… upper=… effort=… velocity=…/>",
            )
        })?;
        let value = reader.number(limit, name)?.unwrap_or_default();
        if value <= 0.0 {
            return Err(reader.error(joint, format!("{name} limit {value}"), "above 0"));
        }
    }
    if kind == "continuous" {
        return Ok(());
    }
    // The URDF specification lets `lower` and `upper` default to 0.
    let lower = reader.number(limit, "lower")?;
    let upper = reader.number(limit, "upper")?;
    if lower.is_none() && upper.is_none() {
        return Err(reader.error(
            joint,
            "limit has neither lower nor upper",
            "<limit lower=… upper=… effort=… velocity=…/>",
        ));
    }
    let (lower, upper) = (lower.unwrap_or_default(), upper.unwrap_or_default());
    if lower >= upper {
        return Err(reader.error(
            joint,
            format!("lower limit {lower} is not below upper limit {upper}"),
            "lower < upper",
        ));
    }
    Ok(())
}

fn check_mimic(
    reader: Reader<'_>,
    joint: Node<'_, '_>,
    joints: &BTreeMap<&str, Node<'_, '_>>,
) -> Result<(), RobotError> {
    let Some(mimic) = child(joint, "mimic") else { return Ok(()) };
    reader.number(mimic, "multiplier")?;
    reader.number(mimic, "offset")?;
    let other = reader.required(mimic, "joint")?;
    let allowed = || {
        list(
            joints
                .iter()
                .filter(|(_, node)| {
                    node.attribute("type") != Some("fixed") && child(**node, "mimic").is_none()
                })
                .map(|(name, _)| *name),
        )
    };
    match joints.get(other) {
        None => Err(reader.error(
            joint,
            format!("mimics the joint `{other}`, which does not exist"),
            allowed(),
        )),
        Some(node)
            if child(*node, "mimic").is_some() || node.attribute("type") == Some("fixed") =>
        {
            Err(reader.error(
                joint,
                format!("mimics `{other}`, which does not move by itself"),
                allowed(),
            ))
        }
        Some(_) => Ok(()),
    }
}

/// Checks that the links form one tree and returns the index of its root.
fn find_root(
    reader: Reader<'_>,
    robot: Node<'_, '_>,
    links: &[Node<'_, '_>],
    joints: &[Node<'_, '_>],
) -> Result<usize, RobotError> {
    let end = |joint: Node<'_, '_>, tag| {
        child(joint, tag).and_then(|node| node.attribute("link")).map(str::to_owned)
    };
    let mut parents: BTreeMap<String, (String, Node<'_, '_>)> = BTreeMap::new();
    for &joint in joints {
        let (Some(parent), Some(below)) = (end(joint, "parent"), end(joint, "child")) else {
            continue;
        };
        if let Some((_, other)) = parents.get(&below) {
            let other = other.attribute("name").unwrap_or_default();
            return Err(reader.error(
                joint,
                format!(
                    "link `{below}` is already the child of joint `{other}`: the links form a loop"
                ),
                "each link the child of one joint at most",
            ));
        }
        parents.insert(below, (parent, joint));
    }
    let roots: Vec<usize> = (0..links.len())
        .filter(|&index| {
            links[index].attribute("name").is_some_and(|name| !parents.contains_key(name))
        })
        .collect();
    match roots[..] {
        [root] => {
            // One root and one parent each: whatever does not reach the root runs in a circle.
            for &link in links {
                let first = link.attribute("name").unwrap_or_default();
                let mut current = first;
                while let Some((parent, joint)) = parents.get(current) {
                    current = parent;
                    if current == first {
                        return Err(reader.error(
                            *joint,
                            format!("link `{first}` is its own ancestor: the links form a loop"),
                            "a tree",
                        ));
                    }
                }
            }
            Ok(root)
        }
        [] => Err(reader.error(
            robot,
            "every link is the child of a joint: the links form a loop",
            "one link that is no child",
        )),
        _ => Err(reader.error(
            links[roots[1]],
            format!(
                "is a second root beside `{}`",
                links[roots[0]].attribute("name").unwrap_or_default()
            ),
            "one link that is no child of a joint",
        )),
    }
}

struct Builder<'a> {
    robot: &'a urdf_rs::Robot,
    tree: Tree,
}

impl<'a> Builder<'a> {
    fn new(robot: &'a urdf_rs::Robot) -> Self {
        Self { robot, tree: Tree { links: Vec::new(), joints: Vec::new(), free_root: false } }
    }

    fn build(mut self, root: usize) -> Result<Tree, RobotError> {
        let root = &self.robot.links[root];
        self.add_link(root, None, Isometry3::identity(), 0..0);
        let names: BTreeMap<String, usize> = self
            .tree
            .joints
            .iter()
            .enumerate()
            .map(|(index, joint)| (joint.name.clone(), index))
            .collect();
        for joint in &mut self.tree.joints {
            let source = self.robot.joints.iter().find(|source| source.name == joint.name);
            joint.mimic = source.and_then(|source| source.mimic.as_ref()).and_then(|mimic| {
                Some(Mimic {
                    joint: *names.get(&mimic.joint)?,
                    multiplier: mimic.multiplier.unwrap_or(1.0),
                    offset: mimic.offset.unwrap_or(0.0),
                })
            });
        }
        Ok(self.tree)
    }

    fn add_link(
        &mut self,
        link: &urdf_rs::Link,
        parent: Option<usize>,
        parent_from_link: Isometry3<f64>,
        joints: std::ops::Range<usize>,
    ) {
        let index = self.tree.links.len();
        self.tree.links.push(Link {
            name: link.name.clone(),
            parent,
            parent_from_link,
            joints,
            mass_kg: link.inertial.mass.value,
            collisions: link.collision.iter().map(collision).collect(),
        });
        let robot = self.robot;
        for joint in robot.joints.iter().filter(|joint| joint.parent.link == link.name) {
            let Some(child) = robot.links.iter().find(|child| child.name == joint.child.link)
            else {
                continue;
            };
            let first = self.tree.joints.len();
            if let Some(joint) = moving_joint(joint, self.tree.links.len()) {
                self.tree.joints.push(joint);
            }
            self.add_link(child, Some(index), pose(&joint.origin), first..self.tree.joints.len());
        }
    }
}

fn moving_joint(joint: &urdf_rs::Joint, link: usize) -> Option<Joint> {
    let kind = match joint.joint_type {
        JointType::Revolute => JointKind::Revolute,
        JointType::Continuous => JointKind::Continuous,
        JointType::Prismatic => JointKind::Prismatic,
        _ => return None,
    };
    let unbounded = kind == JointKind::Continuous;
    // `urdf-rs` says 0 where there is no limit at all, which only a continuous joint may leave out.
    let or_unlimited = |value: f64| if value > 0.0 { value } else { f64::INFINITY };
    Some(Joint {
        name: joint.name.clone(),
        kind,
        link,
        axis: UnitVector3::new_normalize(Vector3::from(joint.axis.xyz.0)),
        anchor_m: Vector3::zeros(),
        zero: 0.0,
        limits: JointLimits {
            lower: if unbounded { f64::NEG_INFINITY } else { joint.limit.lower },
            upper: if unbounded { f64::INFINITY } else { joint.limit.upper },
            max_velocity: or_unlimited(joint.limit.velocity),
            max_effort: or_unlimited(joint.limit.effort),
        },
        damping: joint.dynamics.as_ref().map_or(0.0, |dynamics| dynamics.damping),
        mimic: None,
    })
}

fn collision(source: &urdf_rs::Collision) -> Collision {
    let shape = match &source.geometry {
        Geometry::Box { size } => {
            CollisionShape::Box { half_extents_m: Vector3::from(size.0) / 2.0 }
        }
        Geometry::Cylinder { radius, length } => {
            CollisionShape::Cylinder { radius_m: *radius, half_length_m: length / 2.0 }
        }
        Geometry::Capsule { radius, length } => {
            CollisionShape::Capsule { radius_m: *radius, half_length_m: length / 2.0 }
        }
        Geometry::Sphere { radius } => {
            CollisionShape::Capsule { radius_m: *radius, half_length_m: 0.0 }
        }
        Geometry::Mesh { .. } => CollisionShape::Mesh,
    };
    Collision { link_from_shape: pose(&source.origin), shape }
}

fn pose(origin: &urdf_rs::Pose) -> Isometry3<f64> {
    let [roll, pitch, yaw] = origin.rpy.0;
    Isometry3::from_parts(
        Translation3::from(Vector3::from(origin.xyz.0)),
        UnitQuaternion::from_euler_angles(roll, pitch, yaw),
    )
}
