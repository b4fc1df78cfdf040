//! Topics: many publishers, many subscriptions.

use crate::BusError;

/// Identity of a publisher: unique on the bus, the same for all its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublisherId(pub [u8; 16]);

/// A message and where it came from.
#[derive(Debug, Clone)]
pub struct Received<M> {
    /// What was published.
    pub message: M,
    /// Who published it.
    pub publisher: PublisherId,
}

pub(crate) trait PublisherPort<M>: Send + Sync {
    fn publish(&self, message: &M) -> Result<(), BusError>;
    fn id(&self) -> PublisherId;
    fn subscriptions(&self) -> usize;
}

pub(crate) trait SubscriptionPort<M>: Send + Sync {
    fn take(&self) -> Option<Received<M>>;
    fn dropped(&self) -> u64;
    fn undecodable(&self) -> u64;
    fn publishers(&self) -> usize;
}

/// Sends messages on one topic. Dropping it withdraws it, with what it kept for late joiners.
pub struct Publisher<M> {
    name: String,
    port: Box<dyn PublisherPort<M>>,
}

impl<M> Publisher<M> {
    pub(crate) fn new(name: String, port: Box<dyn PublisherPort<M>>) -> Self {
        Self { name, port }
    }

    /// Sends one message to all subscriptions.
    ///
    /// # Errors
    /// [`BusError::Encode`] or [`BusError::Carrier`]; never in-process.
    pub fn publish(&self, message: &M) -> Result<(), BusError> {
        self.port.publish(message)
    }

    /// What subscriptions see as [`Received::publisher`].
    #[must_use]
    pub fn id(&self) -> PublisherId {
        self.port.id()
    }

    /// How many subscriptions are known now.
    #[must_use]
    pub fn subscriptions(&self) -> usize {
        self.port.subscriptions()
    }

    /// The full name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<M> std::fmt::Debug for Publisher<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Receives the messages of one topic into a queue as deep as the topic's quality of service says.
pub struct Subscription<M> {
    name: String,
    port: Box<dyn SubscriptionPort<M>>,
}

impl<M> Subscription<M> {
    pub(crate) fn new(name: String, port: Box<dyn SubscriptionPort<M>>) -> Self {
        Self { name, port }
    }

    /// The oldest message that waits, if any.
    #[must_use]
    pub fn take(&self) -> Option<Received<M>> {
        self.port.take()
    }

    /// The newest message that waits, if any; older ones are discarded.
    #[must_use]
    pub fn take_newest(&self) -> Option<Received<M>> {
        std::iter::from_fn(|| self.port.take()).last()
    }

    /// Messages lost because the queue was full.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.port.dropped()
    }

    /// Messages lost because their bytes were not a message of this type.
    #[must_use]
    pub fn undecodable(&self) -> u64 {
        self.port.undecodable()
    }

    /// How many publishers are known now.
    #[must_use]
    pub fn publishers(&self) -> usize {
        self.port.publishers()
    }

    /// The full name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl<M> std::fmt::Debug for Subscription<M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Subscription").field("name", &self.name).finish_non_exhaustive()
    }
}
