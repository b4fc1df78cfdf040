//! Networks of every kind, made and run by Python's onnxruntime: `parity/make.py`.

use std::path::Path;
use std::process::Command;

use sinew_policy::{Policy, PolicyError, PolicyManifest, Provider, RunOn};
use sinew_types::{GroupKind, Layout};

pub(crate) fn layout() -> Layout {
    let joints: Vec<_> = (0..6).map(|index| format!("joint_{index}")).collect();
    Layout::new(joints.clone(), vec![("arm".to_owned(), GroupKind::Joints, joints)]).unwrap()
}

/// The networks; none where there is no Python for tests.
pub(crate) fn made() -> Option<tempfile::TempDir> {
    let Some(python) = std::env::var_os("SINEW_TEST_PYTHON") else {
        assert!(std::env::var_os("CI").is_none(), "SINEW_TEST_PYTHON is not set");
        eprintln!("skipped: SINEW_TEST_PYTHON is not set; `cargo xtask test` sets it");
        return None;
    };
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/parity/make.py");
    let status = Command::new(python).arg(script).arg(folder.path()).status().unwrap();
    assert!(status.success());
    Some(folder)
}

#[test]
fn twelve_kinds_of_network_give_what_python_gives() {
    let Some(folder) = made() else { return };
    let mut seen = Vec::new();
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let id = path.file_name().unwrap().to_string_lossy().into_owned();
        let manifest = path.join(format!("{id}.policy.yaml"));
        // Its golden rollout is run at load: 20 ticks, to 1e-5 of the largest action.
        Policy::load(&manifest, &layout()).unwrap_or_else(|error| panic!("{id}: {error}"));
        // And it would be seen if one of them were off.
        let text = std::fs::read_to_string(path.join("rollout.json")).unwrap();
        let mut rollout: sinew_policy::Rollout = serde_json::from_str(&text).unwrap();
        rollout.ticks[13].action[2] += 3.0 * rollout.action_tolerance as f32;
        let mut policy = Policy::load(&manifest, &layout()).unwrap();
        let error = policy.check_rollout(&rollout, &layout()).unwrap_err();
        assert!(matches!(error, PolicyError::Golden { .. }), "{id}: {error}");
        assert!(error.to_string().contains("tick 13, action[2]"), "{id}: {error}");
        seen.push(id);
    }
    assert_eq!(seen.len(), 12, "{seen:?}");
}

#[test]
fn a_state_without_its_pair_an_input_that_is_not_named_and_a_provider_that_is_not_there() {
    let Some(folder) = made() else { return };
    let load = |id: &str, change: &dyn Fn(&mut PolicyManifest)| {
        let folder = folder.path().join(id);
        let mut manifest = PolicyManifest::load(&folder.join(format!("{id}.policy.yaml"))).unwrap();
        change(&mut manifest);
        let run_on = RunOn::one_thread(manifest.model.provider);
        Policy::load_on(manifest, &folder, &layout(), run_on).err().unwrap().to_string()
    };
    let unpaired = load("gru", &|manifest| {
        let sinew_policy::InputSpec::State { from, .. } = &mut manifest.inputs[1] else {
            panic!("a state")
        };
        "hidden".clone_into(from);
    });
    assert!(unpaired.contains("outputs") && unpaired.contains("h_next"), "{unpaired}");
    let crossed = load("lstm", &|manifest| {
        let sinew_policy::InputSpec::State { from, .. } = &mut manifest.inputs[1] else {
            panic!("a state")
        };
        "action".clone_into(from);
    });
    assert!(crossed.contains("output `action` shape"), "{crossed}");
    let unnamed = load("gru", &|manifest| drop(manifest.inputs.pop()));
    assert!(unnamed.contains("model inputs is [h, obs]"), "{unnamed}");
    let missing = load("mlp", &|manifest| manifest.model.provider = Provider::Cuda);
    assert!(missing.contains("model.provider Cuda is not there"), "{missing}");
    let order = load("transformer", &|manifest| {
        manifest.chunk.as_mut().unwrap().length = 9;
        manifest.chunk.as_mut().unwrap().execute = 9;
    });
    assert!(order.contains("[9, 6] or [1, 9, 6]") && order.contains("[1, 10, 6]"), "{order}");
}
