//! Quality of service, in ROS 2's terms.

use std::time::Duration;

/// Whether a lost message is sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Reliability {
    /// Sent again; the publisher may wait while a link is congested.
    Reliable,
    /// Dropped while a link is congested.
    BestEffort,
}

/// Whether a subscription that comes later still gets the last messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Durability {
    /// No.
    Volatile,
    /// Yes, the publisher's last [`Qos::depth`] messages, for as long as the publisher lives.
    TransientLocal,
}

/// Quality of service of one topic, always "keep last".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Qos {
    /// Whether a lost message is sent again.
    pub reliability: Reliability,
    /// Whether late joiners get the last messages.
    pub durability: Durability,
    /// Messages that a queue holds before the oldest is dropped; 0 counts as 1.
    pub depth: usize,
    /// How old a message may become before nobody is given it any more; `None` for ever. DDS sees to it; over zenoh, as
    /// with rmw_zenoh, and in-process, where there is no wall time, late joiners get older ones too.
    pub lifespan: Option<Duration>,
}

impl Qos {
    /// ROS 2's default: reliable, volatile, 10.
    pub const DEFAULT: Self = Self::reliable(10);

    /// Reliable, volatile.
    #[must_use]
    pub const fn reliable(depth: usize) -> Self {
        Self {
            reliability: Reliability::Reliable,
            durability: Durability::Volatile,
            depth,
            lifespan: None,
        }
    }

    /// Best effort, volatile.
    #[must_use]
    pub const fn best_effort(depth: usize) -> Self {
        Self { reliability: Reliability::BestEffort, ..Self::reliable(depth) }
    }

    /// Reliable, transient local: late joiners get the last `depth` messages.
    #[must_use]
    pub const fn latched(depth: usize) -> Self {
        Self { durability: Durability::TransientLocal, ..Self::reliable(depth) }
    }

    /// The same with a [`Self::lifespan`].
    #[must_use]
    pub const fn for_at_most(self, lifespan: Duration) -> Self {
        Self { lifespan: Some(lifespan), ..self }
    }

    /// [`Self::depth`], at least 1.
    #[must_use]
    pub(crate) fn capacity(self) -> usize {
        self.depth.max(1)
    }
}

impl Default for Qos {
    fn default() -> Self {
        Self::DEFAULT
    }
}
