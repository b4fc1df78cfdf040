use nix::sys::resource::{UsageWho, getrusage};
use serde::Serialize;

/// What the kernel counts of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct ThreadCounts {
    /// How often it gave its processor up, to wait for something.
    pub(crate) waits: u64,
    /// How often a page of memory was not there, or not its own.
    pub(crate) page_faults: u64,
}

impl ThreadCounts {
    /// What came to pass since then.
    pub(crate) fn since(self, then: Self) -> Self {
        Self {
            waits: self.waits.saturating_sub(then.waits),
            page_faults: self.page_faults.saturating_sub(then.page_faults),
        }
    }

    /// Of this thread, since its start.
    pub(crate) fn now() -> Self {
        // It fails only for an unknown `who`.
        let Ok(usage) = getrusage(UsageWho::RUSAGE_THREAD) else { return Self::default() };
        let faults = usage.minor_page_faults() + usage.major_page_faults();
        Self {
            waits: usage.voluntary_context_switches().unsigned_abs(),
            page_faults: faults.unsigned_abs(),
        }
    }
}
