"""The package `sinew` as colcon installed it, found as `ros2 launch` and `ros2 run` find it, by the ament index: its program runs
the launch files of its share folder, and nodes with the arguments that launch_ros gives them.

usage: package.py [WORDS], what is to stand before a program. Prints one PASS or FAIL line per check; the exit code is 1 if any failed.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from action_msgs.msg import GoalStatus
from ament_index_python.packages import get_package_prefix, get_package_share_directory
from rclpy.action import ActionClient
from rclpy.utilities import get_rmw_implementation_identifier
from sinew_msgs.action import ExecuteSkill
from sinew_msgs.msg import SafetyState

from support import Operator, Running, Spun, answer, check, done, failures, wait


def launched(judge):
    """A system that the installed launch file started."""
    check("launch: the robot is READY", wait(lambda: judge.is_in(SafetyState.MODE_READY)), judge.safety())
    skills = ActionClient(judge.node, ExecuteSkill, f"{judge.robot}/execute_skill")
    check("launch: execute_skill is found", skills.wait_for_server(timeout_sec=60))
    goal = ExecuteSkill.Goal(skill_id="home", args_json="{}", speed_scale=1.0)
    result = done(lambda: answer(skills.send_goal_async(goal)))
    check("launch: a skill succeeds", result.status == GoalStatus.STATUS_SUCCEEDED, result)


def as_launch_ros(folder, program, kind, namespace, parameters):
    """The words by which launch_ros starts a node: a file for each parameter, under the node's full name."""
    words = [program, "node", kind, "--ros-args", "-r", f"__node:={kind}", "-r", f"__ns:={namespace}"]
    for name, value in parameters.items():
        file = Path(folder) / f"launch_params_{kind}_{name}"
        file.write_text(f"{namespace}/{kind}:\n  ros__parameters:\n    {name}: {value}\n")
        words += ["--params-file", str(file)]
    return words


def threads(pid):
    return [file.read_text().strip() for file in Path(f"/proc/{pid}/task").glob("*/comm")]


def asks_for_no_types(pid):
    """Whether Fast DDS was told to match types by name: the threads by which it looks them up are not there."""
    names = threads(pid)
    is_fast_dds = get_rmw_implementation_identifier().startswith("rmw_fastrtps")
    in_use = any(name.startswith("dds.") for name in names) or not is_fast_dds
    check("Fast DDS looks no types up", in_use and not any(name.startswith("dds.tls") for name in names), names)


def main(before):
    share = Path(get_package_share_directory("sinew"))
    program = Path(get_package_prefix("sinew")) / "lib/sinew/sinew"
    check("run: the program is where ros2 run looks", os.access(program, os.X_OK), program)
    check("the workspace says which carrier", os.environ.get("SINEW_CARRIER") == "ros2", os.environ.get("SINEW_CARRIER"))

    table = share / "launch/tabletop.launch.yaml"
    words = [*before, program, "launch", table, "robot:=installed"]
    shown = subprocess.run([*words, "--show-args"], capture_output=True, text=True, check=False, cwd="/").stdout
    for file in ["urdf/mobi.robot.yaml", "worlds/tabletop.yaml", "policies", "launch/llm.params.yaml"]:
        is_there = str(share / file) in shown and (share / file).exists()
        check(f"launch: {file} is the installed one", is_there, shown)

    with Spun("judge") as node, tempfile.TemporaryDirectory() as folder:
        try:
            with Running([*words, "--runs", folder], "/") as system:
                launched(Operator(node, "/installed"))
                check("launch: all nodes live", system.poll() is None)
            parameters = {"driver": "mock", "robot": share / "urdf/mobi.robot.yaml"}
            words = as_launch_ros(folder, program, "hardware", "/lone", parameters)
            with Running([*before, *words], "/") as process:
                lone = Operator(node, "/lone")
                disarmed = wait(lambda: lone.is_in(SafetyState.MODE_DISARMED))
                check("a node with launch_ros' arguments is there", disarmed, lone.safety())
                asks_for_no_types(process.pid)
                check("its parameters are read: the mock arms", lone.call("safety/arm").success)
        except TimeoutError as error:
            check("an answer to each request", False, error)
    print(f"{len(failures)} failed", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
