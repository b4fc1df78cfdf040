//! The IO thread's side of the driver: one cycle reads all servos, gives them their goals, and asks one of them how it is.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use sinew_hardware::DriverError;
use triple_buffer::{Input, Output};

use crate::bus::Bus;
use crate::cells::{BusState, Goal, Goals, Power, ServoGoal, Stops};
use crate::counters::Counters;
use crate::driver::{FAULT_TORQUE_LOST, FAULT_WATCHDOG, NAME};
use crate::error::{ReplyFault, ServoError};
use crate::plan::{Drives, Plan};
use crate::port::OpenPort;
use crate::setup::{retry, setup};
use crate::table::{Block, Register, Table};

/// Units of 20 ms without an instruction after which a Dynamixel stops by itself.
const WATCHDOG_UNITS: i32 = 10;
/// What the watchdog's register reads once it has tripped.
const WATCHDOG_TRIPPED: i32 = 0xff;
/// The error field's bit of a Dynamixel with a hardware error.
const ALERT: u8 = 0x80;
/// A bus of which nothing was heard for so long is opened anew.
const SILENCE: Duration = Duration::from_millis(250);
/// Time between two attempts to open a port that was lost.
const REOPEN_EVERY: Duration = Duration::from_millis(200);
/// Times without an answer after which a servo is asked only now and then.
const MISSES: u32 = 3;
/// Such a servo is asked every so many cycles.
const RETRY_CYCLES: u64 = 50;

/// Asks the worker for what is not done in every cycle.
pub(crate) enum Request {
    /// Open the port and set the servos up, anew.
    Configure { reply: Sender<Result<(), ServoError>> },
    /// Switch on.
    Activate {
        epoch: u64,
        /// Emergency stops that the activation has seen.
        stops: u64,
        reply: Sender<Result<(), DriverError>>,
    },
    /// Switch off.
    Deactivate { reply: Sender<()> },
}

pub(crate) struct Worker {
    plan: Arc<Plan>,
    opener: Box<dyn OpenPort>,
    bus: Option<Bus>,
    counters: Arc<Counters>,
    stops: Arc<Stops>,
    stops_seen: u64,
    state: BusState,
    out: Input<BusState>,
    goals: Output<Goals>,
    /// What each servo was told last.
    told: Vec<ServoGoal>,
    /// Whether each servo was seen without torque since it was told to.
    is_off: Vec<bool>,
    misses: Vec<u32>,
    /// Servos in the order in which they answer. One that was silent goes last, since those after it in a sync
    /// read do not answer either.
    order: Vec<usize>,
    polled: Vec<usize>,
    ids: Vec<u8>,
    values: Vec<(u8, i32)>,
    cycles: u64,
    /// Which servo is asked next how it is, and what of it.
    health: usize,
    last_heard: Duration,
    /// Reads in a row to which nobody answered.
    silent_reads: u32,
    next_open: Duration,
}

impl Worker {
    pub(crate) fn new(
        plan: Arc<Plan>,
        opener: Box<dyn OpenPort>,
        counters: Arc<Counters>,
        stops: Arc<Stops>,
        out: Input<BusState>,
        goals: Output<Goals>,
    ) -> Self {
        let count = plan.servos.len();
        let state = BusState { samples: vec![Default::default(); count], ..Default::default() };
        Self {
            plan,
            opener,
            bus: None,
            counters,
            stops,
            stops_seen: 0,
            state,
            out,
            goals,
            told: vec![ServoGoal::default(); count],
            is_off: vec![true; count],
            misses: vec![0; count],
            order: (0..count).collect(),
            polled: Vec::with_capacity(count),
            ids: Vec::with_capacity(count),
            values: Vec::with_capacity(count),
            cycles: 0,
            health: 0,
            last_heard: Duration::ZERO,
            silent_reads: 0,
            next_open: Duration::ZERO,
        }
    }

    /// Opens the port, anew if it is open, and reads the servos once: they have no torque then.
    pub(crate) fn configure(&mut self) -> Result<(), ServoError> {
        if self.bus.is_some() {
            self.deactivate();
            self.close();
        }
        self.state.power = Power::Off;
        let opened = self.open();
        match &opened {
            Ok(()) => self.cycle(),
            Err(_) => self.publish(),
        }
        opened
    }

