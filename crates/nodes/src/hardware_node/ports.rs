//! What the hardware node serves and publishes.

use std::time::Duration;

use nalgebra::Isometry3;
use sinew_bus::{BusError, BusNode, Publisher, Request, ServiceServer, names};
use sinew_msgs::builtin_interfaces;
use sinew_msgs::geometry_msgs::{Transform, TransformStamped, Vector3};
use sinew_msgs::nav_msgs::Odometry;
use sinew_msgs::rosgraph_msgs::Clock;
use sinew_msgs::sensor_msgs::{Imu, JointState};
use sinew_msgs::sinew_msgs::srv::{AcquireLease, ReleaseLease};
use sinew_msgs::sinew_msgs::{GroupTransition, RobotTick, SafetyState};
use sinew_msgs::std_msgs::{Bool, Header, String as StringMsg};
use sinew_msgs::std_srvs::srv::Trigger;
use sinew_msgs::tf2_msgs::TFMessage;
use sinew_robot::{Kinematics, RobotModel};
use sinew_types::{Layout, Time};

use crate::convert::{pose_to_msg, time_from_msg};
use crate::node::Change;
use crate::ros_clock::RosClock;

/// A request whose answer the control loop gives.
pub(crate) enum Reply {
    Acquire(Request<AcquireLease>),
    Release(Request<ReleaseLease>),
    Operator(Request<Trigger>),
    /// Who asked for it learns of it by the state of the life cycle.
    Change(Change),
}

/// What operators may ask for; planner and connector have no client for these.
#[derive(Clone, Copy)]
pub(crate) enum Operator {
    Arm,
    Disarm,
    Reset,
    Resume,
    EStop,
}

/// The services of the hardware node.
pub(crate) struct Ports {
    pub(crate) acquire: ServiceServer<AcquireLease>,
    pub(crate) release: ServiceServer<ReleaseLease>,
    operators: [(Operator, ServiceServer<Trigger>); 5],
}

impl Ports {
    pub(crate) fn new(node: &BusNode) -> Result<Self, BusError> {
        Ok(Self {
            acquire: node.service_server(&names::ACQUIRE_LEASE)?,
            release: node.service_server(&names::RELEASE_LEASE)?,
            operators: [
                // A stop is looked for before anything that could start motion.
                (Operator::EStop, node.service_server(&names::E_STOP_TRIGGER)?),
                (Operator::Disarm, node.service_server(&names::DISARM)?),
                (Operator::Reset, node.service_server(&names::E_STOP_RESET)?),
                (Operator::Arm, node.service_server(&names::ARM)?),
                (Operator::Resume, node.service_server(&names::RESUME)?),
            ],
        })
    }

    pub(crate) fn operator_request(&self) -> Option<(Operator, Request<Trigger>)> {
        self.operators
            .iter()
            .find_map(|(operator, server)| Some((*operator, server.take_request()?)))
    }
}

/// The longest time between two safety states on the wire.
const SAFETY_PERIOD: Duration = Duration::from_millis(100);

/// The topics of the hardware node.
pub(crate) struct Telemetry {
    tick: Publisher<RobotTick>,
    /// Where time is simulated, and followers of ROS 2's `use_sim_time` need it.
    clock: Option<Publisher<Clock>>,
    ros_clock: RosClock,
    joint_states: Publisher<JointState>,
    imu: Publisher<Imu>,
    odom: Publisher<Odometry>,
    tf: Publisher<TFMessage>,
    safety: Publisher<SafetyState>,
    e_stop: Publisher<Bool>,
    transitions: Publisher<GroupTransition>,
    last_safety: Option<(Time, SafetyState)>,
    kinematics: Kinematics,
    /// Parent and child of every link that moves against its parent, by index and name.
    links: Vec<(usize, usize, String, String)>,
    /// Latched: said once, kept alive here.
    _description: Publisher<StringMsg>,
    _tf_static: Publisher<TFMessage>,
}

impl Telemetry {
    pub(crate) fn new(
        node: &BusNode,
        model: &RobotModel,
        layout: &Layout,
        ros_clock: RosClock,
    ) -> Result<Self, BusError> {
        debug_assert_eq!(model.joints().len(), layout.joints().len());
        let description = node.publisher(&names::ROBOT_DESCRIPTION)?;
        let text = std::fs::read_to_string(model.body_path()).unwrap_or_default();
        description.publish(&StringMsg { data: text })?;
        let links = model.links();
        let with_parent = |index: usize| Some((links[index].parent?, index));
        let (fixed, moving): (Vec<_>, Vec<_>) = (0..links.len())
            .filter_map(with_parent)
            .partition(|(_, index)| links[*index].joints.is_empty());
        let tf_static = node.publisher(&names::TF_STATIC)?;
        // They hold at any time.
        let never = builtin_interfaces::Time::default();
        let transforms = fixed.into_iter().map(|(parent, index)| {
            let (parent, link) = (&links[parent].name, &links[index]);
            transform_to_msg(parent, &link.name, &link.parent_from_link, never)
        });
        tf_static.publish(&TFMessage { transforms: transforms.collect() })?;
        let moving = moving.into_iter().map(|(parent, index)| {
            (parent, index, links[parent].name.clone(), links[index].name.clone())
        });
        Ok(Self {
            tick: node.publisher(&names::ROBOT_TICK)?,
            clock: match ros_clock {
                RosClock::Simulated => Some(node.publisher(&names::CLOCK)?),
                RosClock::Wall => None,
            },
            ros_clock,
            joint_states: node.publisher(&names::JOINT_STATES)?,
            imu: node.publisher(&names::IMU)?,
            odom: node.publisher(&names::ODOM)?,
            tf: node.publisher(&names::TF)?,
            safety: node.publisher(&names::SAFETY_STATE)?,
            e_stop: node.publisher(&names::E_STOP)?,
            transitions: node.publisher(&names::TRANSITIONS)?,
            last_safety: None,
            kinematics: Kinematics::new(model),
            links: moving.collect(),
            _description: description,
            _tf_static: tf_static,
        })
    }

