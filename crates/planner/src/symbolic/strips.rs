//! A planning task as bits: facts that are true or not, actions that need, add and delete them.

use std::collections::HashMap;

use serde_json::{Map, Value};
use sinew_model::{
    Facts, GroundSkill, Predicate, ReferenceKind, Relation, SkillManifest, SkillRegistry, Slot,
    WorldState,
};

/// A set of fact numbers.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Bits(Vec<u64>);

impl Bits {
    fn new(facts: usize) -> Self {
        Self(vec![0; facts.div_ceil(64)])
    }

    pub(crate) fn contains(&self, fact: usize) -> bool {
        self.0[fact / 64] & (1 << (fact % 64)) != 0
    }

    fn insert(&mut self, fact: usize) {
        self.0[fact / 64] |= 1 << (fact % 64);
    }

    fn remove(&mut self, fact: usize) {
        self.0[fact / 64] &= !(1 << (fact % 64));
    }

    pub(crate) fn contains_all(&self, facts: &[usize]) -> bool {
        facts.iter().all(|fact| self.contains(*fact))
    }
}

/// A ground skill in numbers. A negated condition is a fact of its own, the complement.
#[derive(Clone, Debug)]
pub(crate) struct Action {
    pub(crate) skill: GroundSkill,
    pub(crate) pre: Vec<usize>,
    pub(crate) add: Vec<usize>,
    del: Vec<usize>,
    /// ms, so that sums are exact.
    pub(crate) cost_ms: u64,
}

impl Action {
    pub(crate) fn apply(&self, state: &Bits) -> Bits {
        let mut next = state.clone();
        self.del.iter().for_each(|fact| next.remove(*fact));
        self.add.iter().for_each(|fact| next.insert(*fact));
        next
    }
}

/// What is to be solved.
#[derive(Debug)]
pub(crate) struct Task {
    pub(crate) facts: usize,
    pub(crate) init: Bits,
    pub(crate) goal: Vec<usize>,
    pub(crate) actions: Vec<Action>,
}

impl Task {
    /// All calls of skills whose required arguments are objects, places or words out of an enum, and
    /// whose effects can be; then only what bears on the goal.
    pub(crate) fn new(
        facts: &Facts,
        goal: &[Predicate],
        registry: &SkillRegistry,
        world: &WorldState,
    ) -> Self {
        let skills: Vec<_> = registry
            .iter()
            .flat_map(|manifest| ground_all(manifest, world))
            .filter(|skill| skill.add.iter().all(|effect| facts.impossible(effect).is_none()))
            .collect();
        Compiler::new(facts, &skills).compile(goal, skills)
    }
}

/// Each way to put arguments in.
fn ground_all(manifest: &SkillManifest, world: &WorldState) -> Vec<GroundSkill> {
    let references = manifest.references();
    let mut calls = vec![Map::new()];
    for (name, property) in manifest.properties().filter(|(name, _)| manifest.is_required(name)) {
        let reference = references.iter().find(|reference| reference.argument == name);
        let values: Vec<Value> = match reference.map(|reference| reference.kind) {
            Some(kind @ (ReferenceKind::Object | ReferenceKind::Place)) => {
                kind.candidates(world).into_iter().map(Value::from).collect()
            }
            None => property.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
        };
        calls = calls
            .into_iter()
            .flat_map(|call: Map<String, Value>| {
                values.iter().map(move |value| {
                    let mut call = call.clone();
                    call.insert(name.into(), value.clone());
                    call
                })
            })
            .collect();
    }
    calls.into_iter().filter_map(|call| manifest.ground(&Value::Object(call)).ok()).collect()
}

/// Numbers facts; derived predicates become conditions on what they are derived from.
struct Compiler<'a> {
    initial: &'a Facts,
    /// Every fact that is or can become true.
    universe: Vec<Predicate>,
    numbers: HashMap<Predicate, usize>,
    /// The number of the complement of a fact, for those that a condition negates.
    complements: HashMap<usize, usize>,
    count: usize,
}

impl<'a> Compiler<'a> {
    fn new(initial: &'a Facts, skills: &[GroundSkill]) -> Self {
        let mut compiler = Self {
            initial,
            universe: Vec::new(),
            numbers: HashMap::new(),
            complements: HashMap::new(),
            count: 0,
        };
        for fact in initial.iter().chain(skills.iter().flat_map(|skill| skill.add.iter().cloned()))
        {
            if !compiler.numbers.contains_key(&fact) {
                compiler.numbers.insert(fact.clone(), compiler.count);
                compiler.universe.push(fact);
                compiler.count += 1;
            }
        }
        compiler
    }

    fn matching(&self, pattern: &Predicate) -> Vec<usize> {
        (0..self.universe.len()).filter(|i| pattern.matches(&self.universe[*i])).collect()
    }

