//! A process that holds a lease and streams commands, and does what is wrong on request: stands in for
//! the skills or the teleop process. Orders come on its input, one per line; answers go to its output.

use std::io::BufRead;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use sinew_bus::{Bus, Publisher, ServiceClient, names};
use sinew_hardware::{layout_of, monotonic_now};
use sinew_msgs::sinew_msgs::srv::AcquireLease;
use sinew_msgs::sinew_msgs::{AcquireLeaseRequest, ActuatorCommand as CommandMsg, Heartbeat};
use sinew_nodes::convert::{command_to_msg, duration_to_msg, source_to_msg};
use sinew_robot::RobotModel;
use sinew_types::{
    ActuatorCommand, BaseTwist, BootId, ErrorCode, GroupKind, GroupLayout, JointCommand, Layout,
    LeaseId, Source, Time,
};

use super::{COMMAND_PERIOD, TURN_RAD_S, WITHIN};
use crate::carrier::CarrierArgs;

/// How long a command may be followed.
const VALID_FOR: Duration = Duration::from_millis(500);
/// How far a joint swings to either side, and the angular frequency.
const SWING_RAD: f64 = 0.8;
const SWING_RAD_S: f64 = 2.5;
/// By how much stamps jump.
const JUMP: Duration = Duration::from_secs(24 * 3600);

/// As which node it speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SourceKind {
    Skills,
    Teleop,
}

impl SourceKind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Skills => "skills",
            Self::Teleop => "teleop",
        }
    }
}

#[derive(Args)]
pub(crate) struct SourceArgs {
    #[arg(value_enum)]
    kind: SourceKind,
    #[command(flatten)]
    carrier: CarrierArgs,
    #[arg(long)]
    robot: PathBuf,
    #[arg(long)]
    namespace: String,
    /// What is moved: a base turns, of joints the first one swings.
    #[arg(long)]
    group: String,
}

/// What it is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub(super) enum Order {
    /// Ask for a lease on the base, and command it from then on.
    Go,
    /// Send NaN from now on, as a policy that diverged does.
    Nan,
    /// Let go of the dead-man switch.
    Release,
    /// Command no more.
    Silence,
    /// Close the zenoh session.
    Close,
    /// Have stamps jump.
    Jump,
}

