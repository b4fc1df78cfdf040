//! From an instruction and the measured world to a validated plan.
//!
//! # Concepts
//! A [`Planner`] takes a [`PlanRequest`] and gives [`Planning`], which is polled and never blocks, so
//! that a node which is stepped can own it. It ends in [`Planned`], whose [`Plan`](sinew_model::Plan)
//! passed [`sinew_model::validate`], or in a [`PlanRefusal`] that names what is known or missing.
//! Nothing here can move anything.
//!
//! - [`SymbolicPlanner`]: a small grammar (docs/instructions.md) and an exact search over the skills'
//!   pre-conditions and effects. Embedded, offline, at once.
//! - [`LlmPlanner`]: any OpenAI-compatible chat endpoint. What it says is untrusted: parsed, checked
//!   by schema, registry and simulation, repaired once, or refused.
//!
//! ```
//! use std::sync::Arc;
//! use sinew_model::{SkillManifest, SkillRegistry, WorldState};
//! use sinew_planner::{PlanRequest, Planner, SymbolicPlanner};
//!
//! let home = SkillManifest::from_yaml(
//!     r#"
//! id: home
//! version: 1.0.0
//! description: Tucks the arm.
//! args: {type: object, additionalProperties: false}
//! groups: [arm]
//! postconditions: [arm_at(home)]
//! effects: {remove: [arm_at($any)], add: [arm_at(home)]}
//! cost_s: 4.0
//! time_limit_s: 20.0
//! kind: {builtin: home}
//! "#,
//!     "home.skill.yaml",
//! )?;
//! let registry = Arc::new(SkillRegistry::new([home])?);
//! let request = PlanRequest::new("go home", WorldState::default(), registry);
//! let planned = SymbolicPlanner::default().start(request).wait()?;
//! assert_eq!(planned.plan.to_string(), " 1. home()\ngoal: arm_at(home)");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod llm;
mod planner;
mod refusal;
mod symbolic;

pub use llm::{LlmConfig, LlmConfigError, LlmPlanner};
pub use planner::{PlanRequest, Planned, Planner, Planning, StepRecord};
pub use refusal::PlanRefusal;
pub use symbolic::{GRAMMAR_HINT, SearchLimits, SymbolicPlanner};
