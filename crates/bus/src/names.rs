//! Every name, type and quality of service on the wire. Names are relative to the robot's
//! namespace unless they begin with a slash, or with `~/`: those are under the node's own name.

use std::borrow::Cow;
use std::marker::PhantomData;
use std::time::Duration;

use sinew_msgs::sinew_msgs as sinew;
use sinew_msgs::{
    control_msgs, diagnostic_msgs, geometry_msgs, lifecycle_msgs, moveit_msgs, nav_msgs, nav2_msgs,
    rcl_interfaces, rosgraph_msgs, sensor_msgs, std_msgs, std_srvs, tf2_msgs, vision_msgs,
};

use crate::{Action, Message, Qos, Service};

/// Name, type and quality of service of a topic.
#[derive(Debug)]
pub struct Topic<M> {
    /// Relative to the namespace, or absolute.
    pub name: Cow<'static, str>,
    /// Of publishers and subscriptions alike.
    pub qos: Qos,
    message: PhantomData<fn() -> M>,
}

impl<M: Message> Topic<M> {
    /// A topic of a fixed name.
    #[must_use]
    pub const fn new(name: &'static str, qos: Qos) -> Self {
        Self { name: Cow::Borrowed(name), qos, message: PhantomData }
    }

    /// A topic whose name is made at run time.
    #[must_use]
    pub const fn named(name: String, qos: Qos) -> Self {
        Self { name: Cow::Owned(name), qos, message: PhantomData }
    }

    /// The same with another quality of service.
    #[must_use]
    pub fn with_qos(self, qos: Qos) -> Self {
        Self { qos, ..self }
    }
}

/// Name and type of a service.
#[derive(Debug)]
pub struct ServiceName<S> {
    /// Relative to the namespace, or absolute.
    pub name: Cow<'static, str>,
    service: PhantomData<fn() -> S>,
}

impl<S: Service> ServiceName<S> {
    /// A service of a fixed name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), service: PhantomData }
    }

    /// A service whose name is made at run time.
    #[must_use]
    pub const fn named(name: String) -> Self {
        Self { name: Cow::Owned(name), service: PhantomData }
    }
}

/// Name and type of an action.
#[derive(Debug)]
pub struct ActionName<A> {
    /// Relative to the namespace, or absolute.
    pub name: Cow<'static, str>,
    action: PhantomData<fn() -> A>,
}

impl<A: Action> ActionName<A> {
    /// An action of a fixed name.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), action: PhantomData }
    }

    /// An action whose name is made at run time.
    #[must_use]
    pub const fn named(name: String) -> Self {
        Self { name: Cow::Owned(name), action: PhantomData }
    }
}

/// From an instruction to a measured outcome; served by the connector.
pub const EXECUTE_TASK: ActionName<sinew::action::ExecuteTask> = ActionName::new("execute_task");
/// One skill call; served by the skill server.
pub const EXECUTE_SKILL: ActionName<sinew::action::ExecuteSkill> = ActionName::new("execute_skill");

/// Manifests of every skill that can be called.
pub const SKILLS: Topic<sinew::SkillManifestArray> = Topic::new("skills", Qos::latched(1));
/// What running goals do.
pub const SKILL_STATUS: Topic<sinew::SkillStatus> = Topic::new("skill_status", Qos::latched(10));
/// How goals ended, and why goals were rejected.
pub const SKILL_RESULTS: Topic<sinew::SkillResult> = Topic::new("skill_results", Qos::latched(10));

/// The world as the connector believes it to be.
pub const WORLD: Topic<sinew::WorldObjects> = Topic::new("world", Qos::reliable(1));
/// What perception sources see now, raw.
pub const DETECTIONS: Topic<sinew::WorldObjects> = Topic::new("detections", Qos::reliable(10));
/// What a detector of another system sees, which the perception node makes detections of. Best effort, so that publishers of
/// either kind are heard.
pub const DETECTIONS_3D: Topic<vision_msgs::Detection3DArray> =
    Topic::new("detections_3d", Qos::best_effort(10));

/// The only message that the gate takes. Several leases may be commanded at once, each with messages
/// of its own, so the queue is deeper than one; of each lease only the newest command counts.
pub const COMMAND: Topic<sinew::ActuatorCommand> = Topic::new("command", Qos::best_effort(10));
/// Asks for authority over actuator groups.
pub const ACQUIRE_LEASE: ServiceName<sinew::srv::AcquireLease> =
    ServiceName::new("authority/acquire");
/// Gives authority back.
pub const RELEASE_LEASE: ServiceName<sinew::srv::ReleaseLease> =
    ServiceName::new("authority/release");

