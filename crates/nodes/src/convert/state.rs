use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion, Vector3};
use sinew_hardware::{GroupTransition, Mode, OutputKind, SafetyState as Safety};
use sinew_msgs::geometry_msgs::{self, Point, Pose, Twist};
use sinew_msgs::sensor_msgs::{Imu, JointState as JointStateMsg};
use sinew_msgs::sinew_msgs::{
    GroupOwner, GroupTransition as TransitionMsg, RobotTick, SafetyState,
};
use sinew_msgs::std_msgs::Header;
use sinew_types::{BaseState, GripperState, ImuState, Layout, RobotState, Time};

use super::{ConvertError, duration_to_msg, expect_len, source_to_msg, time_from_msg, time_to_msg};

/// A pose; quaternions are listed x, y, z, w in ROS 2.
pub fn pose_to_msg(pose: &Isometry3<f64>) -> Pose {
    let (p, q) = (pose.translation.vector, pose.rotation.coords);
    Pose {
        position: Point { x: p.x, y: p.y, z: p.z },
        orientation: geometry_msgs::Quaternion { x: q.x, y: q.y, z: q.z, w: q.w },
    }
}

pub(crate) fn pose_from_msg(
    message: &'static str,
    field: &'static str,
    pose: &Pose,
) -> Result<Isometry3<f64>, ConvertError> {
    let (p, q) = (&pose.position, &pose.orientation);
    let quaternion = Quaternion::new(q.w, q.x, q.y, q.z);
    let norm = quaternion.norm();
    let finite = [p.x, p.y, p.z].iter().all(|v| v.is_finite());
    let is_unit = (norm - 1.0).abs() < 1e-3;
    if !finite || !is_unit {
        let reason = format!(
            "position ({}, {}, {}), quaternion norm {norm}; wanted: finite, norm 1",
            p.x, p.y, p.z
        );
        return Err(ConvertError { message, field, reason });
    }
    // Not normalised again: a state must come out of the wire bit for bit as it went in.
    let rotation = UnitQuaternion::new_unchecked(quaternion);
    Ok(Isometry3::from_parts(Translation3::new(p.x, p.y, p.z), rotation))
}

fn vector_to_msg(vector: Vector3<f64>) -> geometry_msgs::Vector3 {
    geometry_msgs::Vector3 { x: vector.x, y: vector.y, z: vector.z }
}

fn vector_from_msg(vector: &geometry_msgs::Vector3) -> Vector3<f64> {
    Vector3::new(vector.x, vector.y, vector.z)
}

/// A state as the skills see it.
pub fn tick_to_msg(state: &RobotState, layout: &Layout) -> RobotTick {
    let base = state.base.filter(|base| base.valid);
    let imu = state.imu.filter(|imu| imu.valid);
    let grippers = layout.groups().iter().filter(|g| g.kind == sinew_types::GroupKind::Gripper);
    RobotTick {
        tick: state.tick,
        stamp: time_to_msg(state.stamp),
        epoch: 0,
        layout_hash: state.layout_hash,
        joints_valid: state.joints.iter().all(|joint| joint.valid),
        joint_state: JointStateMsg {
            header: Header { stamp: time_to_msg(state.stamp), frame_id: String::new() },
            name: layout.joints().to_vec(),
            position: state.joints.iter().map(|joint| joint.position).collect(),
            velocity: state.joints.iter().map(|joint| joint.velocity).collect(),
            effort: state.joints.iter().map(|joint| joint.effort).collect(),
        },
        base_valid: base.is_some(),
        base_frame_id: "map".into(),
        base_child_frame_id: "base_link".into(),
        base_pose: pose_to_msg(&base.map_or(Isometry3::identity(), |base| base.map_from_base)),
        base_twist: base.map_or_else(Twist::default, |base| Twist {
            linear: vector_to_msg(base.linear_velocity),
            angular: vector_to_msg(base.angular_velocity),
        }),
        imu_valid: imu.is_some(),
        imu: imu.map_or_else(Imu::default, |imu| Imu {
            header: Header { stamp: time_to_msg(imu.stamp), frame_id: "imu_link".into() },
            orientation: {
                let q = imu.orientation.coords;
                geometry_msgs::Quaternion { x: q.x, y: q.y, z: q.z, w: q.w }
            },
            angular_velocity: vector_to_msg(imu.angular_velocity),
            linear_acceleration: vector_to_msg(imu.linear_acceleration),
            ..Imu::default()
        }),
        grippers_valid: state.grippers.iter().all(|gripper| gripper.valid),
        gripper_names: grippers.map(|group| group.name.clone()).collect(),
        gripper_width_m: state.grippers.iter().map(|gripper| gripper.width_m).collect(),
        gripper_force_n: state.grippers.iter().map(|gripper| gripper.force_n).collect(),
    }
}

