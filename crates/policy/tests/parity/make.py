"""Makes networks of every kind that the policy runtime takes, each with a manifest and a rollout that Python's
onnxruntime has run: `make.py FOLDER` writes FOLDER/<id>/{model.onnx,<id>.policy.yaml,rollout.json}.

Weights are random and control nothing sensible; what is compared is what the runtime makes of them."""

import hashlib
import json
import pathlib
import sys

import numpy
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

TICKS = 20
RNG = numpy.random.default_rng(5)
JOINTS = [f"joint_{index}" for index in range(6)]


class Graph:
    """Nodes and weights of one network, in opset 17."""

    def __init__(self):
        self.nodes, self.weights, self.count = [], [], 0

    def weight(self, *shape, scale=None, dtype=numpy.float32):
        scale = scale if scale is not None else 1.0 / numpy.sqrt(shape[0])
        return self.constant((RNG.standard_normal(shape) * scale).astype(dtype))

    def constant(self, array):
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(numpy.asarray(array), name))
        return name

    def op(self, kind, *inputs, outputs=1, **attributes):
        names = [f"t{self.count + index}" for index in range(outputs)]
        self.count += outputs
        self.nodes.append(helper.make_node(kind, list(inputs), names, **attributes))
        return names[0] if outputs == 1 else names

    def linear(self, x, width, to, dtype=numpy.float32):
        weight = self.weight(width, to, dtype=dtype)
        return self.op("Add", self.op("MatMul", x, weight), self.weight(to, dtype=dtype))

    def mlp(self, x, widths, dtype=numpy.float32):
        for width, to in zip(widths[:-2], widths[1:-1]):
            x = self.op("Elu", self.linear(x, width, to, dtype))
        return self.linear(x, widths[-2], widths[-1], dtype)

    def reshape(self, x, *shape):
        return self.op("Reshape", x, self.constant(numpy.array(shape, numpy.int64)))

    def name(self, x, name):
        self.nodes.append(helper.make_node("Identity", [x], [name]))

    def model(self, inputs, outputs):
        """Inputs and outputs are (name, shape, element type)."""
        info = [[helper.make_tensor_value_info(name, kind, shape) for name, shape, kind in all]
                for all in (inputs, outputs)]
        graph = helper.make_graph(self.nodes, "net", *info, initializer=self.weights)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
        model.ir_version = 8
        onnx.checker.check_model(model)
        return model


F32, F16, I64 = TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT64
NUMPY = {F32: numpy.float32, F16: numpy.float16, I64: numpy.int64}


def terms(name, size):
    return {
        "kind": "observation", "name": name, "history": "none", "normalisation": "none",
        "terms": [{"source": "command", "name": name, "size": size, "unit": "any", "max_age_s": 0.1}],
    }


