//! Between skills and `moveit_msgs/MoveGroup`.

use sinew_bus::GoalStatus;
use sinew_msgs::moveit_msgs::{
    Constraints, JointConstraint, MotionPlanRequest, MoveGroupGoal, MoveGroupResult,
    MoveItErrorCodes as Codes, PlanningOptions, PlanningScene, RobotState,
};
use sinew_skills::DelegateEnd;
use sinew_types::ErrorCode;

use super::{MoveitParameters, meaning, status_name};

/// MoveIt plans no longer than this, s.
const PLANNING_TIME_S: f64 = 5.0;

/// A goal: from where the robot is, joints to positions.
pub(super) fn goal(
    joints: &[(String, f64)],
    tolerance_rad: f64,
    speed_scale: f64,
    parameters: &MoveitParameters,
) -> MoveGroupGoal {
    let joint_constraints = joints.iter().map(|(name, position)| JointConstraint {
        joint_name: name.clone(),
        position: *position,
        tolerance_above: tolerance_rad,
        tolerance_below: tolerance_rad,
        weight: 1.0,
    });
    let unchanged = RobotState { is_diff: true, ..RobotState::default() };
    let constraints =
        Constraints { joint_constraints: joint_constraints.collect(), ..Constraints::default() };
    MoveGroupGoal {
        request: MotionPlanRequest {
            start_state: unchanged.clone(),
            goal_constraints: vec![constraints],
            group_name: parameters.group.clone(),
            num_planning_attempts: 1,
            allowed_planning_time: PLANNING_TIME_S,
            max_velocity_scaling_factor: speed_scale,
            max_acceleration_scaling_factor: speed_scale,
            ..MotionPlanRequest::default()
        },
        planning_options: PlanningOptions {
            planning_scene_diff: PlanningScene {
                is_diff: true,
                robot_state: unchanged,
                ..PlanningScene::default()
            },
            ..PlanningOptions::default()
        },
    }
}

/// What the end of a goal means.
pub(super) fn end(status: GoalStatus, result: MoveGroupResult) -> DelegateEnd {
    let code = result.error_code.val;
    let (name, failed) = error(code);
    let claims = status == GoalStatus::Succeeded && code == Codes::SUCCESS;
    let error = match meaning(status, failed) {
        // It says in one field that it succeeded, and in the other that it did not.
        ErrorCode::None if !claims => failed,
        error => error,
    };
    let said = [result.error_code.source, result.error_code.message];
    let said: Vec<String> = said.into_iter().filter(|said| !said.is_empty()).collect();
    let name = if code == Codes::SUCCESS { String::new() } else { name };
    DelegateEnd { status: status_name(status), error, name, text: said.join(": ") }
}

