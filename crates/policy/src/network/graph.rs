use std::collections::BTreeMap;
use std::path::Path;

use ort::value::ValueType;

use super::{RunOn, runtime};
use crate::PolicyError;
use crate::manifest::Provider;

/// What a model says about itself.
pub(crate) struct Graph {
    /// Names and shapes, -1 for what is dynamic; in the order of the file.
    pub(crate) inputs: Vec<(String, Vec<i64>)>,
    /// The same of the outputs.
    pub(crate) outputs: Vec<(String, Vec<i64>)>,
    /// `metadata_props`.
    pub(crate) metadata: BTreeMap<String, String>,
}

impl Graph {
    /// Looks into a model.
    pub(crate) fn of(id: &str, bytes: &[u8]) -> Result<Self, PolicyError> {
        let fail = |source| PolicyError::Onnx {
            policy: id.to_owned(),
            doing: "read the model's metadata",
            source,
        };
        let environment = runtime::environment()?;
        let session =
            runtime::session(environment, RunOn::one_thread(Provider::Cpu), bytes, Path::new("."))
                .map_err(|error| error.of_policy(id))?;
        let shape = |dtype: &ValueType| match dtype {
            ValueType::Tensor { shape, .. } => shape.iter().copied().collect(),
            _ => Vec::new(),
        };
        let metadata = session.metadata().map_err(fail)?;
        let pairs = metadata.custom_keys().map_err(fail)?.into_iter().filter_map(|key| {
            let value = metadata.custom(&key)?;
            Some((key, value))
        });
        Ok(Self {
            inputs: session
                .inputs()
                .iter()
                .map(|input| (input.name().to_owned(), shape(input.dtype())))
                .collect(),
            outputs: session
                .outputs()
                .iter()
                .map(|output| (output.name().to_owned(), shape(output.dtype())))
                .collect(),
            metadata: pairs.collect(),
        })
    }

    /// Elements of an input, a dynamic batch counting as 1.
    pub(crate) fn input_width(&self, name: &str) -> Option<usize> {
        width(&self.inputs, name)
    }

    /// The same of an output.
    pub(crate) fn output_width(&self, name: &str) -> Option<usize> {
        width(&self.outputs, name)
    }
}

fn width(all: &[(String, Vec<i64>)], name: &str) -> Option<usize> {
    let (_, shape) = all.iter().find(|(other, _)| other == name)?;
    shape.iter().try_fold(1_usize, |all, n| match usize::try_from(*n) {
        Ok(n) => Some(all * n),
        Err(_) => Some(all),
    })
}
