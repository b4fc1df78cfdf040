use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::ReplyFault;

/// Faults of a bus since it was first opened; read from any thread.
#[derive(Debug, Default)]
pub struct Counters {
    requests: AtomicU64,
    no_reply: AtomicU64,
    truncated: AtomicU64,
    bad_checksum: AtomicU64,
    wrong_id: AtomicU64,
    late: AtomicU64,
    refused: AtomicU64,
    disconnects: AtomicU64,
    clamped_goals: AtomicU64,
}

/// One reading of [`Counters`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CounterValues {
    /// Instructions sent.
    pub requests: u64,
    /// Answers of which nothing came within the deadline.
    pub no_reply: u64,
    /// Answers of which bytes were missing.
    pub truncated: u64,
    /// Answers with a wrong checksum.
    pub bad_checksum: u64,
    /// Answers in the place of which one of another servo came.
    pub wrong_id: u64,
    /// Answers to earlier instructions that came after their deadline.
    pub late: u64,
    /// Instructions that a servo refused.
    pub refused: u64,
    /// Times that the port was lost.
    pub disconnects: u64,
    /// Goals that were outside `range_ticks`, and clamped to it.
    pub clamped_goals: u64,
}

impl Counters {
    /// All of them, now.
    pub fn values(&self) -> CounterValues {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CounterValues {
            requests: get(&self.requests),
            no_reply: get(&self.no_reply),
            truncated: get(&self.truncated),
            bad_checksum: get(&self.bad_checksum),
            wrong_id: get(&self.wrong_id),
            late: get(&self.late),
            refused: get(&self.refused),
            disconnects: get(&self.disconnects),
            clamped_goals: get(&self.clamped_goals),
        }
    }

    pub(crate) fn request(&self) {
        add(&self.requests);
    }

    pub(crate) fn reply_fault(&self, fault: ReplyFault) {
        add(match fault {
            ReplyFault::NoReply => &self.no_reply,
            ReplyFault::Truncated => &self.truncated,
            ReplyFault::BadChecksum => &self.bad_checksum,
            ReplyFault::WrongId => &self.wrong_id,
        });
    }

    pub(crate) fn late(&self) {
        add(&self.late);
    }

    pub(crate) fn refused(&self) {
        add(&self.refused);
    }

    pub(crate) fn disconnect(&self) {
        add(&self.disconnects);
    }

    pub(crate) fn clamped_goal(&self) {
        add(&self.clamped_goals);
    }
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}
