//! MJCF -> [`Tree`]: the part of MuJoCo's format that says how a robot is built.
//!
//! Read: `compiler` (angle, eulerseq, autolimits), nested `default` classes of `joint` and of actuators,
//! `worldbody` with one `body` (pos and any of MuJoCo's orientations), hinge and slide joints, one free joint at the root,
//! sites as frames, `inertial` masses, and the force limits of actuators.
//! What would move links in ways that are not read (ball joints, `include`, `frame`, `replicate`, `attach`) is an error.
//! A site with the name of a body, or a nameless one, is not a frame.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use nalgebra::{Isometry3, Translation3, UnitVector3, Vector3};
use roxmltree::Node;

use crate::error::{RobotError, list};
use crate::mjcf_orientation::{Angles, orientation};
use crate::tree::{Joint, JointKind, JointLimits, Link, Tree};
use crate::xml::{self, Reader, child, children};

const ACTUATORS: [&str; 8] =
    ["motor", "position", "velocity", "intvelocity", "damper", "cylinder", "muscle", "general"];

/// Reads an MJCF file.
pub(crate) fn read(path: &Path, text: &str) -> Result<Tree, RobotError> {
    let document = xml::parse(path, text)?;
    let reader = Reader { path };
    let root = document.root_element();
    if !root.has_tag_name("mujoco") {
        return Err(reader.error(root, "is not the root element of an MJCF", "<mujoco>"));
    }
    for node in root.descendants() {
        if ["include", "attach", "replicate", "frame"].contains(&node.tag_name().name()) {
            return Err(reader.error(node, "is not read", "bodies written out in this file"));
        }
    }
    let mut angles = Angles { degrees: true, sequence: "xyz".to_owned() };
    let mut autolimits = true;
    for compiler in children(root, "compiler") {
        match compiler.attribute("angle") {
            None => {}
            Some("degree") => angles.degrees = true,
            Some("radian") => angles.degrees = false,
            Some(other) => {
                return Err(reader.error(compiler, format!("angle `{other}`"), "degree, radian"));
            }
        }
        if let Some(sequence) = compiler.attribute("eulerseq") {
            if sequence.len() != 3 || !sequence.chars().all(|axis| "xyzXYZ".contains(axis)) {
                return Err(reader.error(
                    compiler,
                    format!("eulerseq `{sequence}`"),
                    "three of x, y, z, X, Y, Z",
                ));
            }
            angles.sequence = sequence.to_owned();
        }
        if let Some(value) = compiler.attribute("autolimits") {
            autolimits = value != "false";
        }
    }
    let mut defaults = Defaults::default();
    for node in children(root, "default") {
        defaults.collect(reader, node, None)?;
    }
    let mut bodies = Vec::new();
    for world in children(root, "worldbody") {
        bodies.extend(children(world, "body"));
    }
    let body = match bodies[..] {
        [body] => body,
        [] => {
            return Err(reader.error(
                root,
                "has no body in worldbody",
                "one body, the robot's root",
            ));
        }
        [_, second, ..] => {
            return Err(reader.error(
                second,
                "is a second root beside the first body of worldbody",
                "one body in worldbody",
            ));
        }
    };
    let mut walk = Walk {
        reader,
        angles,
        autolimits,
        defaults,
        names: BTreeSet::new(),
        tree: Tree { links: Vec::new(), joints: Vec::new(), free_root: false },
    };
    walk.root(body)?;
    walk.sites(body)?;
    walk.actuators(root)?;
    Ok(walk.tree)
}

/// The nodes of `default` classes: class name -> (parent class, tag -> nodes).
#[derive(Default)]
struct Defaults<'a, 'i> {
    classes: BTreeMap<String, (Option<String>, Node<'a, 'i>)>,
    main: Option<String>,
}

