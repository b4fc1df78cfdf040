//! The robot on the bus: topics, the controller manager's services, and a thread on which time passes.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use sinew_bus::names::{ServiceName, Topic};
use sinew_bus::{Bus, BusNode, Publisher, Qos, Request, ServiceServer, Subscription};
use sinew_msgs::controller_manager_msgs::ListControllersResponse;
use sinew_msgs::controller_manager_msgs::srv::{ListControllers, SwitchController};
use sinew_msgs::geometry_msgs::{Quaternion, TwistStamped, Vector3};
use sinew_msgs::nav_msgs::Odometry;
use sinew_msgs::sensor_msgs::{Imu, JointState};
use sinew_msgs::std_msgs::Float64MultiArray;
use sinew_msgs::trajectory_msgs::JointTrajectory;

use crate::controllers::{Kind, list, switch};
use crate::plant::Plant;

/// Time between two joint states.
const STATE_EVERY: Duration = Duration::from_millis(10);
/// Time between two steps.
const STEP: Duration = Duration::from_millis(1);

/// A running robot. Dropped, it is gone from the bus, as after `kill -9`.
pub(crate) struct Peer {
    plant: Arc<Mutex<Plant>>,
    ends: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Peer {
    pub(crate) fn spawn(bus: Bus, plant: Plant) -> Self {
        let plant = Arc::new(Mutex::new(plant));
        let ends = Arc::new(AtomicBool::new(false));
        let thread = {
            let (plant, ends) = (Arc::clone(&plant), Arc::clone(&ends));
            std::thread::spawn(move || run(&bus, &plant, &ends))
        };
        Self { plant, ends, thread: Some(thread) }
    }

    pub(crate) fn plant(&self) -> MutexGuard<'_, Plant> {
        self.plant.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::SeqCst);
        let ended = self.thread.take().unwrap().join();
        // What the robot was sent was wrong.
        if ended.is_err() && !std::thread::panicking() {
            panic!("the robot's thread has panicked");
        }
    }
}

/// What one controller listens to.
enum Inlet {
    Values(Subscription<Float64MultiArray>),
    Trajectory(Subscription<JointTrajectory>),
    Twist(Subscription<TwistStamped>),
    Nothing,
}

struct Endpoints {
    list: ServiceServer<ListControllers>,
    switch: ServiceServer<SwitchController>,
    /// Switches that were not answered yet.
    late: Vec<Request<SwitchController>>,
    joint_states: Publisher<JointState>,
    odom: Publisher<Odometry>,
    imu: Publisher<Imu>,
    /// In the order of the controllers.
    inlets: Vec<Inlet>,
}

impl Endpoints {
    fn open(bus: &Bus, plant: &Plant) -> Self {
        let node =
            bus.node("controller_manager", &format!("/{}", plant.namespace.trim_matches('/')));
        let node = node.unwrap();
        let qos = Qos::reliable(10);
        let inlet = |node: &BusNode, name: &str, kind: Kind| {
            let named = |ending: &str| format!("{name}/{ending}");
            match kind {
                _ if plant.deaf == Some(name) => Inlet::Nothing,
                Kind::Broadcaster => Inlet::Nothing,
                Kind::Forward | Kind::JointGroup => {
                    Inlet::Values(node.subscription(&Topic::named(named("commands"), qos)).unwrap())
                }
                Kind::Trajectory => Inlet::Trajectory(
                    node.subscription(&Topic::named(named("joint_trajectory"), qos)).unwrap(),
                ),
                Kind::DiffDrive => {
                    Inlet::Twist(node.subscription(&Topic::named(named("cmd_vel"), qos)).unwrap())
                }
            }
        };
        let controllers = plant.controllers.iter();
        let service = |name: &str| format!("controller_manager/{name}");
        Self {
            list: node.service_server(&ServiceName::named(service("list_controllers"))).unwrap(),
            switch: node.service_server(&ServiceName::named(service("switch_controller"))).unwrap(),
            late: Vec::new(),
            joint_states: node.publisher(&Topic::new("joint_states", qos)).unwrap(),
            odom: node.publisher(&Topic::new("diff_drive_controller/odom", qos)).unwrap(),
            imu: node
                .publisher(&Topic::new("imu_sensor_broadcaster/imu", Qos::best_effort(5)))
                .unwrap(),
            inlets: controllers.map(|one| inlet(&node, &one.name, one.kind)).collect(),
        }
    }

