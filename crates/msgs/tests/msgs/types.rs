//! Every message, service and action on our wire.

use hiroz::action::ZAction;
use hiroz::{MessageTypeInfo, ServiceTypeInfo};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use sinew_msgs::{
    action_msgs, builtin_interfaces, cdr, control_msgs, controller_manager_msgs, diagnostic_msgs,
    geometry_msgs, lifecycle_msgs, moveit_msgs, nav_msgs, nav2_msgs, object_recognition_msgs,
    octomap_msgs, rcl_interfaces, rosgraph_msgs, sensor_msgs, sinew_msgs as sinew, std_msgs,
    std_srvs, tf2_msgs, trajectory_msgs, unique_identifier_msgs, vision_msgs,
};

use crate::random;

/// A type that has bytes.
pub(crate) struct Message {
    pub(crate) name: &'static str,
    /// Of messages; parts of services and actions have none of their own on the wire.
    pub(crate) hash: Option<String>,
    /// Bytes and value of an instance, by a seed.
    pub(crate) random: fn(u64) -> (Vec<u8>, Value),
    /// Decodes and encodes once more.
    pub(crate) again: fn(&[u8]) -> (Vec<u8>, Value),
    /// Whether bytes are an instance.
    pub(crate) decodes: fn(&[u8]) -> bool,
}

fn message<M: Serialize + DeserializeOwned + MessageTypeInfo>(name: &'static str) -> Message {
    fn random<M: Serialize + DeserializeOwned>(seed: u64) -> (Vec<u8>, Value) {
        let message: M = random::random(&mut ChaCha8Rng::seed_from_u64(seed));
        (cdr::encode(&message).unwrap(), serde_json::to_value(&message).unwrap())
    }
    fn again<M: Serialize + DeserializeOwned>(bytes: &[u8]) -> (Vec<u8>, Value) {
        let message: M = cdr::decode(bytes).unwrap();
        (cdr::encode(&message).unwrap(), serde_json::to_value(&message).unwrap())
    }
    let hash = name.contains("/msg/").then(|| M::type_hash().to_rihs_string());
    let decodes = |bytes: &[u8]| cdr::decode::<M>(bytes).is_ok();
    Message { name, hash, random: random::<M>, again: again::<M>, decodes }
}

macro_rules! messages {
    ($($name:literal $type:ty),* $(,)?) => { vec![$(message::<$type>($name)),*] };
}

