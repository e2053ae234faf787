"""ONNX Runtime as a peer: export of the discriminator, float32 and dynamically quantised int8 sessions."""

import warnings
from pathlib import Path

import onnx
import onnxruntime
import torch
from onnxruntime.quantization import QuantType, quantize_dynamic
from transformers import ElectraForPreTraining, ElectraForTokenClassification


class Logits(torch.nn.Module):
    """Tensors in, tensor out: what the exporter wants."""

    def __init__(self, model: torch.nn.Module):
        super().__init__()
        self.model = model

    def forward(self, input_ids, attention_mask):
        return self.model(input_ids=input_ids, attention_mask=attention_mask).logits


def export_model(model: torch.nn.Module, path: Path) -> None:
    """Batch and length stay dynamic."""
    module = Logits(model).eval()
    ids = torch.randint(5, 100, (2, 16))
    shape = {0: torch.export.Dim("batch", min=1, max=1024), 1: torch.export.Dim("length", min=2, max=512)}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module,
            (ids, torch.ones_like(ids)),
            path,
            input_names=["input_ids", "attention_mask"],
            output_names=["logits"],
            dynamic_shapes={"input_ids": shape, "attention_mask": shape},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    # The exporter's own shape annotations get in the way of the quantiser; it infers shapes itself.
    graph = onnx.load(path)
    del graph.graph.value_info[:]
    onnx.save(graph, path)


def export(discriminator: Path, directory: Path) -> None:
    """discriminator.onnx and discriminator.int8.onnx."""
    single, quantised = directory / "discriminator.onnx", directory / "discriminator.int8.onnx"
    export_model(ElectraForPreTraining.from_pretrained(discriminator), single)
    quantize_dynamic(single, quantised, weight_type=QuantType.QInt8)
    kinds = {node.op_type for node in onnx.load(quantised).graph.node}
    if not kinds & {"MatMulInteger", "DynamicQuantizeMatMul"}:
        raise RuntimeError("the quantiser left every matrix product in float32")


def export_ner(ner: Path, directory: Path) -> None:
    export_model(ElectraForTokenClassification.from_pretrained(ner), directory / "ner.onnx")


def session(path: Path, threads: int):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
