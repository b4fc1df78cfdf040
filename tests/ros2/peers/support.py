"""What the judges share: checks that are counted, waiting that is bounded, and a system of Sinew nodes as processes."""

import os
import signal
import subprocess
import threading
import time
from pathlib import Path

import rclpy
from rclpy.executors import MultiThreadedExecutor

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


class System:
    """Nodes of the robot `/mobi` at the simulated table, each a process over the ROS 2 carrier.

    `program` is what starts `sinew`, as words.
    """

    def __init__(self, program):
        self.program = program
        self.processes = {}

    def start(self, kind, **parameters):
        words = [*self.program, "node", kind, "--carrier", "ros2", "--ros-args", "-r", "__ns:=/mobi"]
        for name, value in parameters.items():
            words += ["-p", f"{name}:={value}"]
        self.processes[kind] = subprocess.Popen(words)

    def start_all(self):
        robot = ROOT / "urdf/mobi.robot.yaml"
        self.start("hardware", world=ROOT / "worlds/tabletop.yaml", seed=1, pace="real_time")
        self.start("skills", robot=robot, policies=ROOT / "policies", manipulation="scripted")
        self.start("connector", robot=robot)
        self.start("planner", robot=robot, planner="symbolic")
        self.start("teleop", robot=robot, mapping=ROOT / "teleop/xbox.teleop.yaml")

    def kill(self, kind):
        """SIGKILL: it has no time for a farewell."""
        process = self.processes.pop(kind)
        process.kill()
        process.wait()

    def ended(self):
        return [kind for kind, process in self.processes.items() if process.poll() is not None]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            process.send_signal(signal.SIGINT)
        for process in self.processes.values():
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def environment():
    """That of a child that speaks to this process' ROS domain."""
    return dict(os.environ)
