use std::ffi::CString;
use std::path::Path;

use ort::AsPointer;
use ort::memory::Allocator;
use ort::session::Session;
use ort::value::{DynValue, Tensor, TensorElementType, ValueType};

use super::{RunOn, runtime};
use crate::{PolicyError, PolicyManifest};

/// The same model, run by nothing but ONNX Runtime's own C call on tensors that are allocated once: the floor
/// that a benchmark compares with.
pub struct RawRun {
    session: Session,
    inputs: Vec<(CString, DynValue)>,
    outputs: Vec<(CString, DynValue)>,
}

impl RawRun {
    /// Loads a policy's model. Inputs are zeros.
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
        let tensor = |name: &str, dtype: &ValueType| {
            let ValueType::Tensor { ty, shape, .. } = dtype else {
                return Err(ort::Error::new("not a tensor"));
            };
            let shape: Vec<i64> = shape.iter().map(|n| if *n < 0 { 1 } else { *n }).collect();
            let allocator = Allocator::default();
            let value = match ty {
                TensorElementType::Float16 => {
                    Tensor::<half::f16>::new(&allocator, shape)?.into_dyn()
                }
                TensorElementType::Int64 => Tensor::<i64>::new(&allocator, shape)?.into_dyn(),
                _ => Tensor::<f32>::new(&allocator, shape)?.into_dyn(),
            };
            let name = CString::new(name).map_err(|error| ort::Error::new(error.to_string()))?;
            Ok((name, value))
        };
        let inputs = session.inputs().iter().map(|input| tensor(input.name(), input.dtype()));
        let inputs = inputs.collect::<Result<_, _>>().map_err(fail)?;
        let action = session.outputs().iter().filter(|o| o.name() == manifest.model.output);
        let outputs = action.map(|output| tensor(output.name(), output.dtype()));
        let outputs = outputs.collect::<Result<_, _>>().map_err(fail)?;
        Ok(Self { session, inputs, outputs })
    }

    /// One C call; whether it succeeded.
    #[allow(unsafe_code)]
    pub fn run(&mut self) -> bool {
        const MOST: usize = 16;
        let (inputs, outputs) = (&self.inputs, &mut self.outputs);
        if inputs.len() > MOST || outputs.len() > MOST {
            return false;
        }
        let mut input_names = [std::ptr::null(); MOST];
        let mut input_values = [std::ptr::null(); MOST];
        let mut output_names = [std::ptr::null(); MOST];
        let mut output_values = [std::ptr::null_mut(); MOST];
        for (index, (name, value)) in inputs.iter().enumerate() {
            (input_names[index], input_values[index]) = (name.as_ptr(), value.ptr());
        }
        for (index, (name, value)) in outputs.iter_mut().enumerate() {
            (output_names[index], output_values[index]) = (name.as_ptr(), value.ptr_mut());
        }
        // SAFETY: session, names and values live in `self` for the whole call; the lengths are those of the
        // lists, which fit the arrays; run options may be null. A status is released by the same library.
        unsafe {
            let api = ort::api();
            let status = (api.Run)(
                self.session.ptr().cast_mut(),
                std::ptr::null(),
                input_names.as_ptr(),
                input_values.as_ptr(),
                inputs.len(),
                output_names.as_ptr(),
                outputs.len(),
                output_values.as_mut_ptr(),
            );
            match status.0.is_null() {
                true => true,
                false => {
                    (api.ReleaseStatus)(status.0);
                    false
                }
            }
        }
    }
}
