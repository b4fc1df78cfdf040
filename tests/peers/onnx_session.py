"""Measures runs of Python's onnxruntime in blocks: `onnx_session.py MODEL [io_binding]` reads a number of runs per
line, and answers each with the median and the 99th percentile of their times in seconds."""

import sys
import time

import numpy
import onnxruntime

TYPES = {"tensor(float)": numpy.float32, "tensor(float16)": numpy.float16, "tensor(int64)": numpy.int64}

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
feed = {}
for value in session.get_inputs():
    shape = [size if isinstance(size, int) else 1 for size in value.shape]
    feed[value.name] = numpy.full(shape, 0.1, TYPES[value.type])
run = lambda: session.run(None, feed)
if "io_binding" in sys.argv[2:]:
    binding = session.io_binding()
    for name, value in feed.items():
        binding.bind_cpu_input(name, value)
    for value in session.get_outputs():
        binding.bind_output(value.name)
    run = lambda: session.run_with_iobinding(binding)

for line in sys.stdin:
    count, times = int(line), []
    for step in range(2 * count):
        begun = time.perf_counter()
        run()
        if step >= count:
            times.append(time.perf_counter() - begun)
    times.sort()
    print(times[count // 2], times[count * 99 // 100], flush=True)