pub(crate) fn all_messages() -> Vec<Message> {
    messages![
        "sinew_msgs/msg/ActuatorCommand" sinew::ActuatorCommand,
        "sinew_msgs/msg/GripperCommand" sinew::GripperCommand,
        "sinew_msgs/msg/GroupOwner" sinew::GroupOwner,
        "sinew_msgs/msg/GroupProvenance" sinew::GroupProvenance,
        "sinew_msgs/msg/GroupTransition" sinew::GroupTransition,
        "sinew_msgs/msg/Heartbeat" sinew::Heartbeat,
        "sinew_msgs/msg/Provenance" sinew::Provenance,
        "sinew_msgs/msg/RobotTick" sinew::RobotTick,
        "sinew_msgs/msg/SafetyState" sinew::SafetyState,
        "sinew_msgs/msg/SkillManifest" sinew::SkillManifest,
        "sinew_msgs/msg/SkillManifestArray" sinew::SkillManifestArray,
        "sinew_msgs/msg/SkillResult" sinew::SkillResult,
        "sinew_msgs/msg/SkillStatus" sinew::SkillStatus,
        "sinew_msgs/msg/StepOutcome" sinew::StepOutcome,
        "sinew_msgs/msg/SupportSurface" sinew::SupportSurface,
        "sinew_msgs/msg/WorldObject" sinew::WorldObject,
        "sinew_msgs/msg/WorldObjects" sinew::WorldObjects,
        "sinew_msgs/srv/AcquireLease_Request" sinew::AcquireLeaseRequest,
        "sinew_msgs/srv/AcquireLease_Response" sinew::AcquireLeaseResponse,
        "sinew_msgs/srv/MakePlan_Request" sinew::MakePlanRequest,
        "sinew_msgs/srv/MakePlan_Response" sinew::MakePlanResponse,
        "sinew_msgs/srv/ReleaseLease_Request" sinew::ReleaseLeaseRequest,
        "sinew_msgs/srv/ReleaseLease_Response" sinew::ReleaseLeaseResponse,
        "sinew_msgs/srv/TakePicture_Request" sinew::TakePictureRequest,
        "sinew_msgs/srv/TakePicture_Response" sinew::TakePictureResponse,
        "sinew_msgs/action/ExecuteSkill_Goal" sinew::ExecuteSkillGoal,
        "sinew_msgs/action/ExecuteSkill_Result" sinew::ExecuteSkillResult,
        "sinew_msgs/action/ExecuteSkill_Feedback" sinew::ExecuteSkillFeedback,
        "sinew_msgs/action/ExecuteTask_Goal" sinew::ExecuteTaskGoal,
        "sinew_msgs/action/ExecuteTask_Result" sinew::ExecuteTaskResult,
        "sinew_msgs/action/ExecuteTask_Feedback" sinew::ExecuteTaskFeedback,
        "action_msgs/msg/GoalStatusArray" action_msgs::GoalStatusArray,
        "action_msgs/srv/CancelGoal_Request" action_msgs::CancelGoalRequest,
        "action_msgs/srv/CancelGoal_Response" action_msgs::CancelGoalResponse,
        "builtin_interfaces/msg/Duration" builtin_interfaces::Duration,
        "builtin_interfaces/msg/Time" builtin_interfaces::Time,
        "diagnostic_msgs/msg/DiagnosticArray" diagnostic_msgs::DiagnosticArray,
        "diagnostic_msgs/msg/DiagnosticStatus" diagnostic_msgs::DiagnosticStatus,
        "diagnostic_msgs/msg/KeyValue" diagnostic_msgs::KeyValue,
        "geometry_msgs/msg/PoseWithCovariance" geometry_msgs::PoseWithCovariance,
        "geometry_msgs/msg/Twist" geometry_msgs::Twist,
        "geometry_msgs/msg/TwistStamped" geometry_msgs::TwistStamped,
        "nav_msgs/msg/Odometry" nav_msgs::Odometry,
        "rosgraph_msgs/msg/Clock" rosgraph_msgs::Clock,
        "sensor_msgs/msg/CameraInfo" sensor_msgs::CameraInfo,
        "sensor_msgs/msg/CompressedImage" sensor_msgs::CompressedImage,
        "sensor_msgs/msg/Image" sensor_msgs::Image,
        "sensor_msgs/msg/Imu" sensor_msgs::Imu,
        "sensor_msgs/msg/JointState" sensor_msgs::JointState,
        "sensor_msgs/msg/Joy" sensor_msgs::Joy,
        "control_msgs/msg/GripperCommand" control_msgs::GripperCommand,
        "control_msgs/msg/JointTolerance" control_msgs::JointTolerance,
        "control_msgs/msg/JointComponentTolerance" control_msgs::JointComponentTolerance,
        "control_msgs/action/FollowJointTrajectory_Goal" control_msgs::FollowJointTrajectoryGoal,
        "control_msgs/action/FollowJointTrajectory_Result" control_msgs::FollowJointTrajectoryResult,
        "control_msgs/action/FollowJointTrajectory_Feedback" control_msgs::FollowJointTrajectoryFeedback,
        "control_msgs/action/GripperCommand_Goal" control_msgs::GripperCommandGoal,
        "control_msgs/action/GripperCommand_Result" control_msgs::GripperCommandResult,
        "control_msgs/action/GripperCommand_Feedback" control_msgs::GripperCommandFeedback,
        "control_msgs/action/ParallelGripperCommand_Goal" control_msgs::ParallelGripperCommandGoal,
        "control_msgs/action/ParallelGripperCommand_Result" control_msgs::ParallelGripperCommandResult,
        "control_msgs/action/ParallelGripperCommand_Feedback" control_msgs::ParallelGripperCommandFeedback,
        "controller_manager_msgs/msg/ChainConnection" controller_manager_msgs::ChainConnection,
        "controller_manager_msgs/msg/ControllerState" controller_manager_msgs::ControllerState,
        "controller_manager_msgs/srv/ListControllers_Request" controller_manager_msgs::ListControllersRequest,
        "controller_manager_msgs/srv/ListControllers_Response" controller_manager_msgs::ListControllersResponse,
        "controller_manager_msgs/srv/SwitchController_Request" controller_manager_msgs::SwitchControllerRequest,
        "controller_manager_msgs/srv/SwitchController_Response" controller_manager_msgs::SwitchControllerResponse,
        "lifecycle_msgs/msg/State" lifecycle_msgs::State,
        "lifecycle_msgs/msg/Transition" lifecycle_msgs::Transition,
        "lifecycle_msgs/msg/TransitionDescription" lifecycle_msgs::TransitionDescription,
        "lifecycle_msgs/msg/TransitionEvent" lifecycle_msgs::TransitionEvent,
        "lifecycle_msgs/srv/ChangeState_Request" lifecycle_msgs::ChangeStateRequest,
        "lifecycle_msgs/srv/ChangeState_Response" lifecycle_msgs::ChangeStateResponse,
        "lifecycle_msgs/srv/GetAvailableStates_Request" lifecycle_msgs::GetAvailableStatesRequest,
        "lifecycle_msgs/srv/GetAvailableStates_Response" lifecycle_msgs::GetAvailableStatesResponse,
        "lifecycle_msgs/srv/GetAvailableTransitions_Request" lifecycle_msgs::GetAvailableTransitionsRequest,
        "lifecycle_msgs/srv/GetAvailableTransitions_Response" lifecycle_msgs::GetAvailableTransitionsResponse,
        "lifecycle_msgs/srv/GetState_Request" lifecycle_msgs::GetStateRequest,
        "lifecycle_msgs/srv/GetState_Response" lifecycle_msgs::GetStateResponse,
        "rcl_interfaces/msg/FloatingPointRange" rcl_interfaces::FloatingPointRange,
        "rcl_interfaces/msg/IntegerRange" rcl_interfaces::IntegerRange,
        "rcl_interfaces/msg/ListParametersResult" rcl_interfaces::ListParametersResult,
        "rcl_interfaces/msg/Log" rcl_interfaces::Log,
        "rcl_interfaces/msg/Parameter" rcl_interfaces::Parameter,
        "rcl_interfaces/msg/ParameterDescriptor" rcl_interfaces::ParameterDescriptor,
        "rcl_interfaces/msg/ParameterEvent" rcl_interfaces::ParameterEvent,
        "rcl_interfaces/msg/ParameterType" rcl_interfaces::ParameterType,
        "rcl_interfaces/msg/ParameterValue" rcl_interfaces::ParameterValue,
        "rcl_interfaces/msg/SetParametersResult" rcl_interfaces::SetParametersResult,
        "rcl_interfaces/srv/DescribeParameters_Request" rcl_interfaces::DescribeParametersRequest,
        "rcl_interfaces/srv/DescribeParameters_Response" rcl_interfaces::DescribeParametersResponse,
        "rcl_interfaces/srv/GetParameterTypes_Request" rcl_interfaces::GetParameterTypesRequest,
        "rcl_interfaces/srv/GetParameterTypes_Response" rcl_interfaces::GetParameterTypesResponse,
        "rcl_interfaces/srv/GetParameters_Request" rcl_interfaces::GetParametersRequest,
        "rcl_interfaces/srv/GetParameters_Response" rcl_interfaces::GetParametersResponse,
        "rcl_interfaces/srv/ListParameters_Request" rcl_interfaces::ListParametersRequest,
        "rcl_interfaces/srv/ListParameters_Response" rcl_interfaces::ListParametersResponse,
        "rcl_interfaces/srv/SetParameters_Request" rcl_interfaces::SetParametersRequest,
        "rcl_interfaces/srv/SetParameters_Response" rcl_interfaces::SetParametersResponse,
        "rcl_interfaces/srv/SetParametersAtomically_Request" rcl_interfaces::SetParametersAtomicallyRequest,
        "rcl_interfaces/srv/SetParametersAtomically_Response" rcl_interfaces::SetParametersAtomicallyResponse,
        "moveit_msgs/msg/AllowedCollisionEntry" moveit_msgs::AllowedCollisionEntry,
        "moveit_msgs/msg/AllowedCollisionMatrix" moveit_msgs::AllowedCollisionMatrix,
        "moveit_msgs/msg/AttachedCollisionObject" moveit_msgs::AttachedCollisionObject,
        "moveit_msgs/msg/BoundingVolume" moveit_msgs::BoundingVolume,
        "moveit_msgs/msg/CartesianPoint" moveit_msgs::CartesianPoint,
        "moveit_msgs/msg/CartesianTrajectory" moveit_msgs::CartesianTrajectory,
        "moveit_msgs/msg/CartesianTrajectoryPoint" moveit_msgs::CartesianTrajectoryPoint,
        "moveit_msgs/msg/CollisionObject" moveit_msgs::CollisionObject,
        "moveit_msgs/msg/Constraints" moveit_msgs::Constraints,
        "moveit_msgs/msg/GenericTrajectory" moveit_msgs::GenericTrajectory,
        "moveit_msgs/msg/JointConstraint" moveit_msgs::JointConstraint,
        "moveit_msgs/msg/LinkPadding" moveit_msgs::LinkPadding,
        "moveit_msgs/msg/LinkScale" moveit_msgs::LinkScale,
        "moveit_msgs/msg/MotionPlanRequest" moveit_msgs::MotionPlanRequest,
        "moveit_msgs/msg/MoveItErrorCodes" moveit_msgs::MoveItErrorCodes,
        "moveit_msgs/msg/ObjectColor" moveit_msgs::ObjectColor,
        "moveit_msgs/msg/OrientationConstraint" moveit_msgs::OrientationConstraint,
        "moveit_msgs/msg/PlanningOptions" moveit_msgs::PlanningOptions,
        "moveit_msgs/msg/PlanningScene" moveit_msgs::PlanningScene,
        "moveit_msgs/msg/PlanningSceneWorld" moveit_msgs::PlanningSceneWorld,
        "moveit_msgs/msg/PositionConstraint" moveit_msgs::PositionConstraint,
        "moveit_msgs/msg/RobotState" moveit_msgs::RobotState,
        "moveit_msgs/msg/RobotTrajectory" moveit_msgs::RobotTrajectory,
        "moveit_msgs/msg/TrajectoryConstraints" moveit_msgs::TrajectoryConstraints,
        "moveit_msgs/msg/VisibilityConstraint" moveit_msgs::VisibilityConstraint,
        "moveit_msgs/msg/WorkspaceParameters" moveit_msgs::WorkspaceParameters,
        "moveit_msgs/action/MoveGroup_Goal" moveit_msgs::MoveGroupGoal,
        "moveit_msgs/action/MoveGroup_Result" moveit_msgs::MoveGroupResult,
        "moveit_msgs/action/MoveGroup_Feedback" moveit_msgs::MoveGroupFeedback,
        "nav2_msgs/action/NavigateToPose_Goal" nav2_msgs::NavigateToPoseGoal,
        "nav2_msgs/action/NavigateToPose_Result" nav2_msgs::NavigateToPoseResult,
        "nav2_msgs/action/NavigateToPose_Feedback" nav2_msgs::NavigateToPoseFeedback,
        "object_recognition_msgs/msg/ObjectType" object_recognition_msgs::ObjectType,
        "octomap_msgs/msg/Octomap" octomap_msgs::Octomap,
        "octomap_msgs/msg/OctomapWithPose" octomap_msgs::OctomapWithPose,
        "std_msgs/msg/Bool" std_msgs::Bool,
        "std_msgs/msg/Float64MultiArray" std_msgs::Float64MultiArray,
        "std_msgs/msg/String" std_msgs::String,
        "std_srvs/srv/Trigger_Request" std_srvs::TriggerRequest,
        "std_srvs/srv/Trigger_Response" std_srvs::TriggerResponse,
        "tf2_msgs/msg/TFMessage" tf2_msgs::TFMessage,
        "trajectory_msgs/msg/JointTrajectory" trajectory_msgs::JointTrajectory,
        "unique_identifier_msgs/msg/UUID" unique_identifier_msgs::UUID,
        "vision_msgs/msg/BoundingBox3D" vision_msgs::BoundingBox3D,
        "vision_msgs/msg/Detection3D" vision_msgs::Detection3D,
        "vision_msgs/msg/Detection3DArray" vision_msgs::Detection3DArray,
        "vision_msgs/msg/ObjectHypothesis" vision_msgs::ObjectHypothesis,
        "vision_msgs/msg/ObjectHypothesisWithPose" vision_msgs::ObjectHypothesisWithPose,
    ]
}

