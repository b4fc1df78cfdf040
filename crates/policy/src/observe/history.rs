use crate::manifest::{Fill, History, Layering, Order};

/// The frames that the network sees, as one row of numbers in the order of its input.
#[derive(Clone, Debug)]
pub(crate) struct FrameHistory {
    /// First element and width in a frame of what stands together over time.
    blocks: Vec<(usize, usize)>,
    length: usize,
    newest_first: bool,
    fill: Fill,
    is_empty: bool,
    buffer: Vec<f32>,
}

impl FrameHistory {
    /// For frames of terms of these widths.
    pub(crate) fn new(spec: History, widths: &[usize]) -> Self {
        let frame: usize = widths.iter().sum();
        let (length, order, layout, fill) = match spec {
            History::None => (1, Order::OldestFirst, Layering::ByFrame, Fill::First),
            History::Frames { length, order, layout, fill } => (length, order, layout, fill),
        };
        let blocks = match layout {
            Layering::ByFrame => vec![(0, frame)],
            Layering::ByTerm => widths
                .iter()
                .scan(0, |first, width| {
                    let block = (*first, *width);
                    *first += width;
                    Some(block)
                })
                .collect(),
        };
        Self {
            blocks,
            length,
            newest_first: order == Order::NewestFirst,
            fill,
            is_empty: true,
            buffer: vec![0.0; frame * length],
        }
    }

    /// Forgets all frames.
    pub(crate) fn reset(&mut self) {
        self.buffer.fill(0.0);
        self.is_empty = true;
    }

    /// Takes the newest frame in, and lets the oldest go. Real-time safe.
    pub(crate) fn push(&mut self, frame: &[f32]) {
        let fills = std::mem::take(&mut self.is_empty) && self.fill == Fill::First;
        for (first, width) in &self.blocks {
            let newest = &frame[*first..first + width];
            let slots = &mut self.buffer[first * self.length..(first + width) * self.length];
            if fills {
                slots.chunks_exact_mut(*width).for_each(|slot| slot.copy_from_slice(newest));
            } else if self.newest_first {
                slots.copy_within(..slots.len() - width, *width);
                slots[..*width].copy_from_slice(newest);
            } else {
                slots.copy_within(*width.., 0);
                let last = slots.len() - width;
                slots[last..].copy_from_slice(newest);
            }
        }
    }

    /// As the network sees it.
    pub(crate) fn values(&self) -> &[f32] {
        &self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Terms `a` of one value and `b` of two; frame `k` is (k, 10 k, 10 k + 1).
    fn after(spec: History, frames: u8) -> Vec<f32> {
        let mut history = FrameHistory::new(spec, &[1, 2]);
        history.push(&[99.0; 3]);
        history.reset();
        for k in 1..=frames {
            let k = f32::from(k);
            history.push(&[k, 10.0 * k, 10.0 * k + 1.0]);
        }
        history.values().to_vec()
    }

    fn frames(order: Order, layout: Layering, fill: Fill) -> History {
        History::Frames { length: 3, order, layout, fill }
    }

    #[test]
    fn terms_or_frames_stand_together_oldest_or_newest_first() {
        let by_term = frames(Order::OldestFirst, Layering::ByTerm, Fill::First);
        assert_eq!(after(by_term, 4), [2., 3., 4., 20., 21., 30., 31., 40., 41.]);
        let by_frame = frames(Order::OldestFirst, Layering::ByFrame, Fill::First);
        assert_eq!(after(by_frame, 4), [2., 20., 21., 3., 30., 31., 4., 40., 41.]);
        let newest = frames(Order::NewestFirst, Layering::ByTerm, Fill::First);
        assert_eq!(after(newest, 4), [4., 3., 2., 40., 41., 30., 31., 20., 21.]);
        let newest = frames(Order::NewestFirst, Layering::ByFrame, Fill::First);
        assert_eq!(after(newest, 4), [4., 40., 41., 3., 30., 31., 2., 20., 21.]);
        assert_eq!(after(History::None, 4), [4., 40., 41.]);
    }

    #[test]
    fn what_came_before_the_first_frame_is_the_first_frame_or_zero() {
        let first = frames(Order::OldestFirst, Layering::ByTerm, Fill::First);
        assert_eq!(after(first, 2), [1., 1., 2., 10., 11., 10., 11., 20., 21.]);
        let zero = frames(Order::OldestFirst, Layering::ByTerm, Fill::Zero);
        assert_eq!(after(zero, 2), [0., 1., 2., 0., 0., 10., 11., 20., 21.]);
    }
}