impl<'a, 'i: 'a> Defaults<'a, 'i> {
    fn collect(
        &mut self,
        reader: Reader<'_>,
        node: Node<'a, 'i>,
        parent: Option<&str>,
    ) -> Result<(), RobotError> {
        let class = match (node.attribute("class"), parent) {
            (Some(class), _) => class.to_owned(),
            (None, None) => "main".to_owned(),
            (None, Some(_)) => {
                return Err(reader.error(node, "a nested default has no class", "class=\"…\""));
            }
        };
        if parent.is_none() {
            self.main = Some(class.clone());
        }
        if self.classes.insert(class.clone(), (parent.map(str::to_owned), node)).is_some() {
            return Err(reader.error(
                node,
                format!("the class `{class}` is there already"),
                "each class once",
            ));
        }
        for nested in children(node, "default") {
            self.collect(reader, nested, Some(&class))?;
        }
        Ok(())
    }

    /// The node that carries an attribute: the element itself, else the nearest default class.
    fn source(
        &self,
        reader: Reader<'_>,
        node: Node<'a, 'i>,
        childclass: Option<&str>,
        attribute: &str,
    ) -> Result<Node<'a, 'i>, RobotError> {
        if node.has_attribute(attribute) {
            return Ok(node);
        }
        let mut class = node.attribute("class").or(childclass).or(self.main.as_deref());
        while let Some(name) = class {
            let Some((parent, defaults)) = self.classes.get(name) else {
                if name == "main" {
                    break;
                }
                return Err(reader.error(
                    node,
                    format!("class `{name}` does not exist"),
                    list(self.classes.keys().map(String::as_str)),
                ));
            };
            if let Some(found) =
                children(*defaults, tag_of(node)).find(|found| found.has_attribute(attribute))
            {
                return Ok(found);
            }
            class = parent.as_deref();
        }
        Ok(node)
    }
}

/// Tag of a node as a static name, for those that have defaults.
fn tag_of(node: Node<'_, '_>) -> &'static str {
    let tag = node.tag_name().name();
    ["joint", "site"].into_iter().chain(ACTUATORS).find(|known| *known == tag).unwrap_or("joint")
}

struct Walk<'a, 'i, 'r> {
    reader: Reader<'r>,
    angles: Angles,
    autolimits: bool,
    defaults: Defaults<'a, 'i>,
    names: BTreeSet<String>,
    tree: Tree,
}

impl<'a, 'i: 'a> Walk<'a, 'i, '_> {
    /// The root body. If it moves by joints of its own, they move it in a link `world`.
    fn root(&mut self, body: Node<'a, 'i>) -> Result<(), RobotError> {
        let free = body.children().any(|node| self.is_free(node));
        self.tree.free_root = free;
        if !free && children(body, "joint").next().is_some() {
            self.names.insert("world".to_owned());
            self.tree.links.push(Link {
                name: "world".to_owned(),
                parent: None,
                parent_from_link: Isometry3::identity(),
                joints: 0..0,
                mass_kg: 0.0,
                collisions: Vec::new(),
            });
            self.body(body, Some(0), None)
        } else {
            self.body(body, None, None)
        }
    }

    fn is_free(&self, node: Node<'_, '_>) -> bool {
        node.has_tag_name("freejoint")
            || (node.has_tag_name("joint") && node.attribute("type") == Some("free"))
    }

