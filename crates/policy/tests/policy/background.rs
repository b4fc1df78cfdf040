//! A network that is slower than a tick, on a thread of its own.

use std::path::PathBuf;
use std::sync::mpsc::channel;
use std::time::Duration;

use sinew_policy::{BackgroundPolicy, PolicyError, PolicyManifest};
use sinew_types::{ActuatorCommand, Layout, RobotState, Time};

use crate::parity::{layout, made};

const PERIOD: Duration = Duration::from_millis(20);
/// How many ticks a run takes, and how many every fifth one does.
const RUN_TICKS: u64 = 2;
const SLOW_TICKS: u64 = 6;
/// Largest change of a target per tick where there is a limit, rad.
const SLEW_RAD: f64 = 0.05;

/// The long transformer with another way to splice, run again after 5 of its 16 actions.
fn with_splice(
    folder: &tempfile::TempDir,
    splice: &str,
    hold_ticks: usize,
    slew: Option<f64>,
) -> PathBuf {
    let path = folder.path().join("long_transformer/long_transformer.policy.yaml");
    let mut manifest: serde_json::Value =
        serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    manifest["chunk"] = serde_json::json!({
        "length": 16, "execute": 5, "hold_ticks": hold_ticks,
        "splice": serde_json::from_str::<serde_json::Value>(splice).unwrap(),
    });
    if let Some(slew) = slew {
        manifest["action"]["slew"] = slew.into();
    }
    let first = &manifest["golden"]["rollout"];
    assert!(first.is_string());
    let file = path.with_file_name(format!("{}.policy.yaml", splice.len()));
    // The rollout is that of whole chunks, one after the other.
    let mut golden = std::fs::read_to_string(path.with_file_name("rollout.json")).unwrap();
    let mut rollout: serde_json::Value = serde_json::from_str(&golden).unwrap();
    rollout["ticks"].as_array_mut().unwrap().truncate(1);
    rollout["ticks"][0]["target"] = serde_json::json!([]);
    golden = rollout.to_string();
    std::fs::write(path.with_file_name("first.json"), golden).unwrap();
    manifest["golden"]["rollout"] = "first.json".into();
    std::fs::write(&file, manifest.to_string()).unwrap();
    PolicyManifest::load(&file).unwrap();
    file
}

struct Run {
    /// Largest change of a target from one tick to the next, where a new chunk begins and elsewhere.
    splice_jump: f64,
    /// Ticks for which no action was left.
    held: u64,
    ticks: u64,
    outcome: Result<(), PolicyError>,
}

/// 200 ticks of the same inputs. The network answers after a number of ticks that does not depend on this machine.
fn run(manifest: &std::path::Path, slow_ticks: u64) -> Run {
    let (permits, wait) = channel::<()>();
    let before_run = Box::new(move || {
        let _ = wait.recv();
    });
    let layout: Layout = layout();
    let mut policy = BackgroundPolicy::load(manifest, &layout, Some(before_run)).unwrap();
    let mut inputs = policy.command_inputs();
    let mut state = RobotState::invalid(&layout);
    let mut command = ActuatorCommand::unused(&layout);
    let (mut due, mut runs) = (None::<u64>, 0_u64);
    let mut result = Run { splice_jump: 0.0, held: 0, ticks: 0, outcome: Ok(()) };
    let mut last: Option<Vec<f64>> = None;
    for tick in 0..200_u64 {
        let now = Time::from_nanos(1_000_000_000 + tick * PERIOD.as_nanos() as u64);
        state.stamp = now;
        for joint in &mut state.joints {
            (joint.valid, joint.stamp) = (true, now);
        }
        let phase = tick as f64 * 0.05;
        let values: Vec<f64> = (0..24).map(|i| (phase + f64::from(i)).sin()).collect();
        inputs.set("obs", &values, now).unwrap();
        if tick == 0 {
            policy.reset(&state).unwrap();
        }
        let mut is_new = false;
        if due.is_some_and(|due| tick >= due) {
            permits.send(()).unwrap();
            while policy.is_running() {
                std::thread::yield_now();
            }
            (due, is_new) = (None, true);
        }
        match policy.step(&state, &inputs) {
            Ok(Some(targets)) => {
                if let Some(last) = last.as_ref().filter(|_| is_new) {
                    let steps = targets.iter().zip(last).map(|(now, before)| (now - before).abs());
                    result.splice_jump = steps.fold(result.splice_jump, f64::max);
                }
                last = Some(targets.to_vec());
                policy.write(&mut command);
            }
            Ok(None) => {}
            Err(error) => {
                result.outcome = Err(error);
                break;
            }
        }
        if policy.is_running() && due.is_none() {
            runs += 1;
            due = Some(tick + if runs.is_multiple_of(5) { slow_ticks } else { RUN_TICKS });
        }
        result.ticks += 1;
    }
    result.held = policy.held();
    // The thread may wait for a permit.
    drop(permits);
    result
}

#[test]
fn a_late_network_never_makes_targets_jump_and_a_prefix_splices_smoother_than_the_latest() {
    let Some(folder) = made() else { return };
    let jump = |splice: &str, slew| {
        let run = run(&with_splice(&folder, splice, 5, slew), SLOW_TICKS);
        assert!(run.outcome.is_ok(), "{splice}: {:?}", run.outcome);
        assert_eq!((run.ticks, run.held), (200, 0), "{splice}");
        run.splice_jump
    };
    let prefix = r#"{"prefix": {"keep": 2, "blend": 6}}"#;
    for splice in [r#""latest""#, prefix] {
        assert!(jump(splice, Some(SLEW_RAD)) <= SLEW_RAD + 1e-9, "{splice}");
    }
    let (latest, prefix) = (jump(r#""latest""#, None), jump(prefix, None));
    println!(
        "largest change of a target at a splice: latest {latest:.4} rad, prefix {prefix:.4} rad"
    );
    assert!(prefix < latest, "{prefix} {latest}");
}

#[test]
fn a_network_that_is_too_late_holds_the_last_action_and_then_ends_the_policy() {
    let Some(folder) = made() else { return };
    // 16 actions, of which 5 are executed before the next run: 11 are left while it runs for 14 ticks.
    let patient = run(&with_splice(&folder, r#""latest""#, 9, None), 14);
    assert!(patient.outcome.is_ok(), "{:?}", patient.outcome);
    assert!(patient.held > 0, "{}", patient.held);
    let error = run(&with_splice(&folder, r#""latest""#, 2, None), 14).outcome.unwrap_err();
    assert!(matches!(error, PolicyError::Late { ticks: 2, .. }), "{error}");
}

#[test]
fn a_policy_that_repeats_or_has_no_chunks_does_not_run_in_the_background() {
    let Some(folder) = made() else { return };
    let path = folder.path().join("transformer/transformer.policy.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let repeats =
        text.replace("\"on_fault\": \"end\"", "\"on_fault\": {\"repeat\": {\"for_s\": 0.1}}");
    assert_ne!(text, repeats);
    std::fs::write(&path, repeats).unwrap();
    let error = BackgroundPolicy::load(path, &layout(), None).err().unwrap().to_string();
    assert!(error.contains("on_fault is repeat; allowed: end"), "{error}");
    let file = folder.path().join("mlp/mlp.policy.yaml");
    let error = BackgroundPolicy::load(file, &layout(), None).err().unwrap().to_string();
    assert!(error.contains("chunk is absent"), "{error}");
}