/// Runs until its input ends.
pub(crate) fn run(args: &SourceArgs) -> Result<()> {
    let layout = layout_of(&RobotModel::load(&args.robot)?)?;
    let Some(group) = layout.groups().iter().find(|group| group.name == args.group).cloned() else {
        bail!("the robot has no group `{}`", args.group);
    };
    let mut source = Stream::open(args, layout, group)?;
    let orders = orders();
    let mut due = Instant::now();
    outln!("ready");
    loop {
        match orders.recv_timeout(due.saturating_duration_since(Instant::now())) {
            Ok(line) => {
                let Ok(order) = Order::from_str(&line, false) else {
                    bail!("`{line}` is no order");
                };
                outln!("{}", source.obey(order)?);
            }
            Err(RecvTimeoutError::Timeout) => {
                due += COMMAND_PERIOD;
                source.beat()?;
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        }
    }
}

fn orders() -> Receiver<String> {
    let (sender, receiver) = channel();
    // Not joined: it waits for input, and the process ends with the input.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Its part of the bus.
struct Link {
    bus: Bus,
    commands: Publisher<CommandMsg>,
    heartbeat: Publisher<Heartbeat>,
    acquire: ServiceClient<AcquireLease>,
}

struct Stream {
    kind: SourceKind,
    layout: Layout,
    group: GroupLayout,
    /// When it was told to go.
    went: Instant,
    /// None once the session is closed.
    link: Option<Link>,
    command: ActuatorCommand,
    is_sending: bool,
    sent_at: Time,
    started: Instant,
    beats: u64,
    is_jumping: bool,
    is_nan: bool,
}

impl Stream {
    fn open(args: &SourceArgs, layout: Layout, group: GroupLayout) -> Result<Self> {
        let bus = args.carrier.peer()?;
        let node = bus.node(args.kind.name(), &args.namespace)?;
        let link = Link {
            commands: node.publisher(&names::COMMAND)?,
            heartbeat: node.publisher(&names::heartbeat(args.kind.name()))?,
            acquire: node.service_client(&names::ACQUIRE_LEASE)?,
            bus,
        };
        let mut command = ActuatorCommand::unused(&layout);
        // Another process, another number: its own is unique among those that run.
        command.boot_id =
            BootId((monotonic_now().as_nanos() << 20) | u64::from(std::process::id()));
        command.valid_for = VALID_FOR;
        Ok(Self {
            kind: args.kind,
            layout,
            group,
            went: Instant::now(),
            link: Some(link),
            command,
            is_sending: false,
            sent_at: Time::ZERO,
            started: Instant::now(),
            beats: 0,
            is_jumping: false,
            is_nan: false,
        })
    }

    /// Does it, and gives the answer: `did` and when it took effect, on the monotonic clock.
    fn obey(&mut self, order: Order) -> Result<String> {
        let mut at = monotonic_now();
        match order {
            Order::Go => {
                let lease = self.acquire()?;
                self.command.lease = lease;
                self.is_nan = false;
                (self.is_sending, self.command.dead_man) = (true, true);
                self.went = Instant::now();
            }
            Order::Nan => {
                self.is_nan = true;
                at = monotonic_now();
                self.send()?;
            }
            Order::Release => self.command.dead_man = false,
            Order::Silence => (at, self.is_sending) = (self.sent_at, false),
            Order::Close => {
                let Some(Link { bus, commands, heartbeat, acquire }) = self.link.take() else {
                    bail!("closed already");
                };
                drop((commands, heartbeat, acquire, bus));
            }
            Order::Jump => self.is_jumping = true,
        }
        Ok(format!("did {}", at.as_nanos()))
    }

    fn acquire(&mut self) -> Result<LeaseId> {
        let link = self.link.as_ref().context("the session is closed")?;
        let source = match self.kind {
            SourceKind::Skills => Source::Skill,
            SourceKind::Teleop => Source::Teleop,
        };
        let request = AcquireLeaseRequest {
            source: source_to_msg(source),
            groups: vec![self.group.name.clone()],
            boot_id: self.command.boot_id.0,
            holder: self.kind.name().into(),
            command_period: duration_to_msg(COMMAND_PERIOD),
            ..AcquireLeaseRequest::default()
        };
        let (since, mut waiter) = (Instant::now(), link.bus.waiter());
        while !link.acquire.server_available() {
            if since.elapsed() > WITHIN {
                bail!("no hardware node within {WITHIN:?}");
            }
            waiter.wait(Duration::from_millis(5));
        }
        let mut call = link.acquire.call(&request);
        loop {
            if let Some(answer) = call.poll() {
                let answer = answer?;
                if answer.granted {
                    return Ok(LeaseId(answer.lease_id));
                }
                // A lease of before, under which nothing is sent any more, is about to end.
                if answer.error_code != ErrorCode::Busy.as_u16() || since.elapsed() > WITHIN {
                    bail!("no lease: {}", answer.error_msg);
                }
                call = link.acquire.call(&request);
            }
            waiter.wait(Duration::from_millis(5));
        }
    }

    /// Every command period: a command, and every fifth time a heartbeat.
    fn beat(&mut self) -> Result<()> {
        if self.is_sending {
            self.sent_at = monotonic_now();
            self.send()?;
        }
        let beat = self.beats;
        self.beats += 1;
        let is_due = beat.is_multiple_of(5);
        let Some(link) = self.link.as_ref().filter(|_| is_due) else { return Ok(()) };
        let mut monotonic = self.started.elapsed();
        if self.is_jumping && beat.is_multiple_of(2) {
            monotonic += JUMP;
        }
        link.heartbeat.publish(&Heartbeat {
            node: self.kind.name().into(),
            seq: beat,
            boot_id: self.command.boot_id.0,
            state: Heartbeat::STATE_ACTIVE,
            monotonic: duration_to_msg(monotonic),
            tick_ack: 0,
        })?;
        Ok(())
    }

    /// What is commanded now: rad/s of a base, rad of a joint.
    fn motion(&self) -> f64 {
        match self.group.kind {
            _ if self.is_nan => f64::NAN,
            GroupKind::Base => TURN_RAD_S,
            _ => SWING_RAD * (SWING_RAD_S * self.went.elapsed().as_secs_f64()).sin(),
        }
    }

    fn send(&mut self) -> Result<()> {
        self.command.seq += 1;
        let motion = self.motion();
        if self.group.kind == GroupKind::Base {
            self.command.base = Some(BaseTwist { angular_z: motion, ..BaseTwist::default() });
        } else {
            for (place, joint) in self.group.joints.iter().enumerate() {
                let position = if place == 0 { motion } else { 0.0 };
                self.command.joints[*joint] = JointCommand::position(position);
            }
        }
        if self.is_jumping {
            // The tick that a command is based on is the only time in it.
            self.command.tick = if self.command.seq.is_multiple_of(2) { u64::MAX } else { 0 };
        }
        if let Some(link) = &self.link {
            link.commands.publish(&command_to_msg(&self.command, &self.layout))?;
        }
        Ok(())
    }
}
