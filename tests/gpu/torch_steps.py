"""PyTorch's time for the workloads of run.sh on a GPU, one JSON object a line: the peers' models, eager and compiled."""

import argparse
import gc
import json
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "peer"))

import torch  # noqa: E402
from peer_models import LABELS, JointPretraining, config, optimizer_for, pretraining_batch, random_ids  # noqa: E402
from transformers import ElectraForPreTraining, ElectraForTokenClassification  # noqa: E402


def synchronize(device: str) -> None:
    if device.startswith("cuda"):
        torch.cuda.synchronize()


def workloads(name: str, batch: int, length: int, device: str):
    """A function that does one repetition, given whether to compile and to use bf16."""
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: k for k, label in enumerate(LABELS)}}
    if name == "pretrain":
        model = JointPretraining()
        inputs = [tensor.to(device) for tensor in pretraining_batch(batch, length, 1)]
    elif name == "finetune":
        model = ElectraForTokenClassification(config(**labels))
        ids = random_ids(batch, length, 1).to(device)
        inputs = [ids, torch.randint(0, len(LABELS), ids.shape, device=device)]
    else:
        model = ElectraForPreTraining(config())
        inputs = [random_ids(batch, length, 1).to(device)]
    return model.to(device), inputs


def build(name: str, batch: int, length: int, device: str, precision: str, compiled: bool):
    torch.manual_seed(0)
    model, inputs = workloads(name, batch, length, device)
    kind = device.split(":")[0]
    if name == "inference":
        model.eval()
        forward = torch.compile(model) if compiled else model

        def infer():
            with torch.no_grad(), torch.autocast(kind, torch.bfloat16, enabled=precision == "bf16"):
                forward(input_ids=inputs[0])

        return infer
    model.train()
    optimizer = optimizer_for(model, 1e-4)
    forward = torch.compile(model) if compiled else model

    def step():
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(kind, torch.bfloat16, enabled=precision == "bf16"):
            if name == "pretrain":
                loss = forward(*inputs)
            else:
                loss = forward(input_ids=inputs[0], labels=inputs[1]).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch-device", default="cuda")
    parser.add_argument("--workload", choices=["pretrain", "finetune", "inference"], required=True)
    parser.add_argument("--batch", type=int, required=True)
    parser.add_argument("--length", type=int, required=True)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--variants", nargs="+", default=["f32", "bf16", "compile-bf16"])
    parser.add_argument("--wait-for", type=Path, help="begin, and measure once this file is there")
    parser.add_argument("--ready", type=Path, help="a file to make when it has begun")
    args = parser.parse_args()
    # As aelectra's f32 products, which are CubeK's choice among the tensor cores' TF32 and plain ones.
    torch.backends.cuda.matmul.allow_tf32 = True
    for variant in args.variants:
        row = {"who": f"PyTorch {variant}", "workload": args.workload, "batch": args.batch, "length": args.length}
        try:
            started = time.perf_counter()
            compiled = variant.startswith("compile")
            work = build(
                args.workload, args.batch, args.length, args.torch_device, variant.removeprefix("compile-"), compiled
            )
            work()
            synchronize(args.torch_device)
            first = time.perf_counter() - started
            if args.ready:
                args.ready.touch()
            while args.wait_for and not args.wait_for.exists():
                time.sleep(0.1)
            for _ in range(3):
                work()
            synchronize(args.torch_device)
            times = []
            for _ in range(args.steps):
                started = time.perf_counter()
                work()
                synchronize(args.torch_device)
                times.append(1e3 * (time.perf_counter() - started))
            row |= {"median_ms": statistics.median(times), "min_ms": min(times), "first_ms": 1e3 * first}
            row["tokens_per_second"] = 1e3 * args.batch * args.length / row["median_ms"]
            if args.torch_device.startswith("cuda"):
                # Without the context of CUDA, some hundreds of MB, which aelectra's figure has.
                row["peak_bytes"] = torch.cuda.max_memory_reserved()
        except Exception as error:  # noqa: BLE001 - a variant that fails keeps its row
            row["error"] = f"{type(error).__name__}: {error}"[:300]
        # The next variant's peak is its own.
        work = None
        gc.collect()
        if args.torch_device.startswith("cuda"):
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
