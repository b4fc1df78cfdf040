//! Skill manifests, predicates on a measured world, and plans.

#![allow(missing_docs, clippy::unwrap_used)]

mod common;
mod judgement;
mod manifests;
mod plans;
