use serde::{Deserialize, Serialize};

/// What a group of actuators is commanded with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupKind {
    /// One [`crate::JointCommand`] per joint.
    Joints,
    /// One [`crate::BaseTwist`]; the group's joints are wheels that the driver turns.
    Base,
    /// One [`crate::GripperCommand`]; the group's joints are fingers that the driver moves.
    Gripper,
}

/// A named set of joints that is leased, limited and stopped as one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupLayout {
    /// Unique within the robot.
    pub name: String,
    /// What it is commanded with.
    pub kind: GroupKind,
    /// Indices into [`Layout::joints`].
    pub joints: Vec<usize>,
    /// For a gripper: its index into the gripper vectors of state and command; else 0.
    pub gripper: usize,
}

/// The order of joints and groups that states and commands of one robot follow.
///
/// Each joint belongs to at most one group; there is at most one [`GroupKind::Base`] group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    joints: Vec<String>,
    groups: Vec<GroupLayout>,
    grippers: usize,
    hash: u64,
}

/// Why joints and groups do not make a layout.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// A group names a joint that the robot does not have.
    #[error(
        "group `{group}` names joint `{joint}`, which the robot does not have (joints: {known})"
    )]
    UnknownJoint {
        /// The group.
        group: String,
        /// The joint that is not there.
        joint: String,
        /// The joints that are, comma-separated.
        known: String,
    },
    /// A joint stands in two groups.
    #[error("joint `{joint}` is in groups `{first}` and `{second}`; a joint belongs to one group")]
    SharedJoint {
        /// The joint.
        joint: String,
        /// The group that has it.
        first: String,
        /// The group that names it again.
        second: String,
    },
    /// Two joints or two groups have one name.
    #[error("{what} `{name}` is defined twice")]
    Duplicate {
        /// `joint` or `group`.
        what: &'static str,
        /// The name.
        name: String,
    },
    /// More than one base group.
    #[error("groups `{first}` and `{second}` are both of kind base; one is allowed")]
    TwoBases {
        /// The first base group.
        first: String,
        /// The second base group.
        second: String,
    },
}

impl Layout {
    /// Joints in command order, and groups as (name, kind, joint names).
    ///
    /// # Errors
    /// Unknown or shared joints, duplicate names, two base groups.
    pub fn new(
        joints: Vec<String>,
        groups: Vec<(String, GroupKind, Vec<String>)>,
    ) -> Result<Self, LayoutError> {
        for (i, joint) in joints.iter().enumerate() {
            if joints[..i].contains(joint) {
                return Err(LayoutError::Duplicate { what: "joint", name: joint.clone() });
            }
        }
        let mut made: Vec<GroupLayout> = Vec::new();
        let mut owner: Vec<Option<usize>> = vec![None; joints.len()];
        let mut grippers = 0;
        for (name, kind, names) in groups {
            if made.iter().any(|g| g.name == name) {
                return Err(LayoutError::Duplicate { what: "group", name });
            }
            if kind == GroupKind::Base
                && let Some(first) = made.iter().find(|g| g.kind == GroupKind::Base)
            {
                return Err(LayoutError::TwoBases { first: first.name.clone(), second: name });
            }
            let mut indices = Vec::with_capacity(names.len());
            for joint in names {
                let Some(index) = joints.iter().position(|j| *j == joint) else {
                    let known = joints.join(", ");
                    return Err(LayoutError::UnknownJoint { group: name, joint, known });
                };
                if let Some(first) = owner[index] {
                    let first = made.get(first).map_or(name.clone(), |g| g.name.clone());
                    return Err(LayoutError::SharedJoint { joint, first, second: name });
                }
                owner[index] = Some(made.len());
                indices.push(index);
            }
            let gripper = if kind == GroupKind::Gripper { grippers } else { 0 };
            grippers += usize::from(kind == GroupKind::Gripper);
            made.push(GroupLayout { name, kind, joints: indices, gripper });
        }
        let hash = hash_of(&joints, &made);
        Ok(Self { joints, groups: made, grippers, hash })
    }

    /// Joint names in the order of every per-joint vector.
    pub fn joints(&self) -> &[String] {
        &self.joints
    }

    /// Groups in the order of the robot file.
    pub fn groups(&self) -> &[GroupLayout] {
        &self.groups
    }

    /// How many groups are grippers.
    pub fn grippers(&self) -> usize {
        self.grippers
    }

    /// The index of a group.
    pub fn group_index(&self, name: &str) -> Option<usize> {
        self.groups.iter().position(|g| g.name == name)
    }

    /// The index of a joint.
    pub fn joint_index(&self, name: &str) -> Option<usize> {
        self.joints.iter().position(|j| j == name)
    }

    /// FNV-1a (64 bit) over names, kinds and order: equal on both ends or a command is refused.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}

fn hash_of(joints: &[String], groups: &[GroupLayout]) -> u64 {
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut eat = |bytes: &[u8]| {
        // The length goes in as well, so that ("ab", "c") and ("a", "bc") differ.
        for byte in (bytes.len() as u64).to_le_bytes().iter().chain(bytes) {
            hash = (hash ^ u64::from(*byte)).wrapping_mul(PRIME);
        }
    };
    for joint in joints {
        eat(joint.as_bytes());
    }
    for group in groups {
        eat(group.name.as_bytes());
        eat(&[match group.kind {
            GroupKind::Joints => 0,
            GroupKind::Base => 1,
            GroupKind::Gripper => 2,
        }]);
        for index in &group.joints {
            eat(&(*index as u64).to_le_bytes());
        }
    }
    hash
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn order_of_joints_changes_the_hash() {
        let a = Layout::new(names(&["x", "y"]), vec![]).expect("valid");
        let b = Layout::new(names(&["y", "x"]), vec![]).expect("valid");
        assert_ne!(a.hash(), b.hash());
    }

    #[test]
    fn a_joint_in_two_groups_is_refused_by_name() {
        let groups = vec![
            ("arm".into(), GroupKind::Joints, names(&["x"])),
            ("head".into(), GroupKind::Joints, names(&["x"])),
        ];
        let error = Layout::new(names(&["x"]), groups).expect_err("shared").to_string();
        assert!(error.contains("`x`") && error.contains("`arm`") && error.contains("`head`"));
    }

    #[test]
    fn an_unknown_joint_is_refused_with_the_known_ones() {
        let groups = vec![("arm".into(), GroupKind::Joints, names(&["z"]))];
        let error = Layout::new(names(&["x", "y"]), groups).expect_err("unknown").to_string();
        assert!(error.contains("`z`") && error.contains("x, y"));
    }
}
