"""Measures rclpy's own hop for `sinew bench bus --peer`: from publish in one process to the callback in another.

Reads lines `BYTES MESSAGES`, answers each with median and 99th percentile, s.
"""

import subprocess
import sys
import time

import rclpy
from rclpy.qos import QoSProfile
from std_msgs.msg import UInt8MultiArray

QOS = QoSProfile(depth=10)


def receive():
    rclpy.init()
    node = rclpy.create_node("hop_to")

    def hear(_):
        print(time.monotonic_ns(), flush=True)

    node.create_subscription(UInt8MultiArray, "rclpy_hop", hear, QOS)
    print("ready", flush=True)
    rclpy.spin(node)


def main():
    receiver = subprocess.Popen([sys.executable, __file__, "receive"], stdout=subprocess.PIPE, text=True)
    try:
        receiver.stdout.readline()
        rclpy.init()
        node = rclpy.create_node("hop_from")
        publisher = node.create_publisher(UInt8MultiArray, "rclpy_hop", QOS)
        while publisher.get_subscription_count() == 0:
            time.sleep(0.01)
        for line in sys.stdin:
            size, count = map(int, line.split())
            message = UInt8MultiArray(data=bytes(size))
            times = []
            for index in range(count + count // 10):
                sent = time.monotonic_ns()
                publisher.publish(message)
                received = int(receiver.stdout.readline())
                if index >= count // 10:
                    times.append((received - sent) * 1e-9)
            times.sort()
            print(times[len(times) // 2], times[len(times) * 99 // 100], flush=True)
    finally:
        receiver.kill()
        receiver.wait()


receive() if sys.argv[1:] == ["receive"] else main()