/// Mode, latched causes, stop epoch, owner per group; 10 Hz and on change.
pub const SAFETY_STATE: Topic<sinew::SafetyState> = Topic::new("safety/state", Qos::latched(1));
/// Who commands each group on behalf of what; on change. Deep, so that a log misses none.
pub const PROVENANCE: Topic<sinew::Provenance> = Topic::new("provenance", Qos::latched(64));
/// Each change of a group's output, with the monotonic time at which it reached the driver.
pub const TRANSITIONS: Topic<sinew::GroupTransition> =
    Topic::new("safety/transitions", Qos::reliable(100));
/// The e-stop input as the hardware reads it.
pub const E_STOP: Topic<std_msgs::Bool> = Topic::new("hardware/e_stop", Qos::latched(1));
/// A remote emergency stop that says all the time whether it is pressed; the hardware stops when it
/// falls silent, where the robot file names such a device.
pub const E_STOP_HEARTBEAT: Topic<std_msgs::Bool> =
    Topic::new("hardware/e_stop_heartbeat", Qos::best_effort(1));
/// Operator: stop now.
pub const E_STOP_TRIGGER: ServiceName<std_srvs::srv::Trigger> =
    ServiceName::new("hardware/e_stop_trigger");
/// Operator: forget the e-stop and faults, inputs being released. Not for planner or connector.
pub const E_STOP_RESET: ServiceName<std_srvs::srv::Trigger> =
    ServiceName::new("hardware/e_stop_reset");
/// Operator: from DISARMED to READY. Not for planner or connector.
pub const ARM: ServiceName<std_srvs::srv::Trigger> = ServiceName::new("safety/arm");
/// Operator: controlled stop, then DISARMED.
pub const DISARM: ServiceName<std_srvs::srv::Trigger> = ServiceName::new("safety/disarm");
/// Operator: end a hold after teleop. Not for planner or connector.
pub const RESUME: ServiceName<std_srvs::srv::Trigger> = ServiceName::new("safety/resume");

/// The heartbeat of one node, 10 Hz (planner: 2 Hz).
#[must_use]
pub fn heartbeat(node: &str) -> Topic<sinew::Heartbeat> {
    Topic::named(format!("heartbeat/{node}"), Qos::best_effort(1))
}

/// One consistent snapshot of the robot per control tick, and the clock of a lock-step run.
pub const ROBOT_TICK: Topic<sinew::RobotTick> = Topic::new("robot_tick", Qos::reliable(10));

/// Asks a planner for a plan.
pub const MAKE_PLAN: ServiceName<sinew::srv::MakePlan> = ServiceName::new("make_plan");

/// One compressed picture from one camera.
pub const TAKE_PICTURE: ServiceName<sinew::srv::TakePicture> = ServiceName::new("take_picture");

/// Pictures of a camera of the robot, uncompressed. Best effort, as [`DETECTIONS_3D`].
#[must_use]
pub fn image_raw(camera: &str) -> Topic<sensor_msgs::Image> {
    Topic::named(format!("{camera}/image_raw"), Qos::best_effort(1))
}

/// As [`image_raw`], as JPEG or PNG.
#[must_use]
pub fn image_compressed(camera: &str) -> Topic<sensor_msgs::CompressedImage> {
    Topic::named(format!("{camera}/image_raw/compressed"), Qos::best_effort(1))
}

/// Size and intrinsics of a camera's pictures, with each of them.
#[must_use]
pub fn camera_info(camera: &str) -> Topic<sensor_msgs::CameraInfo> {
    Topic::named(format!("{camera}/camera_info"), Qos::best_effort(1))
}

/// Positions, velocities, efforts of all joints.
pub const JOINT_STATES: Topic<sensor_msgs::JointState> = Topic::new("joint_states", Qos::DEFAULT);
/// The base's IMU.
pub const IMU: Topic<sensor_msgs::Imu> = Topic::new("imu", Qos::best_effort(5));
/// Pose and twist of the base.
pub const ODOM: Topic<nav_msgs::Odometry> = Topic::new("odom", Qos::DEFAULT);
/// Moving frames. Relative, as all else: remap it to `/tf` to share ROS 2's tree.
pub const TF: Topic<tf2_msgs::TFMessage> = Topic::new("tf", Qos::reliable(100));
/// Fixed frames.
pub const TF_STATIC: Topic<tf2_msgs::TFMessage> = Topic::new("tf_static", Qos::latched(1));
/// The robot's URDF.
pub const ROBOT_DESCRIPTION: Topic<std_msgs::String> =
    Topic::new("robot_description", Qos::latched(1));
/// Velocity of the base from another system, such as Nav2, through an adapter that holds an EXTERNAL
/// lease.
pub const CMD_VEL: Topic<geometry_msgs::Twist> = Topic::new("cmd_vel", Qos::DEFAULT);
/// As [`CMD_VEL`], of ROS 2's other type for it.
pub const CMD_VEL_STAMPED: Topic<geometry_msgs::TwistStamped> =
    Topic::new("cmd_vel_stamped", Qos::DEFAULT);
