//! A policy that is exchanged while it runs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sinew_policy::{Policy, PolicyError, PolicyHost};
use sinew_types::{ActuatorCommand, Time};

use crate::common::{MANIFEST, Net, layout, state, write};

const PERIOD: Duration = Duration::from_millis(20);
/// Ten ticks.
const BLEND: Duration = Duration::from_millis(200);

/// Joint positions that are `height` times the weight.
fn manifest(weight: &str) -> String {
    MANIFEST
        .replace(
            "  mode: delta\n  joints: [shoulder, elbow]\n  clip: [-1.0, 1.0]\n  scale: 0.1\n  slew: 0.03\n  max_lead: 0.5\n",
            &format!("  mode: position\n  joints: [shoulder, elbow]\n  scale: {weight}\n  offset: 0.0\n"),
        )
        .replace("{observation: [1.0, 2.0, 0.5]}, action: [1.25, 1.75]", "{observation: [0, 0, 1]}, action: [1, 1]")
}

fn net() -> Net {
    Net { weights: vec![0.0, 0.0, 0.0, 0.0, 1.0, 1.0], ..Net::default() }
}

struct Rig {
    host: PolicyHost,
    command: ActuatorCommand,
    now: Time,
}

impl Rig {
    fn tick(&mut self) -> Result<bool, PolicyError> {
        self.now += PERIOD;
        let mut state = state();
        state.stamp = self.now;
        state.joints.iter_mut().for_each(|joint| joint.stamp = self.now);
        self.host.take_orders(&self.command);
        if let Some(inputs) = self.host.inputs() {
            inputs.set("height", &[1.0], self.now)?;
        }
        self.host.step(&state, &mut self.command)
    }

    fn position(&self) -> f64 {
        self.command.joints[1].position
    }
}

#[test]
fn a_thousand_swaps_under_load_never_jump_and_never_miss_a_tick() {
    let folder = tempfile::tempdir().unwrap();
    let files = [("up", "1.0"), ("down", "-1.0")].map(|(name, weight)| {
        let folder = folder.path().join(name);
        std::fs::create_dir(&folder).unwrap();
        write(&folder, &net(), &manifest(weight))
    });
    let over = Arc::new(AtomicBool::new(false));
    let load = {
        let over = Arc::clone(&over);
        std::thread::spawn(move || {
            let mut count = 0_u64;
            while !over.load(Ordering::Relaxed) {
                count = std::hint::black_box(count + 1);
            }
        })
    };
    let (host, mut loader) = PolicyHost::new(&layout(), BLEND);
    let command = ActuatorCommand::unused(&layout());
    let mut rig = Rig { host, command, now: Time::ZERO + Duration::from_secs(1) };
    assert!(!rig.tick().unwrap(), "nothing runs yet");
    loader.load(&files[0]);
    while rig.host.swaps() == 0 {
        rig.tick().unwrap();
        std::thread::yield_now();
    }
    let (mut last, mut answered, mut asked, mut ticks) = (rig.position(), 1, 1, 0_u32);
    while rig.host.swaps() < 1001 {
        if asked < answered + 4 && asked < 1001 {
            loader.load(&files[asked % 2]);
            asked += 1;
        }
        while let Some((_, outcome)) = loader.outcome() {
            outcome.unwrap();
            answered += 1;
        }
        assert!(rig.tick().unwrap(), "a tick without a policy");
        ticks += 1;
        // From 1 to -1 within ten ticks, and never faster.
        assert!((rig.position() - last).abs() <= 0.2 + 1e-9, "{last} to {}", rig.position());
        last = rig.position();
        std::thread::yield_now();
    }
    over.store(true, Ordering::Relaxed);
    load.join().unwrap();
    assert!(ticks >= 1000, "{ticks}");
    loader.stop();
    while rig.tick().unwrap() {
        std::thread::yield_now();
    }
    assert!(rig.host.policy().is_none());
}

#[test]
fn a_load_that_is_refused_leaves_the_running_policy_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let good = write(folder.path(), &net(), &manifest("1.0"));
    let (host, mut loader) = PolicyHost::new(&layout(), Duration::ZERO);
    let command = ActuatorCommand::unused(&layout());
    let mut rig = Rig { host, command, now: Time::ZERO + Duration::from_secs(1) };
    loader.load(&good);
    while !rig.tick().unwrap() {
        std::thread::yield_now();
    }
    let refused = loader.load(folder.path().join("none.policy.yaml"));
    let error = loop {
        rig.tick().unwrap();
        match loader.outcome() {
            Some((number, Err(error))) if number == refused => break error,
            _ => std::thread::yield_now(),
        }
    };
    assert!(matches!(error, PolicyError::Read { .. }), "{error}");
    assert!(rig.tick().unwrap());
    assert_eq!((rig.host.swaps(), rig.position()), (1, 1.0));
}

#[test]
fn a_policy_of_another_rate_or_for_other_joints_does_not_take_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &net(), &manifest("1.0"));
    let policy = Policy::load(&path, &layout()).unwrap();
    let (host, mut loader) =
        PolicyHost::with_policy(policy, &layout(), Duration::ZERO, Box::new(|_| Ok(())));
    let command = ActuatorCommand::unused(&layout());
    let mut rig = Rig { host, command, now: Time::ZERO + Duration::from_secs(1) };
    assert!(rig.tick().unwrap(), "it runs from the first tick on");
    let slow = manifest("2.0").replace("rate_hz: 50", "rate_hz: 25");
    let elbow = manifest("2.0").replace("[shoulder, elbow]", "[elbow]").replace("[1, 1]", "[1]");
    let one = Net { outputs: 1, weights: vec![0.0, 0.0, 1.0], ..Net::default() };
    for (net, text, says) in [
        (net(), &slow, "rate_hz is 25; allowed: 50, as the policy that runs"),
        (
            one,
            &elbow,
            "action is position of arm [elbow]; allowed: position of arm [elbow, shoulder], as the policy that runs",
        ),
    ] {
        loader.load(write(folder.path(), &net, text));
        let error = loop {
            match loader.outcome() {
                Some((_, outcome)) => break outcome.unwrap_err().to_string(),
                None => std::thread::yield_now(),
            }
        };
        assert!(error.contains(says), "{error}");
    }
    // After a stop there is nothing that it must be alike to.
    loader.stop();
    loader.load(write(folder.path(), &net(), &slow));
    while rig.host.swaps() == 0 {
        let _ = rig.tick().unwrap();
        std::thread::yield_now();
    }
    assert_eq!(rig.position(), 2.0);
}
