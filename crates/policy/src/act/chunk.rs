use std::collections::VecDeque;

use crate::manifest::{ChunkSpec, Splice};

/// The actions that are still to come, from chunks that each cover several ticks.
///
/// Rows are raw outputs of the network, as wide as the action. A chunk is dated by the tick whose
/// observation it was computed from: actions for ticks that have passed meanwhile are dropped.
#[derive(Clone, Debug)]
pub struct ChunkQueue {
    spec: ChunkSpec,
    width: usize,
    /// The tick whose action is the first in `rows`.
    tick: u64,
    /// Actions of the ticks to come, `width` numbers each.
    rows: VecDeque<f32>,
    /// Of a temporal ensemble: per action to come, how many chunks are in it.
    counts: VecDeque<u32>,
    /// Ticks since the newest chunk was taken in.
    since_chunk: usize,
    /// `exp(-coefficient i)` and its running sums.
    weights: Vec<(f64, f64)>,
    current: Vec<f32>,
    held: u64,
}

impl ChunkQueue {
    /// An empty queue.
    pub fn new(spec: ChunkSpec, width: usize) -> Self {
        let coefficient = match spec.splice {
            Splice::TemporalEnsemble { coefficient } => coefficient,
            _ => 0.0,
        };
        let weights = (0..spec.length).scan(0.0, |sum, i| {
            #[allow(clippy::cast_precision_loss)]
            let weight = (-coefficient * i as f64).exp();
            *sum += weight;
            Some((weight, *sum))
        });
        Self {
            spec,
            width,
            tick: 0,
            rows: VecDeque::with_capacity(2 * spec.length * width),
            counts: VecDeque::with_capacity(2 * spec.length),
            since_chunk: 0,
            weights: weights.collect(),
            current: vec![0.0; width],
            held: 0,
        }
    }

    /// Forgets all actions: an episode begins at tick 0.
    pub fn reset(&mut self) {
        self.rows.clear();
        self.counts.clear();
        (self.tick, self.since_chunk, self.held) = (0, 0, 0);
        self.current.fill(0.0);
    }

    /// The tick whose action is next.
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// Ticks for which no action was left, so that the last one was held.
    pub fn held(&self) -> u64 {
        self.held
    }

    /// Whether the network is to be run on this tick's observation.
    pub fn wants_chunk(&self) -> bool {
        self.rows.is_empty() || self.since_chunk >= self.spec.execute
    }

    /// Takes in a chunk computed from the observation of tick `from`. Real-time safe.
    ///
    /// # Panics
    /// If it is not of the length and width of the queue.
    pub fn take(&mut self, chunk: &[f32], from: u64) {
        let (length, width) = (self.spec.length, self.width);
        assert_eq!(chunk.len(), length * width, "length and width of a chunk");
        let passed = self.tick.saturating_sub(from);
        let passed = usize::try_from(passed).unwrap_or(usize::MAX).min(length);
        let fresh = &chunk[passed * width..];
        self.since_chunk = passed;
        let waiting = self.rows.len() / width.max(1);
        for (row, values) in fresh.chunks_exact(width).enumerate() {
            if row >= waiting {
                self.rows.extend(values);
                self.counts.push_back(1);
                continue;
            }
            let share = self.share_of_older(row);
            for (old, new) in self.rows.range_mut(row * width..(row + 1) * width).zip(values) {
                *old = (f64::from(*old) * share + f64::from(*new) * (1.0 - share)) as f32;
            }
            let count = self.counts.get_mut(row);
            count.into_iter().for_each(|count| *count = (*count + 1).min(length as u32));
        }
        // What only an older chunk knew is not followed any more, except where it is averaged.
        let kept = match self.spec.splice {
            Splice::TemporalEnsemble { .. } => usize::MAX,
            _ => length - passed,
        };
        self.rows.truncate(kept.saturating_mul(width));
        self.counts.truncate(kept);
    }

    /// How much of what is queued for a tick remains when a new chunk comes.
    fn share_of_older(&self, row: usize) -> f64 {
        match self.spec.splice {
            Splice::Latest => 0.0,
            Splice::Weighted { older } => older,
            Splice::TemporalEnsemble { .. } => {
                // The newest chunk has the last weight.
                let count = self.counts[row] as usize;
                let (_, before) = self.weights[(count - 1).min(self.weights.len() - 1)];
                let (_, after) = self.weights[count.min(self.weights.len() - 1)];
                before / after
            }
            Splice::Prefix { keep, blend } => {
                #[allow(clippy::cast_precision_loss)]
                let into = (row + 1).saturating_sub(keep) as f64 / (blend + 1) as f64;
                (1.0 - into).clamp(0.0, 1.0)
            }
        }
    }