    fn complement(&mut self, fact: usize) -> usize {
        *self.complements.entry(fact).or_insert_with(|| {
            self.count += 1;
            self.count - 1
        })
    }

    /// The facts that all must be true for a condition; none if it can never hold.
    fn condition(&mut self, predicate: &Predicate) -> Option<Vec<usize>> {
        let (affirmed, relation, slots) = predicate.parts();
        let (affirmed, pattern) = match relation {
            Relation::HandEmpty => (!affirmed, Predicate::Holding { object: Slot::Any }),
            Relation::Clear => {
                (!affirmed, Predicate::On { object: Slot::Any, support: slots[0].clone() })
            }
            _ => {
                let slots = slots.into_iter().cloned().collect();
                (affirmed, Predicate::from_parts(relation, slots)?)
            }
        };
        let matching = self.matching(&pattern);
        if affirmed {
            // `$any` in an affirmed condition would be a disjunction: one fact or none.
            match matching.as_slice() {
                [one] => Some(vec![*one]),
                _ => None,
            }
        } else {
            Some(matching.into_iter().map(|fact| self.complement(fact)).collect())
        }
    }

    fn compile(mut self, goal: &[Predicate], skills: Vec<GroundSkill>) -> Task {
        // A goal that can never hold is a fact that nothing adds.
        let goal: Vec<usize> = goal
            .iter()
            .flat_map(|predicate| {
                self.condition(predicate).unwrap_or_else(|| {
                    self.count += 1;
                    vec![self.count - 1]
                })
            })
            .collect();
        let mut actions = Vec::with_capacity(skills.len());
        for skill in skills {
            let implied: Vec<_> = skill
                .add
                .iter()
                .flat_map(|effect| self.initial.implied_conditions(effect))
                .collect();
            let pre: Option<Vec<Vec<usize>>> =
                skill.preconditions.iter().chain(&implied).map(|p| self.condition(p)).collect();
            let Some(pre) = pre else { continue };
            let add: Vec<_> = skill.add.iter().map(|fact| self.numbers[fact]).collect();
            let mut del: Vec<_> =
                skill.remove.iter().flat_map(|pattern| self.matching(pattern)).collect();
            del.retain(|fact| !add.contains(fact));
            let cost_ms = (skill.cost_s * 1000.0).round().max(1.0) as u64;
            actions.push(Action { skill, pre: pre.concat(), add, del, cost_ms });
        }
        // All complements are known now.
        for action in &mut actions {
            let of = |facts: &[usize]| -> Vec<usize> {
                facts.iter().filter_map(|fact| self.complements.get(fact).copied()).collect()
            };
            let (gained, lost) = (of(&action.del), of(&action.add));
            action.add.extend(gained);
            action.del.extend(lost);
        }
        let mut init = Bits::new(self.count);
        for (number, fact) in self.universe.iter().enumerate() {
            let holds = self.initial.holds(fact);
            if holds {
                init.insert(number);
            }
            if let (false, Some(complement)) = (holds, self.complements.get(&number)) {
                init.insert(*complement);
            }
        }
        let mut task = Task { facts: self.count, init, goal, actions };
        task.keep_relevant();
        task
    }
}

impl Task {
    /// Forgets what does not bear on the goal: conditions that always hold, actions that bring about
    /// nothing which is needed, and facts that nobody asks for. The best plan stays the best.
    fn keep_relevant(&mut self) {
        let mut deleted = Bits::new(self.facts);
        self.actions.iter().flat_map(|a| &a.del).for_each(|fact| deleted.insert(*fact));
        let always = |fact: &usize| self.init.contains(*fact) && !deleted.contains(*fact);
        for action in &mut self.actions {
            action.pre.retain(|fact| !always(fact));
            action.pre.sort_unstable();
            action.pre.dedup();
        }
        let mut relevant = Bits::new(self.facts);
        self.goal.iter().for_each(|fact| relevant.insert(*fact));
        let mut kept = vec![false; self.actions.len()];
        loop {
            let mut grew = false;
            for (action, kept) in self.actions.iter().zip(&mut kept) {
                if !*kept && action.add.iter().any(|fact| relevant.contains(*fact)) {
                    *kept = true;
                    grew = true;
                    action.pre.iter().for_each(|fact| relevant.insert(*fact));
                }
            }
            if !grew {
                break;
            }
        }
        let mut kept = kept.into_iter();
        self.actions.retain(|_| kept.next().unwrap_or(false));
        for action in &mut self.actions {
            action.add.retain(|fact| relevant.contains(*fact));
            action.del.retain(|fact| relevant.contains(*fact));
        }
        (0..self.facts).filter(|fact| !relevant.contains(*fact)).for_each(|f| self.init.remove(f));
    }
}