class Case:
    """One network: what goes in by name and shape, what is remembered, what comes out."""

    def __init__(self, id, model, observations, states=(), counter=None, images=None, chunk=None,
                 start=None, output="action"):
        self.id, self.model, self.observations = id, model, observations
        self.states, self.counter, self.images = states, counter, images
        self.chunk, self.start, self.output = chunk, start, output

    def write(self, folder):
        folder = folder / self.id
        folder.mkdir(parents=True)
        onnx.save(self.model, folder / "model.onnx")
        session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
        kinds = {value.name: value.type.tensor_type.elem_type for value in self.model.graph.input}
        shapes = {value.name: [max(1, dim.dim_value) for dim in value.type.tensor_type.shape.dim]
                  for value in self.model.graph.input}
        remembered = {}
        for name, _ in self.states:
            remembered[name] = numpy.zeros(shapes[name], NUMPY[kinds[name]])
        if self.start is not None:
            onnx.save(self.start, folder / "start.onnx")
            (value,) = onnxruntime.InferenceSession(str(folder / "start.onnx")).run(None, {})
            remembered[self.states[0][0]] = value
        ticks, count = [], 0
        for tick in range(TICKS):
            feed, seen, given, pictures = dict(remembered), {}, {}, {}
            for name, size in self.observations:
                values = RNG.standard_normal(size).astype(numpy.float32)
                given[name] = [float(value) for value in values]
                cast = values.astype(NUMPY[kinds[name]])
                feed[name] = cast.reshape(shapes[name])
                if kinds[name] == F32:
                    seen[name] = given[name]
            if self.images:
                name, camera, height, width = self.images
                picture = RNG.integers(0, 256, (height, width, 3), dtype=numpy.uint8)
                pictures[camera] = {"width": width, "height": height, "rgb": picture.flatten().tolist()}
                feed[name] = (picture.transpose(2, 0, 1)[None] / numpy.float32(255)).astype(numpy.float32)
            if self.counter:
                feed[self.counter] = numpy.full(shapes[self.counter], count, NUMPY[kinds[self.counter]])
            runs = self.chunk is None or tick % self.chunk == 0
            if runs:
                names = [output.name for output in session.get_outputs()]
                answer = dict(zip(names, session.run(None, feed)))
                action = answer[self.output].astype(numpy.float32).reshape(-1, len(JOINTS))
                for name, after in self.states:
                    remembered[name] = answer[after]
                count += 1
            row = action[tick % self.chunk if self.chunk else 0]
            values = [float(value) for value in row]
            ticks.append({"joint_position": [0.0] * len(JOINTS), "commands": given, "images": pictures,
                          "inputs": seen, "action": values, "target": values})
        largest = max(abs(value) for tick in ticks for value in tick["action"])
        rollout = {"joints": JOINTS, "observation_tolerance": 1e-6, "action_tolerance": 1e-5 * largest,
                   "target_tolerance": 1e-5 * largest, "ticks": ticks}
        (folder / "rollout.json").write_text(json.dumps(rollout))
        sha = lambda name: hashlib.sha256((folder / name).read_bytes()).hexdigest()
        inputs = [terms(name, size) for name, size in self.observations]
        for name, after in self.states:
            start = "zero" if self.start is None else {"model": {"file": "start.onnx", "sha256": sha("start.onnx")}}
            inputs.append({"kind": "state", "name": name, "from": after, "start": start})
        if self.counter:
            inputs.append({"kind": "counter", "name": self.counter, "start": 0.0, "step": 1.0})
        if self.images:
            name, camera, height, width = self.images
            inputs.append({"kind": "image", "name": name, "camera": camera, "width": width, "height": height,
                           "resize": "none", "normalisation": "none", "max_age_s": 0.1})
        manifest = {
            "id": self.id, "version": "1.0.0", "description": "Made by make.py.",
            "model": {"file": "model.onnx", "sha256": sha("model.onnx"), "output": self.output},
            "rate_hz": 50.0, "inputs": inputs,
            "action": {"mode": "position", "joints": JOINTS, "scale": 1.0, "offset": 0.0},
            "on_fault": "end", "budget": {"run_p99_s": 5.0, "warm_up_runs": 3},
            "golden": {"tolerance": 1e-4, "rollout": "rollout.json"},
        }
        if self.chunk:
            length = action.shape[0]
            manifest["chunk"] = {"length": length, "execute": self.chunk, "splice": "latest",
                                 "hold_ticks": 5}
        # JSON is YAML.
        (folder / f"{self.id}.policy.yaml").write_text(json.dumps(manifest, indent=1))


def mlp(id, batch=1, element=F32):
    graph, kind = Graph(), NUMPY[element]
    graph.name(graph.mlp("obs", [24, 64, 32, 6], kind), "action")
    model = graph.model([("obs", [batch, 24], element)], [("action", [batch, 6], element)])
    return Case(id, model, [("obs", 24)])


def recurrent(id, kind):
    graph, hidden, gates = Graph(), 16, {"LSTM": 4, "GRU": 3, "RNN": 1}[kind]
    x = graph.reshape("obs", 1, 1, 12)
    weights = [graph.weight(1, gates * hidden, 12, scale=0.3),
               graph.weight(1, gates * hidden, hidden, scale=0.3),
               graph.weight(1, 2 * gates * hidden, scale=0.1)]
    names = ["h"] + (["c"] if kind == "LSTM" else [])
    # The sequence lengths, which are left out, come before the states.
    outputs = graph.op(kind, x, *weights, "", *names, outputs=1 + len(names), hidden_size=hidden)
    for name, after in zip(names, outputs[1:]):
        graph.name(after, f"{name}_next")
    graph.name(graph.linear(graph.reshape(outputs[0], 1, hidden), hidden, 6), "action")
    shape = [1, 1, hidden]
    model = graph.model(
        [("obs", [1, 12], F32)] + [(name, shape, F32) for name in names],
        [("action", [1, 6], F32)] + [(f"{name}_next", shape, F32) for name in names])
    return Case(id, model, [("obs", 12)], states=[(name, f"{name}_next") for name in names])


