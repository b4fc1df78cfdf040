//! A port on which only the servos can be late, and not the machine that emulates them.

use std::io;
use std::time::Duration;

use sinew_driver_servo::emulator::{Emulator, EmulatorHandle};
use sinew_driver_servo::{Clock, OpenPort, Port, SerialOpener, ServoError};

/// Opens an emulator's port. Its deadlines pass only once the emulator's thread, which may have to wait for a processor,
/// has heard what was sent.
pub(crate) struct FairOpener {
    opener: SerialOpener,
    servos: EmulatorHandle,
}

impl FairOpener {
    pub(crate) fn new(emulator: &Emulator, baud_rate: u32) -> Self {
        let opener = SerialOpener::new(emulator.path().display().to_string(), baud_rate);
        Self { opener, servos: emulator.handle().clone() }
    }
}

impl OpenPort for FairOpener {
    fn clock(&self) -> Clock {
        self.opener.clock()
    }

    fn open(&mut self) -> Result<Box<dyn Port>, ServoError> {
        let port = self.opener.open()?;
        let sent = self.servos.instruction_count();
        Ok(Box::new(FairPort { port, servos: self.servos.clone(), sent }))
    }
}

struct FairPort {
    port: Box<dyn Port>,
    servos: EmulatorHandle,
    /// Instructions that the emulator has heard when it has heard all of this port.
    sent: u64,
}

impl Port for FairPort {
    fn now(&self) -> Duration {
        self.port.now()
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.sent += 1;
        self.port.send(bytes)
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: Duration) -> io::Result<usize> {
        let mut deadline = deadline;
        loop {
            let is_heard = self.servos.instruction_count() >= self.sent;
            let count = self.port.receive(buffer, deadline)?;
            if count > 0 || is_heard {
                return Ok(count);
            }
            deadline = self.now() + Duration::from_millis(1);
        }
    }
}
