//! ONNX Runtime's own C call, on tensors that are allocated once.

use std::ffi::{CStr, CString, c_char};

use half::f16;
use ort::AsPointer;
use ort::memory::Allocator;
use ort::session::Session;
use ort::value::{Tensor, TensorElementType};

/// A session and all that a run of it takes: nothing is looked up, allocated or converted between two runs.
pub(super) struct Call {
    session: Session,
    inputs: Vec<Buffer>,
    outputs: Vec<Buffer>,
    /// What `arguments` points to.
    _names: [Vec<CString>; 2],
    arguments: Arguments,
}

/// Inputs and outputs as C takes them.
struct Arguments {
    input_names: Vec<*const c_char>,
    inputs: Vec<*const ort::sys::OrtValue>,
    output_names: Vec<*const c_char>,
    outputs: Vec<*mut ort::sys::OrtValue>,
}

// SAFETY: what the pointers point to is owned by the same `Call`, which moves with them, lies on the heap, and is sent
// from thread to thread itself.
#[allow(unsafe_code)]
unsafe impl Send for Arguments {}

/// A tensor in memory that the processor can reach.
pub(super) struct Buffer {
    tensor: Typed,
    len: usize,
}

enum Typed {
    F32(Tensor<f32>),
    F16(Tensor<f16>),
    I64(Tensor<i64>),
}

/// Inputs or outputs by name.
pub(super) type Named = Vec<(String, Buffer)>;

impl Call {
    /// For all of the session's inputs, and for the outputs that are wanted: others are not computed.
    pub(super) fn new(session: Session, inputs: Named, outputs: Named) -> ort::Result<Self> {
        let (names, inputs) = unzipped(inputs)?;
        let (output_names, mut outputs) = unzipped(outputs)?;
        let pointers = |names: &[CString]| names.iter().map(|name| name.as_ptr()).collect();
        let arguments = Arguments {
            input_names: pointers(&names),
            inputs: inputs.iter().map(Buffer::ptr).collect(),
            output_names: pointers(&output_names),
            outputs: outputs.iter_mut().map(Buffer::ptr_mut).collect(),
        };
        Ok(Self { session, inputs, outputs, _names: [names, output_names], arguments })
    }

    pub(super) fn input(&mut self, index: usize) -> &mut Buffer {
        &mut self.inputs[index]
    }

    /// Elements of an input.
    pub(super) fn width(&self, index: usize) -> usize {
        self.inputs[index].len()
    }

    pub(super) fn output(&self, index: usize) -> &Buffer {
        &self.outputs[index]
    }

    /// One run, from the inputs into the outputs, which hold anything if it fails. No allocation on the Rust side.
    #[allow(unsafe_code)]
    pub(super) fn run(&mut self) -> ort::Result<()> {
        let Arguments { input_names, inputs, output_names, outputs } = &mut self.arguments;
        // SAFETY: session, names and values live in `self`, which is borrowed for the whole call; the lengths are
        // those of the lists; run options may be null.
        unsafe {
            done((ort::api().Run)(
                self.session.ptr().cast_mut(),
                std::ptr::null(),
                input_names.as_ptr(),
                inputs.as_ptr(),
                inputs.len(),
                output_names.as_ptr(),
                outputs.len(),
                outputs.as_mut_ptr(),
            ))
        }
    }
}

/// Names as C takes them, which are not moved any more: a `CString` lies on the heap.
fn unzipped(named: Named) -> ort::Result<(Vec<CString>, Vec<Buffer>)> {
    let (names, buffers): (Vec<_>, _) = named.into_iter().unzip();
    let names = names.into_iter().map(CString::new).collect::<Result<_, _>>();
    Ok((names.map_err(|error| ort::Error::new(error.to_string()))?, buffers))
}

