//! Actions, built once on the bus's own services and topics, as in ROS 2 itself: so the state
//! machine of a goal is the same on every carrier.

pub(crate) mod client;
pub(crate) mod server;
pub(crate) mod wire;

use hiroz::action::ZAction;
use sinew_msgs::action_msgs;

use crate::node::{BusNode, Endpoint};
use crate::{Action, BusError, Qos};

pub use client::{ActionClient, GoalCall, GoalEvent};
pub use server::{ActionEvent, ActionServer, CancelRequest, GoalHandle, GoalRequest};
pub use wire::{GoalId, GoalStatus};

/// Endpoints of the five parts of an action.
pub(crate) struct Parts {
    pub(crate) send_goal: Endpoint,
    pub(crate) cancel_goal: Endpoint,
    pub(crate) get_result: Endpoint,
    pub(crate) feedback: Endpoint,
    pub(crate) status: Endpoint,
}

impl Parts {
    pub(crate) fn new<A: Action>(node: &BusNode, name: &str) -> Result<Self, BusError> {
        let name = node.resolve(name)?;
        let part = |part: &str, type_info, qos| Endpoint {
            name: format!("{name}/_action/{part}"),
            type_info,
            qos,
        };
        Ok(Self {
            send_goal: part("send_goal", A::send_goal_type_info(), Qos::DEFAULT),
            cancel_goal: part("cancel_goal", sinew_msgs::cancel_goal_type_info(), Qos::DEFAULT),
            get_result: part("get_result", A::get_result_type_info(), Qos::DEFAULT),
            feedback: part("feedback", A::feedback_type_info(), Qos::DEFAULT),
            status: part("status", A::status_type_info(), Qos::latched(1)),
        })
    }
}

pub(crate) type CancelGoalRequest = action_msgs::CancelGoalRequest;
pub(crate) type CancelGoalResponse = action_msgs::CancelGoalResponse;

pub(crate) type Goal<A> = <A as Action>::Goal;
pub(crate) type Outcome<A> = <A as Action>::Result;
pub(crate) type Feedback<A> = <A as Action>::Feedback;

// The generated marker types implement hiroz's trait; the alias trait only adds bounds to it.
const _: fn() = || {
    fn both<A: Action + ZAction>() {}
    let _ = both::<sinew_msgs::sinew_msgs::action::ExecuteSkill>;
};
