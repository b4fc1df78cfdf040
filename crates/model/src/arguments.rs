//! What the JSON Schema of a skill's arguments says to a planner.

use serde_json::{Map, Value};

use crate::{ModelError, SkillManifest, WorldState};

/// What an argument refers to in the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReferenceKind {
    /// `format: object-id`: any object.
    Object,
    /// `format: place-id`: an object in or on which others can be put.
    Place,
}

impl ReferenceKind {
    /// The ids that fit in this world, in order.
    pub fn candidates(self, world: &WorldState) -> Vec<&str> {
        world
            .objects
            .values()
            .filter(|object| match self {
                Self::Object => true,
                Self::Place => object.container.is_some() || object.is_support(),
            })
            .map(|object| object.id.as_str())
            .collect()
    }

    fn of(property: &Value) -> Option<Self> {
        match property.get("format")?.as_str()? {
            "object-id" => Some(Self::Object),
            "place-id" => Some(Self::Place),
            _ => None,
        }
    }
}

/// An argument that refers to the world.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reference {
    /// The argument's name.
    pub argument: String,
    /// What it refers to.
    pub kind: ReferenceKind,
}

impl SkillManifest {
    /// The arguments' schemas by name, in the order of the file.
    pub fn properties(&self) -> impl Iterator<Item = (&str, &Value)> {
        self.args
            .get("properties")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
            .map(|(name, property)| (name.as_str(), property))
    }

    /// Whether a call must give this argument.
    pub fn is_required(&self, argument: &str) -> bool {
        self.args
            .get("required")
            .and_then(Value::as_array)
            .is_some_and(|names| names.iter().any(|name| name == argument))
    }

    /// The arguments that refer to objects or places.
    pub fn references(&self) -> Vec<Reference> {
        self.properties()
            .filter_map(|(name, property)| {
                let kind = ReferenceKind::of(property)?;
                Some(Reference { argument: name.into(), kind })
            })
            .collect()
    }

    /// The arguments with the defaults of the schema filled in.
    pub fn with_defaults(&self, args: &Value) -> Value {
        let mut complete: Map<_, _> = args.as_object().cloned().unwrap_or_default();
        for (name, property) in self.properties() {
            if let (false, Some(default)) = (complete.contains_key(name), property.get("default")) {
                complete.insert(name.into(), default.clone());
            }
        }
        Value::Object(complete)
    }

    /// Checks that the arguments which refer to the world name what it holds.
    ///
    /// # Errors
    /// [`ModelError::UnknownObject`] with what is known.
    pub fn check_references(&self, args: &Value, world: &WorldState) -> Result<(), ModelError> {
        for Reference { argument, kind } in self.references() {
            let Some(id) = args.get(&argument).and_then(Value::as_str) else { continue };
            let known = kind.candidates(world);
            if !known.contains(&id) {
                return Err(ModelError::UnknownObject {
                    skill: self.id.clone(),
                    argument,
                    object: id.into(),
                    known: known.join(", "),
                });
            }
        }
        Ok(())
    }
}
