"""OpenVINO as a peer: the exported ONNX model compiled for the CPU in a precision of its own choice or ours."""

from pathlib import Path

import openvino

PRECISIONS = {"openvino": "f32", "openvino-bf16": "bf16"}


def compiled(path: Path, threads: int, variant: str) -> openvino.CompiledModel:
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": PRECISIONS[variant],
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = openvino.Core()
    return core.compile_model(core.read_model(path), "CPU", options)