/// Types that have only a hash: services, and the parts of actions.
pub(crate) fn all_services() -> Vec<(&'static str, String)> {
    fn service<S: ServiceTypeInfo>(name: &'static str) -> (&'static str, String) {
        (name, S::service_type_info().hash.to_rihs_string())
    }
    fn action<A: ZAction>(names: [&'static str; 3]) -> [(&'static str, String); 3] {
        let infos = [A::send_goal_type_info(), A::get_result_type_info(), A::feedback_type_info()];
        std::array::from_fn(|i| (names[i], infos[i].hash.to_rihs_string()))
    }
    let mut all = vec![
        service::<sinew::srv::AcquireLease>("sinew_msgs/srv/AcquireLease"),
        service::<sinew::srv::MakePlan>("sinew_msgs/srv/MakePlan"),
        service::<sinew::srv::ReleaseLease>("sinew_msgs/srv/ReleaseLease"),
        service::<sinew::srv::TakePicture>("sinew_msgs/srv/TakePicture"),
        service::<std_srvs::srv::Trigger>("std_srvs/srv/Trigger"),
        service::<controller_manager_msgs::srv::ListControllers>(
            "controller_manager_msgs/srv/ListControllers",
        ),
        service::<controller_manager_msgs::srv::SwitchController>(
            "controller_manager_msgs/srv/SwitchController",
        ),
        service::<lifecycle_msgs::srv::ChangeState>("lifecycle_msgs/srv/ChangeState"),
        service::<lifecycle_msgs::srv::GetAvailableStates>("lifecycle_msgs/srv/GetAvailableStates"),
        service::<lifecycle_msgs::srv::GetAvailableTransitions>(
            "lifecycle_msgs/srv/GetAvailableTransitions",
        ),
        service::<lifecycle_msgs::srv::GetState>("lifecycle_msgs/srv/GetState"),
        service::<rcl_interfaces::srv::DescribeParameters>("rcl_interfaces/srv/DescribeParameters"),
        service::<rcl_interfaces::srv::GetParameterTypes>("rcl_interfaces/srv/GetParameterTypes"),
        service::<rcl_interfaces::srv::GetParameters>("rcl_interfaces/srv/GetParameters"),
        service::<rcl_interfaces::srv::ListParameters>("rcl_interfaces/srv/ListParameters"),
        service::<rcl_interfaces::srv::SetParameters>("rcl_interfaces/srv/SetParameters"),
        service::<rcl_interfaces::srv::SetParametersAtomically>(
            "rcl_interfaces/srv/SetParametersAtomically",
        ),
        ("action_msgs/srv/CancelGoal", sinew_msgs::cancel_goal_type_info().hash.to_rihs_string()),
    ];
    all.extend(action::<sinew::action::ExecuteSkill>([
        "sinew_msgs/action/ExecuteSkill_SendGoal",
        "sinew_msgs/action/ExecuteSkill_GetResult",
        "sinew_msgs/action/ExecuteSkill_FeedbackMessage",
    ]));
    all.extend(action::<sinew::action::ExecuteTask>([
        "sinew_msgs/action/ExecuteTask_SendGoal",
        "sinew_msgs/action/ExecuteTask_GetResult",
        "sinew_msgs/action/ExecuteTask_FeedbackMessage",
    ]));
    all.extend(action::<control_msgs::action::FollowJointTrajectory>([
        "control_msgs/action/FollowJointTrajectory_SendGoal",
        "control_msgs/action/FollowJointTrajectory_GetResult",
        "control_msgs/action/FollowJointTrajectory_FeedbackMessage",
    ]));
    all.extend(action::<control_msgs::action::GripperCommand>([
        "control_msgs/action/GripperCommand_SendGoal",
        "control_msgs/action/GripperCommand_GetResult",
        "control_msgs/action/GripperCommand_FeedbackMessage",
    ]));
    all.extend(action::<control_msgs::action::ParallelGripperCommand>([
        "control_msgs/action/ParallelGripperCommand_SendGoal",
        "control_msgs/action/ParallelGripperCommand_GetResult",
        "control_msgs/action/ParallelGripperCommand_FeedbackMessage",
    ]));
    all.extend(action::<moveit_msgs::action::MoveGroup>([
        "moveit_msgs/action/MoveGroup_SendGoal",
        "moveit_msgs/action/MoveGroup_GetResult",
        "moveit_msgs/action/MoveGroup_FeedbackMessage",
    ]));
    all.extend(action::<nav2_msgs::action::NavigateToPose>([
        "nav2_msgs/action/NavigateToPose_SendGoal",
        "nav2_msgs/action/NavigateToPose_GetResult",
        "nav2_msgs/action/NavigateToPose_FeedbackMessage",
    ]));
    all
}
