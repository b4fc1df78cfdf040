use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ModelError;

/// The name of a predicate, without its arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Relation {
    /// `near(target)`
    Near,
    /// `holding(object)`
    Holding,
    /// `hand_empty`
    HandEmpty,
    /// `on(object, support)`
    On,
    /// `in(object, container)`
    In,
    /// `clear(object)`
    Clear,
    /// `arm_at(configuration)`
    ArmAt,
    /// `tool_at(object)`
    ToolAt,
    /// `robot_still`
    RobotStill,
    /// `looking_at(target)`
    LookingAt,
    /// `known(object)`
    Known,
}

impl Relation {
    /// Every relation, in the order of the documentation.
    pub const ALL: [Self; 11] = [
        Self::Near,
        Self::Holding,
        Self::HandEmpty,
        Self::On,
        Self::In,
        Self::Clear,
        Self::ArmAt,
        Self::ToolAt,
        Self::RobotStill,
        Self::LookingAt,
        Self::Known,
    ];

    /// The name in a manifest.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Near => "near",
            Self::Holding => "holding",
            Self::HandEmpty => "hand_empty",
            Self::On => "on",
            Self::In => "in",
            Self::Clear => "clear",
            Self::ArmAt => "arm_at",
            Self::ToolAt => "tool_at",
            Self::RobotStill => "robot_still",
            Self::LookingAt => "looking_at",
            Self::Known => "known",
        }
    }

    /// How many arguments it takes.
    pub const fn arity(self) -> usize {
        match self {
            Self::HandEmpty | Self::RobotStill => 0,
            Self::On | Self::In => 2,
            _ => 1,
        }
    }

    /// Whether it follows from other facts, so that no effect may set it: `hand_empty` is the absence
    /// of `holding`, `clear` the absence of `on`.
    pub const fn is_derived(self) -> bool {
        matches!(self, Self::HandEmpty | Self::Clear)
    }

    /// Whether its arguments are objects; the argument of `arm_at` is the name of a configuration.
    pub const fn takes_objects(self) -> bool {
        !matches!(self, Self::ArmAt)
    }

    /// The relation of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|relation| relation.name() == name)
    }
}

/// An argument of a ground predicate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Slot {
    /// An object's id, or the name of a configuration.
    Id(String),
    /// `$any`: it holds if it holds for at least one.
    Any,
}

impl Slot {
    /// Whether a fact's argument fits.
    pub fn matches(&self, id: &str) -> bool {
        match self {
            Self::Id(own) => own == id,
            Self::Any => true,
        }
    }
}

impl From<&str> for Slot {
    fn from(id: &str) -> Self {
        Self::Id(id.into())
    }
}

impl From<String> for Slot {
    fn from(id: String) -> Self {
        Self::Id(id)
    }
}

impl From<&String> for Slot {
    fn from(id: &String) -> Self {
        Self::Id(id.clone())
    }
}

impl fmt::Display for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => f.write_str(id),
            Self::Any => f.write_str("$any"),
        }
    }
}

/// A statement about the world.
///
/// `A` is what stands for the arguments: [`Slot`] in a ground predicate, which can be judged;
/// [`Term`](crate::Term) in a manifest, where `$object` stands for an argument of the skill.
///
/// In text: `near(bin)`, `hand_empty`, `on(red_cube, blue_cube)`, `not on(red_cube, $any)`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Predicate<A = Slot> {
    /// The base stands where the arm reaches `target`, by the [`ReachEnvelope`](crate::ReachEnvelope).
    Near {
        /// An object.
        target: A,
    },
    /// The gripper holds `object`: force, width and the object's place at the tool agree.
    Holding {
        /// An object.
        object: A,
    },
    /// The gripper holds nothing.
    HandEmpty,
    /// `object` lies on `support`.
    On {
        /// What lies there.
        object: A,
        /// What carries it.
        support: A,
    },
    /// The centre of `object` is inside `container` and below its rim.
    In {
        /// What lies there.
        object: A,
        /// What surrounds it.
        container: A,
    },
    /// Nothing lies on `object`.
    Clear {
        /// An object.
        object: A,
    },
    /// The arm stands in a named configuration of the robot file.
    ArmAt {
        /// Its name.
        configuration: A,
    },
    /// The tool hovers above `object`.
    ToolAt {
        /// An object.
        object: A,
    },
    /// Base and joints are at rest.
    RobotStill,
    /// `target` is in view of the head camera.
    LookingAt {
        /// An object.
        target: A,
    },
    /// `object` was seen recently and with confidence.
    Known {
        /// An object.
        object: A,
    },
    /// The contrary.
    Not(Box<Predicate<A>>),
}

