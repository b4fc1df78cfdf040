//! Defaults that the interface files give and generated code leaves out.

use crate::sinew_msgs::ExecuteSkillGoal;

impl ExecuteSkillGoal {
    /// A call of a skill with the defaults of `ExecuteSkill.action`: any version, full speed, and
    /// the manifest's own limits. `Default` has zero speed, which a skill server rejects.
    #[must_use]
    pub fn new(skill_id: impl Into<String>, args_json: impl Into<String>) -> Self {
        Self {
            skill_id: skill_id.into(),
            args_json: args_json.into(),
            speed_scale: 1.0,
            ..Self::default()
        }
    }
}
