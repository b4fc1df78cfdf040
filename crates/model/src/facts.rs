use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use crate::{GroundSkill, Predicate, Relation, Slot, WorldObject, WorldState};

/// Why a skill cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unmet {
    /// A pre-condition does not hold; the text says what does, where that helps.
    Precondition {
        /// Which.
        predicate: Predicate,
        /// What is the case instead; may be empty.
        instead: String,
    },
    /// An effect cannot be.
    Impossible {
        /// Which.
        effect: Predicate,
        /// Why not.
        reason: String,
    },
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Precondition { predicate, instead } if instead.is_empty() => {
                write!(f, "needs {predicate}")
            }
            Self::Precondition { predicate, instead } => write!(f, "needs {predicate}; {instead}"),
            Self::Impossible { effect, reason } => write!(f, "{effect} cannot be: {reason}"),
        }
    }
}

/// What no skill changes: sizes, kinds, reach. Shared by all the states of a search.
#[derive(Debug)]
struct Statics {
    objects: BTreeMap<String, StaticObject>,
    max_grasp_width_m: Option<f64>,
}

#[derive(Debug)]
struct StaticObject {
    fixed: bool,
    reachable: bool,
    grasp_width_m: f64,
    top_m: f64,
    edges_m: [f64; 3],
    opening_m: Option<[f64; 2]>,
    support: bool,
}

impl StaticObject {
    fn new(object: &WorldObject, world: &WorldState) -> Self {
        let mut edges_m = object.size_m;
        edges_m.sort_by(f64::total_cmp);
        let opening_m = object.container.map(|inner| {
            let [x, y, _] = inner.size_m;
            if x < y { [x, y] } else { [y, x] }
        });
        Self {
            fixed: object.fixed,
            reachable: world.robot.reach.is_reachable(world, object),
            grasp_width_m: object.grasp_width_m(),
            top_m: object.top_m(),
            edges_m,
            opening_m,
            support: object.is_support(),
        }
    }
}

/// The symbolic state of the world: what is true, as far as planning goes.
#[derive(Clone, Debug)]
pub struct Facts {
    true_facts: BTreeSet<(Relation, Vec<String>)>,
    statics: Arc<Statics>,
}

impl PartialEq for Facts {
    fn eq(&self, other: &Self) -> bool {
        self.true_facts == other.true_facts
    }
}

impl Eq for Facts {}

impl std::hash::Hash for Facts {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.true_facts.hash(state);
    }
}

impl Facts {
    /// What is true of the measured world.
    pub fn of(world: &WorldState) -> Self {
        let mut true_facts = BTreeSet::new();
        let mut learn = |predicate: Predicate| {
            if world.judge(&predicate).holds {
                true_facts.insert(fact(&predicate).expect("made of ids"));
            }
        };
        learn(Predicate::RobotStill);
        for id in world.objects.keys() {
            for of in [
                Predicate::near,
                Predicate::holding,
                Predicate::tool_at,
                Predicate::looking_at,
                Predicate::known,
            ] {
                learn(of(id));
            }
        }
        for (id, object) in &world.objects {
            for other in world.objects.keys().filter(|_| !object.fixed) {
                learn(Predicate::on(id, other));
                learn(Predicate::is_in(id, other));
            }
        }
        if let Some(name) = &world.robot.arm_configuration {
            learn(Predicate::arm_at(name));
        }
        let objects = world
            .objects
            .iter()
            .map(|(id, object)| (id.clone(), StaticObject::new(object, world)))
            .collect();
        let max_grasp_width_m =
            world.robot.grippers.values().map(|g| g.max_width_m).max_by(f64::total_cmp);
        let statics = Statics { objects, max_grasp_width_m };
        Self { true_facts, statics: Arc::new(statics) }
    }

    /// What is true, in order.
    pub fn iter(&self) -> impl Iterator<Item = Predicate> {
        self.true_facts.iter().map(|(relation, ids)| {
            let slots = ids.iter().map(Slot::from).collect();
            Predicate::from_parts(*relation, slots).expect("facts have the right arguments")
        })
    }

    /// Whether a predicate holds. What is not known to be true is false.
    pub fn holds(&self, predicate: &Predicate) -> bool {
        let (affirmed, relation, slots) = predicate.parts();
        let holds = match relation {
            Relation::HandEmpty => self.find(Relation::Holding, &[&Slot::Any]).is_none(),
            Relation::Clear => self.find(Relation::On, &[&Slot::Any, slots[0]]).is_none(),
            _ => self.find(relation, &slots).is_some(),
        };
        holds == affirmed
    }

    /// The arguments of a fact that fits.
    fn find(&self, relation: Relation, slots: &[&Slot]) -> Option<&Vec<String>> {
        self.true_facts
            .iter()
            .find(|(own, ids)| {
                *own == relation && slots.iter().zip(ids).all(|(slot, id)| slot.matches(id))
            })
            .map(|(_, ids)| ids)
    }

