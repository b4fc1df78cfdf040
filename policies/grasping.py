"""What the training scripts of the grasping policies share: chunks of actions, with and without pictures."""

import hashlib
import json
import pathlib
import re
import subprocess
import tempfile
import time

import numpy
import torch

import training

CHUNK, ACTION = 16, 7
ARM = [
    "arm_pan_joint", "arm_shoulder_joint", "arm_elbow_joint",
    "arm_forearm_roll_joint", "arm_wrist_pitch_joint", "arm_wrist_roll_joint",
]


class Chunks(torch.nn.Module):
    """Gives the actions of the next ticks from one observation."""

    def __init__(self, observation, hidden):
        super().__init__()
        layers, width = [], observation
        for size in hidden:
            layers += [torch.nn.Linear(width, size), torch.nn.ELU()]
            width = size
        self.network = torch.nn.Sequential(*layers, torch.nn.Linear(width, CHUNK * ACTION))

    def forward(self, observation):
        return self.network(observation).reshape(-1, CHUNK, ACTION)


class SeeingChunks(torch.nn.Module):
    """The same from a picture and an observation."""

    def __init__(self, observation):
        super().__init__()
        self.eye = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 5, stride=2, padding=2), torch.nn.ELU(),
            torch.nn.Conv2d(16, 32, 3, stride=2, padding=1), torch.nn.ELU(),
            torch.nn.Conv2d(32, 32, 3, stride=2, padding=1), torch.nn.ELU(),
            torch.nn.Flatten(), torch.nn.Linear(32 * 8 * 8, 96), torch.nn.ELU(),
        )
        self.hand = Chunks(96 + observation, [128])

    def forward(self, image, observation):
        return self.hand(torch.cat([self.eye(image), observation], dim=1))


def record(task, episodes, seed, policy_share, folder):
    """Runs the recorder in the simulator; gives rows, and pictures if there are any."""
    out = folder / f"{task}-{seed}.npy"
    command = [
        "cargo", "run", "--release", "--quiet", "-p", "sinew-record", "--",
        "record", task, "--episodes", str(episodes), "--seed", str(seed),
        "--policy-share", str(policy_share), "--out", str(out),
    ]
    print("+", " ".join(command[6:]), flush=True)
    subprocess.run(command, cwd=training.ROOT, check=True)
    pictures = out.with_suffix(".pictures.npy")
    return numpy.load(out), numpy.load(pictures) if pictures.exists() else None