    fn body(
        &mut self,
        body: Node<'a, 'i>,
        parent: Option<usize>,
        childclass: Option<&'a str>,
    ) -> Result<(), RobotError> {
        let reader = self.reader;
        let name = reader.required(body, "name")?;
        if !self.names.insert(name.to_owned()) {
            return Err(reader.error(
                body,
                "a body of this name is there already",
                "each body name once",
            ));
        }
        let childclass = body.attribute("childclass").or(childclass);
        let mut mass_kg = 0.0;
        if let Some(inertial) = child(body, "inertial") {
            mass_kg = self.inertial(body, inertial)?;
        }
        let index = self.tree.links.len();
        // The pose of the root in the world is not part of the robot: its frame is the base frame.
        let parent_from_link = match parent {
            Some(_) => self.pose(body)?,
            None => Isometry3::identity(),
        };
        let first = self.tree.joints.len();
        for node in body.children().filter(Node::is_element) {
            if self.is_free(node) {
                if parent.is_some() {
                    return Err(reader.error(
                        node,
                        "a free joint below the root",
                        "a free joint in the root body only",
                    ));
                }
            } else if node.has_tag_name("joint") {
                let joint = self.joint(node, index, childclass)?;
                if self.tree.joints.iter().any(|other| other.name == joint.name) {
                    return Err(reader.error(
                        node,
                        "a joint of this name is there already",
                        "each joint name once",
                    ));
                }
                self.tree.joints.push(joint);
            }
        }
        self.tree.links.push(Link {
            name: name.to_owned(),
            parent,
            parent_from_link,
            joints: first..self.tree.joints.len(),
            mass_kg,
            collisions: Vec::new(),
        });
        for nested in children(body, "body") {
            self.body(nested, Some(index), childclass)?;
        }
        Ok(())
    }

    /// Sites become frames, after all bodies, so that bodies keep MuJoCo's order.
    fn sites(&mut self, body: Node<'a, 'i>) -> Result<(), RobotError> {
        let parent = self
            .tree
            .links
            .iter()
            .position(|link| Some(link.name.as_str()) == body.attribute("name"));
        for site in children(body, "site") {
            let Some(name) = site.attribute("name") else { continue };
            if self.names.insert(name.to_owned()) {
                let parent_from_link = self.pose(site)?;
                let joints = self.tree.joints.len();
                self.tree.links.push(Link {
                    name: name.to_owned(),
                    parent,
                    parent_from_link,
                    joints: joints..joints,
                    mass_kg: 0.0,
                    collisions: Vec::new(),
                });
            }
        }
        for nested in children(body, "body") {
            self.sites(nested)?;
        }
        Ok(())
    }

    fn pose(&self, node: Node<'_, '_>) -> Result<Isometry3<f64>, RobotError> {
        let position = self.reader.numbers::<3>(node, "pos")?.unwrap_or_default();
        Ok(Isometry3::from_parts(
            Translation3::from(Vector3::from(position)),
            orientation(self.reader, node, &self.angles)?,
        ))
    }

    fn inertial(&self, body: Node<'_, '_>, inertial: Node<'_, '_>) -> Result<f64, RobotError> {
        let reader = self.reader;
        let Some(mass) = reader.number(inertial, "mass")? else {
            return Err(reader.error(body, "inertial has no mass", "mass=\"kg\""));
        };
        if mass <= 0.0 {
            return Err(reader.error(body, format!("mass {mass} kg"), "a mass above 0"));
        }
        if let Some(moments) = reader.numbers::<3>(inertial, "diaginertia")?
            && moments.iter().any(|moment| *moment <= 0.0)
        {
            return Err(reader.error(
                body,
                format!("diaginertia {moments:?} kg m²"),
                "three moments above 0",
            ));
        }
        Ok(mass)
    }

