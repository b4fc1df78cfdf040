//! Inputs and outputs of a graph: whether their names, types and shapes are those that the manifest expects.

use ort::value::{TensorElementType, ValueType};

use super::call::Buffer;
use crate::PolicyError;

/// The shape that the manifest expects; a batch of 1 may stand in front of each.
#[derive(Clone, Debug)]
pub(super) enum Expected {
    /// `[n]`.
    Row(usize),
    /// `[length, n]`.
    Rows(usize, usize),
    /// `[3, height, width]`.
    Image(usize, usize),
    /// Any shape of so many elements.
    Width(usize),
    /// Exactly this.
    Shape(Vec<i64>),
    /// One element; may be i64.
    Count,
    /// Any, with a known size.
    Any,
}

/// Why a tensor cannot be had.
pub(super) enum TensorError {
    Policy(PolicyError),
    Ort(ort::Error),
}

impl TensorError {
    pub(super) fn of(self, policy: &str, doing: &'static str) -> PolicyError {
        match self {
            Self::Policy(error) => error,
            Self::Ort(source) => PolicyError::Onnx { policy: policy.to_owned(), doing, source },
        }
    }
}

impl From<ort::Error> for TensorError {
    fn from(error: ort::Error) -> Self {
        Self::Ort(error)
    }
}

/// Allocates an input or output, once it fits; `what` names it in errors. Its shape beside it, with a dynamic batch
/// set to 1.
pub(super) fn allocate(
    policy: &str,
    what: &str,
    dtype: &ValueType,
    expected: &Expected,
) -> Result<(Buffer, Vec<i64>), TensorError> {
    let (element, shape) = shape_of(policy, what, dtype, expected).map_err(TensorError::Policy)?;
    Ok((Buffer::new(element, &shape)?, shape))
}

/// That the names of the manifest are those of the graph.
pub(super) fn check_names<'a>(
    policy: &str,
    what: &str,
    named: &[&str],
    graph: impl Iterator<Item = &'a str>,
) -> Result<(), PolicyError> {
    let mut graph: Vec<_> = graph.collect();
    let mut named = named.to_vec();
    graph.sort_unstable();
    named.sort_unstable();
    if graph == named {
        return Ok(());
    }
    Err(PolicyError::ModelMismatch {
        policy: policy.to_owned(),
        what: what.to_owned(),
        expected: format!("[{}]", named.join(", ")),
        actual: format!("[{}]", graph.join(", ")),
    })
}

/// Checks type and shape, and gives the shape with a dynamic batch set to 1.
fn shape_of(
    policy: &str,
    what: &str,
    dtype: &ValueType,
    expected: &Expected,
) -> Result<(TensorElementType, Vec<i64>), PolicyError> {
    let mismatch = |what: String, expected: String, actual: String| PolicyError::ModelMismatch {
        policy: policy.to_owned(),
        what,
        expected,
        actual,
    };
    let ValueType::Tensor { ty, shape, .. } = dtype else {
        let actual = format!("{dtype:?}");
        return Err(mismatch(format!("{what} type"), "a tensor".into(), actual));
    };
    let counts = matches!(expected, Expected::Count) && *ty == TensorElementType::Int64;
    if !counts && !matches!(ty, TensorElementType::Float32 | TensorElementType::Float16) {
        let allowed = match expected {
            Expected::Count => "Float32, Float16 or Int64",
            _ => "Float32 or Float16",
        };
        return Err(mismatch(format!("{what} element type"), allowed.into(), format!("{ty:?}")));
    }
    let dims: Vec<i64> = shape.iter().copied().collect();
    // Only the batch in front may be dynamic: everything else has a meaning.
    let fixed: Vec<i64> = match dims.as_slice() {
        [batch, rest @ ..] if *batch < 0 => [&[1], rest].concat(),
        dims => dims.to_vec(),
    };
    let without_batch = match fixed.as_slice() {
        [1, rest @ ..] => rest,
        all => all,
    };
    let count: i64 = fixed.iter().product();
    let is = |wanted: &[usize]| {
        let wanted: Vec<_> = wanted.iter().map(|n| *n as i64).collect();
        fixed == wanted || without_batch == wanted
    };
    let (fits, wanted) = match expected {
        Expected::Row(n) => (is(&[*n]), format!("[{n}] or [1, {n}]")),
        Expected::Rows(length, n) => {
            (is(&[*length, *n]), format!("[{length}, {n}] or [1, {length}, {n}]"))
        }
        Expected::Image(height, width) => (
            is(&[3, *height, *width]),
            format!("[3, {height}, {width}] or [1, 3, {height}, {width}]"),
        ),
        Expected::Width(n) => (count == *n as i64, format!("{n} elements")),
        Expected::Shape(shape) => (fixed == *shape, format!("{shape:?}")),
        Expected::Count => (count == 1, "one element".to_owned()),
        Expected::Any => (count > 0, "a known size".to_owned()),
    };
    if fixed.iter().all(|n| *n > 0) && fits {
        return Ok((*ty, fixed));
    }
    Err(mismatch(format!("{what} shape"), wanted, format!("{dims:?}")))
}
