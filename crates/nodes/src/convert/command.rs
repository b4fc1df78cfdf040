use sinew_hardware::Refused;
use sinew_msgs::geometry_msgs::{Twist, Vector3};
use sinew_msgs::sinew_msgs::AcquireLeaseRequest;
use sinew_msgs::sinew_msgs::{ActuatorCommand as CommandMsg, GripperCommand as GripperMsg};
use sinew_types::{
    ActuatorCommand, BaseTwist, BootId, GripperCommand, GroupKind, JointCommand, Layout, LeaseId,
    Source,
};

use super::{ConvertError, duration_from_msg, duration_to_msg, expect_len};

/// The frame that base twists are given in.
const TWIST_FRAME: &str = "base_link";

/// A command as it goes over the wire; interfaces that no joint uses go as empty arrays.
pub fn command_to_msg(command: &ActuatorCommand, layout: &Layout) -> CommandMsg {
    let names = layout.groups().iter().filter(|group| group.kind == GroupKind::Gripper);
    let interface = |read: fn(&JointCommand) -> f64| -> Vec<f64> {
        if command.joints.iter().all(|joint| read(joint).is_nan()) {
            return Vec::new();
        }
        command.joints.iter().map(read).collect()
    };
    let base = command.base.unwrap_or_default();
    CommandMsg {
        lease_id: command.lease.0,
        seq: command.seq,
        boot_id: command.boot_id.0,
        tick: command.tick,
        valid_for: duration_to_msg(command.valid_for),
        dead_man: command.dead_man,
        layout_hash: command.layout_hash,
        position: interface(|joint| joint.position),
        velocity: interface(|joint| joint.velocity),
        effort: interface(|joint| joint.effort),
        kp: interface(|joint| joint.kp),
        kd: interface(|joint| joint.kd),
        has_twist: command.base.is_some(),
        twist: Twist {
            linear: Vector3 { x: base.linear_x, y: base.linear_y, z: 0.0 },
            angular: Vector3 { x: 0.0, y: 0.0, z: base.angular_z },
        },
        twist_frame: TWIST_FRAME.into(),
        grippers: command
            .grippers
            .iter()
            .zip(names)
            .map(|(gripper, group)| GripperMsg {
                name: group.name.clone(),
                width_m: gripper.width_m,
                max_force_n: gripper.max_force_n,
            })
            .collect(),
    }
}

/// A command for this layout from the wire.
///
/// # Errors
/// Arrays that fit neither the layout nor "unused", or a twist in another frame. The layout's hash
/// is left to the gate.
pub fn command_from_msg(
    message: &CommandMsg,
    layout: &Layout,
) -> Result<ActuatorCommand, ConvertError> {
    const MESSAGE: &str = "sinew_msgs/ActuatorCommand";
    let mut command = ActuatorCommand::unused(layout);
    let joints = layout.joints().len();
    type Field = fn(&mut JointCommand) -> &mut f64;
    let fields: [(&'static str, &Vec<f64>, Field); 5] = [
        ("position", &message.position, |joint| &mut joint.position),
        ("velocity", &message.velocity, |joint| &mut joint.velocity),
        ("effort", &message.effort, |joint| &mut joint.effort),
        ("kp", &message.kp, |joint| &mut joint.kp),
        ("kd", &message.kd, |joint| &mut joint.kd),
    ];
    for (name, values, field) in fields {
        if values.is_empty() {
            continue;
        }
        expect_len(MESSAGE, name, values.len(), joints)?;
        for (joint, value) in command.joints.iter_mut().zip(values) {
            *field(joint) = *value;
        }
    }
    if !message.grippers.is_empty() {
        expect_len(MESSAGE, "grippers", message.grippers.len(), layout.grippers())?;
        for (gripper, value) in command.grippers.iter_mut().zip(&message.grippers) {
            *gripper = GripperCommand { width_m: value.width_m, max_force_n: value.max_force_n };
        }
    }
    if message.has_twist {
        if message.twist_frame != TWIST_FRAME {
            let reason = format!("`{}`; allowed: {TWIST_FRAME}", message.twist_frame);
            return Err(ConvertError { message: MESSAGE, field: "twist_frame", reason });
        }
        command.base = Some(BaseTwist {
            linear_x: message.twist.linear.x,
            linear_y: message.twist.linear.y,
            angular_z: message.twist.angular.z,
        });
    }
    command.lease = LeaseId(message.lease_id);
    command.seq = message.seq;
    command.boot_id = BootId(message.boot_id);
    command.tick = message.tick;
    command.valid_for = duration_from_msg(&message.valid_for);
    command.dead_man = message.dead_man;
    command.layout_hash = message.layout_hash;
    Ok(command)
}

/// The number of a source on the wire.
pub const fn source_to_msg(source: Source) -> u8 {
    match source {
        Source::Fallback => AcquireLeaseRequest::SOURCE_FALLBACK,
        Source::Skill => AcquireLeaseRequest::SOURCE_SKILL,
        Source::External => AcquireLeaseRequest::SOURCE_EXTERNAL,
        Source::Teleop => AcquireLeaseRequest::SOURCE_TELEOP,
    }
}

/// The source of a number on the wire, if there is one.
pub const fn source_from_msg(source: u8) -> Option<Source> {
    match source {
        AcquireLeaseRequest::SOURCE_FALLBACK => Some(Source::Fallback),
        AcquireLeaseRequest::SOURCE_SKILL => Some(Source::Skill),
        AcquireLeaseRequest::SOURCE_EXTERNAL => Some(Source::External),
        AcquireLeaseRequest::SOURCE_TELEOP => Some(Source::Teleop),
        _ => None,
    }
}

/// Why the gate refused a request, with the names of groups in place of their numbers.
pub(crate) fn refused_to_text(refused: Refused, layout: &Layout) -> String {
    layout.groups().iter().enumerate().fold(refused.to_string(), |text, (index, group)| {
        text.replace(&format!("group {index} "), &format!("group `{}` ", group.name))
    })
}
