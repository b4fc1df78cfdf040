use sinew_hardware::{AxisLimits, ControlHandle, GateGroup, GroupLimits};
use sinew_robot::RobotModel;
use sinew_types::Layout;

/// The joints of one group that is commanded by position.
pub(super) struct Joints {
    /// Of the group.
    pub(super) group: String,
    /// Of the joints, in the group's order, as every other list here.
    pub(super) names: Vec<String>,
    /// In the layout.
    pub(super) indices: Vec<usize>,
    /// What set-points the gate lets through.
    pub(super) limits: Vec<AxisLimits>,
    /// Whether positions are in rad; else they are in m.
    pub(super) rotary: Vec<bool>,
}

impl Joints {
    /// None if the group is not commanded by the positions of its joints.
    pub(super) fn of(
        robot: &RobotModel,
        layout: &Layout,
        index: usize,
        gate: &GateGroup,
    ) -> Option<Self> {
        let GroupLimits::Position(limits) = &gate.limits else { return None };
        let group = &layout.groups()[index];
        let is_rotary = |joint: &usize| robot.joints()[*joint].kind.is_rotary();
        Some(Self {
            group: group.name.clone(),
            names: group.joints.iter().map(|joint| layout.joints()[*joint].clone()).collect(),
            indices: group.joints.clone(),
            limits: limits.clone(),
            rotary: group.joints.iter().map(is_rotary).collect(),
        })
    }

    /// Of a joint's positions.
    pub(super) fn unit(&self, joint: usize) -> &'static str {
        if self.rotary[joint] { "rad" } else { "m" }
    }

    /// What is measured, positions and velocities.
    pub(super) fn measured(&self, handle: &mut ControlHandle) -> (Vec<f64>, Vec<f64>) {
        let joints = &handle.state().joints;
        let measured = self.indices.iter().map(|index| &joints[*index]);
        measured.map(|joint| (joint.position, joint.velocity)).unzip()
    }
}
