use sinew_types::{LeaseId, Source, StopEpoch};

/// The safety state, as far as skills need it.
#[derive(Clone, Copy, Debug)]
pub struct SafetyView<'a> {
    /// Whether leases are granted and commands followed.
    pub ready: bool,
    /// The mode's name, for messages.
    pub mode: &'a str,
    /// Advanced by every stop.
    pub stop_epoch: StopEpoch,
    /// Times that an operator gave back what a person had taken over.
    pub resumes: u64,
    /// All leases that are live.
    pub live_leases: &'a [LeaseId],
    /// One per group of the layout; empty while nothing is known of them.
    pub groups: &'a [GroupAuthority],
}

/// Who has authority over one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupAuthority {
    /// The lease that owns it, and on whose behalf.
    pub owner: Option<(LeaseId, Source)>,
    /// A person had it, and no operator has resumed it since.
    pub needs_resume: bool,
    /// Whether the fallback controller moves it.
    pub is_fallback: bool,
    /// Control cycles in which a limit changed what was commanded, since the gate's start; each limit
    /// counts.
    pub clamped_cycles: u64,
}

impl SafetyView<'_> {
    fn of(&self, groups: &[usize]) -> impl Iterator<Item = GroupAuthority> {
        groups.iter().filter_map(|group| self.groups.get(*group).copied())
    }

    /// The highest source that holds any of these groups.
    pub(crate) fn holder(&self, groups: &[usize]) -> Option<Source> {
        self.of(groups).filter_map(|group| group.owner).map(|(_, source)| source).max()
    }

    /// The highest source above skills to which any of these groups was granted after `lease` was; leases
    /// are numbered in the order of their grants, so that old news does not count.
    pub(crate) fn taken_from(&self, groups: &[usize], lease: LeaseId) -> Option<Source> {
        let owners = self.of(groups).filter_map(|group| group.owner);
        let takers = owners.filter(|(owner, source)| *owner > lease && *source > Source::Skill);
        takers.map(|(_, source)| source).max()
    }

    /// Whether an operator must resume any of these groups before it is granted to a skill.
    pub(crate) fn needs_resume(&self, groups: &[usize]) -> bool {
        self.of(groups).any(|group| group.needs_resume)
    }

    /// Whether the fallback controller moves any of these groups.
    pub(crate) fn is_fallback(&self, groups: &[usize]) -> bool {
        self.of(groups).any(|group| group.is_fallback)
    }

    /// Control cycles of these groups together in which a limit changed what was commanded.
    pub(crate) fn clamped_cycles(&self, groups: &[usize]) -> u64 {
        self.of(groups).map(|group| group.clamped_cycles).sum()
    }

    /// Whether `lease` owns all of these groups, by the newest news.
    pub(crate) fn owns(&self, groups: &[usize], lease: LeaseId) -> bool {
        groups.iter().all(|group| {
            let owner = self.groups.get(*group).and_then(|group| group.owner);
            owner.is_some_and(|(owner, _)| owner == lease)
        })
    }
}
