use std::path::Path;

use super::call::{Call, Named};
use super::{RunOn, io, runtime};
use crate::manifest::InputSpec;
use crate::{PolicyError, PolicyManifest};

/// The same model, run by nothing but ONNX Runtime's own C call on tensors that are allocated once: the floor
/// that a benchmark compares with.
pub struct RawRun {
    call: Call,
    /// Names of the inputs.
    inputs: Vec<String>,
}

impl RawRun {
    /// Loads a policy's model. Inputs are zeros until they are written.
    ///
    /// # Errors
    /// Those of a file that is not there, or not a model of numbers with known shapes.
    pub fn load(
        manifest: &PolicyManifest,
        folder: &Path,
        run_on: RunOn,
    ) -> Result<Self, PolicyError> {
        let policy = manifest.id.clone();
        let bytes = super::read_hashed(
            &policy,
            &folder.join(&manifest.model.file),
            &manifest.model.sha256,
        )?;
        let environment = runtime::environment()?;
        let session = runtime::session(environment, run_on, &bytes, folder)
            .map_err(|error| error.of_policy(&policy))?;
        let fail = |source| PolicyError::Onnx {
            policy: policy.clone(),
            doing: "prepare a bare run",
            source,
        };
        let is_count = |name: &str| {
            let spec = manifest.inputs.iter().find(|input| input.name() == name);
            matches!(spec, Some(InputSpec::Counter { .. }))
        };
        let named = |name: &str, dtype| {
            let expected = if is_count(name) { io::Expected::Count } else { io::Expected::Any };
            let (buffer, _) = io::allocate(&policy, name, dtype, &expected)
                .map_err(|error| error.of(&policy, "allocate a tensor"))?;
            Ok((name.to_owned(), buffer))
        };
        let inputs = session.inputs().iter().map(|input| named(input.name(), input.dtype()));
        let inputs = inputs.collect::<Result<Named, _>>()?;
        let action = session.outputs().iter().filter(|o| o.name() == manifest.model.output);
        let outputs = action.map(|output| named(output.name(), output.dtype()));
        let outputs = outputs.collect::<Result<Named, _>>()?;
        let names = inputs.iter().map(|(name, _)| name.clone()).collect();
        Ok(Self { call: Call::new(session, inputs, outputs).map_err(fail)?, inputs: names })
    }

    /// Writes an input by its name, row by row.
    ///
    /// # Panics
    /// If there is none of this name, or with another number of elements.
    pub fn write(&mut self, input: &str, values: &[f32]) {
        let index = self.inputs.iter().position(|name| name == input);
        self.call.input(index.expect("an input of the model")).write(values);
    }

    /// One C call; whether it succeeded.
    pub fn run(&mut self) -> bool {
        self.call.run().is_ok()
    }
}
