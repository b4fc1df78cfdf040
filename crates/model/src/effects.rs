use serde_json::Value;

use crate::{ModelError, Predicate, SkillManifest, Template};

/// A skill with its arguments put in: what one call needs, keeps and changes.
#[derive(Clone, Debug, PartialEq)]
pub struct GroundSkill {
    /// The skill's id.
    pub skill: String,
    /// Complete: with defaults.
    pub args: Value,
    /// Must hold before.
    pub preconditions: Vec<Predicate>,
    /// Must hold all the while.
    pub hold_conditions: Vec<Predicate>,
    /// Must hold, measured, after.
    pub postconditions: Vec<Predicate>,
    /// Facts that then hold.
    pub add: Vec<Predicate>,
    /// Patterns of facts that no longer hold; removed before `add`.
    pub remove: Vec<Predicate>,
    /// Typical duration, s.
    pub cost_s: f64,
}

impl SkillManifest {
    /// Puts arguments in; checks nothing but that the templates can be filled. See
    /// [`crate::SkillRegistry::ground`] for arguments that come from outside.
    ///
    /// # Errors
    /// An argument that a predicate needs is missing or of the wrong type.
    pub fn ground(&self, args: &Value) -> Result<GroundSkill, ModelError> {
        let args = self.with_defaults(args);
        let all = |templates: &[Template]| {
            templates.iter().map(|template| template.ground(&args)).collect::<Result<Vec<_>, _>>()
        };
        Ok(GroundSkill {
            skill: self.id.clone(),
            preconditions: all(&self.preconditions)?,
            hold_conditions: all(&self.hold_conditions)?,
            postconditions: all(&self.postconditions)?,
            add: all(&self.effects.add)?,
            remove: all(&self.effects.remove)?,
            cost_s: self.cost_s,
            args,
        })
    }
}
