//! Inputs and outputs of a graph: their types, shapes and buffers.

use half::f16;
use ort::memory::Allocator;
use ort::session::SessionInputValue;
use ort::value::{DynValue, Tensor, TensorElementType, ValueType};

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

/// One input of the graph.
pub(super) struct InputTensor {
    /// Index among the graph's inputs.
    place: usize,
    element: TensorElementType,
    shape: Vec<i64>,
    width: usize,
}

impl InputTensor {
    pub(super) fn new(
        policy: &str,
        name: &str,
        dtype: &ValueType,
        expected: Expected,
        place: usize,
        allocator: &Allocator,
    ) -> Result<(Self, SessionInputValue<'static>), TensorError> {
        let what = format!("input `{name}`");
        let (element, shape) =
            shape_of(policy, &what, dtype, &expected).map_err(TensorError::Policy)?;
        let value = allocate(element, &shape, allocator)?;
        let width = shape.iter().product::<i64>() as usize;
        Ok((Self { place, element, shape, width }, SessionInputValue::Owned(value)))
    }

    pub(super) fn shape(&self) -> &[i64] {
        &self.shape
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    /// Overwrites the value, row by row.
    pub(super) fn write(&self, values: &mut [SessionInputValue<'static>], from: &[f32]) {
        let SessionInputValue::Owned(value) = &mut values[self.place] else { return };
        match self.element {
            TensorElementType::Float16 => {
                if let Ok((_, to)) = value.try_extract_tensor_mut::<f16>() {
                    for (to, from) in to.iter_mut().zip(from) {
                        *to = f16::from_f32(*from);
                    }
                }
            }
            _ => {
                if let Ok((_, to)) = value.try_extract_tensor_mut::<f32>() {
                    to.copy_from_slice(from);
                }
            }
        }
    }

    /// Overwrites a counter.
    pub(super) fn write_count(&self, values: &mut [SessionInputValue<'static>], count: f64) {
        if self.element != TensorElementType::Int64 {
            return self.write(values, &[count as f32]);
        }
        let SessionInputValue::Owned(value) = &mut values[self.place] else { return };
        if let Ok((_, to)) = value.try_extract_tensor_mut::<i64>() {
            to.fill(count.round() as i64);
        }
    }
}

/// One output of the graph that is used.
pub(super) struct OutputTensor {
    name: String,
    element: TensorElementType,
    values: Vec<f32>,
}

impl OutputTensor {
    pub(super) fn new(
        policy: &str,
        name: &str,
        dtype: &ValueType,
        expected: Expected,
        allocator: &Allocator,
    ) -> Result<(Self, DynValue), TensorError> {
        let what = format!("output `{name}`");
        let (element, shape) =
            shape_of(policy, &what, dtype, &expected).map_err(TensorError::Policy)?;
        let value = allocate(element, &shape, allocator)?;
        let width = shape.iter().product::<i64>() as usize;
        Ok((Self { name: name.to_owned(), element, values: vec![0.0; width] }, value))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The value of the last good run, row by row.
    pub(super) fn values(&self) -> &[f32] {
        &self.values
    }

    /// The first element of a result that is not finite.
    pub(super) fn not_finite(&self, result: &DynValue) -> ort::Result<Option<(usize, f32)>> {
        if self.element == TensorElementType::Float16 {
            let (_, values) = result.try_extract_tensor::<f16>()?;
            let found = values.iter().position(|value| !value.is_finite());
            return Ok(found.map(|index| (index, values[index].to_f32())));
        }
        let (_, values) = result.try_extract_tensor::<f32>()?;
        let found = values.iter().position(|value| !value.is_finite());
        Ok(found.map(|index| (index, values[index])))
    }

    /// Keeps a result.
    pub(super) fn take(&mut self, result: &DynValue) -> ort::Result<()> {
        if self.element == TensorElementType::Float16 {
            let (_, values) = result.try_extract_tensor::<f16>()?;
            for (to, from) in self.values.iter_mut().zip(values) {
                *to = from.to_f32();
            }
            return Ok(());
        }
        let (_, values) = result.try_extract_tensor::<f32>()?;
        self.values.copy_from_slice(values);
        Ok(())
    }
}

fn allocate(
    element: TensorElementType,
    shape: &[i64],
    allocator: &Allocator,
) -> ort::Result<DynValue> {
    let shape = shape.to_vec();
    Ok(match element {
        TensorElementType::Float16 => Tensor::<f16>::new(allocator, shape)?.into_dyn(),
        TensorElementType::Int64 => Tensor::<i64>::new(allocator, shape)?.into_dyn(),
        _ => Tensor::<f32>::new(allocator, shape)?.into_dyn(),
    })
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