    /// The state after a skill; this one stays as it is.
    ///
    /// # Errors
    /// A pre-condition that does not hold, or an effect that cannot be.
    pub fn after(&self, skill: &GroundSkill) -> Result<Self, Unmet> {
        let implied: Vec<_> =
            skill.add.iter().flat_map(|effect| self.implied_conditions(effect)).collect();
        let conditions = skill.preconditions.iter().chain(&implied);
        if let Some(predicate) = conditions.into_iter().find(|p| !self.holds(p)) {
            return Err(Unmet::Precondition {
                predicate: predicate.clone(),
                instead: self.instead_of(predicate),
            });
        }
        if let Some((effect, reason)) =
            skill.add.iter().find_map(|effect| Some((effect, self.impossible(effect)?)))
        {
            return Err(Unmet::Impossible { effect: effect.clone(), reason });
        }
        let mut next = self.clone();
        for pattern in &skill.remove {
            let (_, relation, slots) = pattern.parts();
            next.true_facts.retain(|(own, ids)| {
                *own != relation || !slots.iter().zip(ids).all(|(slot, id)| slot.matches(id))
            });
        }
        next.true_facts.extend(skill.add.iter().filter_map(fact));
        Ok(next)
    }

    /// What is the case where a pre-condition fails: `holding(blue_cube)` instead of `hand_empty`.
    fn instead_of(&self, predicate: &Predicate) -> String {
        let (affirmed, relation, slots) = predicate.parts();
        let (relation, slots) = match relation {
            Relation::HandEmpty => (Relation::Holding, vec![&Slot::Any]),
            Relation::Clear => (Relation::On, vec![&Slot::Any, slots[0]]),
            _ if affirmed => (relation, vec![&Slot::Any; relation.arity()]),
            _ => (relation, slots),
        };
        let found = self.find(relation, &slots);
        found
            .map(|ids| format!("{}({}) holds", relation.name(), ids.join(", ")))
            .unwrap_or_default()
    }

    /// What must hold before an effect can come true, whatever skill brings it about: what is loose
    /// carries one object, and what is in the gripper is not worked at.
    pub fn implied_conditions(&self, effect: &Predicate) -> Vec<Predicate> {
        match effect {
            Predicate::Near { target: object } | Predicate::ToolAt { object } => {
                vec![Predicate::Holding { object: object.clone() }.negated()]
            }
            Predicate::On { support: Slot::Id(id), .. } => match self.statics.objects.get(id) {
                Some(support) if !support.fixed => {
                    vec![Predicate::clear(id), Predicate::holding(id).negated()]
                }
                _ => vec![],
            },
            _ => vec![],
        }
    }

    /// Why a fact can never come true, whatever is done; none if it can.
    pub fn impossible(&self, predicate: &Predicate) -> Option<String> {
        let (affirmed, relation, slots) = predicate.parts();
        let ids: Vec<&str> = slots
            .into_iter()
            .filter_map(|slot| match slot {
                Slot::Id(id) => Some(id.as_str()),
                Slot::Any => None,
            })
            .collect();
        if !affirmed || ids.len() != relation.arity() {
            return None;
        }
        let of = |id: &str| self.statics.objects.get(id);
        match (relation, ids.as_slice()) {
            (Relation::Near | Relation::ToolAt, [id]) => {
                // Reach is that of the measured place: to be put elsewhere an object must have been
                // in reach, and so must its new place.
                let object = of(id)?;
                let held = self.holds(&Predicate::holding(*id));
                (!object.reachable && !held).then(|| {
                    format!(
                        "{id} (its top at {:.2} m) is out of reach from every free base pose",
                        object.top_m
                    )
                })
            }
            (Relation::Holding, [id]) => {
                let object = of(id)?;
                if object.fixed {
                    return Some(format!("{id} is fixed in place"));
                }
                match self.statics.max_grasp_width_m {
                    None => Some("the robot has no gripper".into()),
                    Some(max) if object.grasp_width_m > max => Some(format!(
                        "{id} is {:.3} m wide, and the gripper opens {max:.3} m",
                        object.grasp_width_m
                    )),
                    Some(_) => None,
                }
            }
            (Relation::In | Relation::On, [id, place]) if id == place => {
                Some(format!("{id} cannot be {} itself", relation.name()))
            }
            (Relation::In, [id, container]) => {
                let Some(opening) = of(container)?.opening_m else {
                    return Some(format!("{container} is no container"));
                };
                let edges = of(id)?.edges_m;
                let fits = edges[0] < opening[0] && edges[1] < opening[1];
                (!fits).then(|| format!("{id} is larger than the opening of {container}"))
            }
            (Relation::On, [_, support]) => {
                (!of(support)?.support).then(|| format!("nothing can stand on {support}"))
            }
            _ => None,
        }
    }
}

fn fact(predicate: &Predicate) -> Option<(Relation, Vec<String>)> {
    let (affirmed, relation, slots) = predicate.parts();
    let ids = slots
        .into_iter()
        .map(|slot| match slot {
            Slot::Id(id) => Some(id.clone()),
            Slot::Any => None,
        })
        .collect::<Option<_>>()?;
    affirmed.then_some((relation, ids))
}
