//! A linear network written as ONNX by hand, and a manifest for it: small enough to break on purpose.

#![allow(dead_code, clippy::unwrap_used, reason = "shared by two test programs")]

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use sinew_types::{GroupKind, Layout, RobotState, Time};

/// `action = observation @ weights`, three inputs and two outputs.
#[derive(Clone)]
pub(crate) struct Net {
    pub(crate) input: &'static str,
    pub(crate) output: &'static str,
    pub(crate) inputs: usize,
    pub(crate) outputs: usize,
    /// ONNX element type: 1 is f32, 11 is f64.
    pub(crate) element: u64,
    pub(crate) weights: Vec<f32>,
}

impl Default for Net {
    fn default() -> Self {
        let weights = vec![1.0, 0.0, 0.0, 1.0, 0.5, -0.5];
        Self { input: "observation", output: "action", inputs: 3, outputs: 2, element: 1, weights }
    }
}

fn varint(mut value: u64, out: &mut Vec<u8>) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

fn number(field: u64, value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3, &mut out);
    varint(value, &mut out);
    out
}

fn bytes(field: u64, value: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    varint(field << 3 | 2, &mut out);
    varint(value.len() as u64, &mut out);
    out.extend_from_slice(value);
    out
}

fn value_info(name: &str, element: u64, width: usize) -> Vec<u8> {
    let dim = |n: u64| bytes(1, &number(1, n));
    let shape = [dim(1), dim(width as u64)].concat();
    let tensor = [number(1, element), bytes(2, &shape)].concat();
    [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
}

impl Net {
    /// The model as protobuf; field numbers are those of onnx.proto.
    pub(crate) fn onnx(&self) -> Vec<u8> {
        let raw: Vec<u8> = match self.element {
            11 => self.weights.iter().flat_map(|w| f64::from(*w).to_le_bytes()).collect(),
            _ => self.weights.iter().flat_map(|w| w.to_le_bytes()).collect(),
        };
        let weights = [
            number(1, self.inputs as u64),
            number(1, self.outputs as u64),
            number(2, self.element),
            bytes(8, b"weights"),
            bytes(9, &raw),
        ];
        let node = [
            bytes(1, self.input.as_bytes()),
            bytes(1, b"weights"),
            bytes(2, self.output.as_bytes()),
            bytes(4, b"MatMul"),
        ];
        let graph = [
            bytes(1, &node.concat()),
            bytes(2, b"linear"),
            bytes(5, &weights.concat()),
            bytes(11, &value_info(self.input, self.element, self.inputs)),
            bytes(12, &value_info(self.output, self.element, self.outputs)),
        ];
        [number(1, 8), bytes(7, &graph.concat()), bytes(8, &number(2, 13))].concat()
    }
}

/// A graph in which each output is the identity of an input or of an initializer, all f32.
pub(crate) struct Copies<'a> {
    /// Name and shape.
    pub(crate) inputs: &'a [(&'a str, &'a [u64])],
    /// Name, shape and values.
    pub(crate) initializers: &'a [(&'a str, &'a [u64], &'a [f32])],
    /// Name, shape, and what it copies.
    pub(crate) outputs: &'a [(&'a str, &'a [u64], &'a str)],
    /// `metadata_props`.
    pub(crate) metadata: &'a [(&'a str, &'a str)],
}

impl Copies<'_> {
    pub(crate) fn onnx(&self) -> Vec<u8> {
        let info = |name: &str, shape: &[u64]| {
            let dims: Vec<u8> = shape.iter().flat_map(|n| bytes(1, &number(1, *n))).collect();
            let tensor = [number(1, 1), bytes(2, &dims)].concat();
            [bytes(1, name.as_bytes()), bytes(2, &bytes(1, &tensor))].concat()
        };
        let mut graph = Vec::new();
        for (output, _, from) in self.outputs {
            let node =
                [bytes(1, from.as_bytes()), bytes(2, output.as_bytes()), bytes(4, b"Identity")];
            graph.extend(bytes(1, &node.concat()));
        }
        graph.extend(bytes(2, b"copies"));
        for (name, shape, values) in self.initializers {
            let raw: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
            let dims: Vec<u8> = shape.iter().flat_map(|n| number(1, *n)).collect();
            let tensor = [dims, number(2, 1), bytes(8, name.as_bytes()), bytes(9, &raw)];
            graph.extend(bytes(5, &tensor.concat()));
        }
        for (name, shape) in self.inputs {
            graph.extend(bytes(11, &info(name, shape)));
        }
        for (name, shape, _) in self.outputs {
            graph.extend(bytes(12, &info(name, shape)));
        }
        let mut model = [number(1, 8), bytes(7, &graph), bytes(8, &number(2, 13))].concat();
        for (key, value) in self.metadata {
            let pair = [bytes(1, key.as_bytes()), bytes(2, value.as_bytes())].concat();
            model.extend(bytes(14, &pair));
        }
        model
    }
}

/// Two joints and a base.
pub(crate) fn layout() -> Layout {
    let joints = ["left_wheel", "shoulder", "elbow"].map(String::from).to_vec();
    let groups = vec![
        ("base".into(), GroupKind::Base, vec!["left_wheel".into()]),
        ("arm".into(), GroupKind::Joints, vec!["shoulder".into(), "elbow".into()]),
    ];
    Layout::new(joints, groups).unwrap()
}

/// A state in which all joints are measured, at 0.1, 0.2 and 0.3.
pub(crate) fn state() -> RobotState {
    let mut state = RobotState::invalid(&layout());
    state.stamp = Time::from_nanos(1_000_000_000);
    for (i, joint) in state.joints.iter_mut().enumerate() {
        joint.position = 0.1 * (i as f64 + 1.0);
        joint.stamp = state.stamp;
        joint.valid = true;
    }
    state
}

pub(crate) const MANIFEST: &str = r#"
id: test
version: 1.0.0
description: A linear network.
model: {file: test.onnx, sha256: "@SHA@", output: action}
rate_hz: 50
inputs:
  - kind: observation
    name: observation
    history: none
    normalisation: none
    terms:
      - {source: joint_position, joints: [elbow, shoulder], max_age_s: 0.05, offset: 0.1, scale: 2.0}
      - {source: command, name: height, size: 1, unit: m, max_age_s: 0.1, clip: [-1.0, 1.0]}
action:
  mode: delta
  joints: [shoulder, elbow]
  clip: [-1.0, 1.0]
  scale: 0.1
  slew: 0.03
  max_lead: 0.5
on_fault: end
budget: {run_p99_s: 0.5, warm_up_runs: 2}
golden:
  tolerance: 0.00001
  cases:
    - {inputs: {observation: [1.0, 2.0, 0.5]}, action: [1.25, 1.75]}
"#;

/// Writes model and manifest into a folder; gives the manifest's path.
pub(crate) fn write(folder: &Path, net: &Net, manifest: &str) -> PathBuf {
    let model = net.onnx();
    let hash: String = Sha256::digest(&model).iter().map(|b| format!("{b:02x}")).collect();
    std::fs::write(folder.join("test.onnx"), model).unwrap();
    let path = folder.join("test.policy.yaml");
    std::fs::write(&path, manifest.replace("@SHA@", &hash)).unwrap();
    path
}
