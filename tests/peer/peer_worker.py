"""One contestant in a process of its own: set up, warm up, then time as many repetitions as standard input asks for.

    python peer_worker.py --workload inference_32x128 --variant sdpa --models DIR --lengths FILE --threads 2

Prints one JSON line when ready and one for each line read (a number of repetitions). A process each keeps peak memory
apart and lets the driver interleave contestants without paying for their set-up again.
"""

import argparse
import contextlib
import json
import os
import resource
import sys
import time
from pathlib import Path


def build(arguments):
    """A function that does the work once and returns something to compare or to check for finiteness."""
    import torch
    import transformers

    import peer_models

    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(arguments.threads)
    torch.set_num_interop_threads(1)
    torch.manual_seed(0)
    kind, _, shape = arguments.workload.partition("_")
    variant = arguments.variant

    def precision():
        return torch.autocast("cpu", torch.bfloat16) if variant == "bf16" else contextlib.nullcontext()

    def compiled(module, dynamic=None):
        return torch.compile(module, dynamic=dynamic) if variant == "compile" else module

    if kind == "inference":
        ragged = shape == "ragged"
        if ragged:
            batches = peer_models.ragged_batches(json.loads(Path(arguments.lengths).read_text())["lengths"], 32)
        else:
            rows, width = map(int, shape.split("x"))
            batches = [{"input_ids": peer_models.random_ids(rows, width, 1)}]
        if variant.startswith("onnx"):
            import peer_onnx

            name = {"onnx": "discriminator.onnx", "onnx-int8": "discriminator.int8.onnx"}[variant]
            session = peer_onnx.session(Path(arguments.models) / name, arguments.threads)
            feeds = [
                {
                    "input_ids": batch["input_ids"].numpy(),
                    "attention_mask": batch.get("attention_mask", torch.ones_like(batch["input_ids"])).numpy(),
                }
                for batch in batches
            ]
            return lambda: torch.from_numpy([session.run(None, feed)[0] for feed in feeds][-1])
        if variant.startswith("openvino"):
            import peer_openvino

            name = {"openvino-int8": "discriminator.int8.xml"}.get(variant, "discriminator.onnx")
            file = Path(arguments.models) / name
            model = peer_openvino.compiled(file, arguments.threads, variant)
            feeds = [
                [batch["input_ids"].numpy(), batch.get("attention_mask", torch.ones_like(batch["input_ids"])).numpy()]
                for batch in batches
            ]
            return lambda: torch.from_numpy([model(feed)[0] for feed in feeds][-1])
        model = transformers.ElectraForPreTraining.from_pretrained(Path(arguments.models) / "discriminator").eval()
        model.set_attn_implementation("sdpa")
        if variant == "bf16":
            # Once: autocast would round the weights anew in every pass.
            model = model.to(torch.bfloat16)
        module = compiled(model, dynamic=True if ragged else None)

        def infer():
            with torch.inference_mode():
                return [module(**batch).logits for batch in batches][-1].float()

        return infer

    rows, width = map(int, shape.split("x"))
    if kind == "finetune":
        model = transformers.ElectraForTokenClassification.from_pretrained(Path(arguments.models) / "ner")
        model.set_attn_implementation("sdpa")
        ids = [peer_models.random_ids(rows, width, seed) for seed in range(4)]
        labels = torch.randint(0, len(peer_models.LABELS), (rows, width))
        labels[:, [0, -1]] = -100
        module = compiled(model)
        losses = [lambda batch=batch: module(input_ids=batch, labels=labels).loss for batch in ids]
    else:
        model = peer_models.JointPretraining()
        module = compiled(model)
        batches = [peer_models.pretraining_batch(rows, width, seed) for seed in range(4)]
        losses = [lambda batch=batch: module(*batch) for batch in batches]
    model.train()
    optimizer = peer_models.optimizer_for(model, 1e-4)
    parameters = list(model.parameters())
    counter = iter(range(1 << 60))

    def step():
        with precision():
            loss = losses[next(counter) % len(losses)]()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        return loss.detach().reshape(1)

    return step


def rss_bytes(peak: bool) -> int:
    if peak:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    pages = int(Path("/proc/self/statm").read_text().split()[1]) if Path("/proc/self/statm").exists() else 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--workload", required=True)
    parser.add_argument("--variant", required=True)
    parser.add_argument("--models", required=True)
    parser.add_argument("--lengths", required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--warmup", type=int, default=3)
    arguments = parser.parse_args()
    # Libraries that print must not get between the driver and the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)

    import torch  # noqa: F401  (imported here so that the figure below is what Python and its libraries alone take)

    imported = rss_bytes(peak=False)
    work = build(arguments)
    milliseconds, result = [], None
    for _ in range(arguments.warmup):
        started = time.perf_counter()
        result = work()
        milliseconds.append((time.perf_counter() - started) * 1e3)
    ready = {"warmup_ms": milliseconds, "finite": bool(result.isfinite().all()), "rss_after_import_bytes": imported}
    if arguments.workload.startswith("inference"):
        ready["logits"] = result.flatten()[:512].tolist()
    print(json.dumps(ready), file=answers)

    for line in sys.stdin:
        milliseconds, used = [], time.process_time()
        for _ in range(int(line)):
            started = time.perf_counter()
            result = work()
            milliseconds.append((time.perf_counter() - started) * 1e3)
        answer = {
            "ms": milliseconds,
            "finite": bool(result.isfinite().all()),
            "cpu_seconds": time.process_time() - used,
            "peak_rss_bytes": rss_bytes(peak=True),
        }
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