def fit(model, rows, pictures, steps, batch, rate, seed):
    """Minimises the squared error of chunks; the nearer an action, the more it counts."""
    width = rows.shape[1] - CHUNK * ACTION
    data = torch.from_numpy(rows)
    seen = None if pictures is None else torch.from_numpy(pictures).reshape(-1, 64, 64, 3)
    weights = torch.linspace(1.0, 0.4, CHUNK)[None, :, None]
    # Errors of the fingers are few ticks long, but decide.
    weights = weights * torch.tensor([1.0] * 6 + [0.5])
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    started, running = time.time(), 0.0
    for step in range(steps):
        pick = torch.randint(len(data), (batch,), generator=generator)
        inputs = [data[pick, :width]]
        if seen is not None:
            image = seen[pick].permute(0, 3, 1, 2).float() / 255.0
            # Another light: brightness and tint of the whole picture.
            tint = 1.0 + 0.15 * (2.0 * torch.rand(batch, 3, 1, 1, generator=generator) - 1.0)
            inputs.insert(0, (image * tint).clamp(0.0, 1.0))
        error = model(*inputs) - data[pick, width:].reshape(-1, CHUNK, ACTION)
        loss = (weights * error**2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        running = loss.item() if step == 0 else 0.99 * running + 0.01 * loss.item()
    print(f"  {steps} steps: loss {running:.6f} ({time.time() - started:.0f} s)", flush=True)


def export(model, manifest, rows, pictures):
    """Writes the .onnx beside the manifest, and its hash and golden data."""
    text = manifest.read_text()
    onnx = manifest.parent / re.search(r"^  file: (\S+)$", text, re.M).group(1)
    width = rows.shape[1] - CHUNK * ACTION
    model.eval()
    example, names = (torch.zeros(1, width),), ["observation"]
    if pictures is not None:
        example, names = (torch.zeros(1, 3, 64, 64),) + example, ["image"] + names
    torch.onnx.export(
        model, example, str(onnx), opset_version=15, input_names=names, output_names=["action"],
    )
    digest = hashlib.sha256(onnx.read_bytes()).hexdigest()
    text = re.sub(r'^  sha256: "[0-9a-f]{64}"$', f'  sha256: "{digest}"', text, flags=re.M)
    lines = [text[: text.index("# Written by train.py.\ngolden:")] + "# Written by train.py.", "golden:"]
    lines += ["  tolerance: 0.0001"]
    pick = numpy.random.default_rng(7).choice(len(rows), 4, replace=False)
    with torch.no_grad():
        if pictures is None:
            lines += ["  cases:"]
            for row in rows[pick, :width]:
                action = model(torch.from_numpy(row[None]))[0].numpy().ravel()
                lines += ["    - inputs:", "        observation: " + training.numbers(row)]
                lines += ["      action: " + training.numbers(action)]
        else:
            rollout = manifest.with_suffix("").with_suffix(".rollout.json")
            lines += [f"  rollout: {rollout.name}"]
            rollout.write_text(json.dumps(golden_rollout(model, rows[pick[0]], pictures[pick[0]])))
    manifest.write_text("\n".join(lines) + "\n")
    print(f"{onnx.relative_to(training.ROOT)}: {onnx.stat().st_size / 1000:.0f} kB, sha256 {digest[:12]}")


def golden_rollout(model, row, picture):
    """One picture, and the first two actions of the chunk that follows it."""
    # As the manifest scales them: width, m, and force, N.
    width_m, force_n = 0.04 + row[0] / 25.0, row[1] * 12.0
    observation = numpy.array([(width_m - 0.04) * 25.0, force_n * 0.0833333], dtype=numpy.float32)
    image = torch.from_numpy(picture).reshape(1, 64, 64, 3).permute(0, 3, 1, 2).float() / 255.0
    chunk = model(image, torch.from_numpy(observation[None]))[0].numpy()
    ticks = [
        {
            "joint_position": [0.0, -1.512737, 1.777193, 0.0, 1.306340, 0.0],
            "joint_velocity": [0.0] * 6, "joint_effort": [0.0] * 6,
            "grippers": [[float(width_m), float(force_n)]],
            "imu": None, "base_linear_velocity": None, "base_angular_velocity": None,
            "commands": {}, "inputs": {}, "target": [],
            "images": {"wrist": {"width": 64, "height": 64, "rgb": picture.ravel().tolist()}} if tick == 0 else {},
            "action": [float(value) for value in chunk[tick]],
        }
        for tick in range(2)
    ]
    return {
        "joints": ARM, "observation_tolerance": 1e-5, "action_tolerance": 1e-4,
        "target_tolerance": 1.0, "ticks": ticks,
    }


def run(task, make_model, width, rounds, steps, batch, rate, sees=False):
    """Records and fits round after round; from the second on, the policy drives part of the way."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    manifest = training.ROOT / "policies" / task / f"{task}.policy.yaml"
    started, rows, pictures, model = time.time(), None, None, make_model()
    # The recorder reads the manifest, which must be whole.
    blank = numpy.zeros((4, width + CHUNK * ACTION), dtype=numpy.float32)
    export(model, manifest, blank, numpy.zeros((4, 12288), dtype=numpy.uint8) if sees else None)
    with tempfile.TemporaryDirectory() as folder:
        for index, (episodes, policy_share) in enumerate(rounds):
            model.train()
            new, seen = record(task, episodes, 10 + index, policy_share, pathlib.Path(folder))
            rows = new if rows is None else numpy.concatenate([rows, new])
            if sees:
                pictures = seen if pictures is None else numpy.concatenate([pictures, seen])
            print(f"round {index + 1}: {len(rows)} rows", flush=True)
            fit(model, rows, pictures, steps[index], batch, rate, seed=index)
            export(model, manifest, rows, pictures)
    print(f"{task}: {time.time() - started:.0f} s in all", flush=True)
