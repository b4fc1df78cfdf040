//! The landmark-cut heuristic (Helmert and Domshlak, "Landmarks, Critical Paths and Abstractions",
//! ICAPS 2009): a lower bound of the cost to the goal, so that A* stays exact.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::strips::{Bits, Task};

const UNREACHED: u64 = u64::MAX;

/// The heuristic for one task; keeps what does not change between states.
pub(crate) struct LmCut<'a> {
    task: &'a Task,
    /// Actions by a fact they need.
    needed_by: Vec<Vec<usize>>,
    /// Actions that need nothing.
    free: Vec<usize>,
    /// Actions by a fact they add.
    added_by: Vec<Vec<usize>>,
}

/// Relaxed costs by fact, and for each action the need that costs most.
struct Relaxed {
    cost: Vec<u64>,
    supporter: Vec<Option<usize>>,
    reached: Vec<bool>,
}

impl<'a> LmCut<'a> {
    pub(crate) fn new(task: &'a Task) -> Self {
        let mut needed_by = vec![Vec::new(); task.facts];
        let mut added_by = vec![Vec::new(); task.facts];
        let mut free = Vec::new();
        for (i, action) in task.actions.iter().enumerate() {
            action.pre.iter().for_each(|fact| needed_by[*fact].push(i));
            action.add.iter().for_each(|fact| added_by[*fact].push(i));
            if action.pre.is_empty() {
                free.push(i);
            }
        }
        Self { task, needed_by, free, added_by }
    }

    /// A lower bound of the cost from `state` to the goal, ms; none if there is no way even if
    /// nothing were ever deleted.
    pub(crate) fn estimate(&self, state: &Bits) -> Option<u64> {
        let mut costs: Vec<u64> = self.task.actions.iter().map(|action| action.cost_ms).collect();
        let mut total = 0;
        loop {
            let relaxed = self.relaxed(state, &costs);
            let goal = self.dearest(&self.task.goal, &relaxed.cost)?;
            match relaxed.cost[goal] {
                UNREACHED => return None,
                0 => return Some(total),
                _ => {}
            }
            let cut = self.cut(state, &costs, &relaxed, goal);
            let cheapest = cut.iter().map(|action| costs[*action]).min()?;
            total += cheapest;
            cut.into_iter().for_each(|action| costs[action] -= cheapest);
        }
    }

    fn dearest(&self, facts: &[usize], cost: &[u64]) -> Option<usize> {
        facts.iter().copied().max_by_key(|fact| cost[*fact])
    }

    /// Cost of each fact if deletes are forgotten and the dearest need alone counts (h_max).
    fn relaxed(&self, state: &Bits, costs: &[u64]) -> Relaxed {
        let actions = &self.task.actions;
        let mut cost = vec![UNREACHED; self.task.facts];
        let mut missing: Vec<usize> = actions.iter().map(|action| action.pre.len()).collect();
        let mut relaxed_supporter = vec![None; actions.len()];
        let mut reached = vec![false; actions.len()];
        let mut queue = BinaryHeap::new();
        for fact in (0..self.task.facts).filter(|fact| state.contains(*fact)) {
            cost[fact] = 0;
            queue.push(Reverse((0, fact)));
        }
        let mut fire =
            |action: usize, base: u64, cost: &mut Vec<u64>, queue: &mut BinaryHeap<_>| {
                reached[action] = true;
                for fact in &actions[action].add {
                    let through = base + costs[action];
                    if through < cost[*fact] {
                        cost[*fact] = through;
                        queue.push(Reverse((through, *fact)));
                    }
                }
            };
        for action in &self.free {
            fire(*action, 0, &mut cost, &mut queue);
        }
        while let Some(Reverse((at, fact))) = queue.pop() {
            if at > cost[fact] {
                continue;
            }
            for action in &self.needed_by[fact] {
                missing[*action] -= 1;
                if missing[*action] == 0 {
                    // Facts are settled in order of cost: the last need is the dearest.
                    relaxed_supporter[*action] = Some(fact);
                    fire(*action, at, &mut cost, &mut queue);
                }
            }
        }
        Relaxed { cost, supporter: relaxed_supporter, reached }
    }

    /// Actions of which every relaxed plan must use one.
    fn cut(&self, state: &Bits, costs: &[u64], relaxed: &Relaxed, goal: usize) -> Vec<usize> {
        let actions = &self.task.actions;
        // From these facts the goal is reached at no cost.
        let mut goal_zone = vec![false; self.task.facts];
        goal_zone[goal] = true;
        let mut stack = vec![goal];
        while let Some(fact) = stack.pop() {
            for action in &self.added_by[fact] {
                let Some(supporter) = relaxed.supporter[*action] else { continue };
                if costs[*action] == 0 && !goal_zone[supporter] {
                    goal_zone[supporter] = true;
                    stack.push(supporter);
                }
            }
        }
        // What is reached from the state without entering that zone; actions that step into it are the cut.
        let mut cut = Vec::new();
        let mut before = vec![false; self.task.facts];
        let mut stack: Vec<usize> = Vec::new();
        let enter = |action: usize, before: &mut Vec<bool>, stack: &mut Vec<usize>| {
            if actions[action].add.iter().any(|fact| goal_zone[*fact]) {
                return true;
            }
            for fact in &actions[action].add {
                if !before[*fact] {
                    before[*fact] = true;
                    stack.push(*fact);
                }
            }
            false
        };
        for fact in (0..self.task.facts).filter(|fact| state.contains(*fact) && !goal_zone[*fact]) {
            before[fact] = true;
            stack.push(fact);
        }
        for action in &self.free {
            if enter(*action, &mut before, &mut stack) {
                cut.push(*action);
            }
        }
        while let Some(fact) = stack.pop() {
            for action in &self.needed_by[fact] {
                if relaxed.reached[*action]
                    && relaxed.supporter[*action] == Some(fact)
                    && enter(*action, &mut before, &mut stack)
                {
                    cut.push(*action);
                }
            }
        }
        cut.sort_unstable();
        cut.dedup();
        cut
    }
}
