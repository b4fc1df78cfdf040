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
struct Parts {
    send_goal: Endpoint,
    cancel_goal: Endpoint,
    get_result: Endpoint,
    feedback: Endpoint,
    status: Endpoint,
}

impl Parts {
    fn new<A: Action>(node: &BusNode, name: &str) -> Result<Self, BusError> {
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

type CancelGoalRequest = action_msgs::CancelGoalRequest;
type CancelGoalResponse = action_msgs::CancelGoalResponse;

type Goal<A> = <A as Action>::Goal;
type Outcome<A> = <A as Action>::Result;
type Feedback<A> = <A as Action>::Feedback;

// The generated marker types implement hiroz's trait; the alias trait only adds bounds to it.
const _: fn() = || {
    fn both<A: Action + ZAction>() {}
    let _ = both::<sinew_msgs::sinew_msgs::action::ExecuteSkill>;
};