/// Name and meaning of a `MoveItErrorCodes`.
fn error(code: i32) -> (String, ErrorCode) {
    let (name, error) = match code {
        Codes::SUCCESS => ("SUCCESS", ErrorCode::BackendFailed),
        Codes::UNDEFINED => ("UNDEFINED", ErrorCode::BackendFailed),
        Codes::FAILURE => ("FAILURE", ErrorCode::BackendFailed),
        Codes::PLANNING_FAILED => ("PLANNING_FAILED", ErrorCode::BackendNoWay),
        Codes::INVALID_MOTION_PLAN => ("INVALID_MOTION_PLAN", ErrorCode::BackendNoWay),
        Codes::MOTION_PLAN_INVALIDATED_BY_ENVIRONMENT_CHANGE => {
            ("MOTION_PLAN_INVALIDATED_BY_ENVIRONMENT_CHANGE", ErrorCode::BackendFailed)
        }
        Codes::CONTROL_FAILED => ("CONTROL_FAILED", ErrorCode::BackendFailed),
        Codes::UNABLE_TO_AQUIRE_SENSOR_DATA => {
            ("UNABLE_TO_AQUIRE_SENSOR_DATA", ErrorCode::BackendFailed)
        }
        Codes::TIMED_OUT => ("TIMED_OUT", ErrorCode::BackendFailed),
        Codes::PREEMPTED => ("PREEMPTED", ErrorCode::BackendInterrupted),
        Codes::START_STATE_IN_COLLISION => ("START_STATE_IN_COLLISION", ErrorCode::BackendNoWay),
        Codes::START_STATE_VIOLATES_PATH_CONSTRAINTS => {
            ("START_STATE_VIOLATES_PATH_CONSTRAINTS", ErrorCode::BackendNoWay)
        }
        Codes::START_STATE_INVALID => ("START_STATE_INVALID", ErrorCode::BackendNoWay),
        Codes::GOAL_IN_COLLISION => ("GOAL_IN_COLLISION", ErrorCode::BackendNoWay),
        Codes::GOAL_VIOLATES_PATH_CONSTRAINTS => {
            ("GOAL_VIOLATES_PATH_CONSTRAINTS", ErrorCode::BackendNoWay)
        }
        Codes::GOAL_CONSTRAINTS_VIOLATED => ("GOAL_CONSTRAINTS_VIOLATED", ErrorCode::BackendNoWay),
        Codes::GOAL_STATE_INVALID => ("GOAL_STATE_INVALID", ErrorCode::BackendNoWay),
        Codes::UNRECOGNIZED_GOAL_TYPE => ("UNRECOGNIZED_GOAL_TYPE", ErrorCode::BackendRefused),
        Codes::INVALID_GROUP_NAME => ("INVALID_GROUP_NAME", ErrorCode::BackendRefused),
        Codes::INVALID_GOAL_CONSTRAINTS => ("INVALID_GOAL_CONSTRAINTS", ErrorCode::BackendRefused),
        Codes::INVALID_ROBOT_STATE => ("INVALID_ROBOT_STATE", ErrorCode::BackendRefused),
        Codes::INVALID_LINK_NAME => ("INVALID_LINK_NAME", ErrorCode::BackendRefused),
        Codes::INVALID_OBJECT_NAME => ("INVALID_OBJECT_NAME", ErrorCode::BackendRefused),
        Codes::FRAME_TRANSFORM_FAILURE => ("FRAME_TRANSFORM_FAILURE", ErrorCode::BackendFailed),
        Codes::COLLISION_CHECKING_UNAVAILABLE => {
            ("COLLISION_CHECKING_UNAVAILABLE", ErrorCode::BackendFailed)
        }
        Codes::ROBOT_STATE_STALE => ("ROBOT_STATE_STALE", ErrorCode::BackendFailed),
        Codes::SENSOR_INFO_STALE => ("SENSOR_INFO_STALE", ErrorCode::BackendFailed),
        Codes::COMMUNICATION_FAILURE => ("COMMUNICATION_FAILURE", ErrorCode::BackendFailed),
        Codes::CRASH => ("CRASH", ErrorCode::BackendFailed),
        Codes::ABORT => ("ABORT", ErrorCode::BackendFailed),
        Codes::NO_IK_SOLUTION => ("NO_IK_SOLUTION", ErrorCode::BackendNoWay),
        other => return (format!("error_code {other}"), ErrorCode::BackendFailed),
    };
    (name.into(), error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(status: GoalStatus, val: i32, message: &str, source: &str) -> DelegateEnd {
        let error_code = Codes { val, message: message.into(), source: source.into() };
        end(status, MoveGroupResult { error_code, ..MoveGroupResult::default() })
    }

    #[test]
    fn errors_are_named_and_typed() {
        for (val, name, error) in [
            (Codes::PLANNING_FAILED, "PLANNING_FAILED", ErrorCode::BackendNoWay),
            (Codes::GOAL_IN_COLLISION, "GOAL_IN_COLLISION", ErrorCode::BackendNoWay),
            (Codes::CONTROL_FAILED, "CONTROL_FAILED", ErrorCode::BackendFailed),
            (Codes::PREEMPTED, "PREEMPTED", ErrorCode::BackendInterrupted),
            (Codes::INVALID_GROUP_NAME, "INVALID_GROUP_NAME", ErrorCode::BackendRefused),
            (4711, "error_code 4711", ErrorCode::BackendFailed),
        ] {
            let end = ended(GoalStatus::Aborted, val, "", "");
            assert_eq!((end.name.as_str(), end.error), (name, error));
        }
    }

    #[test]
    fn success_is_claimed_only_by_both_fields_and_words_are_kept() {
        assert_eq!(ended(GoalStatus::Succeeded, Codes::SUCCESS, "", "").error, ErrorCode::None);
        let odd = ended(GoalStatus::Succeeded, Codes::CONTROL_FAILED, "arm", "executor");
        assert_eq!(odd.error, ErrorCode::BackendFailed);
        assert_eq!((odd.name.as_str(), odd.text.as_str()), ("CONTROL_FAILED", "executor: arm"));
    }

    #[test]
    fn a_goal_starts_where_the_robot_is_and_ends_within_the_tolerance() {
        let joints = [("a".to_owned(), 0.5), ("b".to_owned(), -1.0)];
        let parameters = MoveitParameters { group: "manipulator".into() };
        let MoveGroupGoal { request, planning_options } = goal(&joints, 0.01, 0.25, &parameters);
        assert!(request.start_state.is_diff && planning_options.planning_scene_diff.is_diff);
        assert!(planning_options.planning_scene_diff.robot_state.is_diff);
        assert!(!planning_options.plan_only && !planning_options.replan);
        assert_eq!(request.group_name, "manipulator");
        assert_eq!(
            (request.max_velocity_scaling_factor, request.max_acceleration_scaling_factor),
            (0.25, 0.25)
        );
        let [constraints] = &request.goal_constraints[..] else { panic!("one goal") };
        let said: Vec<(&str, f64, f64)> = constraints
            .joint_constraints
            .iter()
            .map(|joint| (joint.joint_name.as_str(), joint.position, joint.tolerance_above))
            .collect();
        assert_eq!(said, [("a", 0.5, 0.01), ("b", -1.0, 0.01)]);
    }
}
