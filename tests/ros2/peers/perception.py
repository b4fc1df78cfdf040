"""Perception by another system: a detector in rclpy, which reports by vision_msgs in the head camera's frame, is all that the robot
knows of its objects, and a simulated camera's image_raw all that it knows of pictures. What counts is what the robot measures.

usage: perception.py SINEW, the program and what is to stand before it. Prints one PASS or FAIL line per check; the exit code is 1 if
any failed.
"""

import subprocess
import sys
from pathlib import Path

from action_msgs.msg import GoalStatus
from diagnostic_msgs.msg import DiagnosticArray
from nav_msgs.msg import Odometry
from rclpy.action import ActionClient
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CameraInfo, Image, JointState
from sinew_msgs.action import ExecuteTask
from sinew_msgs.msg import SafetyState, WorldObjects
from sinew_msgs.srv import TakePicture

from support import ROOT, Operator, Spun, System, answer, check, done, failures, wait

THINGS = ["bin", "blue_cube", "green_cube", "red_cube", "table", "tray"]
INSTRUCTION = "put the red cube in the bin"


class Detector:
    """In a process that can be killed."""

    def __init__(self):
        words = [sys.executable, str(Path(__file__).with_name("detector_peer.py"))]
        self.process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        self.process.stdout.readline()
        return self

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.kill()


class Judge(Operator):
    def __init__(self, node):
        super().__init__(node, "/mobi")
        self.told, self.skill = {}, ""
        self.listen("/mobi/detections", WorldObjects, 10)
        self.listen("/mobi/odom", Odometry, 10)
        self.listen("/mobi/joint_states", JointState, 10)
        self.listen("/mobi/head/image_raw", Image, qos_profile_sensor_data)
        self.listen("/mobi/head/camera_info", CameraInfo, 10)
        node.create_subscription(DiagnosticArray, "/diagnostics", self.on_diagnostics, 10)
        self.tasks = ActionClient(node, ExecuteTask, "/mobi/execute_task")
        self.pictures = node.create_client(TakePicture, "/mobi/take_picture")

    def on_diagnostics(self, message):
        self.told |= {status.name: status.message for status in message.status}

    def on_feedback(self, message):
        self.skill = message.feedback.skill_id

    def task(self):
        goal = ExecuteTask.Goal(instruction=INSTRUCTION)
        return answer(self.tasks.send_goal_async(goal, feedback_callback=self.on_feedback))

    def ids(self):
        seen = self.last.get("/mobi/detections")
        return [thing.id for thing in seen.objects] if seen else []

    def speed(self):
        twist = self.last["/mobi/odom"].twist.twist
        joints = self.last["/mobi/joint_states"].velocity
        return abs(twist.linear.x) + abs(twist.angular.z) + max(abs(speed) for speed in joints)

    def picture(self):
        return answer(self.pictures.call_async(TakePicture.Request(camera="head")))


def sees(judge):
    check("each thing is an object with an id of its own", wait(lambda: judge.ids() == THINGS, 20.0), judge.ids())
    cube = next(thing for thing in judge.last["/mobi/detections"].objects if thing.id == "red_cube")
    known = cube.class_id == "cube" and [(pair.key, pair.value) for pair in cube.attributes] == [("color", "red")]
    check("what a class means is in the objects file", known and cube.frame_id == "map", cube)


def pictures(judge):
    image, info = (wait(lambda: judge.last.get(f"/mobi/head/{name}"), 20.0) for name in ("image_raw", "camera_info"))
    if not check("a simulated camera is published", image and info):
        return
    whole = (image.encoding, image.width, image.height, len(image.data)) == ("rgb8", 320, 240, 320 * 240 * 3)
    check("its pictures are whole", whole and info.width == 320 and info.k[0] > 0, (image.encoding, len(image.data)))
    check("take_picture is served", judge.pictures.wait_for_service(timeout_sec=20))
    taken = judge.picture()
    is_png = bytes(taken.png[:8]) == b"\x89PNG\r\n\x1a\n"
    check("take_picture gives the newest one", taken.success and is_png and taken.width == 320, taken.error_msg)


def carries_out(judge):
    result = done(judge.task, within=240.0)
    is_met = result.status == GoalStatus.STATUS_SUCCEEDED and result.result.goal_met
    check("a task on another system's detections: the red cube is measured in the bin", is_met, result)


def killed_in_mid_task(judge, detector):
    handle = judge.task()
    driving = wait(lambda: judge.skill == "drive_to" and judge.speed() > 0.2, 60.0)
    check("detector killed: the robot was on its way", handle.accepted and driving, judge.skill)
    detector.kill()
    result = answer(handle.get_result_async(), 180.0)
    reported = result.status == GoalStatus.STATUS_ABORTED and not result.result.goal_met and result.result.error_msg
    check("detector killed: the task ends with a reason", reported, result)
    check("detector killed: at rest when the result comes", wait(lambda: judge.speed() < 0.05, 1.0), judge.speed())
    check("detector killed: nothing is latched", judge.is_in(SafetyState.MODE_READY), judge.safety())
    silent = "mobi/perception: detections"
    check("detector killed: it is told", wait(lambda: judge.told.get(silent, "").startswith(("no detections", "nobody")), 5.0), judge.told)


def main(program):
    with System(program, "/mobi") as system, Spun("judge") as node:
        judge = Judge(node)
        robot = ROOT / "urdf/mobi.robot.yaml"
        away = {"detections": "detections_truth", "take_picture": "take_picture_truth"}
        cameras = {"publish_cameras": "[head]", "camera_rate_hz": 5.0}
        system.start("hardware", away, world=ROOT / "worlds/tabletop.yaml", seed=1, pace="real_time", **cameras)
        system.start("perception", robot=robot, objects=ROOT / "launch/tabletop.objects.yaml", use_sim_time="true")
        system.start("skills", robot=robot, policies=ROOT / "policies", manipulation="scripted")
        system.start("connector", robot=robot)
        system.start("planner", robot=robot, planner="symbolic")
        try:
            check("the robot gets READY", wait(lambda: judge.is_in(SafetyState.MODE_READY)), judge.safety())
            check("the action server is found", judge.tasks.wait_for_server(timeout_sec=30))
            check("the robot says how it moves", wait(lambda: {"/mobi/odom", "/mobi/joint_states"} <= judge.last.keys()))
            with Detector() as detector:
                sees(judge)
                pictures(judge)
                killed_in_mid_task(judge, detector)
            with Detector():
                carries_out(judge)
            check("every process lives", not system.ended(), system.ended())
        except TimeoutError as error:
            check("an answer to each request", False, error)
    print(f"{len(failures)} failed", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
