//! Evaluation: many random episodes, judged on what really happened.

pub(crate) mod episode;
pub(crate) mod judge;
pub(crate) mod processes;
pub(crate) mod report;
pub(crate) mod stats;
pub(crate) mod suite;
