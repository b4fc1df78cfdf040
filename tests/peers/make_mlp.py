"""Makes the network of a humanoid's policy for benchmarks, 160-512-256-128-29 with random weights, and its manifest:
`make_mlp.py FOLDER`, then `sinew policy bench FOLDER/mlp.policy.yaml`."""

import hashlib
import json
import pathlib
import sys

import numpy
import onnx
from onnx import TensorProto, helper, numpy_helper

WIDTHS = [160, 512, 256, 128, 29]
JOINTS = [f"joint_{index}" for index in range(WIDTHS[-1])]

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
rng = numpy.random.default_rng(1)
nodes, weights, x = [], [], "obs"
for layer, (width, to) in enumerate(zip(WIDTHS, WIDTHS[1:])):
    matrix = rng.standard_normal((width, to)).astype(numpy.float32) / numpy.float32(numpy.sqrt(width))
    weights += [numpy_helper.from_array(matrix, f"w{layer}"),
                numpy_helper.from_array(numpy.zeros(to, numpy.float32), f"b{layer}")]
    is_last = layer == len(WIDTHS) - 2
    nodes.append(helper.make_node("Gemm", [x, f"w{layer}", f"b{layer}"], ["action" if is_last else f"h{layer}"]))
    if not is_last:
        nodes.append(helper.make_node("Elu", [f"h{layer}"], [f"x{layer}"]))
        x = f"x{layer}"
graph = helper.make_graph(
    nodes, "mlp",
    [helper.make_tensor_value_info("obs", TensorProto.FLOAT, [1, WIDTHS[0]])],
    [helper.make_tensor_value_info("action", TensorProto.FLOAT, [1, WIDTHS[-1]])], initializer=weights)
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
model.ir_version = 8
onnx.save(model, folder / "mlp.onnx")


def given(name, size):
    return {"source": "command", "name": name, "size": size, "unit": "any", "max_age_s": 0.1}


terms = [
    given("motion", 58), given("anchor_position", 3), given("anchor_rotation", 6),
    {"source": "base_linear_velocity", "max_age_s": 0.1},
    {"source": "imu_angular_velocity", "max_age_s": 0.1, "scale": 0.2},
    {"source": "joint_position", "joints": JOINTS, "max_age_s": 0.1, "offset": 0.1},
    {"source": "joint_velocity", "joints": JOINTS, "max_age_s": 0.1, "scale": 0.05},
    {"source": "last_action", "size": len(JOINTS)},
]
manifest = {
    "id": "mlp", "version": "1.0.0", "description": "For benchmarks: random weights.",
    "model": {"file": "mlp.onnx", "output": "action",
              "sha256": hashlib.sha256((folder / "mlp.onnx").read_bytes()).hexdigest()},
    "rate_hz": 50.0,
    "inputs": [{"kind": "observation", "name": "obs", "terms": terms, "normalisation": "none", "history": "none"}],
    "action": {"mode": "position", "joints": JOINTS, "scale": 0.25, "offset": 0.1,
               "gains": {"kp": 100.0, "kd": 2.0}},
    "on_fault": "end", "budget": {"run_p99_s": 0.01, "warm_up_runs": 20},
    "golden": {"tolerance": 1e-4, "cases": [{"inputs": {"obs": [0.0] * WIDTHS[0]}, "action": [0.0] * WIDTHS[-1]}]},
}
# JSON is YAML.
(folder / "mlp.policy.yaml").write_text(json.dumps(manifest, indent=1))
