//! Measures steps of kinfer's runner in blocks: `kinfer-peer ARCHIVE` reads a number of steps per line, and answers
//! each with the median and the 99th percentile of their times in seconds.

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kinfer::model::{ModelError, ModelProvider, ModelRunner};
use kinfer::types::{InputType, ModelMetadata};
use ndarray::{Array, IxDyn};
use ort::value::Tensor;

/// Joints that swing, as in `sinew policy bench`.
struct Swinging(AtomicU64);

impl ModelProvider for Swinging {
    fn pre_fetch_inputs(
        &self,
        _buffers: &[(InputType, Tensor<f32>)],
        _metadata: &ModelMetadata,
    ) -> Result<(), ModelError> {
        Ok(())
    }

    fn get_inputs(
        &self,
        buffers: &mut [(InputType, Tensor<f32>)],
        _metadata: &ModelMetadata,
    ) -> Result<(), ModelError> {
        let phase = self.0.fetch_add(1, Ordering::Relaxed) as f32 * 0.01;
        for (kind, tensor) in buffers {
            // What is carried over is the runner's own.
            if *kind == InputType::Carry {
                continue;
            }
            let mut values = tensor
                .try_extract_tensor_mut::<f32>()
                .map_err(|error| ModelError::Provider(error.to_string()))?;
            for (index, value) in values.iter_mut().enumerate() {
                *value = 0.1 * (phase + index as f32).sin();
            }
        }
        Ok(())
    }

    fn take_action(
        &self,
        _action: Array<f32, IxDyn>,
        _metadata: &ModelMetadata,
    ) -> Result<(), ModelError> {
        Ok(())
    }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let archive = std::env::args().nth(1).ok_or("kinfer-peer ARCHIVE")?;
    let mut runner = ModelRunner::new(archive, Arc::new(Swinging(AtomicU64::new(0))), None)?;
    runner.init()?;
    for line in std::io::stdin().lock().lines() {
        let count: usize = line?.trim().parse()?;
        let mut times = Vec::with_capacity(count);
        for step in 0..2 * count {
            let begun = Instant::now();
            runner.step_and_take_action()?;
            if step >= count {
                times.push(begun.elapsed().as_secs_f64());
            }
        }
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
        println!("{:e} {:e}", at(50), at(99));
    }
    Ok(())
}
