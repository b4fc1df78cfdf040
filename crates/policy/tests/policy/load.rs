//! What is refused at load, and that each refusal names what is wrong and what is allowed.

use crate::common::{MANIFEST, Net, layout, write};
use sinew_policy::{NodePlacement, Policy, PolicyError};

fn load(net: &Net, manifest: &str) -> Result<Policy, PolicyError> {
    let folder = tempfile::tempdir().unwrap();
    Policy::load(write(folder.path(), net, manifest), &layout())
}

fn refusal(net: &Net, manifest: &str) -> String {
    load(net, manifest).err().expect("refused").to_string()
}

#[test]
fn a_good_policy_loads() {
    let policy = load(&Net::default(), MANIFEST).unwrap();
    assert_eq!(policy.manifest().inputs[0].width(), Some(3));
    assert_eq!(policy.period(), std::time::Duration::from_millis(20));
}

#[test]
fn each_wrong_manifest_is_refused_with_field_value_and_what_is_allowed() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("id: test", "id: Test 1", &["id", "Test 1", "lower case"]),
        ("1.0.0", "1.0", &["version", "1.0", "three numbers"]),
        ("rate_hz: 50", "rate_hz: 0", &["rate_hz", "above 0"]),
        ("warm_up_runs: 2", "warm_up_runs: 0", &["warm_up_runs", "1 to 1000"]),
        ("on_fault: end", "on_fault: hold", &["on_fault", "hold", "end", "repeat"]),
        ("on_fault: end\n", "", &["missing", "on_fault"]),
        ("on_fault: end", "on_fault: {repeat: {for_s: 2.0}}", &["on_fault.repeat.for_s", "2"]),
        ("run_p99_s: 0.5", "run_p99_s: 0.0", &["budget.run_p99_s", "above 0"]),
        ("run_p99_s: 0.5", "run_p99_s: 0.000000001", &["budget.run_p99_s", "this machine"]),
        ("    history: none\n", "", &["history"]),
        (
            "history: none",
            "history: {frames: {length: 5, layout: by_term, fill: first}}",
            &["missing", "order"],
        ),
        (
            "history: none",
            "history: {frames: {length: 1, order: oldest_first, layout: by_term, fill: first}}",
            &["inputs[0].history.frames.length", "1", "2 to 256"],
        ),
        ("normalisation: none", "normalisation: min_max", &["min_max"]),
        (
            "normalisation: none",
            "normalisation: {mean_std: {mean: [0.0], std: [1.0], eps: 0}}",
            &["inputs[0].normalisation.mean_std.mean", "1 values", "3 values"],
        ),
        (
            "normalisation: none",
            "normalisation: {mean_std: {mean: [0, 0, 0], std: [1, 0, 1], eps: 0}}",
            &["inputs[0].normalisation.mean_std.std[1]", "0", "above it unless eps"],
        ),
        (
            "normalisation: none",
            "normalisation: {range: {low: [0, 0, 0], high: [1, 1, -1], eps: 0.1}}",
            &["inputs[0].normalisation.range.high[2]", "-1", "at least `low`"],
        ),
        ("source: command", "source: commands", &["commands", "joint_position"]),
        (
            "joints: [elbow, shoulder]",
            "joints: [elbow, hip]",
            &["inputs[0].terms[0].joints[1]", "hip", "left_wheel, shoulder, elbow"],
        ),
        (
            "joints: [elbow, shoulder]",
            "joints: [elbow, elbow]",
            &["inputs[0].terms[0].joints[1]", "elbow", "each joint once"],
        ),
        (
            "joints: [elbow, shoulder], max_age_s: 0.05",
            "joints: [elbow, shoulder]",
            &["inputs[0].terms[0].max_age_s", "absent", "given"],
        ),
        ("unit: m,", "unit: m, axes: [linear_x],", &["inputs[0].terms[1].axes", "absent"]),
        ("offset: 0.1", "offset: [0.1, 0.2, 0.3]", &["inputs[0].terms[0].offset", "3 values", "2"]),
        ("offset: 0.1", "offset: .nan", &["offset: .nan", "line 13", "non-finite"]),
        ("offset: 0.1", "history: 3", &["history"]),
        (
            "clip: [-1.0, 1.0]}",
            "clip: [1.0, -1.0]}",
            &["inputs[0].terms[1].clip", "[1, -1]", "rising"],
        ),
        ("max_age_s: 0.1,", "max_age_s: 1e300,", &["inputs[0].terms[1].max_age_s", "1000000"]),
        ("size: 1", "size: 0", &["inputs[0].terms[1].size", "1 to 4096"]),
        ("mode: delta", "mode: torque", &["torque", "position", "delta", "twist"]),
        (
            "joints: [shoulder, elbow]",
            "joints: [shoulder, hip]",
            &["action.joints[1]", "hip", "left_wheel, shoulder, elbow"],
        ),
        ("scale: 0.1", "scale: [0.1]", &["action.scale", "1 values", "2"]),
        ("slew: 0.03", "slew: 0.0", &["action.slew", "0", "above 0"]),
        ("max_lead: 0.5", "max_lead: -1.0", &["action.max_lead", "-1", "above 0"]),
        ("tolerance: 0.00001", "tolerance: 5.0", &["golden.tolerance", "5", "0.1"]),
        ("action: [1.25, 1.75]", "action: [1.25]", &["golden.cases[0].action", "1 values", "2"]),
        (
            "action: [1.25, 1.75]",
            "action: [1.25, 1.76]",
            &["golden case 0, action[1]", "1.75", "1.76"],
        ),
        ("@SHA@", "0000", &["model.sha256", "0000", "64"]),
        ("name: observation", "name: obs", &["golden.cases[0].inputs", "observation", "obs"]),
        ("output: action", "output: out", &["outputs", "out", "action"]),
        ("file: test.onnx", "file: other.onnx", &["other.onnx", "cannot be read"]),
    ];
    for (from, to, mentions) in cases {
        assert!(MANIFEST.contains(from), "{from} is not in the manifest");
        let message = refusal(&Net::default(), &MANIFEST.replacen(from, to, 1));
        for mention in *mentions {
            assert!(message.contains(mention), "{to}: {message:?} does not mention {mention:?}");
        }
    }
}

