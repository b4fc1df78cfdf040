//! Each measuring command, briefly: what it prints, and never how fast this machine is.

use crate::support::{json, root, sinew, text};
use serde_json::Value;

/// p50, p99 and largest, rising.
fn is_tail(value: &Value) -> bool {
    let part = |name: &str| value[name].as_f64();
    match (part("p50_s"), part("p99_s"), part("max_s")) {
        (Some(p50), Some(p99), Some(max)) => 0.0 <= p50 && p50 <= p99 && p99 <= max,
        _ => false,
    }
}

#[test]
fn bench_loop_pairs_blocks_of_the_control_loop_with_bare_ones() {
    let arguments = ["bench", "loop", "--rate", "500", "--joints", "9", "--blocks", "2"];
    let folder = root();
    let output = sinew(&folder, &[&arguments[..], &["--block-s", "1", "--json"]].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let report = json(&output);
    assert_eq!((&report["rate_hz"], &report["joints"]), (&500.into(), &9.into()));
    assert_eq!(report["driver"], "sim");
    let pairs = report["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 2);
    for pair in pairs {
        for block in ["control", "bare"] {
            assert!(pair[block]["cycles"].as_u64().unwrap() > 0, "{report:#}");
            assert!(is_tail(&pair[block]["lateness"]) && is_tail(&pair[block]["cpu"]));
            let misses = &pair[block]["misses"];
            assert!(misses["explained"].as_u64() <= misses["total"].as_u64());
        }
        assert!(pair["p50_ratio"].as_f64().unwrap() > 0.0);
        assert!(pair["p99_ratio"].as_f64().unwrap() > 0.0);
    }
    for name in ["lateness", "bare_lateness", "cpu", "work"] {
        assert!(is_tail(&report[name]), "{name}: {report:#}");
    }
    assert!(report["commands"].as_u64().unwrap() > 0);
    assert!(report["within_bars"].is_boolean());
    for name in ["fifo", "memory_locked"] {
        assert!(report[name].is_boolean(), "{name}: {report:#}");
    }
}

#[test]
fn bench_stop_stops_by_a_process_and_by_a_driver_and_nothing_resumes() {
    let causes =
        ["skills_killed", "driver_error", "hardware_killed", "clock_jump", "servo_hardware_killed"];
    let mut arguments = vec!["bench", "stop", "--trials", "1", "--json"];
    for cause in causes {
        arguments.extend(["--cause", cause]);
    }
    let output = sinew(&root(), &arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let report = json(&output);
    assert_eq!((&report["trials"], &report["as_expected"]), (&1.into(), &true.into()));
    let of = |cause: &str| {
        let all = report["causes"].as_array().unwrap();
        all.iter().find(|report| report["cause"] == cause).unwrap().clone()
    };
    for cause in causes {
        let report = of(cause);
        assert_eq!(
            (&report["trials"], &report["as_expected"]),
            (&1.into(), &1.into()),
            "{report:#}"
        );
        assert_eq!(report["faults"].as_array().unwrap().len(), 0);
    }
    for cause in ["skills_killed", "driver_error"] {
        for name in ["to_ramp", "to_standstill", "lateness"] {
            assert!(is_tail(&of(cause)[name]), "{:#}", of(cause));
        }
    }
    assert_eq!(of("skills_killed")["ends_in"], "ready, without owner");
    assert_eq!(of("driver_error")["ends_in"], "fault: driver error");
    assert!(of("hardware_killed")["to_ramp"].is_null());
    assert!(is_tail(&of("hardware_killed")["to_standstill"]));
    assert!(of("clock_jump")["to_standstill"].is_null());
    assert!(is_tail(&of("servo_hardware_killed")["to_ramp"]));
}

#[test]
fn bench_stop_names_the_causes_that_there_are() {
    let output = sinew(&root(), &["bench", "stop", "--cause", "boredom"]);
    assert_eq!(output.status.code(), Some(2));
    let text = text(&output);
    assert!(text.contains("boredom") && text.contains("dead_man_released"), "{text}");
}

#[test]
fn doctor_says_what_there_is_and_what_mends_what_there_is_not() {
    let output = sinew(&root(), &["doctor", "--json"]);
    let report = json(&output);
    let checks = report["checks"].as_array().unwrap();
    let mut is_missing = false;
    for check in checks {
        assert!(!check["name"].as_str().unwrap().is_empty());
        assert!(!check["found"].as_str().unwrap().is_empty(), "{check:#}");
        let verdict = check["verdict"].as_str().unwrap();
        assert!(["ok", "warning", "missing"].contains(&verdict), "{check:#}");
        assert_eq!(check["mend"].is_null(), verdict == "ok", "{check:#}");
        is_missing |= verdict == "missing";
    }
    assert_eq!(report["ok"], !is_missing);
    assert_eq!(output.status.code(), Some(i32::from(is_missing)));
    let names: Vec<_> = checks.iter().filter_map(|check| check["name"].as_str()).collect();
    for name in ["MuJoCo", "ONNX Runtime", "real-time priority", "timer slack", "serial port"] {
        assert!(names.contains(&name), "{names:?}");
    }
}
