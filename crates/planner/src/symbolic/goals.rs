//! From wishes to goals: what holds on the way, and what holds at the end.

use sinew_model::{Predicate, ProposedStep, Slot, WorldState};

use super::grammar::{Clause, Phrase, Preposition, Wish};
use super::resolve::Resolver;
use crate::refusal::PlanRefusal;

/// A leg of an instruction.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Stage {
    /// Make all of this hold.
    Reach(Vec<Predicate>),
    /// Do exactly this.
    Do(ProposedStep),
}

/// What an instruction asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Instruction {
    pub(crate) stages: Vec<Stage>,
    /// Holds at the end.
    pub(crate) goal: Vec<Predicate>,
}

/// One wish, resolved.
struct Wanted {
    then: bool,
    /// Lasting: holds at the end of the whole instruction.
    lasting: Vec<Predicate>,
    /// Passing: holds when its turn has come; at the end only if it is the last wish.
    passing: Vec<Predicate>,
    step: Option<ProposedStep>,
}

/// Cuts an instruction into stages.
///
/// What is put somewhere, cleared or picked up lasts: it holds at the end (a pick-up only until the
/// same object is put somewhere). Where the robot stands, looks and reaches passes: it holds when its
/// turn has come, and at the end if it is the last wish. Lasting wishes are planned together unless
/// `then` stands between them.
pub(crate) fn stages(clauses: &[Clause], world: &WorldState) -> Result<Instruction, PlanRefusal> {
    let mut resolver = Resolver::new(world);
    let mut wanted = clauses
        .iter()
        .map(|clause| resolve(clause, &mut resolver, world))
        .collect::<Result<Vec<_>, _>>()?;
    release_what_is_put(&mut wanted);
    let lasting: Vec<_> = wanted.iter().flat_map(|w| w.lasting.iter().cloned()).collect();
    contradiction(&lasting, world)?;

    let mut stages = Vec::new();
    let mut done: Vec<Predicate> = Vec::new();
    for (i, want) in wanted.iter().enumerate() {
        done.extend(want.lasting.iter().cloned());
        if let Some(step) = &want.step {
            stages.push(Stage::Do(step.clone()));
        }
        let next_waits = wanted.get(i + 1).is_none_or(|next| next.then || next.step.is_some());
        if !want.passing.is_empty() || (next_waits && !want.lasting.is_empty()) {
            let goal: Vec<_> = done.iter().chain(&want.passing).cloned().collect();
            stages.push(Stage::Reach(goal));
        }
    }
    let last = wanted.last().map(|want| want.passing.clone()).unwrap_or_default();
    let mut goal: Vec<_> = lasting.iter().chain(&last).cloned().collect();
    if goal.is_empty() {
        // Only waits.
        goal.push(Predicate::RobotStill);
    }
    // A passing wish may have undone nothing that lasts, but the end is judged on all of it.
    if stages.last() != Some(&Stage::Reach(goal.clone())) && !lasting.is_empty() {
        stages.push(Stage::Reach(goal.clone()));
    }
    Ok(Instruction { stages, goal })
}

