"""OpenVINO as a peer: the exported ONNX model compiled for the CPU in a precision of its own choice or ours."""

from pathlib import Path

import openvino

PRECISIONS = {"openvino": "f32", "openvino-bf16": "bf16", "openvino-int8": "f32"}
CALIBRATION_BATCHES = 32


def quantise(single: Path, quantised: Path) -> None:
    """Post-training quantisation of weights and activations as nncf does it for transformers, on random text."""
    import nncf

    import peer_models

    def batch(seed: int) -> dict:
        ids = peer_models.random_ids(4, 64, seed).numpy()
        return {"input_ids": ids, "attention_mask": ids * 0 + 1}

    model = nncf.quantize(
        openvino.Core().read_model(single),
        nncf.Dataset([batch(seed) for seed in range(CALIBRATION_BATCHES)]),
        model_type=nncf.ModelType.TRANSFORMER,
        subset_size=CALIBRATION_BATCHES,
    )
    openvino.save_model(model, quantised, compress_to_fp16=False)


def compiled(path: Path, threads: int, variant: str) -> openvino.CompiledModel:
    options = {
        "INFERENCE_NUM_THREADS": threads,
        "INFERENCE_PRECISION_HINT": PRECISIONS[variant],
        "PERFORMANCE_HINT": "LATENCY",
    }
    core = openvino.Core()
    return core.compile_model(core.read_model(path), "CPU", options)
