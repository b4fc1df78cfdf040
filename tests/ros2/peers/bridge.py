"""A robot whose nodes, planner among them, speak zenoh, and an rclpy client in a ROS domain, joined by `sinew bridge`.

usage: bridge.py SINEW, the program and what is to stand before it. Prints one PASS or FAIL line per check; the exit code is 1 if
any failed.
"""

import socket
import subprocess
import sys

from action_msgs.msg import GoalStatus
from rcl_interfaces.msg import Log
from rclpy.action import ActionClient
from rclpy.qos import qos_profile_rosout_default
from sensor_msgs.msg import JointState
from sinew_msgs.action import ExecuteSkill, ExecuteTask
from sinew_msgs.msg import SafetyState, SkillManifestArray

from support import ROOT, Operator, Running, Spun, answer, check, done, failures, latched, wait


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def answers(port):
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def judge(node):
    operator = Operator(node, "/mobi")
    ready = wait(lambda: operator.is_in(SafetyState.MODE_READY))
    check("bridge: safety/state, latched", ready, operator.safety())
    operator.listen("/mobi/joint_states", JointState, 10)
    operator.listen("/mobi/skills", SkillManifestArray, latched(1))
    for name in ("/mobi/joint_states", "/mobi/skills"):
        check(f"bridge: {name}", wait(lambda n=name: operator.counts.get(n)), "nothing was heard")

    lines = []
    node.create_subscription(Log, "/rosout", lines.append, qos_profile_rosout_default)
    skills = ActionClient(node, ExecuteSkill, "/mobi/execute_skill")
    tasks = ActionClient(node, ExecuteTask, "/mobi/execute_task")
    for client in (skills, tasks):
        check("bridge: an action is found", client.wait_for_server(timeout_sec=30))
    goal = ExecuteSkill.Goal(skill_id="fly", args_json="{}", speed_scale=1.0)
    check("bridge: a rejection crosses", not answer(skills.send_goal_async(goal)).accepted)
    goal = ExecuteSkill.Goal(skill_id="home", args_json="{}", speed_scale=1.0)
    result = done(lambda: answer(skills.send_goal_async(goal)))
    is_met = result.status == GoalStatus.STATUS_SUCCEEDED and result.result.postcondition_met
    check("bridge: a skill is done and measured", is_met, result)

    def logged():
        return [line for line in lines if line.name == "mobi.hardware" and "lease ended" in line.msg]

    check("bridge: the log of the hardware node", wait(logged, 10.0), lines)

    heard = []
    task = ExecuteTask.Goal(instruction="put the red cube in the bin")
    handle = answer(tasks.send_goal_async(task, feedback_callback=lambda m: heard.append(m.feedback.phase)))
    check("bridge: feedback crosses", wait(lambda: "running" in heard), heard)
    answer(handle.cancel_goal_async())
    result = answer(handle.get_result_async())
    check("bridge: a cancel crosses", result.status == GoalStatus.STATUS_CANCELED, result.status)
    check("bridge: a plan was made by the planner on zenoh", result.result.plan_json, result.result)
    check("bridge: an operator stops the robot", operator.call("hardware/e_stop_trigger").success)
    check("bridge: ESTOP", wait(lambda: operator.is_in(SafetyState.MODE_ESTOP), 5.0), operator.safety())


def main(program):
    port = free_port()
    router = ["--router", f"tcp/127.0.0.1:{port}"]
    up = [*program, "up", "launch/tabletop.launch.yaml", "--processes", *router]
    bridge = [*program, "bridge", *router]
    with Running(up, ROOT) as system, Spun("judge") as node:
        # The bridge wants the router, which the system opens.
        check("the router answers", wait(lambda: answers(port), 20.0))
        with Running(bridge, ROOT) as running:
            try:
                judge(node)
                second = subprocess.run(bridge, cwd=ROOT, capture_output=True, text=True, timeout=30)
                refused = second.returncode == 2 and "has a bridge already" in second.stderr
                check("bridge: a second one is refused", refused, second)
            except TimeoutError as error:
                check("an answer to each request", False, error)
            check("bridge: lives", running.poll() is None, running.returncode)
        check("the system lives", system.poll() is None, system.returncode)
    print(f"{len(failures)} failed", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
