//! Picks each cube of worlds/tabletop.yaml and puts it in the bin, or stacks and lays it elsewhere, on
//! many seeds, and prints how often and how fast each skill succeeded:
//! `cargo run --release -p sinew-skills --example tabletop -- [SEEDS] [FIRST_SEED] [TASK]`.

#![allow(clippy::unwrap_used)]
#![allow(dead_code, reason = "the rig has more than this program needs")]

use std::collections::BTreeMap;

use serde_json::{Value, json};

#[path = "../tests/rig/mod.rs"]
mod rig;

use rig::Rig;

/// An object, where it goes, and how.
type Move = (&'static str, &'static str, &'static str);

const TASKS: &str =
    "in_bin, on_tray, on_table, stack, all_in_bin, all_on_tray, tower, there_and_back, unstack";

#[derive(Default)]
struct Tally {
    tried: u32,
    succeeded: u32,
    total_s: f64,
    longest_s: f64,
    by_policy_s: f64,
    by_primitive_s: f64,
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut number = |default: u64| {
        arguments.next().map_or(default, |text| text.parse().expect("a number of seeds"))
    };
    let (seeds, first) = (number(20), number(0));
    let task = arguments.next().unwrap_or_else(|| "in_bin".into());
    let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
    for seed in first..first + seeds {
        for moves in moves(&task) {
            run(seed, &moves, &mut tallies);
        }
    }
    println!("skill        tried  succeeded  mean s  longest s  by policy s  by primitive s");
    for (skill, tally) in tallies {
        let Tally { tried, succeeded, total_s, longest_s, by_policy_s, by_primitive_s } = tally;
        let each = f64::from(succeeded.max(1));
        println!(
            "{skill:12} {tried:5}  {succeeded:9}  {:6.2}  {longest_s:9.2}  {:11.2}  {:14.2}",
            total_s / each,
            by_policy_s / each,
            by_primitive_s / each
        );
    }
}

/// What goes where, and how: one list per world that is begun anew.
fn moves(task: &str) -> Vec<Vec<Move>> {
    let [red, green, blue] = ["red_cube", "green_cube", "blue_cube"];
    let each = |to: &'static str, how| [red, green, blue].map(|cube| vec![(cube, to, how)]).into();
    let all = |to, how| vec![[red, green, blue].map(|cube| (cube, to, how)).into()];
    match task {
        "in_bin" => each("bin", "in"),
        "on_tray" => each("tray", "on"),
        "on_table" => each("table", "on"),
        "stack" => vec![vec![(red, green, "on")], vec![(blue, red, "on")]],
        "all_in_bin" => all("bin", "in"),
        "all_on_tray" => all("tray", "on"),
        "tower" => vec![vec![(red, green, "on"), (blue, red, "on")]],
        "there_and_back" => vec![vec![(red, "tray", "on"), (red, "table", "on")]],
        "unstack" => vec![vec![(red, green, "on"), (red, "bin", "in"), (green, "bin", "in")]],
        _ => panic!("task {task}; allowed: {TASKS}"),
    }
}

fn run(seed: u64, moves: &[Move], tallies: &mut BTreeMap<String, Tally>) {
    let mut rig = Rig::new(seed);
    let mut total_s = 0.0;
    tallies.entry("whole".into()).or_default().tried += 1;
    for (cube, to, how) in moves {
        let steps: [(&str, Value); 5] = [
            ("drive_to", json!({"target": cube})),
            ("reach", json!({"target": cube})),
            ("pick", json!({"object": cube})),
            ("drive_to", json!({"target": to})),
            ("place", json!({"object": cube, "destination": to, "relation": how})),
        ];
        for (skill, args) in steps {
            let outcome = rig.run(skill, args.clone());
            let tally = tallies.entry(skill.into()).or_default();
            let elapsed_s = outcome.elapsed.as_secs_f64();
            tally.tried += 1;
            if !outcome.is_success() {
                println!("seed {seed} {skill} {args}: {}: {}", outcome.error, outcome.message);
                for evidence in &outcome.evidence {
                    println!("    {} = {}", evidence.key, evidence.value);
                }
                return;
            }
            let measured = |key: &str| -> f64 {
                let found = outcome.evidence.iter().find(|e| e.key == key);
                found.map_or(0.0, |e| e.value.parse().unwrap())
            };
            tally.succeeded += 1;
            tally.total_s += elapsed_s;
            tally.longest_s = tally.longest_s.max(elapsed_s);
            tally.by_policy_s += measured("commanded_by_policy_s");
            tally.by_primitive_s += measured("commanded_by_primitive_s");
            total_s += elapsed_s;
        }
    }
    let whole = tallies.entry("whole".into()).or_default();
    whole.succeeded += 1;
    whole.total_s += total_s;
    whole.longest_s = whole.longest_s.max(total_s);
}