    /// The action of this tick; the next call is for the next tick. Where no action is left, the last one is
    /// held. Real-time safe.
    pub fn advance(&mut self) -> &[f32] {
        if self.rows.is_empty() {
            self.held += 1;
        } else {
            for current in &mut self.current {
                if let Some(value) = self.rows.pop_front() {
                    *current = value;
                }
            }
            self.counts.pop_front();
        }
        self.tick += 1;
        self.since_chunk += 1;
        &self.current
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn queue(length: usize, execute: usize, splice: Splice) -> ChunkQueue {
        ChunkQueue::new(ChunkSpec { length, execute, splice, hold_ticks: 0 }, 1)
    }

    #[test]
    fn a_chunk_is_executed_and_then_asked_for_again() {
        let mut queue = queue(4, 3, Splice::Latest);
        let mut asked = Vec::new();
        let mut given = Vec::new();
        for tick in 0..7_u8 {
            if queue.wants_chunk() {
                asked.push(tick);
                let first = f32::from(tick) * 10.0;
                queue.take(&[first, first + 1.0, first + 2.0, first + 3.0], queue.tick());
            }
            given.push(queue.advance()[0]);
        }
        assert_eq!(asked, [0, 3, 6]);
        assert_eq!(given, [0., 1., 2., 30., 31., 32., 60.]);
    }

    #[test]
    fn actions_for_ticks_that_have_passed_are_dropped_and_the_last_is_held() {
        let mut queue = queue(4, 4, Splice::Latest);
        queue.take(&[1., 2., 3., 4.], 0);
        let first: Vec<_> = (0..6).map(|_| queue.advance()[0]).collect();
        assert_eq!(first, [1., 2., 3., 4., 4., 4.]);
        assert_eq!(queue.held(), 2);
        // Computed from tick 4, and two ticks late.
        queue.take(&[5., 6., 7., 8.], 4);
        assert_eq!([queue.advance()[0], queue.advance()[0]], [7., 8.]);
        assert_eq!(queue.tick(), 8);
        queue.reset();
        assert_eq!((queue.tick(), queue.advance()[0]), (0, 0.0));
    }

    #[test]
    fn an_ensemble_is_the_weighted_mean_of_all_chunks_oldest_heaviest() {
        let mut queue = queue(3, 1, Splice::TemporalEnsemble { coefficient: 0.5 });
        let chunks = [[1., 2., 3.], [20., 30., 40.], [300., 400., 500.], [7., 8., 9.]];
        let weight = |i: f64| (-0.5 * i).exp();
        let mean = |values: &[f64]| {
            let sums = values.iter().enumerate().fold((0.0, 0.0), |(sum, all), (i, value)| {
                (sum + weight(i as f64) * value, all + weight(i as f64))
            });
            sums.0 / sums.1
        };
        let expected =
            [mean(&[1.]), mean(&[2., 20.]), mean(&[3., 30., 300.]), mean(&[40., 400., 7.])];
        for (chunk, expected) in chunks.iter().zip(expected) {
            assert!(queue.wants_chunk());
            queue.take(chunk, queue.tick());
            let given = f64::from(queue.advance()[0]);
            assert!((given - expected).abs() < 1e-4, "{given} {expected}");
        }
    }

    #[test]
    fn a_prefix_goes_on_and_blends_over() {
        let mut queue = queue(6, 2, Splice::Prefix { keep: 1, blend: 1 });
        queue.take(&[0., 1., 2., 3., 4., 5.], 0);
        assert_eq!([queue.advance()[0], queue.advance()[0]], [0., 1.]);
        queue.take(&[12., 13., 14., 15., 16., 17.], 2);
        let given: Vec<_> = (0..4).map(|_| queue.advance()[0]).collect();
        assert_eq!(given, [2., 8., 14., 15.]);
    }

    #[test]
    fn a_weighted_splice_keeps_a_share_of_the_older_chunk() {
        let mut queue = queue(3, 1, Splice::Weighted { older: 0.25 });
        queue.take(&[0., 4., 8.], 0);
        assert_eq!(queue.advance()[0], 0.0);
        queue.take(&[8., 8., 8.], 1);
        assert_eq!([queue.advance()[0], queue.advance()[0], queue.advance()[0]], [7., 8., 8.]);
    }
}
