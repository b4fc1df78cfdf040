"""Two robots in two namespaces on one machine and in one ROS domain do two tasks at once, and neither hears of the other's.

usage: two_robots.py SINEW, the program and what is to stand before it. Prints one PASS or FAIL line per check; the exit code
is 1 if any failed.
"""

import sys

from action_msgs.msg import GoalStatus
from nav_msgs.msg import Odometry
from rclpy.action import ActionClient
from sinew_msgs.action import ExecuteTask
from sinew_msgs.msg import SafetyState, SkillResult

from support import ROOT, TRY_AGAIN, Operator, Running, Spun, answer, check, done, failures, latched, wait

TASKS = {"/left": "put the red cube in the bin", "/right": "put the green cube on the tray"}


class Robot(Operator):
    def __init__(self, node, namespace):
        super().__init__(node, namespace)
        self.skills = []
        node.create_subscription(
            SkillResult, f"{namespace}/skill_results", lambda m: self.skills.append(m.correlation_id), latched(10)
        )
        self.listen(f"{namespace}/odom", Odometry, 10)
        self.tasks = ActionClient(node, ExecuteTask, f"{namespace}/execute_task")

    def send(self, instruction):
        goal = ExecuteTask.Goal(instruction=instruction, correlation_id=f"of{self.robot.replace('/', '-')}")
        return answer(self.tasks.send_goal_async(goal))


def judge(node):
    robots = {namespace: Robot(node, namespace) for namespace in TASKS}
    for name, robot in robots.items():
        check(f"{name} is READY", wait(lambda r=robot: r.is_in(SafetyState.MODE_READY)), robot.safety())
        check(f"{name}: execute_task is found", robot.tasks.wait_for_server(timeout_sec=60))
    handles = {name: robots[name].send(task) for name, task in TASKS.items()}
    results = {name: answer(handle.get_result_async(), within=240.0) for name, handle in handles.items()}
    for name, result in results.items():
        if result.result.error_code in TRY_AGAIN:
            results[name] = done(lambda n=name: robots[n].send(TASKS[n]), within=240.0)
    for name, result in results.items():
        is_met = result.status == GoalStatus.STATUS_SUCCEEDED and result.result.goal_met
        check(f"{name}: its task is measured", is_met, result)
        objects = {step.args_json for step in result.result.steps}
        own = "red_cube" if name == "/left" else "green_cube"
        other = "green_cube" if name == "/left" else "red_cube"
        only = any(own in o for o in objects) and not any(other in o for o in objects)
        check(f"{name}: it did its own steps only", only, objects)
    left, right = (robots[name] for name in TASKS)
    crossed = set(left.skills) & set(right.skills)
    check("no skill of one is told of in the other's namespace", left.skills and right.skills and not crossed, crossed)
    check("an e-stop of one", left.call("hardware/e_stop_trigger").success)
    check("stops that one", wait(lambda: left.is_in(SafetyState.MODE_ESTOP), 5.0), left.safety())
    check("and not the other", right.is_in(SafetyState.MODE_READY), right.safety())


def main(program):
    def up(namespace):
        file = "launch/tabletop.launch.yaml"
        words = ["up", file, f"robot:={namespace.strip('/')}", "--processes", "--carrier", "ros2"]
        return Running([*program, *words], ROOT)

    with up("/left") as left, up("/right") as right, Spun("judge") as node:
        try:
            judge(node)
        except TimeoutError as error:
            check("an answer to each request", False, error)
        check("both systems live", left.poll() is None and right.poll() is None)
    print(f"{len(failures)} failed", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
