mod call;
mod graph;
mod io;
mod placement;
mod raw;
mod runtime;

use std::path::Path;
use std::sync::Arc;

use ort::environment::Environment;
use sha2::{Digest, Sha256};

use crate::manifest::{InputSpec, Provider, Start};
use crate::{PolicyError, PolicyManifest};
use call::{Call, Named};
use io::Expected;

pub(crate) use graph::Graph;
pub use placement::NodePlacement;
pub use raw::RawRun;
pub use runtime::{RunOn, library_path};

/// An ONNX session whose inputs and outputs are allocated once.
///
/// Outputs that the manifest does not name are not computed.
pub(crate) struct Network {
    /// Inputs are in the order of the manifest's; of the outputs the action is the first, then come the next states,
    /// then the references.
    call: Call,
    /// Of each output, the values of the last good run, row by row.
    outputs: Vec<Vec<f32>>,
    states: Vec<State>,
    counters: Vec<Counter>,
    policy: String,
    /// The same, and what errors call the outputs, for errors that are made without allocating.
    id: Arc<str>,
    names: Vec<Arc<str>>,
    placements: Vec<NodePlacement>,
}

/// What is remembered from run to run.
struct State {
    input: usize,
    output: usize,
    start: Vec<f32>,
}

/// A number that counts runs.
struct Counter {
    input: usize,
    start: f64,
    step: f64,
    runs: u64,
}

impl Network {
    /// Loads the file beside the manifest and checks hash, names, types and shapes.
    pub(crate) fn load(
        manifest: &PolicyManifest,
        folder: &Path,
        references: &[(String, usize)],
        run_on: RunOn,
    ) -> Result<Self, PolicyError> {
        let policy = manifest.id.clone();
        let model = &manifest.model;
        let bytes = read_hashed(&policy, &folder.join(&model.file), &model.sha256)?;
        let fail = |doing, source| PolicyError::Onnx { policy: policy.clone(), doing, source };
        let environment = runtime::environment()?;
        let session = runtime::session(environment, run_on, &bytes, folder)
            .map_err(|error| error.of_policy(&policy))?;
        let placements = placement::placements(&session)
            .map_err(|source| fail("ask which provider runs each node", source))?;

        let graph = || session.inputs().iter().map(|input| input.name());
        let named: Vec<_> = manifest.inputs.iter().map(InputSpec::name).collect();
        io::check_names(&policy, "inputs", &named, graph())?;
        let mut inputs = Named::new();
        let mut shapes = Vec::with_capacity(manifest.inputs.len());
        for spec in &manifest.inputs {
            let found = session.inputs().iter().find(|input| input.name() == spec.name());
            let Some(found) = found else { continue };
            let expected = match spec {
                InputSpec::Observation { .. } => Expected::Row(spec.width().unwrap_or(0)),
                InputSpec::Image { width, height, .. } => Expected::Image(*height, *width),
                InputSpec::Counter { .. } => Expected::Count,
                InputSpec::State { .. } => Expected::Any,
            };
            let what = format!("input `{}`", spec.name());
            let (buffer, shape) = io::allocate(&policy, &what, found.dtype(), &expected)
                .map_err(|error| error.of(&policy, "allocate an input"))?;
            inputs.push((spec.name().to_owned(), buffer));
            shapes.push(shape);
        }

        let mut outputs = Named::new();
        let mut select = |name: &str, expected: Expected| {
            let found = session.outputs().iter().find(|output| output.name() == name);
            let Some(found) = found else {
                let known: Vec<_> = session.outputs().iter().map(|o| o.name()).collect();
                return Err(PolicyError::ModelMismatch {
                    policy: policy.clone(),
                    what: "outputs".into(),
                    expected: name.to_owned(),
                    actual: known.join(", "),
                });
            };
            let what = format!("output `{name}`");
            let (buffer, _) = io::allocate(&policy, &what, found.dtype(), &expected)
                .map_err(|error| error.of(&policy, "allocate an output"))?;
            outputs.push((name.to_owned(), buffer));
            Ok(outputs.len() - 1)
        };
        let (length, width) = (manifest.chunk_length(), manifest.action_width());
        let action = match manifest.chunk {
            Some(_) => Expected::Rows(length, width),
            None => Expected::Row(width),
        };
        select(&model.output, action)?;
        let mut states = Vec::new();
        let mut counters = Vec::new();
        for (input, spec) in manifest.inputs.iter().enumerate() {
            match spec {
                InputSpec::State { from, start, name } => {
                    let output = select(from, Expected::Shape(shapes[input].clone()))?;
                    let width = inputs[input].1.len();
                    let start = match start {
                        Start::Zero => vec![0.0; width],
                        Start::Model { file, sha256 } => {
                            let path = folder.join(file);
                            let bytes = read_hashed(&policy, &path, sha256)?;
                            start_of(environment, &policy, &bytes, name, width)?
                        }
                    };
                    states.push(State { input, output, start });
                }
                InputSpec::Counter { start, step, .. } => {
                    counters.push(Counter { input, start: *start, step: *step, runs: 0 });
                }
                InputSpec::Observation { .. } | InputSpec::Image { .. } => {}
            }
        }
        for (name, width) in references {
            select(name, Expected::Width(*width))?;
        }
        let names = outputs.iter().map(|(name, _)| format!("output `{name}`").into()).collect();
        let values = outputs.iter().map(|(_, buffer)| vec![0.0; buffer.len()]).collect();
        let id = policy.as_str().into();
        let call = Call::new(session, inputs, outputs).map_err(|source| PolicyError::Onnx {
            policy: policy.clone(),
            doing: "prepare a run",
            source,
        })?;
        let mut network =
            Self { call, outputs: values, states, counters, policy, id, names, placements };
        network.reset();
        Ok(network)
    }

