use std::path::{Path, PathBuf};

use ort::environment::Environment;
use ort::session::{HasSelectedOutputs, OutputSelector, RunOptions, Session};
use ort::value::{Tensor, TensorElementType, ValueType};
use sha2::{Digest, Sha256};

use crate::{PolicyError, PolicyManifest, runtime};

/// An ONNX session with one preallocated input and one preallocated output.
pub(crate) struct Model {
    session: Session,
    input: Tensor<f32>,
    options: RunOptions<HasSelectedOutputs>,
    policy: String,
}

impl Model {
    /// Loads the file beside the manifest and checks hash, names, types and widths.
    pub(crate) fn load(manifest: &PolicyManifest, folder: &Path) -> Result<Self, PolicyError> {
        let path: PathBuf = folder.join(&manifest.model.file);
        let bytes = std::fs::read(&path)
            .map_err(|source| PolicyError::Read { path: path.clone(), source })?;
        let actual: String = Sha256::digest(&bytes).iter().map(|b| format!("{b:02x}")).collect();
        let policy = manifest.id.clone();
        if actual != manifest.model.sha256 {
            let expected = manifest.model.sha256.clone();
            return Err(PolicyError::Hash { policy, path, expected, actual });
        }
        let fail = |doing, source| PolicyError::Onnx { policy: policy.clone(), doing, source };
        let environment = runtime::environment()?;
        let session = session_of(environment, &bytes).map_err(|e| fail("load the model", e))?;

        let (inputs, outputs) = (session.inputs(), session.outputs());
        let input = [("input", inputs, &manifest.model.input, manifest.observation_width())];
        let output = [("output", outputs, &manifest.model.output, manifest.action_width())];
        let mut shapes = Vec::with_capacity(2);
        for (what, outlets, name, width) in input.into_iter().chain(output) {
            let found: Vec<_> = outlets.iter().map(|o| (o.name(), o.dtype())).collect();
            shapes.push(shape_of(&policy, what, &found, name, width)?);
        }

        let allocator = session.allocator();
        let input = Tensor::<f32>::new(allocator, shapes[0].clone())
            .map_err(|e| fail("allocate the input", e))?;
        let output = Tensor::<f32>::new(allocator, shapes[1].clone())
            .map_err(|e| fail("allocate the output", e))?;
        let selector = OutputSelector::default().preallocate(&manifest.model.output, output);
        let options =
            RunOptions::new().map_err(|e| fail("make run options", e))?.with_outputs(selector);
        Ok(Self { session, input, options, policy })
    }

    /// The input, to be written before a run.
    pub(crate) fn input_mut(&mut self) -> &mut [f32] {
        self.input.extract_tensor_mut().1
    }

    /// The input as it was last written.
    pub(crate) fn input(&self) -> &[f32] {
        self.input.extract_tensor().1
    }

    /// Runs the network and copies its output. No allocation on the Rust side.
    pub(crate) fn run(&mut self, output: &mut [f32]) -> Result<(), PolicyError> {
        let Self { session, input, options, policy } = self;
        let fail = |source| PolicyError::Onnx { policy: policy.clone(), doing: "run", source };
        let outputs = session.run_with_options(ort::inputs![&*input], options).map_err(fail)?;
        let (_, values) = outputs[0].try_extract_tensor::<f32>().map_err(fail)?;
        output.copy_from_slice(values);
        Ok(())
    }
}

/// One thread and no spinning: a policy shares its core with the control loop.
fn session_of(environment: &Environment, bytes: &[u8]) -> ort::Result<Session> {
    Session::builder(environment)?
        .with_intra_threads(1)?
        .with_inter_threads(1)?
        .with_intra_op_spinning(false)?
        .with_inter_op_spinning(false)?
        .commit_from_memory(bytes)
}

/// Checks name, type and width, and gives the shape with dynamic dimensions set to 1.
fn shape_of(
    policy: &str,
    what: &str,
    found: &[(&str, &ValueType)],
    name: &str,
    width: usize,
) -> Result<Vec<i64>, PolicyError> {
    let mismatch = |what: String, expected: String, actual: String| PolicyError::ModelMismatch {
        policy: policy.into(),
        what,
        expected,
        actual,
    };
    let [(found_name, dtype)] = found else {
        let names: Vec<_> = found.iter().map(|f| f.0).collect();
        return Err(mismatch(format!("{what}s"), format!("[{name}]"), format!("{names:?}")));
    };
    if *found_name != name {
        return Err(mismatch(format!("{what} name"), name.into(), (*found_name).into()));
    }
    let ValueType::Tensor { ty, shape, .. } = dtype else {
        let actual = format!("{dtype:?}");
        return Err(mismatch(format!("{what} `{name}` type"), "a tensor".into(), actual));
    };
    if *ty != TensorElementType::Float32 {
        let actual = format!("{ty:?}");
        return Err(mismatch(format!("{what} `{name}` element type"), "Float32".into(), actual));
    }
    let dims: Vec<i64> = shape.iter().copied().collect();
    // The width is always stated; only the batch in front of it may be dynamic.
    let fits = match dims.as_slice() {
        [n] => *n == width as i64,
        [batch, n] => matches!(batch, -1 | 1) && *n == width as i64,
        _ => false,
    };
    if !fits {
        let expected = format!("[{width}] or [1, {width}]");
        return Err(mismatch(format!("{what} `{name}` shape"), expected, format!("{dims:?}")));
    }
    Ok(dims.iter().map(|d| if *d < 0 { 1 } else { *d }).collect())
}
