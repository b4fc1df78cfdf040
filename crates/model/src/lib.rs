//! What planner, connector and skills all speak: skills described by manifests, predicates over a
//! measured world, and plans.
//!
//! # Concepts
//! - A [`WorldState`] is what was measured: objects with pose, age and confidence, and [`RobotFacts`].
//! - A [`Predicate`] is a statement about the world. It is evaluated in two ways: *measured*, by
//!   [`WorldState::judge`], which gives a [`Judgement`] with the numbers behind it; and *symbolic*, on
//!   [`Facts`], which a plan's effects change step by step without moving anything.
//! - A [`SkillManifest`] says in predicates what a skill needs, keeps and changes. A [`SkillRegistry`]
//!   holds manifests that were checked against each other.
//! - A [`ProposedPlan`] is untrusted: it may come from a language model. [`validate`] is the one way
//!   to a [`Plan`], and only a `Plan` can be executed.
//!
//! [`ReachEnvelope`] is the one place that says from where the arm reaches: driving, picking and
//! planning agree because they all ask it.
//!
//! ```
//! use sinew_model::Predicate;
//! let goal: Predicate = "in(red_cube, bin)".parse()?;
//! assert_eq!(goal, Predicate::is_in("red_cube", "bin"));
//! # Ok::<(), sinew_model::ModelError>(())
//! ```

mod arguments;
mod effects;
mod envelope;
mod error;
mod facts;
mod judge;
mod manifest;
mod object;
mod plan;
mod policy_skill;
mod predicate;
mod registry;
mod template;
mod world;

pub use arguments::{Reference, ReferenceKind};
pub use effects::GroundSkill;
pub use envelope::{ReachEnvelope, WorkPose};
pub use error::{ModelError, PlanError, PlanErrorCode};
pub use facts::{Facts, Unmet};
pub use judge::{Judgement, tolerance};
pub use manifest::{Effects, SkillKind, SkillManifest, StopPolicy};
pub use object::{Container, ObjectId, Support, SupportSurface, WorldObject};
pub use plan::{Plan, PlanStep, ProposedPlan, ProposedStep, validate};
pub use policy_skill::{
    ArgumentName, Axes, InputFrame, ObjectPosition, PolicyInput, PolicyPart, PolicySkill, Scalar,
    Until,
};
pub use predicate::{Predicate, Relation, Slot};
pub use registry::SkillRegistry;
pub use template::{Template, Term};
pub use world::{GripperFacts, RobotFacts, WorldState};
