"""Tag one sentence from a cold start, as a small script of a user would: python peer_cold_start.py VARIANT MODELS TEXT THREADS"""

import json
import sys
from pathlib import Path


def with_torch(directory: Path, text: str, threads: int) -> list[str]:
    import torch
    from transformers import AutoModelForTokenClassification, AutoTokenizer

    torch.set_num_threads(threads)
    tokenizer = AutoTokenizer.from_pretrained(directory)
    model = AutoModelForTokenClassification.from_pretrained(directory).eval()
    with torch.inference_mode():
        best = model(**tokenizer(text, return_tensors="pt")).logits[0].argmax(-1).tolist()
    return [model.config.id2label[k] for k in best]


def with_onnx(directory: Path, onnx_file: Path, text: str, threads: int) -> list[str]:
    import numpy
    import onnxruntime
    from tokenizers import Tokenizer

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(onnx_file), options, providers=["CPUExecutionProvider"])
    ids = numpy.array([Tokenizer.from_file(str(directory / "tokenizer.json")).encode(text).ids], dtype=numpy.int64)
    logits = session.run(None, {"input_ids": ids, "attention_mask": numpy.ones_like(ids)})[0]
    labels = json.loads((directory / "config.json").read_text())["id2label"]
    return [labels[str(k)] for k in logits[0].argmax(-1)]


if __name__ == "__main__":
    variant, models, text, threads = sys.argv[1], Path(sys.argv[2]), sys.argv[3], int(sys.argv[4])
    if variant == "onnx":
        print(with_onnx(models / "ner", models / "ner.onnx", text, threads))
    else:
        print(with_torch(models / "ner", text, threads))
