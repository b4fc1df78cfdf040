/// The name of the generated struct, the schema's name, its text.
const DEFINITIONS: &[(&str, &str, &str)] = include!(concat!(env!("OUT_DIR"), "/definitions.rs"));

/// Name and full `ros2msg` text of a generated type, by its DDS name such as
/// `sinew_msgs::msg::dds_::RobotTick_`; none where a log never holds it.
pub fn definition(dds_name: &str) -> Option<(&'static str, &'static str)> {
    let name = dds_name.replace("::dds_::", "/").replace("::", "/");
    let name = name.trim_end_matches('_');
    let found = DEFINITIONS.iter().find(|(generated, _, _)| *generated == name)?;
    Some((found.1, found.2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_holds_every_type_that_it_contains() {
        let (name, text) = definition("sinew_msgs::msg::dds_::RobotTick_").expect("built in");
        assert_eq!(name, "sinew_msgs/msg/RobotTick");
        for contained in ["sensor_msgs/JointState", "std_msgs/Header", "geometry_msgs/Point"] {
            assert!(text.contains(&format!("MSG: {contained}\n")), "{contained} is missing");
        }
    }

    #[test]
    fn parts_of_services_and_actions_have_ros_2s_names() {
        let (name, text) = definition("sinew_msgs::msg::dds_::ExecuteTaskGoal_").expect("built in");
        assert_eq!(name, "sinew_msgs/action/ExecuteTask_Goal");
        assert!(text.contains("string instruction") && !text.contains("error_code"));
        let (name, text) = definition("sinew_msgs::msg::dds_::MakePlanResponse_").expect("in");
        assert_eq!(name, "sinew_msgs/srv/MakePlan_Response");
        assert!(text.contains("plan_json") && !text.contains("instruction"));
    }

    #[test]
    fn messages_inside_parts_of_actions_are_named_in_full() {
        let (_, text) = definition("sinew_msgs::msg::dds_::ExecuteTaskResult_").expect("built in");
        assert!(text.contains("\nsinew_msgs/StepOutcome[] steps"), "{text}");
        assert!(text.contains("\nMSG: sinew_msgs/StepOutcome\n"), "{text}");
    }
}