impl<A> Predicate<A> {
    /// The predicate of a relation; none if the number of arguments is wrong.
    pub fn from_parts(relation: Relation, args: Vec<A>) -> Option<Self> {
        let mut args = args.into_iter();
        let predicate = match relation {
            Relation::Near => Self::Near { target: args.next()? },
            Relation::Holding => Self::Holding { object: args.next()? },
            Relation::HandEmpty => Self::HandEmpty,
            Relation::On => Self::On { object: args.next()?, support: args.next()? },
            Relation::In => Self::In { object: args.next()?, container: args.next()? },
            Relation::Clear => Self::Clear { object: args.next()? },
            Relation::ArmAt => Self::ArmAt { configuration: args.next()? },
            Relation::ToolAt => Self::ToolAt { object: args.next()? },
            Relation::RobotStill => Self::RobotStill,
            Relation::LookingAt => Self::LookingAt { target: args.next()? },
            Relation::Known => Self::Known { object: args.next()? },
        };
        args.next().is_none().then_some(predicate)
    }

    /// The relation, whether it is affirmed, and its arguments; looks through [`Predicate::Not`].
    pub fn parts(&self) -> (bool, Relation, Vec<&A>) {
        match self {
            Self::Near { target } => (true, Relation::Near, vec![target]),
            Self::Holding { object } => (true, Relation::Holding, vec![object]),
            Self::HandEmpty => (true, Relation::HandEmpty, vec![]),
            Self::On { object, support } => (true, Relation::On, vec![object, support]),
            Self::In { object, container } => (true, Relation::In, vec![object, container]),
            Self::Clear { object } => (true, Relation::Clear, vec![object]),
            Self::ArmAt { configuration } => (true, Relation::ArmAt, vec![configuration]),
            Self::ToolAt { object } => (true, Relation::ToolAt, vec![object]),
            Self::RobotStill => (true, Relation::RobotStill, vec![]),
            Self::LookingAt { target } => (true, Relation::LookingAt, vec![target]),
            Self::Known { object } => (true, Relation::Known, vec![object]),
            Self::Not(inner) => {
                let (affirmed, relation, args) = inner.parts();
                (!affirmed, relation, args)
            }
        }
    }

    /// The name of the relation; looks through [`Predicate::Not`].
    pub fn relation(&self) -> Relation {
        self.parts().1
    }

    /// The contrary; two negations cancel.
    #[must_use]
    pub fn negated(self) -> Self {
        match self {
            Self::Not(inner) => *inner,
            other => Self::Not(Box::new(other)),
        }
    }
}

impl Predicate {
    /// Whether `fact` is of this relation and its arguments fit, `$any` fitting all; both affirmed.
    pub fn matches(&self, fact: &Self) -> bool {
        let (own, other) = (self.parts(), fact.parts());
        own.0 == other.0
            && own.1 == other.1
            && own.2.iter().zip(&other.2).all(|(slot, id)| **slot == Slot::Any || slot == id)
    }
}

