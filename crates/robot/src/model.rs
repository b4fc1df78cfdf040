//! A robot: its body and what its YAML says about it, checked against each other.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::chain::Chain;
use crate::check;
use crate::config::{
    BaseConfig, ChainConfig, CommandInterface, GripperConfig, LimitProfile, RobotConfig,
    SensorsConfig, StopProfile,
};
use crate::error::{RobotError, list};
use crate::tree::{Joint, Link, Tree};
use crate::{mjcf, urdf};

/// Format of the file that describes the body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ModelFormat {
    /// Unified Robot Description Format.
    Urdf,
    /// MuJoCo's XML.
    Mjcf,
}

/// A loaded robot.
#[derive(Debug, Clone)]
pub struct RobotModel {
    config: RobotConfig,
    path: PathBuf,
    body_path: PathBuf,
    format: ModelFormat,
    links: Vec<Link>,
    joints: Vec<Joint>,
    groups: Vec<Group>,
}

/// A group of joints, with names resolved to indices.
#[derive(Debug, Clone)]
pub struct Group {
    /// Name.
    pub name: String,
    /// Indices into [`RobotModel::joints`], in the order of the group's vectors.
    pub joints: Vec<usize>,
    /// What the group is commanded by.
    pub command: CommandInterface,
    /// How often the driver reads and writes the group.
    pub rw_rate_hz: u32,
    /// Ends of the serial chain that the joints form, if they do.
    pub chain: Option<ChainConfig>,
    /// Set for a parallel gripper.
    pub gripper: Option<GripperConfig>,
    /// How commands are limited.
    pub limits: LimitProfile,
    /// How the group comes to rest.
    pub stop: StopProfile,
    /// Named positions, each in the order of `joints`, in joint units.
    pub configurations: BTreeMap<String, Vec<f64>>,
}

impl Group {
    /// Positions of a named configuration, in the order of `joints`.
    ///
    /// # Errors
    /// [`RobotError::Unknown`] if the group has no such configuration.
    pub fn configuration(&self, name: &str) -> Result<&[f64], RobotError> {
        self.configurations.get(name).map(Vec::as_slice).ok_or_else(|| RobotError::Unknown {
            kind: "configuration",
            name: name.to_owned(),
            known: list(self.configurations.keys().map(String::as_str)),
        })
    }
}

impl RobotModel {
    /// Loads a robot YAML and the URDF or MJCF that it names.
    ///
    /// # Errors
    /// Any [`RobotError`] about files; each names the file, the field or line, the value and what is allowed.
    pub fn load(robot_yaml: impl AsRef<Path>) -> Result<Self, RobotError> {
        Self::load_file(robot_yaml.as_ref())
    }

    /// Not generic, so that all it takes to read YAML is compiled once and not in each crate that calls it.
    fn load_file(path: &Path) -> Result<Self, RobotError> {
        let config: RobotConfig = serde_saphyr::from_str(&read(path)?).map_err(|error| {
            RobotError::Yaml { path: path.to_owned(), problem: error.to_string() }
        })?;
        let (body, format) = match (&config.urdf, &config.mjcf) {
            (Some(urdf), None) => (urdf, ModelFormat::Urdf),
            (None, Some(mjcf)) => (mjcf, ModelFormat::Mjcf),
            (given, _) => {
                return Err(RobotError::Field {
                    path: path.to_owned(),
                    field: "urdf, mjcf".to_owned(),
                    value: if given.is_some() { "both are given" } else { "neither is given" }
                        .to_owned(),
                    allowed: "exactly one of them".to_owned(),
                });
            }
        };
        let body_path = path.parent().unwrap_or(Path::new("")).join(body);
        let tree = read_body(&body_path)?;
        check::config(path, &config, &tree)?;
        Ok(Self::assemble(config, path.to_owned(), body_path, format, tree))
    }

    /// Checks a URDF or MJCF file alone, without a robot YAML. The root element decides which it is.
    ///
    /// # Errors
    /// As [`RobotModel::load`].
    pub fn check_body(path: &Path) -> Result<(), RobotError> {
        read_body(path).map(|_| ())
    }

    /// Names of the joints that move, in the order of a URDF or MJCF file, or of the one that a robot file names.
    ///
    /// # Errors
    /// As [`RobotModel::load`].
    pub fn joints_of(path: &Path) -> Result<Vec<String>, RobotError> {
        let joints = match path.extension().is_some_and(|end| end == "yaml") {
            true => Self::load(path)?.joints,
            false => read_body(path)?.joints,
        };
        Ok(joints.into_iter().map(|joint| joint.name).collect())
    }

