"""What the training scripts share: recording rounds, the network, export and the manifest.

Needs Debian's python3-torch and python3-numpy, and this repository's `sinew-record`.
Everything is seeded; PyTorch runs on one thread, so that a run can be repeated.
"""

import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile
import time

import numpy
import torch

ROOT = pathlib.Path(__file__).resolve().parent.parent


class ErrorFeedback(torch.nn.Module):
    """action = M(observation) @ error(observation).

    A multilayer perceptron gives the matrix M; `error` picks what vanishes at the goal. So the action
    is exactly zero at the goal, whatever the weights are, and the robot comes to rest there.
    """

    def __init__(self, observation, error, action, hidden):
        super().__init__()
        self.error, self.action = error, action
        self.width = error(torch.zeros(1, observation)).shape[1]
        layers, width = [], observation
        for size in hidden:
            layers += [torch.nn.Linear(width, size), torch.nn.ELU()]
            width = size
        layers += [torch.nn.Linear(width, action * self.width)]
        self.network = torch.nn.Sequential(*layers)
        with torch.no_grad():
            layers[-1].weight.mul_(0.1)

    def forward(self, observation):
        matrix = self.network(observation).reshape(-1, self.action, self.width)
        return (matrix * self.error(observation).unsqueeze(1)).sum(dim=2)


def record(task, episodes, seed, policy_share, folder):
    """Runs the recorder in the simulator; gives the rows as one array."""
    out = folder / f"{task}-{seed}.npy"
    command = [
        "cargo", "run", "--quiet", "-p", "sinew-record", "--",
        "record", task, "--episodes", str(episodes), "--seed", str(seed),
        "--policy-share", str(policy_share), "--out", str(out),
    ]
    print("+", " ".join(command[5:]), flush=True)
    subprocess.run(command, cwd=ROOT, check=True)
    return numpy.load(out)


def fit(model, rows, weight, steps, batch=1024, rate=2e-3, seed=0):
    """Minimises the weighted squared error; `weight(observation)` is one number per row."""
    data = torch.from_numpy(rows)
    observation, action = data[:, : -model.action], data[:, -model.action :]
    weights = weight(observation).unsqueeze(1)
    generator = torch.Generator().manual_seed(seed)
    optimiser = torch.optim.Adam(model.parameters(), lr=rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    started, running = time.time(), 0.0
    for step in range(steps):
        pick = torch.randint(len(data), (batch,), generator=generator)
        error = model(observation[pick]) - action[pick]
        loss = (weights[pick] * error**2).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
        running = loss.item() if step == 0 else 0.99 * running + 0.01 * loss.item()
        if (step + 1) % (steps // 5) == 0:
            print(f"  step {step + 1}: loss {running:.6f} ({time.time() - started:.0f} s)", flush=True)


def export(model, manifest, rows, cases=6):
    """Writes the .onnx beside the manifest, and its hash and golden cases into the manifest."""
    text = manifest.read_text()
    onnx = manifest.parent / re.search(r"^  file: (\S+)$", text, re.M).group(1)
    width = rows.shape[1] - model.action
    model.eval()
    torch.onnx.export(
        model, torch.zeros(1, width), str(onnx), opset_version=15,
        input_names=["observation"], output_names=["action"],
    )
    digest = hashlib.sha256(onnx.read_bytes()).hexdigest()
    text = re.sub(r'^  sha256: "[0-9a-f]{64}"$', f'  sha256: "{digest}"', text, flags=re.M)
    lines = [text[: text.index("# Written by train.py.\ngolden:")] + "# Written by train.py."]
    lines += ["golden:", "  tolerance: 0.0001", "  cases:"]
    pick = numpy.random.default_rng(7).choice(len(rows), cases, replace=False)
    with torch.no_grad():
        for row in rows[pick, :width]:
            action = model(torch.from_numpy(row[None]))[0].numpy()
            lines += ["    - inputs:", "        observation: " + numbers(row)]
            lines += ["      action: " + numbers(action)]
    manifest.write_text("\n".join(lines) + "\n")
    print(f"{onnx.relative_to(ROOT)}: {onnx.stat().st_size / 1000:.0f} kB, sha256 {digest[:12]}")


def numbers(values):
    return "[" + ", ".join(f"{value:.9g}" for value in values) + "]"


def run(task, make_model, weight, rounds, steps):
    """Records and fits round after round; from the second on, the policy drives part of the way."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    manifest = ROOT / "policies" / task / f"{task}.policy.yaml"
    started, rows, model = time.time(), None, make_model()
    with tempfile.TemporaryDirectory() as folder:
        for index, (episodes, policy_share) in enumerate(rounds):
            new = record(task, episodes, 10 + index, policy_share, pathlib.Path(folder))
            rows = new if rows is None else numpy.concatenate([rows, new])
            last = index + 1 == len(rounds)
            print(f"round {index + 1}: {len(rows)} rows", flush=True)
            fit(model, rows, weight, steps if last else steps // 3, seed=index)
            export(model, manifest, rows)
    print(f"{task}: {time.time() - started:.0f} s in all")
    sys.stdout.flush()
