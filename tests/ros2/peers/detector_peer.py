"""A detector as others have it: it reports what the robot's head camera would see, by vision_msgs, without tracking anything. What is
there it knows from the simulator, where the camera is from tf.

It says `ready` once it is heard, and ends with its input.
"""

import sys
import threading
import time

import numpy
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, qos_profile_sensor_data
from sinew_msgs.msg import WorldObjects
from tf2_msgs.msg import TFMessage
from vision_msgs.msg import Detection3D, Detection3DArray, ObjectHypothesisWithPose

CAMERA = "head_camera_optical_frame"


def matrix(position, orientation):
    x, y, z, w = orientation.x, orientation.y, orientation.z, orientation.w
    made = numpy.identity(4)
    made[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    made[:3, 3] = position.x, position.y, position.z
    return made


def set_pose(pose, made):
    """The quaternion of a rotation matrix by its largest part, so that nothing small is divided by."""
    pose.position.x, pose.position.y, pose.position.z = (float(value) for value in made[:3, 3])
    r = made[:3, :3]
    trace = r.trace()
    squares = numpy.array([1 + 2 * r[0, 0] - trace, 1 + 2 * r[1, 1] - trace, 1 + 2 * r[2, 2] - trace, 1 + trace]) / 4
    products = numpy.array(
        [
            [0, r[0, 1] + r[1, 0], r[0, 2] + r[2, 0], r[2, 1] - r[1, 2]],
            [r[0, 1] + r[1, 0], 0, r[1, 2] + r[2, 1], r[0, 2] - r[2, 0]],
            [r[0, 2] + r[2, 0], r[1, 2] + r[2, 1], 0, r[1, 0] - r[0, 1]],
            [r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1], 0],
        ]
    ) / 4
    largest = int(squares.argmax())
    parts = products[largest] / numpy.sqrt(squares[largest])
    parts[largest] = numpy.sqrt(squares[largest])
    q = pose.orientation
    q.x, q.y, q.z, q.w = (float(value) for value in parts)


class Detector:
    def __init__(self, node):
        self.fixed, self.moving, self.stamp, self.count = {}, {}, None, 0
        self.publisher = node.create_publisher(Detection3DArray, "/mobi/detections_3d", qos_profile_sensor_data)
        node.create_subscription(TFMessage, "/mobi/tf", self.hear_tf, 100)
        latched = QoSProfile(depth=100, durability=DurabilityPolicy.TRANSIENT_LOCAL)
        node.create_subscription(TFMessage, "/mobi/tf_static", lambda message: self.hear(message, self.fixed), latched)
        node.create_subscription(WorldObjects, "/mobi/detections_truth", self.see, 10)
        self.waiting = None

    @staticmethod
    def hear(message, into):
        for one in message.transforms:
            into[one.child_frame_id] = one.header.frame_id, matrix(one.transform.translation, one.transform.rotation)

    def hear_tf(self, message):
        self.hear(message, self.moving)
        self.stamp = message.transforms[0].header.stamp
        self.report()

    def see(self, message):
        self.waiting = message
        self.report()

    def map_from_camera(self):
        frame, pose = CAMERA, numpy.identity(4)
        while frame != "map":
            frame, parent_from_frame = self.moving.get(frame) or self.fixed[frame]
            pose = parent_from_frame @ pose
        return pose

    def report(self):
        """Of a moment at which the robot's state is known, so that nothing has to be guessed between two."""
        if self.waiting is None or self.waiting.header.stamp != self.stamp or CAMERA not in self.fixed:
            return
        camera_from_map = numpy.linalg.inv(self.map_from_camera())
        seen = Detection3DArray()
        seen.header.stamp, seen.header.frame_id = self.stamp, CAMERA
        for thing in self.waiting.objects:
            one, result = Detection3D(), ObjectHypothesisWithPose()
            result.hypothesis.class_id, result.hypothesis.score = thing.id, 0.95
            result.pose.covariance = thing.pose.covariance
            one.results.append(result)
            pose = thing.pose.pose
            set_pose(one.bbox.center, camera_from_map @ matrix(pose.position, pose.orientation))
            one.bbox.size = thing.size
            seen.detections.append(one)
        self.waiting = None
        self.publisher.publish(seen)
        self.count += 1


def main():
    rclpy.init()
    node = rclpy.create_node("detector")
    detector = Detector(node)
    executor = SingleThreadedExecutor()
    executor.add_node(node)
    thread = threading.Thread(target=executor.spin)
    thread.start()
    while not detector.count or not detector.publisher.get_subscription_count():
        time.sleep(0.05)
    print("ready", flush=True)
    sys.stdin.read()
    executor.shutdown()
    thread.join()
    node.destroy_node()
    rclpy.try_shutdown()


main()
