//! A bus in this process, on a clock that only its ports and its owner advance.

use std::collections::VecDeque;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::EmulatorConfig;
use super::handle::EmulatorHandle;
use super::line::{Answer, Line};
use crate::cells::Clock;
use crate::error::ServoError;
use crate::port::{OpenPort, Port};

/// An emulated bus on a virtual clock. Bytes take the time that they take on a wire, and waiting takes no time at all.
#[derive(Clone)]
pub struct VirtualBus {
    handle: EmulatorHandle,
    nanoseconds: Arc<AtomicU64>,
}

impl VirtualBus {
    /// A bus with these servos at time zero.
    pub fn new(config: &EmulatorConfig) -> Self {
        let nanoseconds = Arc::new(AtomicU64::new(0));
        let clock = clock(&nanoseconds);
        let line = Arc::new(Mutex::new(Line::new(config, true)));
        Self { handle: EmulatorHandle { line, clock, pty: None }, nanoseconds }
    }

    /// Steers and observes it.
    pub fn handle(&self) -> &EmulatorHandle {
        &self.handle
    }

    /// Lets time pass.
    pub fn advance(&self, time: Duration) {
        advance(&self.nanoseconds, time);
    }

    /// Opens ports on it.
    pub fn opener(&self) -> Box<dyn OpenPort> {
        Box::new(self.clone())
    }
}

fn clock(nanoseconds: &Arc<AtomicU64>) -> Clock {
    let nanoseconds = Arc::clone(nanoseconds);
    Arc::new(move || Duration::from_nanos(nanoseconds.load(Ordering::SeqCst)))
}

fn advance(nanoseconds: &AtomicU64, time: Duration) {
    let time = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    nanoseconds.fetch_add(time, Ordering::SeqCst);
}

impl OpenPort for VirtualBus {
    fn clock(&self) -> Clock {
        clock(&self.nanoseconds)
    }

    fn open(&mut self) -> Result<Box<dyn Port>, ServoError> {
        let mut line = self.handle.lock();
        if !line.is_plugged {
            let source = io::ErrorKind::NotFound.into();
            return Err(ServoError::Open { port: "virtual".to_owned(), source });
        }
        line.is_open = true;
        let generation = line.generation;
        drop(line);
        Ok(Box::new(VirtualPort { bus: self.clone(), generation, due: VecDeque::new() }))
    }
}

struct VirtualPort {
    bus: VirtualBus,
    /// Of the plugging-in in which it was opened.
    generation: u64,
    due: VecDeque<Answer>,
}

impl VirtualPort {
    fn check(&self) -> io::Result<()> {
        let line = self.bus.handle.lock();
        if line.is_plugged && line.generation == self.generation {
            Ok(())
        } else {
            Err(io::ErrorKind::BrokenPipe.into())
        }
    }
}

impl Drop for VirtualPort {
    fn drop(&mut self) {
        let mut line = self.bus.handle.lock();
        if line.generation == self.generation {
            line.is_open = false;
        }
    }
}

impl Port for VirtualPort {
    fn now(&self) -> Duration {
        self.bus.handle.now()
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.check()?;
        let byte_time = self.bus.handle.lock().byte_time();
        self.bus.advance(byte_time * bytes.len() as u32);
        let now = self.now();
        let answers = self.bus.handle.lock().receive(now, bytes);
        self.due.extend(answers);
        self.due.make_contiguous().sort_by_key(|(at, _)| *at);
        Ok(())
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: Duration) -> io::Result<usize> {
        self.check()?;
        let now = self.now();
        match self.due.front_mut() {
            Some((at, bytes)) if *at <= deadline.max(now) => {
                self.bus.advance(at.saturating_sub(now));
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                bytes.drain(..count);
                if bytes.is_empty() {
                    self.due.pop_front();
                }
                Ok(count)
            }
            _ => {
                self.bus.advance(deadline.saturating_sub(now));
                Ok(0)
            }
        }
    }
}
