//! Prints how fast a world is simulated on one core, and how much memory that takes.
//!
//! `cargo run --release -p sinew-driver-sim --example realtime -- worlds/tabletop.yaml`
//!
//! Times are processor time of the simulating thread, so that other programs do not count.
//! With a folder as second argument, pictures from all cameras are written there.

use std::error::Error;
use std::time::Duration;

use sinew_driver_sim::{SimDriver, World};
use sinew_hardware::HardwareInterface;
use sinew_types::{ActuatorCommand, BaseTwist, GripperCommand, JointCommand, RobotState, Time};

const CONTROL_PERIOD: Duration = Duration::from_millis(2);
const TICKS_PER_PART: u32 = 2500;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "worlds/tabletop.yaml".to_owned());
    let world = World::load(&path)?;
    let scene = world.scene()?;
    let time_step_s = world.config().physics.timestep_s;
    let robot = world.robot().clone();
    let (mut driver, seen) = SimDriver::new(world, &scene)?;
    let layout = driver.configure()?.layout;
    let mut state = RobotState::invalid(&layout);
    let mut command = ActuatorCommand::unused(&layout);
    let mut now = Time::ZERO;
    driver.read(now, CONTROL_PERIOD, &mut state)?;
    driver.activate(now)?;
    let start: Vec<f64> = state.joints.iter().map(|joint| joint.position).collect();

    for (part, moves) in [("standing", false), ("driving, all joints moving", true)] {
        let before = processor_time()?;
        for tick in 0..TICKS_PER_PART {
            now += CONTROL_PERIOD;
            driver.read(now, CONTROL_PERIOD, &mut state)?;
            if moves {
                let t = f64::from(tick) * CONTROL_PERIOD.as_secs_f64();
                let (linear_x, angular_z) = (-0.3 * t.sin(), 0.3 * t.cos());
                command.base = Some(BaseTwist { linear_x, linear_y: 0.0, angular_z });
                for (joint, set_point) in command.joints.iter_mut().enumerate() {
                    let limits = robot.joints()[joint].limits;
                    let goal = limits.clamp(start[joint] + 0.2 * (2.0 * t).sin());
                    *set_point = JointCommand::position(goal);
                }
                let width_m = 0.04 + 0.02 * t.sin();
                command.grippers.fill(GripperCommand { width_m, max_force_n: f64::NAN });
            }
            driver.write(now, CONTROL_PERIOD, &command)?;
        }
        let taken_s = (processor_time()? - before).as_secs_f64();
        let simulated_s = f64::from(TICKS_PER_PART) * CONTROL_PERIOD.as_secs_f64();
        println!(
            "{part}: {:.0} steps/s, real-time factor {:.1}",
            simulated_s / time_step_s / taken_s,
            simulated_s / taken_s
        );
    }
    println!("peak resident memory without cameras: {}", peak_memory()?);

    if let Some(folder) = arguments.next() {
        let mut renderer = seen.renderer();
        for camera in renderer.cameras() {
            let picture = renderer.picture(&camera, 960, 640)?;
            std::fs::write(format!("{folder}/{camera}.png"), picture)?;
        }
        println!("peak resident memory with cameras: {}", peak_memory()?);
    }
    Ok(())
}

/// Time that this thread has spent on a processor.
fn processor_time() -> Result<Duration, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = text.split_whitespace().next().ok_or("no processor time")?;
    Ok(Duration::from_nanos(nanoseconds.parse()?))
}

fn peak_memory() -> Result<String, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/status")?;
    let line = text.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    Ok(line.trim_start_matches("VmHWM:").trim().to_owned())
}
