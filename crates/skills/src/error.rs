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
    /// What carries a skill out commands what the skill does not claim.
    #[error("skill `{skill}`: {by} commands {groups}; the skill claims: {claimed}")]
    Unclaimed {
        /// The skill.
        skill: String,
        /// The policy or the built-in skill.
        by: String,
        /// The groups that are missing in the skill's `groups`.
        groups: String,
        /// The groups that are there.
        claimed: String,
    },
    /// A group that a skill claims cannot be commanded by its policy.
    #[error("skill `{skill}`: policy `{policy}` cannot command group `{group}`: {reason}")]
    Interface {
        /// The skill.
        skill: String,
        /// The policy's id.
        policy: String,
        /// The group.
        group: String,
        /// What the group is commanded by, and what the policy gives.
        reason: String,
    },
    /// What a skill gives a policy is not what the policy takes.
    #[error("skill `{skill}`: inputs of policy `{policy}`: {what}; it takes: {allowed}")]
    PolicyInputs {
        /// The skill.
        skill: String,
        /// The policy's id.
        policy: String,
        /// What is wrong.
        what: String,
        /// Names, widths and units of what it takes.
        allowed: String,
    },
    /// A policy looks through a camera that the robot does not have.
    #[error(
        "skill `{skill}`: policy `{policy}` looks through camera `{camera}`; the robot has: {known}"
    )]
    PolicyCamera {
        /// The skill.
        skill: String,
        /// The policy's id.
        policy: String,
        /// The camera.
        camera: String,
        /// The robot's cameras.
        known: String,
    },
    /// A policy runs more often than skills are stepped.
    #[error(
        "skill `{skill}`: policy `{policy}` runs at {rate_hz} Hz; allowed: up to {allowed_hz} Hz"
    )]
    PolicyRate {
        /// The skill.
        skill: String,
        /// The policy's id.
        policy: String,
        /// What its manifest says, Hz.
        rate_hz: f64,
        /// How often skills are stepped, Hz.
        allowed_hz: f64,
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