macro_rules! constructors {
    ($($(#[$doc:meta])* $name:ident => $variant:ident { $($field:ident),+ };)+) => {
        impl Predicate {
            $($(#[$doc])* pub fn $name($($field: impl Into<Slot>),+) -> Self {
                Self::$variant { $($field: $field.into()),+ }
            })+
        }
    };
}

constructors! {
    /// `near(target)`
    near => Near { target };
    /// `holding(object)`
    holding => Holding { object };
    /// `on(object, support)`
    on => On { object, support };
    /// `in(object, container)`
    is_in => In { object, container };
    /// `clear(object)`
    clear => Clear { object };
    /// `arm_at(configuration)`
    arm_at => ArmAt { configuration };
    /// `tool_at(object)`
    tool_at => ToolAt { object };
    /// `looking_at(target)`
    looking_at => LookingAt { target };
    /// `known(object)`
    known => Known { object };
}

impl<A: fmt::Display> fmt::Display for Predicate<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (affirmed, relation, args) = self.parts();
        if !affirmed {
            f.write_str("not ")?;
        }
        f.write_str(relation.name())?;
        for (i, arg) in args.iter().enumerate() {
            write!(f, "{}{arg}", if i == 0 { "(" } else { ", " })?;
        }
        if args.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

/// `not name(a, b)` taken apart: whether affirmed, the name, the arguments.
pub(crate) fn split_call(text: &str) -> Result<(bool, &str, Vec<&str>), ModelError> {
    let fail = |reason: &str| ModelError::Predicate {
        text: text.into(),
        reason: reason.into(),
        allowed: "name, name(a), name(a, b), each with `not` before it".into(),
    };
    let mut rest = text.trim();
    let mut affirmed = true;
    while let Some(inner) = rest.strip_prefix("not ") {
        affirmed = !affirmed;
        rest = inner.trim_start();
    }
    let (name, args) = match rest.split_once('(') {
        None => (rest, vec![]),
        Some((name, args)) => {
            let args = args.strip_suffix(')').ok_or_else(|| fail("`)` is missing at the end"))?;
            (name.trim_end(), args.split(',').map(str::trim).collect())
        }
    };
    let is_word = |word: &str| {
        !word.is_empty()
            && word.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
    };
    if let Some(bad) = std::iter::once(name)
        .chain(args.iter().copied())
        .find(|word| !is_word(word.strip_prefix('$').unwrap_or(word)))
    {
        return Err(fail(&format!("`{bad}` is no name")));
    }
    Ok((affirmed, name, args))
}

/// The relation of a name, with the number of arguments checked.
pub(crate) fn relation_of(text: &str, name: &str, arity: usize) -> Result<Relation, ModelError> {
    let relation = Relation::from_name(name).ok_or_else(|| ModelError::Predicate {
        text: text.into(),
        reason: format!("`{name}` is unknown"),
        allowed: Relation::ALL.map(Relation::name).join(", "),
    })?;
    if relation.arity() != arity {
        return Err(ModelError::Predicate {
            text: text.into(),
            reason: format!("{arity} arguments"),
            allowed: format!("`{name}` takes {}", relation.arity()),
        });
    }
    Ok(relation)
}

impl FromStr for Predicate {
    type Err = ModelError;

    fn from_str(text: &str) -> Result<Self, ModelError> {
        let (affirmed, name, args) = split_call(text)?;
        let relation = relation_of(text, name, args.len())?;
        let slots = args
            .into_iter()
            .map(|arg| match arg.strip_prefix('$') {
                None => Ok(Slot::Id(arg.into())),
                Some("any") => Ok(Slot::Any),
                Some(_) => Err(ModelError::Predicate {
                    text: text.into(),
                    reason: format!("`{arg}` stands for an argument, and there are none here"),
                    allowed: "an id, or $any".into(),
                }),
            })
            .collect::<Result<_, _>>()?;
        let predicate = Self::from_parts(relation, slots).ok_or_else(|| ModelError::Predicate {
            text: text.into(),
            reason: "wrong number of arguments".into(),
            allowed: format!("`{name}` takes {}", relation.arity()),
        })?;
        Ok(if affirmed { predicate } else { predicate.negated() })
    }
}

impl Serialize for Predicate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Predicate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
