//! The direction of dependencies between the crates, as docs/architecture.md draws it. Holds for
//! what a crate is built from; a crate's tests may reach further.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand, PackageId};

/// One crate of the workspace: the others that it may name, and the outside crates that must not
/// be reached from it, directly or through others.
struct Rule {
    name: &'static str,
    may_use: &'static [&'static str],
    never_reaches: &'static [&'static str],
}

/// Transport, inference and simulation stay out of the core.
const CORE: &[&str] = &["hiroz", "mujoco-rs", "ort", "r2r", "zenoh"];
const NO_INFERENCE_NO_SIMULATION: &[&str] = &["mujoco-rs", "ort"];
const NO_TRANSPORT_NO_SIMULATION: &[&str] = &["hiroz", "mujoco-rs", "r2r", "zenoh"];
const NO_TRANSPORT_NO_INFERENCE: &[&str] = &["hiroz", "ort", "r2r", "zenoh"];

const RULES: &[Rule] = &[
    Rule { name: "sinew-types", may_use: &[], never_reaches: CORE },
    Rule { name: "sinew-robot", may_use: &["sinew-types"], never_reaches: CORE },
    Rule { name: "sinew-model", may_use: &["sinew-types"], never_reaches: CORE },
    Rule {
        name: "sinew-msgs",
        may_use: &["sinew-types", "sinew-model"],
        never_reaches: NO_INFERENCE_NO_SIMULATION,
    },
    Rule {
        name: "sinew-bus",
        may_use: &["sinew-types", "sinew-model", "sinew-msgs"],
        never_reaches: NO_INFERENCE_NO_SIMULATION,
    },
    Rule { name: "sinew-hardware", may_use: &["sinew-types", "sinew-robot"], never_reaches: CORE },
    Rule {
        name: "sinew-driver-mock",
        may_use: &["sinew-types", "sinew-robot", "sinew-hardware"],
        never_reaches: CORE,
    },
    Rule {
        name: "sinew-driver-sim",
        may_use: &["sinew-types", "sinew-robot", "sinew-hardware"],
        never_reaches: NO_TRANSPORT_NO_INFERENCE,
    },
    Rule {
        name: "sinew-driver-servo",
        may_use: &["sinew-types", "sinew-robot", "sinew-hardware"],
        never_reaches: CORE,
    },
    // Speaks to a robot over the bus, as its device.
    Rule {
        name: "sinew-driver-ros2-control",
        may_use: &["sinew-types", "sinew-robot", "sinew-hardware", "sinew-msgs", "sinew-bus"],
        never_reaches: NO_INFERENCE_NO_SIMULATION,
    },
    // A policy can serve as the hardware's fallback controller, hence its trait.
    Rule {
        name: "sinew-policy",
        may_use: &["sinew-types", "sinew-robot", "sinew-model", "sinew-hardware"],
        never_reaches: NO_TRANSPORT_NO_SIMULATION,
    },
    Rule {
        name: "sinew-skills",
        may_use: &["sinew-types", "sinew-robot", "sinew-model", "sinew-policy"],
        never_reaches: NO_TRANSPORT_NO_SIMULATION,
    },
    Rule {
        name: "sinew-planner",
        may_use: &["sinew-types", "sinew-robot", "sinew-model"],
        never_reaches: CORE,
    },
    Rule {
        name: "sinew-connector",
        may_use: &["sinew-types", "sinew-robot", "sinew-model"],
        never_reaches: CORE,
    },
    Rule {
        name: "sinew-log",
        may_use: &["sinew-types", "sinew-model", "sinew-msgs"],
        never_reaches: NO_INFERENCE_NO_SIMULATION,
    },
    Rule {
        name: "sinew-teleop",
        may_use: &["sinew-types", "sinew-robot", "sinew-model"],
        never_reaches: CORE,
    },
    Rule {
        name: "sinew-record",
        may_use: &[
            "sinew-types",
            "sinew-robot",
            "sinew-model",
            "sinew-hardware",
            "sinew-driver-sim",
            "sinew-policy",
        ],
        never_reaches: &["hiroz", "r2r", "zenoh"],
    },
    Rule {
        name: "sinew-nodes",
        may_use: &[
            "sinew-types",
            "sinew-robot",
            "sinew-model",
            "sinew-msgs",
            "sinew-bus",
            "sinew-hardware",
            "sinew-driver-mock",
            "sinew-driver-sim",
            "sinew-driver-servo",
            "sinew-driver-ros2-control",
            "sinew-policy",
            "sinew-skills",
            "sinew-planner",
            "sinew-connector",
            "sinew-log",
            "sinew-teleop",
        ],
        never_reaches: &[],
    },
    Rule {
        name: "sinew",
        may_use: &[
            "sinew-types",
            "sinew-robot",
            "sinew-model",
            "sinew-msgs",
            "sinew-bus",
            "sinew-hardware",
            "sinew-driver-mock",
            "sinew-driver-sim",
            "sinew-driver-servo",
            "sinew-driver-ros2-control",
            "sinew-policy",
            "sinew-skills",
            "sinew-planner",
            "sinew-connector",
            "sinew-log",
            "sinew-teleop",
            "sinew-nodes",
        ],
        never_reaches: &[],
    },
    Rule { name: "xtask", may_use: &[], never_reaches: CORE },
];

/// What each package is built from (no dev-dependencies), on this machine's platform.
struct Graph {
    names: BTreeMap<PackageId, String>,
    edges: BTreeMap<PackageId, Vec<PackageId>>,
    /// Per member: what its programs are linked from, tests included.
    test_edges: BTreeMap<PackageId, Vec<PackageId>>,
    /// Source file of each package's build script.
    build_scripts: BTreeMap<PackageId, PathBuf>,
    members: Vec<PackageId>,
}

