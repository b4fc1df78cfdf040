use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use sinew_model::{Facts, Predicate, ProposedStep, Slot};

use super::SearchLimits;
use super::lm_cut::LmCut;
use super::strips::{Bits, Task};
use crate::planner::PlanRequest;
use crate::refusal::PlanRefusal;

/// A way to a goal.
#[derive(Debug)]
pub(crate) struct Found {
    /// In order.
    pub(crate) steps: Vec<ProposedStep>,
    /// What is true after them.
    pub(crate) facts: Facts,
}

struct Node {
    state: Bits,
    cost_ms: u64,
    parent: Option<(usize, usize)>,
    closed: bool,
}

/// The cheapest way from `facts` to `goal`, by A*.
///
/// # Errors
/// The goal cannot be reached, or not within the limit.
pub(crate) fn plan(
    facts: &Facts,
    goal: &[Predicate],
    request: &PlanRequest,
    limits: SearchLimits,
) -> Result<Found, PlanRefusal> {
    let task = Task::new(facts, goal, &request.registry, &request.world);
    let heuristic = LmCut::new(&task);
    let Some(estimate) = heuristic.estimate(&task.init).or((task.goal.is_empty()).then_some(0))
    else {
        return Err(why_unreachable(facts, goal));
    };
    let mut nodes =
        vec![Node { state: task.init.clone(), cost_ms: 0, parent: None, closed: false }];
    let mut known: HashMap<Bits, usize> = HashMap::from([(task.init.clone(), 0)]);
    let mut estimates: Vec<u64> = vec![estimate];
    // The least estimated sum first; among those the one closest to the goal; then the oldest.
    let mut open = BinaryHeap::from([Reverse((estimate, estimate, 0_usize))]);
    let mut expansions = 0;
    while let Some(Reverse((sum, _, index))) = open.pop() {
        let cost_ms = nodes[index].cost_ms;
        if nodes[index].closed || sum > cost_ms + estimates[index] {
            continue;
        }
        nodes[index].closed = true;
        let state = nodes[index].state.clone();
        if state.contains_all(&task.goal) {
            return trace(facts, &task, &nodes, index, goal);
        }
        if expansions == limits.max_expansions {
            let why = format!("none found within {expansions} states; ask for less at a time");
            return Err(PlanRefusal::NoPlan { goal: text(goal), why });
        }
        expansions += 1;
        for (number, action) in task.actions.iter().enumerate() {
            if !state.contains_all(&action.pre) {
                continue;
            }
            let next = action.apply(&state);
            let cost_ms = cost_ms + action.cost_ms;
            let next_index = match known.get(&next) {
                Some(existing) => {
                    if cost_ms >= nodes[*existing].cost_ms {
                        continue;
                    }
                    *existing
                }
                None => {
                    let Some(estimate) = heuristic.estimate(&next) else { continue };
                    nodes.push(Node { state: next.clone(), cost_ms, parent: None, closed: false });
                    estimates.push(estimate);
                    known.insert(next, nodes.len() - 1);
                    nodes.len() - 1
                }
            };
            // The heuristic is admissible but not consistent: a closed node may open again.
            let node = &mut nodes[next_index];
            (node.cost_ms, node.parent, node.closed) = (cost_ms, Some((index, number)), false);
            let estimate = estimates[next_index];
            open.push(Reverse((cost_ms + estimate, estimate, next_index)));
        }
    }
    let why = format!("the skills do not lead there (all {expansions} states seen)");
    Err(PlanRefusal::NoPlan { goal: text(goal), why })
}

fn trace(
    facts: &Facts,
    task: &Task,
    nodes: &[Node],
    mut index: usize,
    goal: &[Predicate],
) -> Result<Found, PlanRefusal> {
    let mut actions = Vec::new();
    while let Some((parent, action)) = nodes[index].parent {
        actions.push(&task.actions[action]);
        index = parent;
    }
    let mut facts = facts.clone();
    let mut steps = Vec::with_capacity(actions.len());
    for action in actions.into_iter().rev() {
        facts = facts.after(&action.skill).map_err(|unmet| PlanRefusal::NoPlan {
            goal: text(goal),
            why: format!("{}: {unmet}", action.skill.skill),
        })?;
        steps.push(ProposedStep {
            skill: action.skill.skill.clone(),
            args: action.skill.args.clone(),
        });
    }
    Ok(Found { steps, facts })
}

fn text(goal: &[Predicate]) -> String {
    goal.iter().map(Predicate::to_string).collect::<Vec<_>>().join(" and ")
}

/// Which part of a goal cannot be, and what stands against it.
fn why_unreachable(facts: &Facts, goal: &[Predicate]) -> PlanRefusal {
    for predicate in goal.iter().filter(|predicate| !facts.holds(predicate)) {
        let needs = match predicate {
            Predicate::Not(inner) => {
                inner.parts().2.first().map(|a| work_on(a)).unwrap_or_default()
            }
            Predicate::On { object, support: place }
            | Predicate::In { object, container: place } => {
                let mut needs = work_on(object);
                needs.push(Predicate::Near { target: place.clone() });
                needs
            }
            Predicate::Holding { object } => work_on(object),
            Predicate::ToolAt { object } => vec![Predicate::Near { target: object.clone() }],
            _ => vec![],
        };
        let chain = std::iter::once(predicate.clone()).chain(needs);
        if let Some(what) = chain.into_iter().find_map(|need| facts.impossible(&need)) {
            return PlanRefusal::GoalUnreachable { goal: predicate.to_string(), what };
        }
    }
    PlanRefusal::NoPlan { goal: text(goal), why: "no skill brings it about".into() }
}

/// What it takes to move an object.
fn work_on(object: &Slot) -> Vec<Predicate> {
    vec![Predicate::Holding { object: object.clone() }, Predicate::Near { target: object.clone() }]
}
