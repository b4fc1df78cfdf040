"""What the judges share: checks that are counted, waiting that is bounded, and a system of Sinew nodes as processes."""

import signal
import subprocess
import threading
import time
from pathlib import Path

import rclpy
from rclpy.executors import MultiThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile
from sinew_msgs.msg import SafetyState
from std_srvs.srv import Trigger

ROOT = Path(__file__).resolve().parents[3]
TIMEOUT_S = 60.0
failures = []


def check(name, passed, seen=""):
    """Prints one line; `seen` says what was there instead."""
    if not passed:
        failures.append(name)
    print(f"{'PASS' if passed else 'FAIL'} {name}{'' if passed else f': {seen}'}", flush=True)
    return bool(passed)


def wait(predicate, within=TIMEOUT_S):
    """The first true value of `predicate`, or its last one."""
    deadline = time.monotonic() + within
    while not (value := predicate()) and time.monotonic() < deadline:
        time.sleep(0.01)
    return value


def answer(future, within=TIMEOUT_S):
    if not wait(future.done, within):
        raise TimeoutError(f"no answer within {within} s")
    return future.result()


class Spun:
    """An rclpy node whose callbacks run on threads of their own."""

    def __init__(self, name):
        rclpy.init()
        self.node = rclpy.create_node(name)
        self.executor = MultiThreadedExecutor(4)
        self.executor.add_node(self.node)
        self.thread = threading.Thread(target=self.executor.spin)
        self.thread.start()

    def __enter__(self):
        return self.node

    def __exit__(self, *_):
        self.executor.shutdown()
        self.thread.join()
        self.node.destroy_node()
        rclpy.try_shutdown()


def latched(depth):
    return QoSProfile(depth=depth, durability=DurabilityPolicy.TRANSIENT_LOCAL)


# Commands that a busy machine had come too late, and a node that has not heard yet that the robot is READY: what was asked for
# is then asked for again.
TRY_AGAIN = (202, 204)


def done(send, within=TIMEOUT_S):
    """The result of a goal that `send` sends; of another one, twice at most, where the machine was too busy for it."""
    for _ in range(3):
        result = answer(send().get_result_async(), within)
        if result.result.error_code not in TRY_AGAIN:
            break
    return result


class Operator:
    """Who watches a robot's safety state and has its operator services, by the robot's namespace."""

    def __init__(self, node, robot):
        self.node, self.robot = node, robot
        self.last = {}
        self.counts = {}
        self.state_topic = f"{robot}/safety/state"
        self.listen(self.state_topic, SafetyState, latched(1))

    def listen(self, name, kind, qos):
        def hear(message):
            self.last[name] = message
            self.counts[name] = self.counts.get(name, 0) + 1

        return self.node.create_subscription(kind, name, hear, qos)

    def safety(self):
        return self.last.get(self.state_topic)

    def owner(self, group):
        return {owner.group: owner for owner in self.safety().owners}[group]

    def is_in(self, mode):
        return self.safety() is not None and self.safety().mode == mode

    def call(self, name):
        client = self.node.create_client(Trigger, f"{self.robot}/{name}")
        try:
            if not client.wait_for_service(timeout_sec=20):
                raise TimeoutError(f"no service {name}")
            return answer(client.call_async(Trigger.Request()))
        finally:
            self.node.destroy_client(client)


def check_ends_well(name, process):
    """Ends a program as Ctrl-C does; one that has ended already is not judged here."""
    if process.poll() is None:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        check(f"{name}: ends well", process.returncode == 0, process.returncode)


class Running:
    """A program that is ended as by Ctrl-C."""

    def __init__(self, words, folder):
        self.process = subprocess.Popen(words, cwd=folder)

    def __enter__(self):
        return self.process

    def __exit__(self, *_):
        check_ends_well(str(self.process.args[-1]), self.process)


class System:
    """Nodes of a robot, each a process over the ROS 2 carrier. `program` is what starts `sinew`, as words."""

    def __init__(self, program, robot):
        self.program, self.robot = program, robot
        self.processes = {}

    def start(self, kind, remaps=None, **parameters):
        words = [*self.program, "node", kind, "--carrier", "ros2", "--ros-args", "-r", f"__ns:={self.robot}"]
        for name, other in (remaps or {}).items():
            words += ["-r", f"{name}:={other}"]
        for name, value in parameters.items():
            words += ["-p", f"{name}:={value}"]
        self.processes[kind] = subprocess.Popen(words)

    def start_table(self, **skills):
        """The mobile manipulator at its simulated table; with these parameters of the skills node besides."""
        robot = ROOT / "urdf/mobi.robot.yaml"
        self.start("hardware", world=ROOT / "worlds/tabletop.yaml", seed=1, pace="real_time")
        self.start("skills", robot=robot, policies=ROOT / "policies", manipulation="scripted", **skills)
        self.start("connector", robot=robot)
        self.start("planner", robot=robot, planner="symbolic")
        self.start("teleop", robot=robot, mapping=ROOT / "teleop/xbox.teleop.yaml")

    def kill(self, kind):
        """SIGKILL: it has no time for a farewell."""
        process = self.processes.pop(kind)
        process.kill()
        process.wait()

    def stop(self, kind):
        """As Ctrl-C does."""
        check_ends_well(kind, self.processes.pop(kind))

    def ended(self):
        return [kind for kind, process in self.processes.items() if process.poll() is not None]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for kind, process in self.processes.items():
            check_ends_well(kind, process)
