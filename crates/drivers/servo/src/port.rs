//! Bytes to and from a bus, and the clock that its deadlines are on.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use serialport::{ClearBuffer, SerialPort, TTYPort};
use sinew_hardware::monotonic_now;

use crate::cells::Clock;
use crate::error::ServoError;

/// What an answer may take beyond its time on the wire, if nothing else is said: USB adapters hold bytes for up to 16 ms.
pub const REPLY_ALLOWANCE: Duration = Duration::from_millis(20);

/// A bus that bytes go to and come from.
pub trait Port: Send {
    /// The clock that deadlines are on.
    fn now(&self) -> Duration;

    /// Sends all bytes.
    ///
    /// # Errors
    /// When the port is gone.
    fn send(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Waits until there are bytes and gives as many as fit; 0 if none came before `deadline`.
    ///
    /// # Errors
    /// When the port is gone.
    fn receive(&mut self, buffer: &mut [u8], deadline: Duration) -> io::Result<usize>;
}

/// Opens a bus, and opens it again after it was lost.
pub trait OpenPort: Send {
    /// The clock of the ports that it opens.
    fn clock(&self) -> Clock;

    /// What an answer may take beyond its time on the wire.
    fn reply_allowance(&self) -> Duration {
        REPLY_ALLOWANCE
    }

    /// Opens it, empty.
    ///
    /// # Errors
    /// [`ServoError::Open`].
    fn open(&mut self) -> Result<Box<dyn Port>, ServoError>;
}

/// Paths of this machine's serial ports, USB adapters and built-in ones; none if the system does not tell.
pub fn serial_ports() -> Vec<String> {
    let ports = serialport::available_ports().unwrap_or_default();
    ports.into_iter().map(|port| port.port_name).collect()
}

/// A serial port by its path.
#[derive(Debug, Clone)]
pub struct SerialOpener {
    /// Such as `/dev/ttyACM0`.
    pub path: String,
    /// bit/s.
    pub baud_rate: u32,
    /// What an answer may take beyond its time on the wire.
    pub reply_allowance: Duration,
}

impl SerialOpener {
    /// The port at this path, with [`REPLY_ALLOWANCE`].
    pub fn new(path: impl Into<String>, baud_rate: u32) -> Self {
        Self { path: path.into(), baud_rate, reply_allowance: REPLY_ALLOWANCE }
    }
}

fn monotonic() -> Duration {
    Duration::from_nanos(monotonic_now().as_nanos())
}

impl OpenPort for SerialOpener {
    fn clock(&self) -> Clock {
        Arc::new(monotonic)
    }

    fn reply_allowance(&self) -> Duration {
        self.reply_allowance
    }

    fn open(&mut self) -> Result<Box<dyn Port>, ServoError> {
        let failed = |error: serialport::Error| ServoError::Open {
            port: self.path.clone(),
            source: error.into(),
        };
        let port = serialport::new(&self.path, self.baud_rate).open_native().map_err(failed)?;
        port.clear(ClearBuffer::All).map_err(failed)?;
        Ok(Box::new(Serial(port)))
    }
}

struct Serial(TTYPort);

impl Port for Serial {
    fn now(&self) -> Duration {
        monotonic()
    }

    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // The longest packets take some milliseconds; a driver that does not take them is a lost one.
        self.0.set_timeout(Duration::from_millis(100))?;
        io::Write::write_all(&mut self.0, bytes)
    }

    fn receive(&mut self, buffer: &mut [u8], deadline: Duration) -> io::Result<usize> {
        loop {
            let left = deadline.saturating_sub(self.now());
            self.0.set_timeout(left)?;
            match io::Read::read(&mut self.0, buffer) {
                // End of file is what a port says that was unplugged.
                Ok(0) => return Err(io::ErrorKind::BrokenPipe.into()),
                Ok(count) => return Ok(count),
                Err(error) if error.kind() == io::ErrorKind::TimedOut => return Ok(0),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }
}
