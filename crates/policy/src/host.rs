//! A policy that is exchanged while it runs.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rtrb::{Consumer, Producer, RingBuffer};
use sinew_types::{ActuatorCommand, Layout, RobotState, Time};

use crate::{CommandInputs, Embodiment, Policy, PolicyError, PolicyManifest};

/// Orders that wait for the next tick at most.
const ORDERS: usize = 16;

/// Runs one policy at a time, and changes to another one at the boundary of a tick.
///
/// Loads, swaps and stops are one queue, in the order in which they were asked for. A policy is loaded and
/// checked on a thread of its own; one that is refused leaves the running one as it is, and so does one of another
/// rate, or that commands anything else, since the host's owner has a lease for that and steps it at the rate of the
/// one before. After a swap joint targets blend over from those that were commanded last.
pub struct PolicyHost {
    current: Option<Box<Running>>,
    orders: Consumer<Order>,
    /// Policies that are over, to be dropped elsewhere.
    done: Producer<Box<Running>>,
    blend: Duration,
    swaps: u64,
}

/// Asks a [`PolicyHost`] for changes; any thread may have it.
pub struct PolicyLoader {
    requests: Sender<(u64, Request)>,
    outcomes: Receiver<(u64, Result<(), PolicyError>)>,
    worker: Option<JoinHandle<()>>,
    last: u64,
}

enum Request {
    Load(PathBuf),
    Stop,
}

enum Order {
    Swap(Box<Running>),
    Stop,
}

struct Running {
    policy: Policy,
    inputs: CommandInputs,
    /// What was commanded when it took over, and when that was.
    from: Vec<f64>,
    since: Option<Time>,
    output: ActuatorCommand,
}

/// Whether a policy may run, beside what is the same for all hosts.
pub type Accepts = Box<dyn Fn(&Policy) -> Result<(), PolicyError> + Send>;

/// What a policy must have in common with the one that it takes over from.
struct Role {
    groups: Vec<usize>,
    /// All that is commanded: whatever the next policy left out would go on as it was.
    commands: String,
    rate_hz: f64,
}

impl Role {
    fn of(policy: &Policy, layout: &Layout) -> Self {
        let manifest = policy.manifest();
        let groups = manifest.groups(layout);
        let mut joints = manifest.action.joints().to_vec();
        if joints.is_empty() {
            let of_tool = groups.iter().flat_map(|group| &layout.groups()[*group].joints);
            joints = of_tool.map(|joint| layout.joints()[*joint].clone()).collect();
        }
        joints.sort_unstable();
        let names = groups.iter().map(|group| layout.groups()[*group].name.as_str());
        let names = names.collect::<Vec<_>>().join(", ");
        let (interface, joints) = (manifest.action.interface(), joints.join(", "));
        let commands = format!("{interface} of {names} [{joints}]");
        Self { groups, commands, rate_hz: manifest.rate_hz }
    }

    /// Whether the next policy can do what this one does.
    fn check(&self, next: &Self, policy: &PolicyManifest) -> Result<(), PolicyError> {
        if next.groups != self.groups || next.commands != self.commands {
            let allowed = format!("{}, as the policy that runs", self.commands);
            return Err(policy.field_error("action", &next.commands, allowed));
        }
        if next.rate_hz != self.rate_hz {
            let allowed = format!("{}, as the policy that runs", self.rate_hz);
            return Err(policy.field_error("rate_hz", next.rate_hz, allowed));
        }
        Ok(())
    }
}

impl Running {
    fn new(policy: Policy, layout: &Layout) -> Self {
        Self {
            inputs: policy.command_inputs(),
            policy,
            from: vec![f64::NAN; layout.joints().len()],
            since: None,
            output: ActuatorCommand::unused(layout),
        }
    }
}

impl PolicyHost {
    /// A host of no policy yet, and what loads policies into it.
    ///
    /// `blend` is the time over which joint targets change from those of one policy to those of the next.
    pub fn new(robot: impl Into<Embodiment>, blend: Duration) -> (Self, PolicyLoader) {
        Self::made(None, robot.into(), blend, Box::new(|_| Ok(())))
    }

    /// The same with a policy that runs from the first step on; those that take over are what `accepts` allows.
    pub fn with_policy(
        policy: Policy,
        robot: impl Into<Embodiment>,
        blend: Duration,
        accepts: Accepts,
    ) -> (Self, PolicyLoader) {
        Self::made(Some(policy), robot.into(), blend, accepts)
    }

    fn made(
        policy: Option<Policy>,
        robot: Embodiment,
        blend: Duration,
        accepts: Accepts,
    ) -> (Self, PolicyLoader) {
        let current = policy.map(|policy| Box::new(Running::new(policy, robot.layout())));
        let role = current.as_ref().map(|running| Role::of(&running.policy, robot.layout()));
        let (orders_in, orders) = RingBuffer::new(ORDERS);
        let (done, done_out) = RingBuffer::new(2 * ORDERS);
        let (requests, requests_out) = channel();
        let (outcomes_in, outcomes) = channel();
        let worker = std::thread::Builder::new().name("policy-loader".into()).spawn(move || {
            serve(&robot, &accepts, role, &requests_out, &outcomes_in, orders_in, done_out);
        });
        let host = Self { current, orders, done, blend, swaps: 0 };
        // Without a thread every request is answered by silence, as after the host's end.
        (host, PolicyLoader { requests, outcomes, worker: worker.ok(), last: 0 })
    }

    /// The policy that runs, if one does.
    pub fn policy(&self) -> Option<&Policy> {
        self.current.as_ref().map(|running| &running.policy)
    }

