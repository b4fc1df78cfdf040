//! Publishers and subscriptions over rcl.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use sinew_msgs::cdr;

use super::rcl::{MessageSupport, Publisher, Subscription};
use super::{AT_ONCE, Owned, Ros2Node, failed};
use crate::inbox::Inbox;
use crate::message::Wire;
use crate::node::Endpoint;
use crate::topic::{PublisherPort, SubscriptionPort};
use crate::{BusError, PublisherId, Received};

impl Ros2Node {
    pub(crate) fn publisher<M: Wire>(
        self: &Arc<Self>,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn PublisherPort<M>>, BusError> {
        let Endpoint { name, type_info, qos } = endpoint;
        let publisher = MessageSupport::find(type_info)
            .and_then(|support| Publisher::new(&self.node, name, support, *qos))
            .map_err(failed("declare publisher", name))?;
        let node = self.clone();
        Ok(Box::new(Ros2Publisher { name: name.clone(), publisher, _node: node, m: PhantomData }))
    }

    pub(crate) fn subscription<M: Wire>(
        self: &Arc<Self>,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn SubscriptionPort<M>>, BusError> {
        let Endpoint { name, type_info, qos } = endpoint;
        let subscription = MessageSupport::find(type_info)
            .and_then(|support| Subscription::new(&self.node, name, support, *qos))
            .map_err(failed("declare subscription", name))?;
        let end = SubscriptionEnd { subscription, inbox: Inbox::new(qos.capacity()) };
        Ok(Box::new(Ros2Subscription {
            name: name.clone(),
            end: Owned::new(self, end, |ends| &mut ends.subscriptions),
            undecodable: AtomicU64::new(0),
            m: PhantomData,
        }))
    }
}

struct Ros2Publisher<M> {
    name: String,
    publisher: Publisher,
    _node: Arc<Ros2Node>,
    m: PhantomData<fn(&M)>,
}

impl<M: Wire> PublisherPort<M> for Ros2Publisher<M> {
    fn publish(&self, message: &M) -> Result<(), BusError> {
        let payload = cdr::encode(message)
            .map_err(|source| BusError::Encode { name: self.name.clone(), source })?;
        self.publisher.publish(&payload).map_err(failed("publish on", &self.name))
    }

    fn id(&self) -> PublisherId {
        self.publisher.id()
    }

    fn subscriptions(&self) -> usize {
        self.publisher.subscriptions()
    }
}

/// What the thread fills.
pub(super) struct SubscriptionEnd {
    subscription: Subscription,
    inbox: Inbox<(Vec<u8>, PublisherId)>,
}

impl SubscriptionEnd {
    pub(super) fn handle(&self) -> &Subscription {
        &self.subscription
    }

    /// Moves what waits in the middleware to the inbox; whether there was anything.
    pub(super) fn take(&self) -> bool {
        for taken in 0..AT_ONCE {
            match self.subscription.take() {
                Ok(Some(message)) => self.inbox.push(message),
                Ok(None) => return taken > 0,
                Err(error) => {
                    tracing::debug!(%error, "a message was not taken");
                    return taken > 0;
                }
            }
        }
        true
    }
}

struct Ros2Subscription<M> {
    name: String,
    end: Owned<SubscriptionEnd>,
    undecodable: AtomicU64,
    m: PhantomData<fn() -> M>,
}

impl<M: Wire> SubscriptionPort<M> for Ros2Subscription<M> {
    fn take(&self) -> Option<Received<M>> {
        loop {
            let (payload, publisher) = self.end.inbox.pop()?;
            match cdr::decode(&payload) {
                Ok(message) => return Some(Received { message, publisher }),
                Err(error) => {
                    self.undecodable.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(topic = self.name, %error, "message dropped");
                }
            }
        }
    }

    fn dropped(&self) -> u64 {
        self.end.inbox.dropped()
    }

    fn undecodable(&self) -> u64 {
        self.undecodable.load(Ordering::Relaxed)
    }

    fn publishers(&self) -> usize {
        self.end.subscription.publishers()
    }
}