    /// Publishes a tick and its parts; the tick last, since it is what others wait for.
    pub(crate) fn state(&mut self, tick: &RobotTick, now: Time) -> Result<(), BusError> {
        let stamp = self.ros_clock.stamp(now);
        if let Some(clock) = &self.clock {
            clock.publish(&Clock { clock: stamp })?;
        }
        let mut joint_state = tick.joint_state.clone();
        joint_state.header.stamp = stamp;
        self.joint_states.publish(&joint_state)?;
        if tick.imu_valid {
            let mut imu = tick.imu.clone();
            imu.header.stamp = self.ros_clock.stamp(time_from_msg(&imu.header.stamp));
            self.imu.publish(&imu)?;
        }
        if tick.base_valid {
            let mut odom = Odometry {
                header: Header { stamp, frame_id: tick.base_frame_id.clone() },
                child_frame_id: tick.base_child_frame_id.clone(),
                ..Default::default()
            };
            odom.pose.pose = tick.base_pose.clone();
            odom.twist.twist = tick.base_twist.clone();
            self.odom.publish(&odom)?;
        }
        let transforms = self.transforms(tick, now);
        self.tf.publish(&TFMessage { transforms })?;
        self.tick.publish(tick)
    }

    fn transforms(&mut self, tick: &RobotTick, now: Time) -> Vec<TransformStamped> {
        let stamp = self.ros_clock.stamp(now);
        let header = |parent: &str| Header { stamp, frame_id: parent.into() };
        let mut transforms = Vec::with_capacity(self.links.len() + 1);
        if tick.base_valid {
            let (p, q) = (&tick.base_pose.position, &tick.base_pose.orientation);
            transforms.push(TransformStamped {
                header: header(&tick.base_frame_id),
                child_frame_id: tick.base_child_frame_id.clone(),
                transform: Transform {
                    translation: Vector3 { x: p.x, y: p.y, z: p.z },
                    rotation: *q,
                },
            });
        }
        if self.kinematics.update(&tick.joint_state.position).is_err() {
            return transforms;
        }
        let poses = self.kinematics.base_from_link();
        for (parent, child, parent_name, child_name) in &self.links {
            let pose = poses[*parent].inverse() * poses[*child];
            transforms.push(transform_to_msg(parent_name, child_name, &pose, stamp));
        }
        transforms
    }

    /// Publishes a change of a group's output.
    pub(crate) fn transition(&self, message: &GroupTransition) -> Result<(), BusError> {
        self.transitions.publish(message)
    }

    /// Publishes the safety state on change, and at 10 Hz.
    pub(crate) fn safety(&mut self, message: SafetyState, now: Time) -> Result<(), BusError> {
        if let Some((at, last)) = &self.last_safety
            && !changed(&message, last)
            && now.since(*at) < SAFETY_PERIOD
        {
            return Ok(());
        }
        let pressed = message.mode == SafetyState::MODE_ESTOP;
        self.e_stop.publish(&Bool { data: pressed })?;
        self.safety.publish(&message)?;
        self.last_safety = Some((now, message));
        Ok(())
    }
}

fn transform_to_msg(
    parent: &str,
    child: &str,
    pose: &Isometry3<f64>,
    stamp: builtin_interfaces::Time,
) -> TransformStamped {
    let (p, q) = {
        let pose = pose_to_msg(pose);
        (pose.position, pose.orientation)
    };
    TransformStamped {
        header: Header { stamp, frame_id: parent.into() },
        child_frame_id: child.into(),
        transform: Transform { translation: Vector3 { x: p.x, y: p.y, z: p.z }, rotation: q },
    }
}

/// Whether more differs than the stamp and the counters of clamps.
fn changed(a: &SafetyState, b: &SafetyState) -> bool {
    type Owner = sinew_msgs::sinew_msgs::GroupOwner;
    let owners = |state: &SafetyState| -> Vec<_> {
        let owner = |o: &Owner| (o.source, o.lease_id, o.output_kind, o.needs_resume);
        state.owners.iter().map(owner).collect()
    };
    let rest = |state: &SafetyState| (state.mode, state.stop_epoch, state.resumes);
    rest(a) != rest(b) || a.causes != b.causes || owners(a) != owners(b)
}