    /// The policy that runs, and the inputs that it was given.
    pub fn running(&self) -> Option<(&Policy, &CommandInputs)> {
        self.current.as_ref().map(|running| (&running.policy, &running.inputs))
    }

    /// Inputs of the policy that runs, to be set before each step. After a swap they hold what the one before was
    /// given under the same names.
    pub fn inputs(&mut self) -> Option<&mut CommandInputs> {
        self.current.as_mut().map(|running| &mut running.inputs)
    }

    /// How often another policy took over.
    pub fn swaps(&self) -> u64 {
        self.swaps
    }

    /// Takes the orders that wait: what is to be done first in a tick. `last` is what was commanded last, from
    /// where a new policy goes on. Real-time safe.
    pub fn take_orders(&mut self, last: &ActuatorCommand) {
        while let Ok(order) = self.orders.pop() {
            match order {
                Order::Stop => self.retire(),
                Order::Swap(next) => self.swap(next, last),
            }
        }
    }

    /// Runs the policy, and puts its command into `out`; whether one runs. Real-time safe unless it fails.
    ///
    /// # Errors
    /// Those of [`Policy::step`] and, in the first tick of a policy, of [`Policy::reset`].
    pub fn step(
        &mut self,
        state: &RobotState,
        out: &mut ActuatorCommand,
    ) -> Result<bool, PolicyError> {
        let blend = self.blend;
        let Some(running) = &mut self.current else { return Ok(false) };
        let since = match running.since {
            Some(since) => since,
            None => {
                running.policy.reset(state)?;
                running.since = Some(state.stamp);
                state.stamp
            }
        };
        running.policy.step(state, &running.inputs)?;
        running.policy.write(&mut running.output);
        let age = state.stamp.since(since) + running.policy.period();
        let share = if blend.is_zero() { 1.0 } else { age.as_secs_f64() / blend.as_secs_f64() };
        for (index, joint) in running.output.joints.iter().enumerate() {
            if !joint.is_used() {
                continue;
            }
            out.joints[index] = *joint;
            let from = running.from[index];
            if share < 1.0 && from.is_finite() && joint.position.is_finite() {
                out.joints[index].position = from + (joint.position - from) * share;
            }
        }
        if running.output.base.is_some() {
            out.base = running.output.base;
        }
        for (out, gripper) in out.grippers.iter_mut().zip(&running.output.grippers) {
            if !gripper.width_m.is_nan() {
                *out = *gripper;
            }
        }
        Ok(true)
    }

    fn swap(&mut self, mut next: Box<Running>, out: &ActuatorCommand) {
        for (from, joint) in next.from.iter_mut().zip(&out.joints) {
            *from = joint.position;
        }
        if let Some(current) = &self.current {
            next.inputs.take_from(&current.inputs);
        }
        self.retire();
        self.current = Some(next);
        self.swaps += 1;
    }

    /// Has another thread drop it, which takes long; if none does, this one has to.
    fn retire(&mut self) {
        if let Some(running) = self.current.take() {
            let _ = self.done.push(running);
        }
    }
}

impl PolicyLoader {
    /// Has a policy loaded and take over; gives the number under which [`PolicyLoader::outcome`] tells how it went.
    pub fn load(&mut self, manifest: impl Into<PathBuf>) -> u64 {
        self.ask(Request::Load(manifest.into()))
    }

    /// Has the running policy end, after the loads that were asked for before.
    pub fn stop(&mut self) -> u64 {
        self.ask(Request::Stop)
    }

    /// The next outcome, in order; none if there is nothing new. An error leaves the running policy as it was.
    pub fn outcome(&mut self) -> Option<(u64, Result<(), PolicyError>)> {
        self.outcomes.try_recv().ok()
    }

    fn ask(&mut self, request: Request) -> u64 {
        self.last += 1;
        let _ = self.requests.send((self.last, request));
        self.last
    }
}

impl Drop for PolicyLoader {
    fn drop(&mut self) {
        // Its end ends the thread.
        self.requests = channel().0;
        if let Some(worker) = self.worker.take() {
            let _ = worker.join();
        }
    }
}

fn serve(
    robot: &Embodiment,
    accepts: &Accepts,
    mut role: Option<Role>,
    requests: &Receiver<(u64, Request)>,
    outcomes: &Sender<(u64, Result<(), PolicyError>)>,
    mut orders: Producer<Order>,
    mut done: Consumer<Box<Running>>,
) {
    while let Ok((number, request)) = requests.recv() {
        let mut order = match request {
            Request::Stop => {
                role = None;
                Ok(Order::Stop)
            }
            Request::Load(manifest) => Policy::load(manifest, robot).and_then(|policy| {
                let layout = robot.layout();
                let next = Role::of(&policy, layout);
                role.as_ref().map_or(Ok(()), |role| role.check(&next, policy.manifest()))?;
                accepts(&policy)?;
                role = Some(next);
                Ok(Order::Swap(Box::new(Running::new(policy, layout))))
            }),
        };
        let outcome = loop {
            while done.pop().is_ok() {}
            order = match order {
                Err(error) => break Err(error),
                Ok(order) => match orders.push(order) {
                    Ok(()) => break Ok(()),
                    // The host has not ticked for long; it may be gone.
                    Err(rtrb::PushError::Full(_)) if orders.is_abandoned() => return,
                    Err(rtrb::PushError::Full(order)) => {
                        std::thread::sleep(Duration::from_millis(1));
                        Ok(order)
                    }
                },
            };
        };
        if outcomes.send((number, outcome)).is_err() {
            return;
        }
    }
    while done.pop().is_ok() {}
}
