use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::predicate::{relation_of, split_call};
use crate::{ModelError, Predicate, Slot};

/// An argument of a predicate in a manifest.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Term {
    /// Always this id or name: `arm_at(home)`.
    Id(String),
    /// The value of the skill's argument: `holding($object)`.
    Arg(String),
    /// `$any`: at least one; in `remove`, all of them.
    Any,
}

impl Term {
    fn parse(text: &str) -> Self {
        match text.strip_prefix('$') {
            Some("any") => Self::Any,
            Some(arg) => Self::Arg(arg.into()),
            None => Self::Id(text.into()),
        }
    }
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::Arg(arg) => write!(f, "${arg}"),
            Self::Any => f.write_str("$any"),
        }
    }
}

/// A predicate in a manifest, with the skill's arguments as `$name`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Template {
    /// `holding($object)`
    Fixed(Predicate<Term>),
    /// `$relation($object, $destination)`: an argument names the relation, out of the enum in its schema.
    ByArgument {
        /// False where `not` stands before it.
        affirmed: bool,
        /// The argument that names the relation.
        relation_arg: String,
        /// The arguments.
        terms: Vec<Term>,
    },
}

impl Template {
    /// The names of the skill's arguments that occur.
    pub fn arguments(&self) -> Vec<&str> {
        fn name(term: &Term) -> Option<&str> {
            match term {
                Term::Arg(arg) => Some(arg),
                _ => None,
            }
        }
        match self {
            Self::Fixed(predicate) => predicate.parts().2.into_iter().filter_map(name).collect(),
            Self::ByArgument { relation_arg, terms, .. } => std::iter::once(relation_arg.as_str())
                .chain(terms.iter().filter_map(name))
                .collect(),
        }
    }

    /// Puts the arguments' values in.
    ///
    /// # Errors
    /// An argument is missing or is no string, or does not name a relation where it must.
    pub fn ground(&self, args: &Value) -> Result<Predicate, ModelError> {
        let value = |name: &str| {
            args.get(name).and_then(Value::as_str).ok_or_else(|| ModelError::Predicate {
                text: self.to_string(),
                reason: format!("the argument `{name}` is missing or is no text"),
                allowed: format!("a text for `{name}`"),
            })
        };
        let slot = |term: &Term| {
            Ok(match term {
                Term::Id(id) => Slot::Id(id.clone()),
                Term::Arg(arg) => Slot::Id(value(arg)?.into()),
                Term::Any => Slot::Any,
            })
        };
        let (affirmed, relation, terms) = match self {
            Self::Fixed(predicate) => {
                let (affirmed, relation, terms) = predicate.parts();
                (affirmed, relation, terms.into_iter().map(slot).collect::<Result<Vec<_>, _>>()?)
            }
            Self::ByArgument { affirmed, relation_arg, terms } => {
                let relation = relation_of(&self.to_string(), value(relation_arg)?, terms.len())?;
                (*affirmed, relation, terms.iter().map(slot).collect::<Result<Vec<_>, _>>()?)
            }
        };
        let predicate = Predicate::from_parts(relation, terms)
            .expect("the number of arguments was checked where the template was made");
        Ok(if affirmed { predicate } else { predicate.negated() })
    }
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fixed(predicate) => predicate.fmt(f),
            Self::ByArgument { affirmed, relation_arg, terms } => {
                let terms: Vec<_> = terms.iter().map(Term::to_string).collect();
                let not = if *affirmed { "" } else { "not " };
                write!(f, "{not}${relation_arg}({})", terms.join(", "))
            }
        }
    }
}

impl FromStr for Template {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let (affirmed, name, args) = split_call(text)?;
        let terms: Vec<_> = args.into_iter().map(Term::parse).collect();
        if let Some(relation_arg) = name.strip_prefix('$') {
            return Ok(Self::ByArgument { affirmed, relation_arg: relation_arg.into(), terms });
        }
        let relation = relation_of(text, name, terms.len())?;
        let predicate = Predicate::from_parts(relation, terms)
            .expect("the number of arguments was checked by relation_of");
        Ok(Self::Fixed(if affirmed { predicate } else { predicate.negated() }))
    }
}

impl Serialize for Template {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Template {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl JsonSchema for Template {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Predicate".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let names = crate::Relation::ALL.map(crate::Relation::name).join("|");
        schemars::json_schema!({
            "type": "string",
            "description": "A predicate, `$name` standing for an argument of the skill, `$any` for at \
                least one: `holding($object)`, `not on($object, $any)`, `hand_empty`.",
            "pattern": format!(r"^(not +)*({names}|\$\w+)( *\([^()]+\))?$"),
        })
    }
}
