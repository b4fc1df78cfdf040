//! Poses of all links.

use nalgebra::Isometry3;

use crate::error::RobotError;
use crate::model::RobotModel;
use crate::tree::{Joint, Link, joint_motion};

/// Forward kinematics of a whole robot. Its buffers are made once; updates do not allocate.
#[derive(Debug, Clone, PartialEq)]
pub struct Kinematics {
    links: Vec<Link>,
    joints: Vec<Joint>,
    base_from_link: Vec<Isometry3<f64>>,
}

impl Kinematics {
    /// Kinematics of a robot, with every joint at its zero.
    pub fn new(model: &RobotModel) -> Self {
        let mut kinematics = Self {
            links: model.links().to_vec(),
            joints: model.joints().to_vec(),
            base_from_link: vec![Isometry3::identity(); model.links().len()],
        };
        let zeros: Vec<f64> = kinematics.joints.iter().map(|joint| joint.zero).collect();
        kinematics.compute(&zeros);
        kinematics
    }

    /// Computes all poses from joint positions, one per joint of the model, mimic joints included. Real-time safe.
    ///
    /// # Errors
    /// [`RobotError::Length`].
    pub fn update(&mut self, positions: &[f64]) -> Result<(), RobotError> {
        if positions.len() != self.joints.len() {
            return Err(RobotError::Length {
                what: "positions",
                expected: self.joints.len(),
                actual: positions.len(),
            });
        }
        self.compute(positions);
        Ok(())
    }

    fn compute(&mut self, positions: &[f64]) {
        for (index, link) in self.links.iter().enumerate() {
            let mut pose = match link.parent {
                Some(parent) => self.base_from_link[parent] * link.parent_from_link,
                None => link.parent_from_link,
            };
            for joint_index in link.joints.clone() {
                let joint = &self.joints[joint_index];
                pose *= joint_motion(
                    joint.kind,
                    &joint.axis,
                    &joint.anchor_m,
                    positions[joint_index] - joint.zero,
                );
            }
            self.base_from_link[index] = pose;
        }
    }

    /// How many joints there are: the length of the positions.
    pub fn joints(&self) -> usize {
        self.joints.len()
    }

    /// Poses of all links in the base frame, in the order of [`RobotModel::links`], as of the last update. Real-time safe.
    pub fn base_from_link(&self) -> &[Isometry3<f64>] {
        &self.base_from_link
    }
}
