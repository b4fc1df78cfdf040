//! Between skills and `nav2_msgs/NavigateToPose`, as in Nav2 of ROS 2 Kilted.

use nalgebra::{Isometry2, Vector3};
use sinew_bus::GoalStatus;
use sinew_msgs::geometry_msgs::{Point, Pose, PoseStamped, Quaternion};
use sinew_msgs::nav2_msgs::{NavigateToPoseFeedback, NavigateToPoseGoal, NavigateToPoseResult};
use sinew_msgs::std_msgs::Header;
use sinew_skills::DelegateEnd;
use sinew_types::ErrorCode;

use super::{Nav2Parameters, meaning, status_name};

/// A goal for a pose in the frame `base_frame`; why not, if that is not the frame that was configured.
pub(super) fn goal(
    map_from_base: &Isometry2<f64>,
    parameters: &Nav2Parameters,
    base_frame: &str,
) -> Result<NavigateToPoseGoal, String> {
    let frame_id = &parameters.frame_id;
    if frame_id != base_frame {
        return Err(format!(
            "parameter nav2.frame_id is `{frame_id}`, but the robot's pose is measured in `{base_frame}`; allowed: `{base_frame}`"
        ));
    }
    let (sin, cos) = (map_from_base.rotation.angle() / 2.0).sin_cos();
    let (x, y) = (map_from_base.translation.x, map_from_base.translation.y);
    Ok(NavigateToPoseGoal {
        pose: PoseStamped {
            // No stamp: by the newest transforms that Nav2 has.
            header: Header { frame_id: frame_id.clone(), ..Header::default() },
            pose: Pose {
                position: Point { x, y, z: 0.0 },
                orientation: Quaternion { x: 0.0, y: 0.0, z: sin, w: cos },
            },
        },
        // The tree that Nav2 is configured with.
        behavior_tree: String::new(),
    })
}

/// Where Nav2 takes the base to be, if it says so in the same frame.
pub(super) fn believed(
    feedback: &NavigateToPoseFeedback,
    parameters: &Nav2Parameters,
) -> Option<Isometry2<f64>> {
    let PoseStamped { header, pose } = &feedback.current_pose;
    let (p, q) = (&pose.position, &pose.orientation);
    let rotation = nalgebra::Quaternion::new(q.w, q.x, q.y, q.z);
    // Peers that do not fill it in send a pose of zeros.
    let said = header.frame_id == parameters.frame_id && rotation.norm() > 0.5;
    let rotation = nalgebra::UnitQuaternion::from_quaternion(rotation);
    let ahead = rotation * Vector3::x();
    (said && p.x.is_finite() && p.y.is_finite())
        .then(|| Isometry2::new(nalgebra::Vector2::new(p.x, p.y), ahead.y.atan2(ahead.x)))
}

/// What the end of a goal means.
pub(super) fn end(status: GoalStatus, result: NavigateToPoseResult) -> DelegateEnd {
    let (name, failed) = error(result.error_code);
    let (error, status) = (meaning(status, failed), status_name(status));
    DelegateEnd { status, error, name, text: result.error_msg }
}

/// The actions of Nav2 whose errors its navigator hands on, by their numbers; and each error's name, in order.
const ERRORS: [(u16, &str, &[&str]); 10] = [
    (
        100,
        "FollowPath",
        &[
            "UNKNOWN",
            "INVALID_CONTROLLER",
            "TF_ERROR",
            "INVALID_PATH",
            "PATIENCE_EXCEEDED",
            "FAILED_TO_MAKE_PROGRESS",
            "NO_VALID_CONTROL",
            "CONTROLLER_TIMED_OUT",
        ],
    ),
    (
        200,
        "ComputePathToPose",
        &[
            "UNKNOWN",
            "INVALID_PLANNER",
            "TF_ERROR",
            "START_OUTSIDE_MAP",
            "GOAL_OUTSIDE_MAP",
            "START_OCCUPIED",
            "GOAL_OCCUPIED",
            "TIMEOUT",
            "NO_VALID_PATH",
        ],
    ),
    (
        300,
        "ComputePathThroughPoses",
        &[
            "UNKNOWN",
            "INVALID_PLANNER",
            "TF_ERROR",
            "START_OUTSIDE_MAP",
            "GOAL_OUTSIDE_MAP",
            "START_OCCUPIED",
            "GOAL_OCCUPIED",
            "TIMEOUT",
            "NO_VALID_PATH",
            "NO_VIAPOINTS_GIVEN",
        ],
    ),
    (
        500,
        "SmoothPath",
        &[
            "UNKNOWN",
            "INVALID_SMOOTHER",
            "TIMEOUT",
            "SMOOTHED_PATH_IN_COLLISION",
            "FAILED_TO_SMOOTH_PATH",
            "INVALID_PATH",
        ],
    ),
    (700, "Spin", &["UNKNOWN", "TIMEOUT", "TF_ERROR", "COLLISION_AHEAD"]),
    (710, "BackUp", &["UNKNOWN", "TIMEOUT", "TF_ERROR", "INVALID_INPUT", "COLLISION_AHEAD"]),
    (
        720,
        "DriveOnHeading",
        &["UNKNOWN", "TIMEOUT", "TF_ERROR", "COLLISION_AHEAD", "INVALID_INPUT"],
    ),
    (730, "AssistedTeleop", &["UNKNOWN", "TIMEOUT", "TF_ERROR"]),
    (740, "Wait", &["UNKNOWN", "TIMEOUT"]),
    (9000, "NavigateToPose", &["UNKNOWN", "FAILED_TO_LOAD_BEHAVIOR_TREE", "TF_ERROR", "TIMEOUT"]),
];

