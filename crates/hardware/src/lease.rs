use std::time::Duration;

use serde::{Deserialize, Serialize};
use sinew_types::{BootId, Layout, LeaseId, Source, Time};

/// The most leases that can be live at once.
pub const LEASE_SLOTS: usize = 16;

/// A set of actuator groups, by their index in [`Layout::groups`]; at most 64.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct GroupSet(u64);

impl GroupSet {
    /// No group.
    pub const EMPTY: Self = Self(0);

    /// The group of this index, 0 to 63.
    pub const fn one(index: usize) -> Self {
        Self(if index < 64 { 1 << index } else { 0 })
    }

    /// All groups of a layout.
    pub fn all(layout: &Layout) -> Self {
        (0..layout.groups().len()).map(Self::one).fold(Self::EMPTY, Self::union)
    }

    /// The groups of these names; the first name that the robot does not have is returned.
    ///
    /// # Errors
    /// The unknown name.
    pub fn named<'a>(
        layout: &Layout,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, &'a str> {
        names.into_iter().try_fold(Self::EMPTY, |set, name| {
            let index = layout.groups().iter().position(|g| g.name == name).ok_or(name)?;
            Ok(set.union(Self::one(index)))
        })
    }

    /// Groups in either set.
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether any group is in both sets.
    pub const fn intersects(self, other: Self) -> bool {
        self.0 & other.0 != 0
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether the group of this index is in it.
    pub const fn contains(self, index: usize) -> bool {
        index < 64 && self.0 & (1 << index) != 0
    }

    /// Indices of its groups, rising.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..64).filter(move |index| self.contains(*index))
    }
}

/// A request for authority over groups: all of them, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseRequest {
    /// On whose behalf.
    pub source: Source,
    /// Which groups.
    pub groups: GroupSet,
    /// The process that asks; its heartbeat must go on as long as the lease is live.
    pub boot_id: BootId,
    /// How often it is going to command; freshness and interpolation follow from it. Above zero, up
    /// to [`crate::Timeouts::max_command_period`].
    pub command_period: Duration,
}

/// A live lease.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lease {
    pub(crate) id: LeaseId,
    pub(crate) request: LeaseRequest,
    pub(crate) heartbeat_at: Time,
    pub(crate) last_seq: Option<u64>,
    /// When its newest command came, and until when that may be followed.
    pub(crate) command: Option<(Time, Duration)>,
}
