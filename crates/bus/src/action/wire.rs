//! What an action is on ROS 2's wire: three services and two topics under `<name>/_action/`.

use std::fmt::Debug;

use serde::{Deserialize, Serialize};
use sinew_msgs::builtin_interfaces::Time;

/// Identity of a goal: a UUID that the client made.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct GoalId(pub [u8; 16]);

impl std::fmt::Display for GoalId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            let dash = if matches!(i, 4 | 6 | 8 | 10) { "-" } else { "" };
            write!(f, "{dash}{byte:02x}")?;
        }
        Ok(())
    }
}

impl Debug for GoalId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "GoalId({self})")
    }
}

/// How a goal ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GoalStatus {
    /// As asked.
    Succeeded,
    /// By a cancel request.
    Canceled,
    /// By the server.
    Aborted,
}

/// `action_msgs/GoalStatus`: the states that are not terminal, and terminal ones as numbers.
pub(crate) mod status {
    pub(crate) const UNKNOWN: i8 = 0;
    pub(crate) const EXECUTING: i8 = 2;
    pub(crate) const CANCELING: i8 = 3;
    pub(crate) const SUCCEEDED: i8 = 4;
    pub(crate) const CANCELED: i8 = 5;
    pub(crate) const ABORTED: i8 = 6;
}

impl GoalStatus {
    pub(crate) fn to_wire(self) -> i8 {
        match self {
            Self::Succeeded => status::SUCCEEDED,
            Self::Canceled => status::CANCELED,
            Self::Aborted => status::ABORTED,
        }
    }

    pub(crate) fn from_wire(status: i8) -> Option<Self> {
        match status {
            status::SUCCEEDED => Some(Self::Succeeded),
            status::CANCELED => Some(Self::Canceled),
            status::ABORTED => Some(Self::Aborted),
            _ => None,
        }
    }
}

/// `action_msgs/CancelGoal_Response`.
pub(crate) mod cancel_code {
    pub(crate) const NONE: i8 = 0;
    pub(crate) const REJECTED: i8 = 1;
    pub(crate) const UNKNOWN_GOAL_ID: i8 = 2;
    pub(crate) const GOAL_TERMINATED: i8 = 3;
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SendGoalRequest<G> {
    pub(crate) goal_id: GoalId,
    pub(crate) goal: G,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct SendGoalResponse {
    pub(crate) accepted: bool,
    pub(crate) stamp: Time,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct GetResultRequest {
    pub(crate) goal_id: GoalId,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct GetResultResponse<R> {
    pub(crate) status: i8,
    pub(crate) result: R,
}

#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct FeedbackMessage<F> {
    pub(crate) goal_id: GoalId,
    pub(crate) feedback: F,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goal_ids_print_as_uuids() {
        let id = GoalId(std::array::from_fn(|i| u8::try_from(i).unwrap_or_default()));
        assert_eq!(id.to_string(), "00010203-0405-0607-0809-0a0b0c0d0e0f");
    }
}
