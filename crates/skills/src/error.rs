use sinew_policy::PolicyError;
use sinew_robot::RobotError;

/// Why there can be no skill server.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SkillError {
    /// A skill claims a group that the robot does not have.
    #[error("skill `{skill}` claims group `{group}`; the robot has: {known}")]
    UnknownGroup {
        /// The skill.
        skill: String,
        /// The group that is not there.
        group: String,
        /// The groups that are.
        known: String,
    },
    /// A skill's `kind` names nothing that the server can carry out.
    #[error("skill `{skill}`: kind is {actual}; allowed: {allowed}")]
    UnknownKind {
        /// The skill.
        skill: String,
        /// What its manifest says.
        actual: String,
        /// The built-in skills.
        allowed: String,
    },
    /// The robot lacks what the built-in skills need.
    #[error("the robot cannot be used by the built-in skills: {missing}")]
    Unsuitable {
        /// What is missing.
        missing: String,
    },
    /// The robot's file lacks a group, chain, link or configuration.
    #[error("the robot cannot be used by the built-in skills")]
    Robot(#[from] RobotError),
    /// A policy cannot be loaded.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}