    /// Opens the port and sets the servos up.
    fn open(&mut self) -> Result<(), ServoError> {
        let port = self.opener.open()?;
        let (protocol, baud_rate) = (self.plan.bus.protocol, self.plan.bus.baud_rate);
        let (allowance, counters) = (self.opener.reply_allowance(), Arc::clone(&self.counters));
        let mut bus = Bus::new(port, protocol, baud_rate, allowance, counters);
        setup(&mut bus, &self.plan)?;
        (self.last_heard, self.silent_reads) = (bus.now(), 0);
        self.told.fill(ServoGoal::default());
        self.is_off.fill(true);
        self.misses.fill(0);
        self.bus = Some(bus);
        self.state.is_connected = true;
        Ok(())
    }

    /// Cycles until the driver is dropped; then takes the torque off.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        let clock = self.opener.clock();
        let mut next = clock();
        loop {
            match requests.try_recv() {
                Ok(request) => self.serve(request),
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.cycle();
                    next = (next + self.plan.period).max(clock());
                    // Woken earlier by a request or a stop.
                    std::thread::park_timeout(next.saturating_sub(clock()));
                }
            }
        }
        self.deactivate();
    }

    pub(crate) fn serve(&mut self, request: Request) {
        match request {
            Request::Configure { reply } => {
                // Who asked has waited too long; the servos have no torque in any case.
                let _ = reply.send(self.configure());
            }
            Request::Activate { epoch, stops, reply } => {
                let result = self.activate(epoch, stops);
                // Nobody waits if it took too long; the gate then has no active driver, and this one is off.
                if reply.send(result).is_err() {
                    self.deactivate();
                }
            }
            Request::Deactivate { reply } => {
                self.deactivate();
                let _ = reply.send(());
            }
        }
    }

    /// One exchange with all servos. Does not allocate while the bus is there.
    pub(crate) fn cycle(&mut self) {
        self.cycles += 1;
        if self.bus.is_none() {
            self.reopen();
        }
        if let Some(mut bus) = self.bus.take() {
            match self.exchange(&mut bus) {
                Ok(()) => self.bus = Some(bus),
                Err(error) => {
                    tracing::warn!("the servo bus is lost: {error}");
                    self.lose();
                }
            }
        }
        self.publish();
    }

    fn publish(&mut self) {
        self.out.input_buffer_mut().copy_from(&self.state);
        self.out.publish();
    }

    fn lose(&mut self) {
        self.counters.disconnect();
        self.close();
    }

    fn close(&mut self) {
        self.bus = None;
        self.next_open = (self.opener.clock())() + REOPEN_EVERY;
        self.state.is_connected = false;
        for sample in &mut self.state.samples {
            sample.is_valid = false;
        }
        if matches!(self.state.power, Power::On(_) | Power::Stopped) {
            self.state.power = Power::Lost;
        }
    }

    /// Tries to get the bus back; its servos have no torque then until they are activated again.
    fn reopen(&mut self) {
        if (self.opener.clock())() < self.next_open {
            return;
        }
        match self.open() {
            Ok(()) => tracing::info!("the servo bus is back, without torque"),
            Err(ServoError::Port(_)) => self.lose(),
            Err(_) => self.close(),
        }
    }

    fn exchange(&mut self, bus: &mut Bus) -> Result<(), ServoError> {
        self.serve_stop(bus)?;
        self.confirm_off(bus)?;
        self.read_state(bus)?;
        self.serve_stop(bus)?;
        if let Power::On(epoch) = self.state.power {
            self.write_goals(bus, epoch)?;
            self.serve_stop(bus)?;
        }
        self.read_health(bus)?;
        self.serve_stop(bus)?;
        let silence = bus.now().saturating_sub(self.last_heard);
        if silence > SILENCE && self.silent_reads >= MISSES {
            // The adapter is there, the servos are not: what they will be like afterwards is not known.
            return Err(ServoError::Port(std::io::ErrorKind::TimedOut.into()));
        }
        Ok(())
    }

    fn is_stopped(&self) -> bool {
        self.stops.count() != self.stops_seen
    }

    fn serve_stop(&mut self, bus: &mut Bus) -> Result<(), ServoError> {
        if matches!(self.state.power, Power::On(_)) && self.is_stopped() {
            self.state.power = Power::Stopped;
            self.take_torque_off(bus)?;
        }
        Ok(())
    }

    fn take_torque_off(&mut self, bus: &mut Bus) -> Result<(), ServoError> {
        self.told.fill(ServoGoal::default());
        self.is_off.fill(false);
        let ids = self.plan.servos.iter().map(|servo| servo.config.id);
        bus.write_bytes_to_each(ids, bus.table().torque_enable.address, &[0])
    }

    /// Until each servo was seen without torque.
    fn confirm_off(&mut self, bus: &mut Bus) -> Result<(), ServoError> {
        if matches!(self.state.power, Power::On(_)) {
            return Ok(());
        }
        let register = bus.table().torque_enable;
        for (servo, is_off) in self.plan.servos.iter().zip(&mut self.is_off) {
            if *is_off {
                continue;
            }
            let id = servo.config.id;
            match bus.read(id, register) {
                Ok(0) => *is_off = true,
                Ok(_) => bus.write_each(register, &[(id, 0)])?,
                Err(ServoError::Port(error)) => return Err(ServoError::Port(error)),
                // It is asked again in the next cycle; others are not kept waiting for it.
                Err(_) => {
                    bus.write_each(register, &[(id, 0)])?;
                    break;
                }
            }
        }
        Ok(())
    }

    fn read_state(&mut self, bus: &mut Bus) -> Result<(), ServoError> {
        let table = bus.table();
        let asks_silent = self.cycles.is_multiple_of(RETRY_CYCLES);
        self.polled.clear();
        self.ids.clear();
        for servo in &self.order {
            if self.misses[*servo] < MISSES || asks_silent {
                self.polled.push(*servo);
                self.ids.push(self.plan.servos[*servo].config.id);
            }
        }
        self.silent_reads += 1;
        if self.polled.is_empty() {
            return Ok(());
        }
        let at = bus.now();
        let answers = bus.read_each(&self.ids, table.state)?;
        let mut first_silent = None;
        for (slot, servo) in self.polled.iter().enumerate() {
            let sample = &mut self.state.samples[*servo];
            match answers.get(slot) {
                Ok((error, data)) => {
                    let value = |register| table.decode_in(table.state, register, data);
                    sample.ticks = value(table.present_position);
                    sample.velocity = value(table.present_velocity);
                    sample.load = value(table.present_load);
                    (sample.at, sample.is_valid) = (at, true);
                    if table.error_field_is_condition {
                        sample.fault = sample.fault & !0xff | u32::from(error);
                    } else if error & ALERT != 0 && sample.fault & 0xff == 0 {
                        // Which one it is stands in a register: it is read in this cycle.
                        self.health = 2 * servo;
                    }
                    self.misses[*servo] = 0;
                    (self.last_heard, self.silent_reads) = (at, 0);
                }
                Err(fault) => {
                    sample.is_valid = false;
                    let is_silent = fault == ReplyFault::NoReply;
                    // Those after it in a sync read were silenced by it.
                    if is_silent && (first_silent.is_none() || !table.has_sync_read) {
                        first_silent = Some(*servo);
                        self.misses[*servo] += 1;
                    }
                }
            }
        }
        if let Some(silent) = first_silent
            && let Some(place) = self.order.iter().position(|servo| *servo == silent)
        {
            self.order[place..].rotate_left(1);
        }
        Ok(())
    }

    fn write_goals(&mut self, bus: &mut Bus, epoch: u64) -> Result<(), ServoError> {
        if !self.goals.update() || self.goals.peek_output_buffer().epoch != epoch {
            return Ok(());
        }
        let table = bus.table();
        self.switch_torque(bus)?;
        let positions = |_: &ServoGoal, goal: &ServoGoal| match goal.goal {
            Goal::Position(ticks) => Some(ticks),
            _ => None,
        };
        self.write_where(bus, table.goal_position, positions)?;
        if let Some(register) = table.goal_velocity {
            let velocities = |_: &ServoGoal, goal: &ServoGoal| match goal.goal {
                Goal::Velocity(units) => Some(units),
                _ => None,
            };
            self.write_where(bus, register, velocities)?;
        }
        if let Some((register, full)) = table.torque_limit {
            let limits = |told: &ServoGoal, goal: &ServoGoal| {
                let units = |goal: &ServoGoal| (goal.torque_limit * f64::from(full)).round() as i32;
                (units(told) != units(goal) && goal.goal != Goal::Off).then(|| units(goal))
            };
            self.write_where(bus, register, limits)?;
        }
        self.told.clone_from(&self.goals.peek_output_buffer().servos);
        Ok(())
    }

    /// Torque off where nothing is commanded; on again, at the measured position, where something is.
    fn switch_torque(&mut self, bus: &mut Bus) -> Result<(), ServoError> {
        let table = bus.table();
        self.write_where(bus, table.torque_enable, |told, goal| {
            (goal.goal == Goal::Off && told.goal != Goal::Off).then_some(0)
        })?;
        self.values.clear();
        for (servo, (told, goal)) in
            self.told.iter().zip(&self.goals.peek_output_buffer().servos).enumerate()
        {
            if told.goal == Goal::Off && goal.goal != Goal::Off {
                let ticks = self.state.samples[servo].ticks;
                self.values.push((self.plan.servos[servo].config.id, ticks));
            }
        }
        if !self.values.is_empty() {
            bus.write_each(table.goal_position, &self.values)?;
            for (_, value) in &mut self.values {
                *value = 1;
            }
            bus.write_each(table.torque_enable, &self.values)?;
        }
        Ok(())
    }

    /// Writes a register of those servos for which there is a value.
    fn write_where(
        &mut self,
        bus: &mut Bus,
        register: Register,
        value: impl Fn(&ServoGoal, &ServoGoal) -> Option<i32>,
    ) -> Result<(), ServoError> {
        self.values.clear();
        let goals = &self.goals.peek_output_buffer().servos;
        for ((servo, told), goal) in self.plan.servos.iter().zip(&self.told).zip(goals) {
            if let Some(value) = value(told, goal) {
                self.values.push((servo.config.id, value));
            }
        }
        if self.values.is_empty() { Ok(()) } else { bus.write_each(register, &self.values) }
    }

    /// Asks one servo, and one thing of it.
    fn read_health(&mut self, bus: &mut Bus) -> Result<(), ServoError> {
        let (servo, part) = (self.health / 2 % self.plan.servos.len(), self.health % 2);
        self.health = (self.health + 1) % (2 * self.plan.servos.len());
        if !self.state.samples[servo].is_valid {
            return Ok(());
        }
        let table = bus.table();
        let block = if part == 0 { table.condition } else { table.environment };
        match self.read_health_block(bus, servo, block) {
            Err(ServoError::Port(error)) => Err(ServoError::Port(error)),
            // The old values stand; the fault is counted.
            _ => Ok(()),
        }
    }

    fn read_health_block(
        &mut self,
        bus: &mut Bus,
        servo: usize,
        block: Block,
    ) -> Result<(), ServoError> {
        let table = bus.table();
        let is_on = matches!(self.state.power, Power::On(_));
        let (_, data) = bus.read_block(self.plan.servos[servo].config.id, block)?;
        let sample = &mut self.state.samples[servo];
        let value = |register: Register| {
            Table::holds(block, register).then(|| table.decode_in(block, register, data))
        };
        if let Some(error) = value(table.hardware_error) {
            sample.fault = sample.fault & !0xff | error as u32 & 0xff;
        }
        if let Some(voltage) = value(table.voltage) {
            sample.voltage_v = Some(f64::from(voltage) / 10.0);
        }
        if let Some(temperature) = value(table.temperature) {
            sample.temperature_c = Some(f64::from(temperature));
        }
        if is_on {
            let torque = value(table.torque_enable);
            if torque == Some(0) && self.told[servo].goal != Goal::Off {
                sample.fault |= FAULT_TORQUE_LOST;
            }
            if table.watchdog.and_then(value) == Some(WATCHDOG_TRIPPED) {
                sample.fault |= FAULT_WATCHDOG;
            }
        }
        Ok(())
    }

    /// Switches on at the measured positions.
    pub(crate) fn activate(&mut self, epoch: u64, stops: u64) -> Result<(), DriverError> {
        self.stops_seen = stops;
        let Some(mut bus) = self.bus.take() else {
            return Err(DriverError::Disconnected { driver: NAME });
        };
        let switched = self.switch_on(&mut bus);
        let result = match switched {
            Ok(()) => {
                self.state.power = Power::On(epoch);
                Ok(())
            }
            Err(error) => {
                self.state.power = Power::Off;
                // What was on already goes off; cycles see to it that it does.
                let off = self.take_torque_off(&mut bus);
                Err(off.err().unwrap_or(error))
            }
        };
        match &result {
            Err(ServoError::Port(_)) => self.lose(),
            _ => self.bus = Some(bus),
        }
        self.publish();
        result.map_err(ServoError::into_driver_error)
    }

    fn switch_on(&mut self, bus: &mut Bus) -> Result<(), ServoError> {
        let table = bus.table();
        let plan = Arc::clone(&self.plan);
        for sample in &mut self.state.samples {
            sample.fault = 0;
            sample.is_valid = false;
        }
        self.misses.fill(0);
        let mut seeds = Vec::with_capacity(plan.servos.len());
        for (index, servo) in plan.servos.iter().enumerate() {
            let id = servo.config.id;
            retry(bus, |bus| self.read_health_block(bus, index, table.condition))?;
            retry(bus, |bus| self.read_health_block(bus, index, table.environment))?;
            if let Some(watchdog) = table.watchdog {
                // Clears what it tripped for; only then are goals taken again.
                retry(bus, |bus| bus.write(id, watchdog, 0, "to clear its watchdog"))?;
            }
            let ticks = retry(bus, |bus| bus.read(id, table.present_position))?;
            let (register, seed) = match (&servo.drives, table.goal_velocity) {
                (Drives::Velocity(_), Some(register)) => (register, Goal::Velocity(0)),
                _ => (table.goal_position, Goal::Position(ticks)),
            };
            let value = if let Goal::Position(ticks) = seed { ticks } else { 0 };
            retry(bus, |bus| bus.write(id, register, value, "its measured position as its goal"))?;
            if let Some((register, full)) = table.torque_limit {
                retry(bus, |bus| bus.write(id, register, full, "its torque limit"))?;
            }
            seeds.push(ServoGoal { goal: seed, torque_limit: 1.0 });
        }
        for (servo, sample) in plan.servos.iter().zip(&self.state.samples) {
            if sample.fault != 0 {
                let (joint, id) = (servo.joint.clone(), servo.config.id);
                return Err(ServoError::Condition { joint, id, code: sample.fault });
            }
        }
        for servo in &plan.servos {
            let id = servo.config.id;
            if let Some(watchdog) = table.watchdog {
                retry(bus, |bus| bus.write(id, watchdog, WATCHDOG_UNITS, "a watchdog"))?;
            }
            if self.is_stopped() {
                return Err(ServoError::Stopped);
            }
            retry(bus, |bus| bus.write(id, table.torque_enable, 1, "to switch on"))?;
        }
        if self.is_stopped() {
            return Err(ServoError::Stopped);
        }
        self.told = seeds;
        self.is_off.fill(false);
        (self.last_heard, self.silent_reads) = (bus.now(), 0);
        self.read_state(bus)
    }

    /// Takes the torque off, and waits for a moment to see it.
    pub(crate) fn deactivate(&mut self) {
        self.state.power = Power::Off;
        if let Some(mut bus) = self.bus.take() {
            let mut off = self.take_torque_off(&mut bus);
            for _ in 0..self.plan.servos.len().max(3) {
                if off.is_ok() && !self.is_off.iter().all(|is_off| *is_off) {
                    off = self.confirm_off(&mut bus);
                }
            }
            match off {
                Ok(()) => self.bus = Some(bus),
                Err(_) => self.lose(),
            }
        }
        self.publish();
    }
}