/// Overwrites `state`, made for `layout`, with what the hardware measured.
///
/// # Errors
/// Arrays that do not fit the layout, or a pose that is none; `state` is then half overwritten.
pub fn tick_from_msg(
    message: &RobotTick,
    layout: &Layout,
    state: &mut RobotState,
) -> Result<(), ConvertError> {
    const MESSAGE: &str = "sinew_msgs/RobotTick";
    let joints = layout.joints().len();
    let measured = &message.joint_state;
    expect_len(MESSAGE, "joint_state.position", measured.position.len(), joints)?;
    expect_len(MESSAGE, "joint_state.velocity", measured.velocity.len(), joints)?;
    expect_len(MESSAGE, "joint_state.effort", measured.effort.len(), joints)?;
    expect_len(MESSAGE, "gripper_width_m", message.gripper_width_m.len(), layout.grippers())?;
    expect_len(MESSAGE, "gripper_force_n", message.gripper_force_n.len(), layout.grippers())?;
    if message.layout_hash != layout.hash() {
        let reason = format!("{:#x}; expected {:#x}", message.layout_hash, layout.hash());
        return Err(ConvertError { message: MESSAGE, field: "layout_hash", reason });
    }
    let stamp = time_from_msg(&message.stamp);
    state.tick = message.tick;
    state.stamp = stamp;
    state.layout_hash = message.layout_hash;
    for (i, joint) in state.joints.iter_mut().enumerate() {
        joint.position = measured.position[i];
        joint.velocity = measured.velocity[i];
        joint.effort = measured.effort[i];
        joint.stamp = stamp;
        joint.valid = message.joints_valid;
    }
    for (i, gripper) in state.grippers.iter_mut().enumerate() {
        *gripper = GripperState {
            width_m: message.gripper_width_m[i],
            velocity_m_s: 0.0,
            force_n: message.gripper_force_n[i],
            stamp,
            valid: message.grippers_valid,
        };
    }
    state.base = if message.base_valid {
        Some(BaseState {
            map_from_base: pose_from_msg(MESSAGE, "base_pose", &message.base_pose)?,
            linear_velocity: vector_from_msg(&message.base_twist.linear),
            angular_velocity: vector_from_msg(&message.base_twist.angular),
            stamp,
            valid: true,
        })
    } else {
        state.base.map(|base| BaseState { valid: false, ..base })
    };
    state.imu = if message.imu_valid {
        let q = &message.imu.orientation;
        Some(ImuState {
            orientation: UnitQuaternion::new_unchecked(Quaternion::new(q.w, q.x, q.y, q.z)),
            angular_velocity: vector_from_msg(&message.imu.angular_velocity),
            linear_acceleration: vector_from_msg(&message.imu.linear_acceleration),
            stamp,
            valid: true,
        })
    } else {
        state.imu.map(|imu| ImuState { valid: false, ..imu })
    };
    Ok(())
}

/// The number of an output kind on the wire.
pub const fn output_kind_to_msg(output: OutputKind) -> u8 {
    match output {
        OutputKind::None => GroupOwner::OUTPUT_NONE,
        OutputKind::Hold => GroupOwner::OUTPUT_HOLD,
        OutputKind::Ramp => GroupOwner::OUTPUT_RAMP,
        OutputKind::Damp => GroupOwner::OUTPUT_DAMP,
        OutputKind::Fallback => GroupOwner::OUTPUT_FALLBACK,
        OutputKind::Track => GroupOwner::OUTPUT_TRACK,
    }
}

/// A change of a group's output.
pub fn transition_to_msg(transition: &GroupTransition, layout: &Layout) -> TransitionMsg {
    TransitionMsg {
        group: layout.groups()[transition.group].name.clone(),
        output_kind: output_kind_to_msg(transition.output),
        still: transition.still,
        tick: transition.tick,
        stamp: time_to_msg(transition.at),
        wrote: transition.wrote,
        monotonic: duration_to_msg(transition.done_at.since(Time::ZERO)),
        lateness: duration_to_msg(transition.lateness),
    }
}

/// What the gate decided; owners in the order of their groups' names.
pub fn safety_to_msg(safety: &Safety, layout: &Layout, now: Time) -> SafetyState {
    let mut owners: Vec<GroupOwner> = layout
        .groups()
        .iter()
        .zip(&safety.groups)
        .map(|(group, state)| GroupOwner {
            group: group.name.clone(),
            source: state.owner.map_or(0, |(_, source)| source_to_msg(source)),
            lease_id: state.owner.map_or(0, |(lease, _)| lease.0),
            output_kind: output_kind_to_msg(state.output),
            needs_resume: state.needs_resume,
            clamped_cycles: state.clamps.total(),
        })
        .collect();
    owners.sort_by(|a, b| a.group.cmp(&b.group));
    SafetyState {
        stamp: time_to_msg(now),
        mode: match safety.mode {
            Mode::Disarmed => SafetyState::MODE_DISARMED,
            Mode::Ready => SafetyState::MODE_READY,
            Mode::ProtectiveStop => SafetyState::MODE_PROTECTIVE_STOP,
            Mode::Fault => SafetyState::MODE_FAULT,
            Mode::EStop => SafetyState::MODE_ESTOP,
        },
        causes: safety.causes.iter().map(|cause| cause.as_str().into()).collect(),
        stop_epoch: safety.stop_epoch.0,
        resumes: safety.resumes,
        owners,
    }
}