fn resolve(
    clause: &Clause,
    resolver: &mut Resolver<'_>,
    world: &WorldState,
) -> Result<Wanted, PlanRefusal> {
    let mut want = Wanted { then: clause.then, lasting: vec![], passing: vec![], step: None };
    let mut each = |phrase: &Phrase, of: fn(&str) -> Predicate| -> Result<Vec<_>, PlanRefusal> {
        Ok(resolver.objects(phrase)?.iter().map(|id| of(id)).collect())
    };
    match &clause.wish {
        Wish::Put { objects, preposition, destination } => {
            let mut ids = Vec::new();
            for phrase in objects {
                ids.extend(resolver.objects(phrase)?);
            }
            let place = resolver.place(destination)?;
            // `put all cubes on the red cube` means the others.
            if ids.len() > 1 {
                ids.retain(|id| *id != place);
            }
            let is_container = world.objects.get(&place).is_some_and(|o| o.container.is_some());
            let inside = match preposition {
                Preposition::In => true,
                Preposition::On => false,
                Preposition::To => is_container,
            };
            want.lasting = ids
                .iter()
                .map(|id| match inside {
                    true => Predicate::is_in(id, &place),
                    false => Predicate::on(id, &place),
                })
                .collect();
        }
        Wish::Clear(phrase) => {
            for place in resolver.objects(phrase)? {
                want.lasting.extend(contents(&place, world));
                // Set down, not only lifted.
                want.lasting.push(Predicate::HandEmpty);
            }
        }
        Wish::PickUp(phrase) => want.lasting = each(phrase, |id| Predicate::holding(id))?,
        Wish::GoTo(phrase) => want.passing = each(phrase, |id| Predicate::near(id))?,
        Wish::ReachFor(phrase) => want.passing = each(phrase, |id| Predicate::tool_at(id))?,
        Wish::LookAt(phrase) => want.passing = each(phrase, |id| Predicate::looking_at(id))?,
        Wish::GoHome => want.passing = vec![Predicate::arm_at("home")],
        Wish::Wait { seconds } => {
            let args = serde_json::json!({ "duration_s": seconds });
            want.step = Some(ProposedStep { skill: "wait".into(), args });
        }
    }
    Ok(want)
}

/// Nothing shall lie on or in a place; what lies there now is named, so that a refusal can name it.
fn contents(place: &str, world: &WorldState) -> Vec<Predicate> {
    let there =
        world.objects.values().filter(|object| !object.fixed).flat_map(|object| {
            [Predicate::on(&object.id, place), Predicate::is_in(&object.id, place)]
        });
    let nothing = [
        Predicate::On { object: Slot::Any, support: place.into() },
        Predicate::In { object: Slot::Any, container: place.into() },
    ];
    there.filter(|p| world.judge(p).holds).chain(nothing).map(Predicate::negated).collect()
}

/// `pick up X and put it in Y`: X is picked up on the way only.
fn release_what_is_put(wanted: &mut [Wanted]) {
    for i in 0..wanted.len() {
        let (now, later) = wanted.split_at_mut(i + 1);
        let put_later = |object: &Slot| {
            later.iter().flat_map(|want| &want.lasting).any(|goal| put_object(goal) == Some(object))
        };
        let want = &mut now[i];
        let (passing, lasting) = std::mem::take(&mut want.lasting)
            .into_iter()
            .partition(|goal| matches!(goal, Predicate::Holding { object } if put_later(object)));
        want.lasting = lasting;
        let passing: Vec<Predicate> = passing;
        want.passing.extend(passing);
    }
}

fn put_object(goal: &Predicate) -> Option<&Slot> {
    match goal {
        Predicate::On { object, .. } | Predicate::In { object, .. } => Some(object),
        _ => None,
    }
}

/// Two lasting goals that cannot both hold.
fn contradiction(goals: &[Predicate], world: &WorldState) -> Result<(), PlanRefusal> {
    for (i, first) in goals.iter().enumerate() {
        for second in &goals[i + 1..] {
            if first != second && excludes(first, second, world) {
                return Err(PlanRefusal::Contradictory {
                    first: first.to_string(),
                    second: second.to_string(),
                });
            }
        }
    }
    Ok(())
}

fn excludes(first: &Predicate, second: &Predicate, world: &WorldState) -> bool {
    use Predicate as P;
    let loose = |slot: &Slot| matches!(slot, Slot::Id(id) if world.objects.get(id).is_some_and(|o| !o.fixed));
    match (first, second) {
        (P::Not(inner), fact) | (fact, P::Not(inner)) => inner.matches(fact),
        // One hand.
        (P::Holding { .. }, P::Holding { .. }) => true,
        (P::Holding { .. }, P::HandEmpty) | (P::HandEmpty, P::Holding { .. }) => true,
        (P::Holding { object }, put) | (put, P::Holding { object }) => {
            put_object(put) == Some(object)
                || matches!(put, P::On { support, .. } if support == object)
        }
        // One place for an object, one object on what is loose, and no circles.
        (P::On { object: a, support: s }, P::On { object: b, support: t }) => {
            a == b || (s == t && loose(s)) || (a == t && b == s)
        }
        _ => match (put_object(first), put_object(second)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        },
    }
}