impl Buffer {
    /// Zeros of a shape without unknown sizes; `element` is a type that [`super::io`] lets through.
    pub(super) fn new(element: TensorElementType, shape: &[i64]) -> ort::Result<Self> {
        // Not the session's: what a graphics card holds is copied to and fro by the run.
        let allocator = Allocator::default();
        let len = shape.iter().product::<i64>() as usize;
        let shape = shape.to_vec();
        let tensor = match element {
            TensorElementType::Float16 => Typed::F16(Tensor::new(&allocator, shape)?),
            TensorElementType::Int64 => Typed::I64(Tensor::new(&allocator, shape)?),
            _ => Typed::F32(Tensor::new(&allocator, shape)?),
        };
        let mut buffer = Self { tensor, len };
        buffer.write_count(0.0);
        Ok(buffer)
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Overwrites all of it, row by row, with as many numbers.
    pub(super) fn write(&mut self, from: &[f32]) {
        let len = self.len;
        match &mut self.tensor {
            Typed::F32(tensor) => elements_mut(tensor, len).copy_from_slice(from),
            Typed::F16(tensor) => convert(from, elements_mut(tensor, len), f16::from_f32),
            Typed::I64(tensor) => convert(from, elements_mut(tensor, len), |v| v.round() as i64),
        }
    }

    /// Overwrites each element by one number.
    pub(super) fn write_count(&mut self, count: f64) {
        let len = self.len;
        match &mut self.tensor {
            Typed::F32(tensor) => elements_mut(tensor, len).fill(count as f32),
            Typed::F16(tensor) => elements_mut(tensor, len).fill(f16::from_f64(count)),
            Typed::I64(tensor) => elements_mut(tensor, len).fill(count.round() as i64),
        }
    }

    /// Copies all of it, row by row, into as many numbers.
    pub(super) fn read(&self, into: &mut [f32]) {
        match &self.tensor {
            Typed::F32(tensor) => into.copy_from_slice(elements(tensor, self.len)),
            Typed::F16(tensor) => convert(elements(tensor, self.len), into, f16::to_f32),
            Typed::I64(tensor) => convert(elements(tensor, self.len), into, |value| value as f32),
        }
    }

    /// The first element that is not finite.
    pub(super) fn not_finite(&self) -> Option<(usize, f32)> {
        match &self.tensor {
            Typed::F32(tensor) => first_of(elements(tensor, self.len), |value| value),
            Typed::F16(tensor) => first_of(elements(tensor, self.len), f16::to_f32),
            Typed::I64(_) => None,
        }
    }

    fn ptr(&self) -> *const ort::sys::OrtValue {
        match &self.tensor {
            Typed::F32(tensor) => tensor.ptr(),
            Typed::F16(tensor) => tensor.ptr(),
            Typed::I64(tensor) => tensor.ptr(),
        }
    }

    fn ptr_mut(&mut self) -> *mut ort::sys::OrtValue {
        match &mut self.tensor {
            Typed::F32(tensor) => tensor.ptr_mut(),
            Typed::F16(tensor) => tensor.ptr_mut(),
            Typed::I64(tensor) => tensor.ptr_mut(),
        }
    }
}

/// As `extract_tensor`, which asks for the shape each time and allocates to do so.
#[allow(unsafe_code)]
fn elements<T: ort::value::PrimitiveTensorElementType + std::fmt::Debug>(
    tensor: &Tensor<T>,
    len: usize,
) -> &[T] {
    // SAFETY: a tensor in the processor's memory, of so many elements since it was allocated.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), len) }
}

#[allow(unsafe_code)]
fn elements_mut<T: ort::value::PrimitiveTensorElementType + std::fmt::Debug>(
    tensor: &mut Tensor<T>,
    len: usize,
) -> &mut [T] {
    // SAFETY: as in `elements`, and borrowed mutably.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr_mut().cast(), len) }
}

fn convert<F: Copy, T>(from: &[F], into: &mut [T], by: impl Fn(F) -> T) {
    for (into, from) in into.iter_mut().zip(from) {
        *into = by(*from);
    }
}

fn first_of<T: Copy>(values: &[T], by: impl Fn(T) -> f32) -> Option<(usize, f32)> {
    values.iter().map(|value| by(*value)).enumerate().find(|(_, value)| !value.is_finite())
}

/// A status is a failure unless it is null, and is the caller's to release.
#[allow(unsafe_code)]
pub(super) unsafe fn done(status: ort::sys::OrtStatusPtr) -> ort::Result<()> {
    if status.0.is_null() {
        return Ok(());
    }
    // SAFETY: not null, so a status of this library, whose message lives until it is released.
    unsafe {
        let api = ort::api();
        let message = text((api.GetErrorMessage)(status.0));
        (api.ReleaseStatus)(status.0);
        Err(ort::Error::new(message))
    }
}

/// A copy of a C string; empty for null.
#[allow(unsafe_code)]
pub(super) unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: a C string of the library, by the contract of the caller.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}