/// Planner's errors that say that there is no way, and not that the planner cannot be used.
const NO_WAY: [&str; 6] = [
    "START_OUTSIDE_MAP",
    "GOAL_OUTSIDE_MAP",
    "START_OCCUPIED",
    "GOAL_OCCUPIED",
    "TIMEOUT",
    "NO_VALID_PATH",
];

/// Name and meaning of a result's `error_code`.
fn error(code: u16) -> (String, ErrorCode) {
    if code == NavigateToPoseResult::NONE {
        return (String::new(), ErrorCode::BackendFailed);
    }
    let known = ERRORS.iter().find_map(|(first, action, names)| {
        let name = names.get(usize::from(code.checked_sub(*first)?))?;
        let is_planner = (200..400).contains(first);
        Some((action, *name, is_planner))
    });
    match known {
        Some((action, name, true)) if NO_WAY.contains(&name) => {
            (format!("{action} {name}"), ErrorCode::BackendNoWay)
        }
        Some((action, name, _)) => (format!("{action} {name}"), ErrorCode::BackendFailed),
        None => (format!("error_code {code}"), ErrorCode::BackendFailed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameters() -> Nav2Parameters {
        Nav2Parameters { frame_id: "map".into() }
    }

    fn ended(status: GoalStatus, error_code: u16, error_msg: &str) -> DelegateEnd {
        end(status, NavigateToPoseResult { error_code, error_msg: error_msg.into() })
    }

    #[test]
    fn errors_are_named_and_typed() {
        let aborted = |code| ended(GoalStatus::Aborted, code, "");
        for (code, name, error) in [
            (208, "ComputePathToPose NO_VALID_PATH", ErrorCode::BackendNoWay),
            (206, "ComputePathToPose GOAL_OCCUPIED", ErrorCode::BackendNoWay),
            (201, "ComputePathToPose INVALID_PLANNER", ErrorCode::BackendFailed),
            (105, "FollowPath FAILED_TO_MAKE_PROGRESS", ErrorCode::BackendFailed),
            (714, "BackUp COLLISION_AHEAD", ErrorCode::BackendFailed),
            (9003, "NavigateToPose TIMEOUT", ErrorCode::BackendFailed),
            (0, "", ErrorCode::BackendFailed),
            (4711, "error_code 4711", ErrorCode::BackendFailed),
        ] {
            let end = aborted(code);
            assert_eq!((end.name.as_str(), end.error), (name, error), "{code}");
        }
    }

    #[test]
    fn the_end_state_comes_before_the_code_and_words_are_kept() {
        let end = ended(GoalStatus::Aborted, 208, "no path from A to B");
        assert_eq!((end.status, end.text.as_str()), ("aborted", "no path from A to B"));
        assert_eq!(ended(GoalStatus::Succeeded, 0, "").error, ErrorCode::None);
        assert_eq!(ended(GoalStatus::Canceled, 0, "").error, ErrorCode::BackendInterrupted);
    }

    #[test]
    fn a_goal_is_in_the_frame_that_was_configured_and_in_no_other() {
        let pose = Isometry2::new(nalgebra::Vector2::new(1.0, -2.0), std::f64::consts::FRAC_PI_2);
        let goal = goal(&pose, &parameters(), "map").expect("the same frame");
        assert_eq!(goal.pose.header.frame_id, "map");
        assert_eq!((goal.pose.header.stamp.sec, goal.pose.header.stamp.nanosec), (0, 0));
        let q = &goal.pose.pose.orientation;
        assert!((q.z - 0.5_f64.sqrt()).abs() < 1e-12 && (q.w - 0.5_f64.sqrt()).abs() < 1e-12);
        let why = super::goal(&pose, &parameters(), "odom").expect_err("another frame");
        assert!(why.contains("`map`") && why.contains("allowed: `odom`"), "{why}");
    }

    #[test]
    fn what_nav2_believes_counts_only_in_the_same_frame() {
        let mut feedback = NavigateToPoseFeedback::default();
        feedback.current_pose.header.frame_id = "map".into();
        assert_eq!(believed(&feedback, &parameters()), None, "a pose of zeros says nothing");
        feedback.current_pose.pose.orientation.w = 1.0;
        feedback.current_pose.pose.position.x = 3.0;
        let pose = believed(&feedback, &parameters()).expect("said in the same frame");
        assert!((pose.translation.x - 3.0).abs() < 1e-12);
        feedback.current_pose.header.frame_id = "odom".into();
        assert_eq!(believed(&feedback, &parameters()), None);
    }
}