    fn joint(
        &self,
        node: Node<'a, 'i>,
        link: usize,
        childclass: Option<&str>,
    ) -> Result<Joint, RobotError> {
        let reader = self.reader;
        let name = reader.required(node, "name")?;
        let from = |attribute| self.defaults.source(reader, node, childclass, attribute);
        let rotary = match from("type")?.attribute("type") {
            None | Some("hinge") => true,
            Some("slide") => false,
            Some(other) => {
                return Err(reader.error(
                    node,
                    format!("type `{other}`"),
                    "hinge, slide; free at the root",
                ));
            }
        };
        let unit = if rotary { self.angles.unit() } else { 1.0 };
        let axis = reader.numbers::<3>(from("axis")?, "axis")?.unwrap_or([0.0, 0.0, 1.0]);
        let Some(axis) = UnitVector3::try_new(Vector3::from(axis), 1e-9) else {
            return Err(reader.error(
                node,
                "axis is the zero vector",
                "a direction such as axis=\"0 0 1\"",
            ));
        };
        let range = reader
            .numbers::<2>(from("range")?, "range")?
            .map(|range| range.map(|value| value * unit));
        let limited = match from("limited")?.attribute("limited") {
            Some("true") => true,
            Some("false") => false,
            None | Some("auto") => self.autolimits && range.is_some(),
            Some(other) => {
                return Err(reader.error(node, format!("limited `{other}`"), "true, false, auto"));
            }
        };
        let (lower, upper) = match (limited, range) {
            (true, Some([lower, upper])) if lower < upper => (lower, upper),
            (true, Some([lower, upper])) => {
                return Err(reader.error(
                    node,
                    format!("lower limit {lower} is not below upper limit {upper}"),
                    "lower < upper",
                ));
            }
            (true, None) => {
                return Err(reader.error(
                    node,
                    "is limited, but has no range",
                    "range=\"lower upper\"",
                ));
            }
            (false, _) if rotary => (f64::NEG_INFINITY, f64::INFINITY),
            (false, _) => {
                return Err(reader.error(
                    node,
                    "a slide joint needs limits, there are none",
                    "range=\"lower upper\"",
                ));
            }
        };
        let max_effort = reader
            .numbers::<2>(from("actuatorfrcrange")?, "actuatorfrcrange")?
            .map_or(f64::INFINITY, |[low, high]| high.min(-low));
        let damping =
            reader.numbers::<1>(from("damping")?, "damping")?.map_or(0.0, |[damping]| damping);
        let kind = match (rotary, limited) {
            (false, _) => JointKind::Prismatic,
            (true, true) => JointKind::Revolute,
            (true, false) => JointKind::Continuous,
        };
        Ok(Joint {
            name: name.to_owned(),
            kind,
            link,
            axis,
            anchor_m: Vector3::from(reader.numbers::<3>(from("pos")?, "pos")?.unwrap_or_default()),
            zero: reader.number(from("ref")?, "ref")?.unwrap_or_default() * unit,
            limits: JointLimits { lower, upper, max_velocity: f64::INFINITY, max_effort },
            damping,
            mimic: None,
        })
    }

    /// Force limits of actuators with gear 1 narrow the effort limits of their joints.
    fn actuators(&mut self, root: Node<'a, 'i>) -> Result<(), RobotError> {
        let reader = self.reader;
        for node in
            children(root, "actuator").flat_map(|node| node.children()).filter(Node::is_element)
        {
            if !ACTUATORS.contains(&node.tag_name().name()) {
                continue;
            }
            let Some(name) = node.attribute("joint") else { continue };
            let Some(index) = self.tree.joints.iter().position(|joint| joint.name == name) else {
                let known = list(self.tree.joints.iter().map(|joint| joint.name.as_str()));
                return Err(reader.error(node, format!("joint `{name}` does not exist"), known));
            };
            let gear_from = self.defaults.source(reader, node, None, "gear")?;
            let gear = gear_from
                .attribute("gear")
                .and_then(|gear| gear.split_whitespace().next()?.parse::<f64>().ok())
                .unwrap_or(1.0);
            let range_from = self.defaults.source(reader, node, None, "forcerange")?;
            if let Some([low, high]) = reader.numbers::<2>(range_from, "forcerange")? {
                if low >= high {
                    return Err(reader.error(
                        node,
                        format!("forcerange {low} to {high}"),
                        "lower < upper",
                    ));
                }
                let limits = &mut self.tree.joints[index].limits;
                limits.max_effort = limits.max_effort.min(high.min(-low) * gear.abs());
            }
        }
        Ok(())
    }
}