/// A group of joints follows a trajectory that another system, such as MoveIt, has planned; through an
/// adapter that holds an EXTERNAL lease.
#[must_use]
pub fn follow_joint_trajectory(
    group: &str,
) -> ActionName<control_msgs::action::FollowJointTrajectory> {
    ActionName::named(format!("{group}/follow_joint_trajectory"))
}

/// A gripper opens or closes to a gap, in m; as [`follow_joint_trajectory`].
#[must_use]
pub fn gripper_command(group: &str) -> ActionName<control_msgs::action::GripperCommand> {
    ActionName::named(format!("{group}/gripper_cmd"))
}

/// A gripper opens or closes to positions of its fingers' joints; as [`follow_joint_trajectory`].
#[must_use]
pub fn parallel_gripper_command(
    group: &str,
) -> ActionName<control_msgs::action::ParallelGripperCommand> {
    ActionName::named(format!("{group}/parallel_gripper_cmd"))
}

/// Nav2's: the base drives to a pose. Relative, as all else: remap it where Nav2 has no namespace.
pub const NAVIGATE_TO_POSE: ActionName<nav2_msgs::action::NavigateToPose> =
    ActionName::new("navigate_to_pose");
/// MoveIt's `move_group`: an arm plans a motion and carries it out. As [`NAVIGATE_TO_POSE`].
pub const MOVE_GROUP: ActionName<moveit_msgs::action::MoveGroup> = ActionName::new("move_action");

/// State of a gamepad or joystick; the stamp must move on with each message.
pub const JOY: Topic<sensor_msgs::Joy> = Topic::new("joy", Qos::DEFAULT);
/// Joint positions of a leader arm. Remap it to the leader's own `joint_states`.
pub const LEADER_JOINT_STATES: Topic<sensor_msgs::JointState> =
    Topic::new("leader/joint_states", Qos::DEFAULT);
/// How loop, gate and joints are, at 1 Hz; of all robots, told apart by hardware id.
pub const DIAGNOSTICS: Topic<diagnostic_msgs::DiagnosticArray> =
    Topic::new("/diagnostics", Qos::DEFAULT);
/// Simulated time, for all robots.
pub const CLOCK: Topic<rosgraph_msgs::Clock> = Topic::new("/clock", Qos::best_effort(1));

/// What nodes log, at level INFO and above; of all nodes.
pub const ROSOUT: Topic<rcl_interfaces::Log> =
    Topic::new("/rosout", Qos::latched(1000).for_at_most(Duration::from_secs(10)));

/// Which parameters a node has.
pub const LIST_PARAMETERS: ServiceName<rcl_interfaces::srv::ListParameters> =
    ServiceName::new("~/list_parameters");
/// What they are about, and which of them may be set.
pub const DESCRIBE_PARAMETERS: ServiceName<rcl_interfaces::srv::DescribeParameters> =
    ServiceName::new("~/describe_parameters");
/// Values of parameters.
pub const GET_PARAMETERS: ServiceName<rcl_interfaces::srv::GetParameters> =
    ServiceName::new("~/get_parameters");
/// Types of parameters.
pub const GET_PARAMETER_TYPES: ServiceName<rcl_interfaces::srv::GetParameterTypes> =
    ServiceName::new("~/get_parameter_types");
/// Sets parameters, each for itself.
pub const SET_PARAMETERS: ServiceName<rcl_interfaces::srv::SetParameters> =
    ServiceName::new("~/set_parameters");
/// Sets all of some parameters, or none.
pub const SET_PARAMETERS_ATOMICALLY: ServiceName<rcl_interfaces::srv::SetParametersAtomically> =
    ServiceName::new("~/set_parameters_atomically");
/// Which parameters came and changed, of all nodes.
pub const PARAMETER_EVENTS: Topic<rcl_interfaces::ParameterEvent> =
    Topic::new("/parameter_events", Qos::reliable(1000));

/// The state of a node's life cycle.
pub const GET_STATE: ServiceName<lifecycle_msgs::srv::GetState> = ServiceName::new("~/get_state");
/// The states that it can be in.
pub const GET_AVAILABLE_STATES: ServiceName<lifecycle_msgs::srv::GetAvailableStates> =
    ServiceName::new("~/get_available_states");
/// What may be asked for now.
pub const GET_AVAILABLE_TRANSITIONS: ServiceName<lifecycle_msgs::srv::GetAvailableTransitions> =
    ServiceName::new("~/get_available_transitions");
/// All transitions from any state.
pub const GET_TRANSITION_GRAPH: ServiceName<lifecycle_msgs::srv::GetAvailableTransitions> =
    ServiceName::new("~/get_transition_graph");
/// Operator: has a node change its state. Arms and disarms a robot, so not for planner or connector.
pub const CHANGE_STATE: ServiceName<lifecycle_msgs::srv::ChangeState> =
    ServiceName::new("~/change_state");
/// Changes of a node's state.
pub const TRANSITION_EVENT: Topic<lifecycle_msgs::TransitionEvent> =
    Topic::new("~/transition_event", Qos::DEFAULT);
