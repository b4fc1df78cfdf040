//! Serial chains: forward kinematics and Jacobian.

use nalgebra::{Isometry3, Matrix6xX, UnitVector3, Vector3};

use crate::error::RobotError;
use crate::model::RobotModel;
use crate::tree::{JointKind, JointLimits, joint_motion};

/// A Jacobian with one column per joint: three rows of linear velocity (m per joint unit), three of angular velocity
/// (rad per joint unit), both of the tool frame's origin and expressed in the chain's base frame.
pub type Jacobian = Matrix6xX<f64>;

/// The joints between two frames, of which one is an ancestor of the other.
#[derive(Debug, Clone)]
pub struct Chain {
    base_frame: String,
    tool_frame: String,
    segments: Vec<Segment>,
    /// From the frame after the last joint to the tool.
    last_from_tool: Isometry3<f64>,
}

/// A joint with what is fixed before it.
#[derive(Debug, Clone)]
struct Segment {
    joint: usize,
    kind: JointKind,
    /// From the frame after the joint before (or the base frame) to this joint's frame at its zero.
    before: Isometry3<f64>,
    axis: UnitVector3<f64>,
    anchor_m: Vector3<f64>,
    zero: f64,
    limits: JointLimits,
}

impl Chain {
    /// The chain from `base_frame` down to `tool_frame`.
    ///
    /// # Errors
    /// [`RobotError::Unknown`] for a frame that does not exist; [`RobotError::NoChain`] if `base_frame` is not an
    /// ancestor of `tool_frame`, no joint lies between them, or one of those joints mimics another.
    pub fn new(model: &RobotModel, base_frame: &str, tool_frame: &str) -> Result<Self, RobotError> {
        let no_chain = |problem: String| RobotError::NoChain {
            base_frame: base_frame.to_owned(),
            tool_frame: tool_frame.to_owned(),
            problem,
        };
        let base = model.link_index(base_frame)?;
        let mut path = Vec::new();
        let mut current = model.link_index(tool_frame)?;
        while current != base {
            path.push(current);
            current = model.links()[current].parent.ok_or_else(|| {
                no_chain(format!("`{base_frame}` is not an ancestor of `{tool_frame}`"))
            })?;
        }
        let mut segments = Vec::new();
        let mut before = Isometry3::identity();
        for &link in path.iter().rev() {
            let link = &model.links()[link];
            before *= link.parent_from_link;
            for index in link.joints.clone() {
                let joint = &model.joints()[index];
                if joint.mimic.is_some() {
                    return Err(no_chain(format!("the joint `{}` mimics another", joint.name)));
                }
                segments.push(Segment {
                    joint: index,
                    kind: joint.kind,
                    before,
                    axis: joint.axis,
                    anchor_m: joint.anchor_m,
                    zero: joint.zero,
                    limits: joint.limits,
                });
                before = Isometry3::identity();
            }
        }
        if segments.is_empty() {
            return Err(no_chain("no joint lies between them".to_owned()));
        }
        Ok(Self {
            base_frame: base_frame.to_owned(),
            tool_frame: tool_frame.to_owned(),
            segments,
            last_from_tool: before,
        })
    }

    /// Number of joints.
    pub fn dof(&self) -> usize {
        self.segments.len()
    }

    /// Frame that poses and Jacobian are expressed in.
    pub fn base_frame(&self) -> &str {
        &self.base_frame
    }

    /// Frame that the chain moves.
    pub fn tool_frame(&self) -> &str {
        &self.tool_frame
    }

    /// Indices of the joints in the model, from base to tool: the order of the chain's vectors.
    pub fn joints(&self) -> impl ExactSizeIterator<Item = usize> + '_ {
        self.segments.iter().map(|segment| segment.joint)
    }

    /// Limits of the joints, from base to tool.
    pub fn limits(&self) -> impl ExactSizeIterator<Item = JointLimits> + '_ {
        self.segments.iter().map(|segment| segment.limits)
    }

    /// Pose of the tool in the base frame. Real-time safe.
    ///
    /// # Errors
    /// [`RobotError::Length`] if `positions` has not one value per joint of the chain.
    pub fn base_from_tool(&self, positions: &[f64]) -> Result<Isometry3<f64>, RobotError> {
        self.check_length("positions", positions.len())?;
        let mut pose = Isometry3::identity();
        for (segment, position) in self.segments.iter().zip(positions) {
            pose *= segment.before;
            pose *= joint_motion(
                segment.kind,
                &segment.axis,
                &segment.anchor_m,
                position - segment.zero,
            );
        }
        Ok(pose * self.last_from_tool)
    }

    /// A Jacobian of the right size, to be filled by [`Chain::jacobian`].
    pub fn new_jacobian(&self) -> Jacobian {
        Jacobian::zeros(self.dof())
    }

    /// Fills the Jacobian and returns the pose of the tool. Real-time safe.
    ///
    /// # Errors
    /// [`RobotError::Length`] if `positions` or `jacobian` has the wrong size.
    pub fn jacobian(
        &self,
        positions: &[f64],
        jacobian: &mut Jacobian,
    ) -> Result<Isometry3<f64>, RobotError> {
        self.check_length("positions", positions.len())?;
        self.check_length("columns of the Jacobian", jacobian.ncols())?;
        // First pass: each column holds a point on the joint's axis above the direction of the axis.
        let mut pose = Isometry3::identity();
        for (column, (segment, position)) in self.segments.iter().zip(positions).enumerate() {
            pose *= segment.before;
            let anchor = pose * nalgebra::Point3::from(segment.anchor_m);
            let axis = pose.rotation * segment.axis.into_inner();
            let mut column = jacobian.column_mut(column);
            column.fixed_rows_mut::<3>(0).copy_from(&anchor.coords);
            column.fixed_rows_mut::<3>(3).copy_from(&axis);
            pose *= joint_motion(
                segment.kind,
                &segment.axis,
                &segment.anchor_m,
                position - segment.zero,
            );
        }
        pose *= self.last_from_tool;
        // Second pass: now that the tool is known, the velocity that each joint gives it.
        for (column, segment) in self.segments.iter().enumerate() {
            let mut column = jacobian.column_mut(column);
            let anchor: Vector3<f64> = column.fixed_rows::<3>(0).into_owned();
            let axis: Vector3<f64> = column.fixed_rows::<3>(3).into_owned();
            let (linear, angular) = if segment.kind.is_rotary() {
                (axis.cross(&(pose.translation.vector - anchor)), axis)
            } else {
                (axis, Vector3::zeros())
            };
            column.fixed_rows_mut::<3>(0).copy_from(&linear);
            column.fixed_rows_mut::<3>(3).copy_from(&angular);
        }
        Ok(pose)
    }

    fn check_length(&self, what: &'static str, actual: usize) -> Result<(), RobotError> {
        if actual == self.dof() {
            Ok(())
        } else {
            Err(RobotError::Length { what, expected: self.dof(), actual })
        }
    }
}