#[test]
fn a_changed_model_is_refused_by_its_hash() {
    let sha = "1".repeat(64);
    let message = refusal(&Net::default(), &MANIFEST.replace("@SHA@", &sha));
    assert!(message.contains("sha256") && message.contains(&sha), "{message}");
}

#[test]
fn a_model_of_another_width_is_refused_by_name_and_widths() {
    let weights = vec![0.0; 8];
    let net = Net { inputs: 4, weights, ..Net::default() };
    let message = refusal(&net, MANIFEST);
    assert!(message.contains("input `observation` shape"), "{message}");
    assert!(message.contains("[1, 3]") && message.contains("[1, 4]"), "{message}");
}

#[test]
fn a_model_of_doubles_is_refused() {
    let message = refusal(&Net { element: 11, ..Net::default() }, MANIFEST);
    assert!(message.contains("element type") && message.contains("Float64"), "{message}");
}

#[test]
fn nan_weights_are_found_by_the_warm_up() {
    let weights = vec![f32::NAN; 6];
    let error = load(&Net { weights, ..Net::default() }, MANIFEST).err().unwrap();
    assert!(matches!(error, PolicyError::NotFinite { .. }), "{error}");
}

#[test]
fn a_file_that_is_no_model_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &Net::default(), MANIFEST);
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(folder.path().join("test.onnx"), b"").unwrap();
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let start = text.find("sha256: \"").unwrap() + 9;
    std::fs::write(&path, text.replace(&text[start..start + 64], empty)).unwrap();
    let error = Policy::load(&path, &layout()).err().unwrap();
    assert!(matches!(error, PolicyError::Onnx { .. }), "{error}");
}

#[test]
fn each_node_of_a_network_says_what_runs_it() {
    let policy = load(&Net::default(), MANIFEST).unwrap();
    let placements = policy.placements();
    assert!(placements.iter().any(|node| node.operator == "MatMul"), "{placements:?}");
    assert!(placements.iter().all(NodePlacement::is_on_cpu), "{placements:?}");
    // What was asked for is the CPU, so that nothing fell back to it.
    assert!(policy.fallen_back().is_empty());
}
