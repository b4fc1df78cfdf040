//! One robot on two buses: what its nodes publish and serve on one is there on the other, too.

use sinew_msgs::action_msgs::GoalStatusArray;

use crate::action::wire::{
    FeedbackMessage, GetResultRequest, GetResultResponse, SendGoalRequest, SendGoalResponse,
};
use crate::action::{CancelGoalRequest, CancelGoalResponse, Feedback, Goal, Outcome, Parts};
use crate::message::Wire;
use crate::names::{ActionName, ServiceName, Topic};
use crate::node::{BusNode, Endpoint};
use crate::service::{Call, ClientPort, Responder, ServerPort};
use crate::topic::{PublisherPort, SubscriptionPort};
use crate::{Action, BusError, Message, Qos, Service};

/// Passes on what it was told to, message by message, between a node on the robot's bus and one on the guests'.
///
/// Nothing is passed both ways under one name, so that no message can come back, as long as the two buses are two networks
/// with no other bridge between them. A goal or a call keeps its identity, its time-outs and its cancel: a guest speaks to
/// the robot's own server through it. A call that the robot does not answer is answered with the response's defaults, which
/// say no: not successful, not accepted, an unknown goal.
pub struct Bridge {
    robot: BusNode,
    guests: BusNode,
    links: Vec<Box<dyn Link>>,
}

/// What is passed on of one topic before the others have their turn.
const AT_ONCE: usize = 64;

trait Link: Send {
    /// Passes on what has arrived.
    fn step(&mut self) -> Result<(), BusError>;
}

impl Bridge {
    /// A bridge that passes nothing on yet.
    #[must_use]
    pub fn new(robot: BusNode, guests: BusNode) -> Self {
        Self { robot, guests, links: Vec::new() }
    }

    /// Shows a topic of the robot's nodes to guests.
    ///
    /// # Errors
    /// As [`BusNode::publisher`].
    pub fn show<M: Message>(&mut self, topic: &Topic<M>) -> Result<(), BusError> {
        let on = |node: &BusNode| node.endpoint(&topic.name, M::type_info(), topic.qos);
        let (from, to) = (on(&self.robot)?, on(&self.guests)?);
        self.pass::<M>(&from, &to)
    }

    /// Lets guests publish on a topic that the robot's nodes listen to.
    ///
    /// # Errors
    /// As [`BusNode::publisher`].
    pub fn admit<M: Message>(&mut self, topic: &Topic<M>) -> Result<(), BusError> {
        let on = |node: &BusNode| node.endpoint(&topic.name, M::type_info(), topic.qos);
        let from = self.guests.open_subscription::<M>(&on(&self.guests)?)?;
        let to = self.robot.open_publisher::<M>(&on(&self.robot)?)?;
        self.links.push(Box::new(TopicLink { from, to }));
        Ok(())
    }

    /// Offers a service of the robot's nodes to guests.
    ///
    /// # Errors
    /// As [`BusNode::service_server`].
    pub fn offer<S: Service>(&mut self, service: &ServiceName<S>) -> Result<(), BusError> {
        let on = |node: &BusNode| node.endpoint(&service.name, S::type_info(), Qos::DEFAULT);
        let (here, there) = (on(&self.guests)?, on(&self.robot)?);
        self.serve::<S::Request, S::Response>(&here, &there, true)
    }

    /// Offers an action of the robot's nodes to guests.
    ///
    /// # Errors
    /// As [`BusNode::action_server`].
    pub fn offer_action<A: Action>(&mut self, action: &ActionName<A>) -> Result<(), BusError> {
        let here = Parts::new::<A>(&self.guests, &action.name)?;
        let there = Parts::new::<A>(&self.robot, &action.name)?;
        self.serve::<SendGoalRequest<Goal<A>>, SendGoalResponse>(
            &here.send_goal,
            &there.send_goal,
            true,
        )?;
        self.serve::<CancelGoalRequest, CancelGoalResponse>(
            &here.cancel_goal,
            &there.cancel_goal,
            true,
        )?;
        // A result may be waited for as long as the goal runs.
        self.serve::<GetResultRequest, GetResultResponse<Outcome<A>>>(
            &here.get_result,
            &there.get_result,
            false,
        )?;
        self.pass::<FeedbackMessage<Feedback<A>>>(&there.feedback, &here.feedback)?;
        self.pass::<GoalStatusArray>(&there.status, &here.status)
    }

    /// Passes on everything that has arrived on either bus.
    ///
    /// # Errors
    /// That of the first message that could not be sent; the others were sent.
    pub fn step(&mut self) -> Result<(), BusError> {
        let mut result = Ok(());
        for link in &mut self.links {
            result = result.and(link.step());
        }
        result
    }

    fn serve<Q: Wire, R: Wire>(
        &mut self,
        here: &Endpoint,
        there: &Endpoint,
        deadline: bool,
    ) -> Result<(), BusError> {
        let server = self.guests.open_server::<Q, R>(here)?;
        let client = self.robot.open_client::<Q, R>(there)?;
        self.links.push(Box::new(ServiceLink { server, client, deadline, waiting: Vec::new() }));
        Ok(())
    }

    /// From the robot to guests.
    fn pass<M: Wire>(&mut self, from: &Endpoint, to: &Endpoint) -> Result<(), BusError> {
        let from = self.robot.open_subscription::<M>(from)?;
        let to = self.guests.open_publisher::<M>(to)?;
        self.links.push(Box::new(TopicLink { from, to }));
        Ok(())
    }
}

impl std::fmt::Debug for Bridge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bridge").field("links", &self.links.len()).finish_non_exhaustive()
    }
}

struct TopicLink<M> {
    from: Box<dyn SubscriptionPort<M>>,
    to: Box<dyn PublisherPort<M>>,
}

impl<M: Wire> Link for TopicLink<M> {
    fn step(&mut self) -> Result<(), BusError> {
        let mut result = Ok(());
        // So many at once: a flood on one topic must not starve the rest.
        for _ in 0..AT_ONCE {
            let Some(received) = self.from.take() else { break };
            result = result.and(self.to.publish(&received.message));
        }
        result
    }
}

struct ServiceLink<Q, R> {
    server: Box<dyn ServerPort<Q, R>>,
    client: Box<dyn ClientPort<Q, R>>,
    /// Whether the robot's bus limits how long a call may take.
    deadline: bool,
    waiting: Vec<(Call<R>, Responder<R>)>,
}

impl<Q: Wire, R: Wire> Link for ServiceLink<Q, R> {
    fn step(&mut self) -> Result<(), BusError> {
        while let Some((request, responder)) = self.server.take() {
            self.waiting.push((self.client.call(&request, self.deadline), responder));
        }
        let mut result = Ok(());
        for (mut call, responder) in std::mem::take(&mut self.waiting) {
            match call.poll() {
                None => self.waiting.push((call, responder)),
                Some(Ok(response)) => result = result.and(responder(response)),
                Some(Err(error)) => {
                    tracing::warn!(%error, "the robot did not answer a guest");
                    // No success, nothing accepted, an unknown goal: on some buses silence would never end.
                    result = result.and(responder(R::default()));
                }
            }
        }
        result
    }
}