    fn serve(&mut self, plant: &mut Plant) {
        if plant.faults.is_hung || plant.faults.only_services_hang {
            return;
        }
        while let Some(request) = self.list.take_request() {
            request.respond(ListControllersResponse { controller: list(plant) }).unwrap();
        }
        self.late.extend(std::iter::from_fn(|| self.switch.take_request()));
        plant.switch_asked += self.late.len() as u64;
        if plant.faults.switches_late {
            return;
        }
        for request in self.late.drain(..) {
            let response = switch(plant, request.request());
            request.respond(response).unwrap();
        }
    }

    fn listen(&self, plant: &mut Plant) {
        for (inlet, controller) in self.inlets.iter().zip(&mut plant.controllers) {
            match inlet {
                Inlet::Nothing => {}
                Inlet::Values(subscription) => {
                    while let Some(received) = subscription.take() {
                        plant.set_points += 1;
                        controller.take_values(received.message.data);
                    }
                }
                Inlet::Trajectory(subscription) => {
                    while let Some(received) = subscription.take() {
                        plant.set_points += 1;
                        controller.take_trajectory(&received.message);
                    }
                }
                Inlet::Twist(subscription) => {
                    while let Some(received) = subscription.take() {
                        plant.set_points += 1;
                        let twist = received.message.twist;
                        controller.take_values(vec![twist.linear.x, twist.angular.z]);
                    }
                }
            }
        }
    }

    /// Joints from last to first, with one that is none of the robot's.
    fn publish(&self, plant: &Plant) {
        if plant.faults.is_silent || plant.faults.is_hung {
            return;
        }
        let mut message = JointState::default();
        let mut say = |name: &str, position: f64, velocity: f64| {
            let unmeasured = plant.faults.measures_nothing;
            message.name.push(name.to_owned());
            message.position.push(if unmeasured { f64::NAN } else { position });
            if plant.measures_velocity {
                message.velocity.push(velocity);
            }
            // As of hardware without an effort interface.
            message.effort.push(f64::NAN);
        };
        say("lidar_joint", 12.0, 3.0);
        for joint in plant.joints.iter().rev().filter(|joint| !plant.hidden.contains(&joint.name)) {
            say(&joint.name, joint.position, joint.velocity);
        }
        self.joint_states.publish(&message).unwrap();
        let (place, rotation) =
            (plant.map_from_base.translation, plant.map_from_base.rotation.coords);
        let orientation = Quaternion { x: rotation.x, y: rotation.y, z: rotation.z, w: rotation.w };
        let mut odom = Odometry::default();
        odom.pose.pose.position.x = place.x;
        odom.pose.pose.position.y = place.y;
        odom.pose.pose.orientation = orientation;
        odom.twist.twist.linear.x = plant.twist[0];
        odom.twist.twist.angular.z = plant.twist[1];
        self.odom.publish(&odom).unwrap();
        let imu = Imu {
            orientation,
            angular_velocity: Vector3 { x: 0.0, y: 0.0, z: plant.twist[1] },
            linear_acceleration: Vector3 { x: 0.0, y: 0.0, z: 9.81 },
            ..Default::default()
        };
        self.imu.publish(&imu).unwrap();
    }
}

fn run(bus: &Bus, plant: &Mutex<Plant>, ends: &AtomicBool) {
    let mut endpoints: Option<Endpoints> = None;
    let (mut stepped, mut published) = (Instant::now(), Instant::now());
    while !ends.load(Ordering::SeqCst) {
        std::thread::sleep(STEP);
        let mut plant = plant.lock().unwrap_or_else(PoisonError::into_inner);
        if plant.faults.is_away {
            endpoints = None;
        } else if endpoints.is_none() {
            endpoints = Some(Endpoints::open(bus, &plant));
        }
        if let Some(endpoints) = &mut endpoints {
            endpoints.listen(&mut plant);
            endpoints.serve(&mut plant);
        }
        plant.step(stepped.elapsed().as_secs_f64().max(1e-6));
        stepped = Instant::now();
        if let Some(endpoints) = &endpoints
            && published.elapsed() >= STATE_EVERY
        {
            published = Instant::now();
            endpoints.publish(&plant);
        }
    }
}
