"""Writes the network of an ACT checkpoint of LeRobot as ONNX: normalised features in, a normalised chunk of actions out.

usage: export_lerobot.py CHECKPOINT OUT.onnx

Needs LeRobot (which brings PyTorch and safetensors), onnx and onnxruntime. Statistics stay in the checkpoint's processors,
which `sinew policy import` reads. The exported model is run beside PyTorch's on random inputs before it gets its name.
"""

import json
import os
import sys
from pathlib import Path

# Of the larger of the two outputs: float32 of two implementations.
TOLERANCE = 1e-4
CASES = 8


def fail(message):
    sys.exit(f"error: {message}")


def imports():
    """What is needed, or an error that says how to have it."""
    try:
        import numpy
        import onnx  # noqa: F401, the exporter's own need
        import onnxruntime
        import torch
    except ImportError as error:
        fail(f"{error} in {sys.executable}; install it there: pip install lerobot onnx onnxruntime")
    try:
        from lerobot.policies.act.modeling_act import ACTPolicy
    except ImportError as error:
        try:  # LeRobot before its packages moved.
            from lerobot.common.policies.act.modeling_act import ACTPolicy
        except ImportError:
            fail(f"{error} in {sys.executable}; install it there: pip install lerobot onnx onnxruntime")
    return numpy, onnxruntime, torch, ACTPolicy


def main():
    if len(sys.argv) != 3:
        fail(f"{len(sys.argv) - 1} arguments; allowed: CHECKPOINT OUT.onnx")
    checkpoint, out = Path(sys.argv[1]), Path(sys.argv[2])
    try:
        config = json.loads((checkpoint / "config.json").read_text())
    except (OSError, ValueError) as error:
        fail(f"{checkpoint / 'config.json'}: {error}")
    if config.get("type") != "act":
        fail(f"{checkpoint / 'config.json'}: type {config.get('type')}; allowed: act")

    numpy, onnxruntime, torch, ACTPolicy = imports()
    try:
        policy = ACTPolicy.from_pretrained(checkpoint)
    except Exception as error:  # LeRobot's and its libraries' own kinds, of which each version has others.
        fail(f"{checkpoint}: cannot be loaded by the LeRobot of {sys.executable}: {error}")
    policy.to("cpu").eval()
    features = policy.config.input_features
    pictures = list(policy.config.image_features)

    class Chunk(torch.nn.Module):
        """The network with one tensor per feature instead of a dictionary."""

        def __init__(self):
            super().__init__()
            self.network = policy.model

        def forward(self, *values):
            batch = dict(zip(features, values))
            if pictures:
                batch["observation.images"] = [batch[key] for key in pictures]
            return self.network(batch)[0]

    chunk = Chunk().eval()
    generator = torch.Generator().manual_seed(0)

    def inputs():
        return tuple(
            torch.randn((1, *feature.shape), generator=generator) for feature in features.values()
        )

    options = {"dynamo": False} if torch.__version__ >= (2, 5) else {}
    unfinished = out.with_name(out.name + ".unfinished")
    out.parent.mkdir(parents=True, exist_ok=True)
    with torch.no_grad():
        torch.onnx.export(
            chunk,
            inputs(),
            str(unfinished),
            input_names=list(features),
            output_names=["action_chunk"],
            opset_version=17,
            **options,
        )
        session = onnxruntime.InferenceSession(str(unfinished), providers=["CPUExecutionProvider"])
        worst = 0.0
        for _ in range(CASES):
            values = inputs()
            expected = chunk(*values).numpy()
            given = {key: value.numpy() for key, value in zip(features, values)}
            (actual,) = session.run(["action_chunk"], given)
            scale = max(1.0, float(numpy.abs(expected).max()))
            worst = max(worst, float(numpy.abs(actual - expected).max()) / scale)
    if not worst <= TOLERANCE:
        unfinished.unlink()
        fail(f"the exported model differs from PyTorch by {worst:.1e}; allowed: {TOLERANCE:.0e}")
    os.replace(unfinished, out)
    print(f"{out}: inputs {', '.join(features)}; differs from PyTorch by {worst:.1e} at most")


main()