def transformer(id, length=10, width=32):
    """Learned queries that attend to tokens of the observation: the decoder of ACT, one layer of it."""
    graph, tokens = Graph(), 8
    x = graph.reshape("obs", tokens, 3)
    keys, values = graph.linear(x, 3, width), graph.linear(x, 3, width)
    # From one query to another, step by step: so one action follows smoothly on the other, as in a trained one.
    first, last = RNG.standard_normal((2, width))
    share = numpy.linspace(0.0, 1.0, length)[:, None]
    queries = graph.constant((first * (1.0 - share) + last * share).astype(numpy.float32))
    score = graph.op("MatMul", queries, graph.op("Transpose", keys, perm=[1, 0]))
    score = graph.op("Div", score, graph.constant(numpy.float32(numpy.sqrt(width))))
    mixed = graph.op("MatMul", graph.op("Softmax", score, axis=-1), values)
    mixed = graph.op("Add", mixed, graph.mlp(mixed, [width, 64, width]))
    normal = graph.op("LayerNormalization", mixed, graph.weight(width), graph.weight(width))
    graph.name(graph.reshape(graph.linear(normal, width, 6), 1, length, 6), "action")
    model = graph.model([("obs", [1, 24], F32)], [("action", [1, length, 6], F32)])
    return Case(id, model, [("obs", 24)], chunk=length)


def camera(id):
    graph = Graph()
    x = graph.op("Relu", graph.op("Conv", "image", graph.weight(8, 3, 3, 3, scale=0.3), strides=[2, 2]))
    x = graph.op("Relu", graph.op("Conv", x, graph.weight(8, 8, 3, 3, scale=0.2), strides=[2, 2]))
    seen = graph.op("Flatten", graph.op("GlobalAveragePool", x))
    both = graph.op("Concat", seen, "state", axis=1)
    graph.name(graph.mlp(both, [14, 32, 6]), "action")
    model = graph.model([("image", [1, 3, 20, 24], F32), ("state", [1, 6], F32)], [("action", [1, 6], F32)])
    return Case(id, model, [("state", 6)], images=("image", "wrist", 20, 24))


def several(id):
    graph = Graph()
    graph.name(graph.mlp(graph.op("Concat", "pose", "goal", "contact", axis=0), [12, 32, 6]), "action")
    inputs = [("contact", [2], F32), ("pose", [7], F32), ("goal", [3], F32)]
    model = graph.model(inputs, [("action", [6], F32)])
    # Listed in another order than the graph has.
    return Case(id, model, [("pose", 7), ("goal", 3), ("contact", 2)])


def tracking(id):
    """Seven outputs, of which the action is one, and a step of time as i64."""
    graph = Graph()
    step = graph.op("Cast", "time_step", to=F32)
    x = graph.op("Concat", "obs", step, axis=1)
    graph.name(graph.mlp(x, [13, 32, 6]), "action")
    outputs = [("action", [1, 6], F32)]
    for name, size in [("joint_pos", 6), ("joint_vel", 6), ("body_pos", 9), ("body_quat", 12),
                       ("body_lin", 9), ("body_ang", 9)]:
        graph.name(graph.linear(x, 13, size), name)
        outputs.append((name, [1, size], F32))
    model = graph.model([("obs", [1, 12], F32), ("time_step", [1, 1], I64)], outputs)
    return Case(id, model, [("obs", 12)], counter="time_step")


def kinfer(id):
    """A step function without a batch, and a start function that gives its carry."""
    graph = Graph()
    x = graph.op("Concat", "joint_angles", "carry", axis=0)
    carry = graph.op("Tanh", graph.linear(x, 14, 8))
    graph.name(carry, "carry_out")
    graph.name(graph.linear(carry, 8, 6), "action")
    model = graph.model([("joint_angles", [6], F32), ("carry", [8], F32)],
                        [("action", [6], F32), ("carry_out", [8], F32)])
    start = Graph()
    start.name(start.weight(8, scale=1.0), "0")
    return Case(id, model, [("joint_angles", 6)], states=[("carry", "carry_out")],
                start=start.model([], [("0", [8], F32)]))


CASES = [
    mlp("mlp"), mlp("dynamic_batch", batch="batch"), mlp("float16", element=F16),
    recurrent("lstm", "LSTM"), recurrent("gru", "GRU"), recurrent("rnn", "RNN"),
    transformer("transformer"), transformer("long_transformer", length=16, width=64),
    camera("camera"), several("several_inputs"), tracking("tracking"), kinfer("kinfer_pair"),
]

if __name__ == "__main__":
    for case in CASES:
        case.write(pathlib.Path(sys.argv[1]))