impl Graph {
    /// Read once: cargo takes a second or two.
    fn of_workspace() -> &'static Self {
        static GRAPH: LazyLock<Graph> = LazyLock::new(Graph::load);
        &GRAPH
    }

    fn load() -> Self {
        let metadata = metadata();
        let names = metadata.packages.iter().map(|p| (p.id.clone(), p.name.to_string())).collect();
        let mut edges = BTreeMap::new();
        let mut test_edges = BTreeMap::new();
        for node in &metadata.resolve.as_ref().unwrap().nodes {
            let built_from = node.deps.iter().filter(|dependency| {
                dependency.dep_kinds.iter().any(|kind| kind.kind != DependencyKind::Development)
            });
            edges.insert(node.id.clone(), built_from.map(|other| other.pkg.clone()).collect());
            test_edges.insert(node.id.clone(), node.dependencies.clone());
        }
        let scripts = metadata.packages.iter().filter_map(|package| {
            let script = package.targets.iter().find(|target| target.is_custom_build())?;
            Some((package.id.clone(), script.src_path.clone().into_std_path_buf()))
        });
        Self {
            names,
            edges,
            test_edges,
            build_scripts: scripts.collect(),
            members: metadata.workspace_members.clone(),
        }
    }

    fn name(&self, id: &PackageId) -> &str {
        &self.names[id]
    }

    /// The members that `id` names itself.
    fn uses(&self, id: &PackageId) -> BTreeSet<&str> {
        let members = self.edges[id].iter().filter(|other| self.members.contains(other));
        members.map(|other| self.name(other)).collect()
    }

    /// A shortest chain of names from `from` to the package `target`, if there is one.
    fn chain(&self, from: &PackageId, target: &str) -> Option<Vec<&str>> {
        let mut previous: BTreeMap<&PackageId, &PackageId> = BTreeMap::new();
        let mut front = VecDeque::from([from]);
        while let Some(id) = front.pop_front() {
            if self.name(id) == target {
                let mut chain = vec![self.name(id)];
                let mut at = id;
                while let Some(&before) = previous.get(at) {
                    chain.push(self.name(before));
                    at = before;
                }
                chain.reverse();
                return Some(chain);
            }
            for next in &self.edges[id] {
                if next != from && !previous.contains_key(next) {
                    previous.insert(next, id);
                    front.push_back(next);
                }
            }
        }
        None
    }
}

fn metadata() -> Metadata {
    let rustc = Command::new("rustc").arg("-vV").output().unwrap();
    let rustc = String::from_utf8(rustc.stdout).unwrap();
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    // Without the filter cargo would download the packages of every other platform as well.
    MetadataCommand::new()
        .manifest_path(manifest)
        .other_options(["--filter-platform".to_owned(), host.to_owned()])
        .exec()
        .unwrap()
}

fn rule(name: &str) -> &'static Rule {
    RULES.iter().find(|rule| rule.name == name).unwrap_or_else(|| {
        panic!("{name} has no rule in {}: say what it may use", file!());
    })
}

#[test]
fn each_crate_has_a_rule_and_each_rule_a_crate() {
    let graph = Graph::of_workspace();
    let crates: BTreeSet<_> = graph.members.iter().map(|id| graph.name(id)).collect();
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(crates, rules);
}

#[test]
fn crates_use_only_those_below_them() {
    let graph = Graph::of_workspace();
    for id in &graph.members {
        let name = graph.name(id);
        let allowed = rule(name).may_use;
        for used in graph.uses(id) {
            assert!(
                allowed.contains(&used),
                "{name} depends on {used}; it may use only {allowed:?}"
            );
        }
    }
}

#[test]
fn rules_point_downwards_only() {
    for (position, rule) in RULES.iter().enumerate() {
        for used in rule.may_use {
            let other = RULES.iter().position(|other| other.name == *used);
            assert!(other.is_some_and(|other| other < position), "{} -> {used}", rule.name);
        }
    }
}

#[test]
fn the_core_reaches_no_transport_inference_or_simulator() {
    let graph = Graph::of_workspace();
    for id in &graph.members {
        let name = graph.name(id);
        for target in rule(name).never_reaches {
            let chain = graph.chain(id, target).map(|chain| chain.join(" -> "));
            assert_eq!(chain, None, "{name} must not reach {target}");
        }
    }
}

#[test]
fn a_forbidden_crate_is_found_where_there_is_one() {
    let graph = Graph::of_workspace();
    let simulator = graph.members.iter().find(|id| graph.name(id) == "sinew-driver-sim").unwrap();
    let chain = graph.chain(simulator, "mujoco-rs").unwrap();
    assert_eq!(chain, ["sinew-driver-sim", "mujoco-rs"]);
}

#[test]
fn programs_on_mujoco_carry_its_folder() {
    let graph = Graph::of_workspace();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/drivers/sim/build.rs");
    let script = script.canonicalize().unwrap();
    for id in &graph.members {
        let mut linked = graph.test_edges[id].iter();
        let on_mujoco = linked.any(|other| graph.chain(other, "mujoco-rs").is_some());
        let own = graph.build_scripts.get(id).and_then(|path| path.canonicalize().ok());
        assert!(
            !on_mujoco || own.as_ref() == Some(&script),
            "{} links MuJoCo: it needs build = <path to crates/drivers/sim/build.rs>",
            graph.name(id)
        );
    }
}