    /// What runs each node.
    pub(crate) fn placements(&self) -> &[NodePlacement] {
        &self.placements
    }

    /// Starts anew: states and counters are at their start.
    pub(crate) fn reset(&mut self) {
        for state in &self.states {
            self.call.input(state.input).write(&state.start);
        }
        for counter in &mut self.counters {
            counter.runs = 0;
            self.call.input(counter.input).write_count(counter.start);
        }
    }

    /// Writes one of the manifest's inputs, row by row.
    pub(crate) fn write(&mut self, input: usize, values: &[f32]) {
        self.call.input(input).write(values);
    }

    /// Number of elements of one of the manifest's inputs.
    pub(crate) fn width(&self, input: usize) -> usize {
        self.call.width(input)
    }

    /// Runs the network. No allocation on the Rust side; outputs and states are as before if it fails,
    /// by [`PolicyError::Onnx`] or, for a number that is not finite, [`PolicyError::NotFinite`].
    pub(crate) fn run(&mut self) -> Result<(), PolicyError> {
        self.call.run().map_err(|source| PolicyError::Onnx {
            policy: self.policy.clone(),
            doing: "run",
            source,
        })?;
        for (index, what) in self.names.iter().enumerate() {
            if let Some((element, value)) = self.call.output(index).not_finite() {
                return Err(PolicyError::NotFinite {
                    policy: Arc::clone(&self.id),
                    what: Arc::clone(what),
                    element: Some(element),
                    value: f64::from(value),
                });
            }
        }
        for (index, values) in self.outputs.iter_mut().enumerate() {
            self.call.output(index).read(values);
        }
        for state in &self.states {
            self.call.input(state.input).write(&self.outputs[state.output]);
        }
        for counter in &mut self.counters {
            counter.runs += 1;
            #[allow(clippy::cast_precision_loss)]
            let count = counter.start + counter.step * counter.runs as f64;
            self.call.input(counter.input).write_count(count);
        }
        Ok(())
    }

    /// The action of the last good run, row by row.
    pub(crate) fn action(&self) -> &[f32] {
        &self.outputs[0]
    }

    /// Copies the references of the last good run, in the order in which they were asked for.
    pub(crate) fn references(&self, into: &mut [Vec<f32>]) {
        let first = 1 + self.states.len();
        for (output, into) in self.outputs[first..].iter().zip(into) {
            into.copy_from_slice(output);
        }
    }
}

/// Reads a file whose hash the manifest knows.
fn read_hashed(policy: &str, path: &Path, expected: &str) -> Result<Vec<u8>, PolicyError> {
    let bytes = std::fs::read(path)
        .map_err(|source| PolicyError::Read { path: path.to_owned(), source })?;
    let actual = sha256(&bytes);
    if actual == expected {
        return Ok(bytes);
    }
    Err(PolicyError::Hash {
        policy: policy.to_owned(),
        path: path.to_owned(),
        expected: expected.to_owned(),
        actual,
    })
}

/// Lower case hexadecimal digits.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first output of a graph without inputs.
fn start_of(
    environment: &Environment,
    policy: &str,
    bytes: &[u8],
    input: &str,
    width: usize,
) -> Result<Vec<f32>, PolicyError> {
    let fail = |source| PolicyError::Onnx {
        policy: policy.to_owned(),
        doing: "run the start model",
        source,
    };
    let mut session =
        runtime::session(environment, RunOn::one_thread(Provider::Cpu), bytes, Path::new("."))
            .map_err(|error| error.of_policy(policy))?;
    let known = session.inputs().iter().map(|input| input.name());
    io::check_names(policy, "inputs of the start model", &[], known)?;
    let outputs = session.run(ort::session::SessionInputs::<0>::ValueArray([])).map_err(fail)?;
    let (_, values) = outputs[0].try_extract_tensor::<f32>().map_err(fail)?;
    if values.len() == width && values.iter().all(|value| value.is_finite()) {
        return Ok(values.to_vec());
    }
    Err(PolicyError::ModelMismatch {
        policy: policy.to_owned(),
        what: format!("output of the start model of `{input}`"),
        expected: format!("{width} finite values"),
        actual: format!("{} values", values.len()),
    })
}