    fn assemble(
        config: RobotConfig,
        path: PathBuf,
        body_path: PathBuf,
        format: ModelFormat,
        tree: Tree,
    ) -> Self {
        let Tree { links, mut joints, .. } = tree;
        for joint in &mut joints {
            if let Some(narrower) = config.joint_limits.get(&joint.name) {
                let limits = &mut joint.limits;
                limits.lower = narrower.lower.map_or(limits.lower, |value| value.max(limits.lower));
                limits.upper = narrower.upper.map_or(limits.upper, |value| value.min(limits.upper));
                limits.max_velocity = narrower
                    .max_velocity
                    .map_or(limits.max_velocity, |value| value.min(limits.max_velocity));
                limits.max_effort = narrower
                    .max_effort
                    .map_or(limits.max_effort, |value| value.min(limits.max_effort));
            }
        }
        let index_of = |name: &String| joints.iter().position(|joint| joint.name == *name);
        let groups: Vec<Group> = config
            .groups
            .iter()
            .map(|(name, group)| Group {
                name: name.clone(),
                joints: group.joints.iter().filter_map(index_of).collect(),
                command: group.command,
                rw_rate_hz: group.rw_rate_hz,
                chain: group.chain.clone(),
                gripper: group.gripper,
                limits: group.limits,
                stop: group.stop.clone(),
                configurations: group
                    .configurations
                    .iter()
                    .map(|(name, values)| {
                        (
                            name.clone(),
                            group
                                .joints
                                .iter()
                                .filter_map(|joint| values.get(joint).copied())
                                .collect(),
                        )
                    })
                    .collect(),
            })
            .collect();
        Self { config, path, body_path, format, links, joints, groups }
    }

    /// Name of the robot.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The robot YAML as it was read.
    pub fn config(&self) -> &RobotConfig {
        &self.config
    }

    /// Path of the robot YAML.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Path of the URDF or MJCF.
    pub fn body_path(&self) -> &Path {
        &self.body_path
    }

    /// Format of the file at [`RobotModel::body_path`].
    pub fn format(&self) -> ModelFormat {
        self.format
    }

    /// How the robot stands in the world.
    pub fn base(&self) -> &BaseConfig {
        &self.config.base
    }

    /// IMU and cameras.
    pub fn sensors(&self) -> &SensorsConfig {
        &self.config.sensors
    }

    /// Rate of the control loop.
    pub fn control_rate_hz(&self) -> u32 {
        self.config.control_rate_hz
    }

    /// All links, parents first; the first is the root and its frame the base frame.
    pub fn links(&self) -> &[Link] {
        &self.links
    }

    /// All joints that move, mimic joints included, in the order of every whole-robot vector.
    pub fn joints(&self) -> &[Joint] {
        &self.joints
    }

    /// All groups, by name.
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// A group by name.
    ///
    /// # Errors
    /// [`RobotError::Unknown`].
    pub fn group(&self, name: &str) -> Result<&Group, RobotError> {
        find(&self.groups, "group", name, |group| &group.name).map(|index| &self.groups[index])
    }

    /// Index of a joint.
    ///
    /// # Errors
    /// [`RobotError::Unknown`].
    pub fn joint_index(&self, name: &str) -> Result<usize, RobotError> {
        find(&self.joints, "joint", name, |joint| &joint.name)
    }

    /// Index of a link or MJCF site.
    ///
    /// # Errors
    /// [`RobotError::Unknown`].
    pub fn link_index(&self, name: &str) -> Result<usize, RobotError> {
        find(&self.links, "link", name, |link| &link.name)
    }

    /// The chain of a group that has one; its joints are the group's, in the same order.
    ///
    /// # Errors
    /// [`RobotError::Unknown`] if there is no such group, [`RobotError::NoChain`] if it names no chain.
    pub fn chain(&self, group: &str) -> Result<Chain, RobotError> {
        let chain = self.group(group)?.chain.as_ref().ok_or_else(|| RobotError::NoChain {
            base_frame: "?".to_owned(),
            tool_frame: "?".to_owned(),
            problem: format!("the group `{group}` has no `chain` in {}", self.path.display()),
        })?;
        Chain::new(self, &chain.base_frame, &chain.tool_frame)
    }

    /// Sets the positions of mimic joints from those that they copy. Real-time safe.
    ///
    /// # Errors
    /// [`RobotError::Length`] if `positions` has not one value per joint.
    pub fn apply_mimic(&self, positions: &mut [f64]) -> Result<(), RobotError> {
        if positions.len() != self.joints.len() {
            return Err(RobotError::Length {
                what: "positions",
                expected: self.joints.len(),
                actual: positions.len(),
            });
        }
        for (index, joint) in self.joints.iter().enumerate() {
            if let Some(mimic) = joint.mimic {
                positions[index] = mimic.multiplier * positions[mimic.joint] + mimic.offset;
            }
        }
        Ok(())
    }
}

fn find<T>(
    all: &[T],
    kind: &'static str,
    name: &str,
    name_of: impl Fn(&T) -> &String,
) -> Result<usize, RobotError> {
    all.iter().position(|item| name_of(item) == name).ok_or_else(|| RobotError::Unknown {
        kind,
        name: name.to_owned(),
        known: list(all.iter().map(|item| name_of(item).as_str())),
    })
}

fn read(path: &Path) -> Result<String, RobotError> {
    std::fs::read_to_string(path)
        .map_err(|source| RobotError::Read { path: path.to_owned(), source })
}

fn read_body(path: &Path) -> Result<Tree, RobotError> {
    let text = read(path)?;
    // The root element tells the formats apart; anything else is reported as a URDF that has the wrong one.
    let is_mjcf = crate::xml::parse(path, &text)?.root_element().has_tag_name("mujoco");
    if is_mjcf { mjcf::read(path, &text) } else { urdf::read(path, &text) }
}
