"""Measure aelectra beside its peers, in one run, interleaved, and print one table of ratios.

    python tests/peer/bench_peer.py --aelectra target/release/aelectra [--json results.json]

Without --aelectra only the peers are measured. See README.md beside this file for what each row is.
"""

import argparse
import json
import os
import platform
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from peer_contestants import (
    LIMITED_VARIANTS,
    LIMITS,
    AelectraCommand,
    ColdStart,
    Failure,
    Worker,
    aelectra_row,
    peer_row,
)
from peer_report import print_report

HERE = Path(__file__).resolve().parent
TRAINING = ["sdpa", "compile", "bf16"]
INFERENCE = [*TRAINING, "onnx", "onnx-int8", "openvino", "openvino-bf16", "openvino-int8"]
WORKLOADS = {
    "inference_32x128": INFERENCE,
    "inference_1x32": INFERENCE,
    "inference_ragged": INFERENCE,
    "finetune_16x128": TRAINING,
    "finetune_16x64": TRAINING,
    "pretrain_16x128": TRAINING,
    "cold_start": ["sdpa", "onnx"],
}
AELECTRA = {
    "inference_32x128": "bench inference --model {discriminator} --batch 32 --length 128",
    "inference_1x32": "bench inference --model {discriminator} --batch 1 --length 32",
    "inference_ragged": "bench inference --model {discriminator} --batch 32 --lengths {lengths}",
    "finetune_16x128": "bench finetune --model {ner} --batch 16 --length 128",
    "finetune_16x64": "bench finetune --model {ner} --batch 16 --length 64",
    "pretrain_16x128": "bench pretrain --batch 16 --length 128",
    "cold_start": "predict --model {ner} {sentence}",
}
SENTENCE = "Anna Larsen rejste fra Odense til Thisted i juni 2021."


def busy_seconds() -> float | None:
    """Processor seconds that the whole machine has been busy, on Linux."""
    try:
        fields = [int(x) for x in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    except OSError:
        return None
    user, nice, system, _idle, _iowait, irq, softirq, steal = fields
    return (user + nice + system + irq + softirq + steal) / 100.0


def open_contestants(workload: str, arguments, paths: dict[str, Path]) -> dict:
    """Every contestant of a workload by name, set up and warm; one that cannot start is a Failure with its reason."""
    contestants = {}
    for variant in WORKLOADS[workload]:
        if variant not in arguments.variants:
            continue
        print(f"  {workload}: starting {variant}", file=sys.stderr, flush=True)
        try:
            if workload == "cold_start":
                contestants[peer_row(variant)] = ColdStart.of_peer(variant, paths, SENTENCE, arguments.threads)
            else:
                contestants[peer_row(variant)] = Worker(workload, variant, paths, arguments.threads, arguments.warmup)
        except Failure as failure:
            contestants[peer_row(variant)] = failure
    if arguments.aelectra:
        modes = {"": "", **dict(mode.split("=", 1) for mode in arguments.aelectra_mode)}
        for mode, extra in modes.items():
            if "int8" in extra and workload.startswith(("finetune", "pretrain")):
                continue
            words = [word.format(**paths, sentence=SENTENCE) for word in shlex.split(AELECTRA[workload])]
            command = [arguments.aelectra, *words, *shlex.split(extra)]
            if workload == "cold_start":
                contestants[aelectra_row(mode)] = ColdStart(command, arguments.threads)
            else:
                contestants[aelectra_row(mode)] = AelectraCommand(command, arguments.threads)
    return contestants


def measure(workload: str, arguments, paths: dict[str, Path]) -> dict:
    """Rounds in which every contestant has its turn, so a slow minute of the machine hits all of them."""
    contestants = open_contestants(workload, arguments, paths)
    samples = {name: [] for name in contestants}
    started, before, own = time.monotonic(), busy_seconds(), 0.0
    for number in range(arguments.rounds):
        # The order turns with every round: nobody always follows the same neighbour.
        names = list(contestants)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            contestant = contestants[name]
            if isinstance(contestant, Failure):
                continue
            try:
                answer = contestant.run(arguments.seconds, arguments.min_repetitions)
            except Failure as failure:
                contestant.close()
                contestants[name] = failure
                continue
            own += answer.get("cpu_seconds", 0.0)
            samples[name].append(answer)
            print(
                f"  {workload} round {number + 1}/{arguments.rounds}: {name} {answer['median_ms']:.1f} ms",
                file=sys.stderr,
                flush=True,
            )
    wall, after = time.monotonic() - started, busy_seconds()
    foreign = None if before is None else max(0.0, (after - before - own) / (wall * arguments.cpus))
    rows = {}
    for name, contestant in contestants.items():
        if isinstance(contestant, Failure):
            rows[name] = {"failed": str(contestant)}
            continue
        medians = [answer["median_ms"] for answer in samples[name]]
        rows[name] = {
            "median_ms": statistics.median(medians),
            "min_ms": min(answer["min_ms"] for answer in samples[name]),
            "round_medians_ms": medians,
            "peak_rss_bytes": max(answer["peak_rss_bytes"] for answer in samples[name]),
            "repetitions": sum(answer["repetitions"] for answer in samples[name]),
            **contestant.details(),
        }
        contestant.close()
    return {"rows": rows, "foreign_cpu_share": foreign}


def prepare(directory: Path, arguments) -> dict[str, Path]:
    """Write the checkpoints, and the ONNX files if somebody needs them, in a process that ends before timing begins."""
    wanted = any(v.startswith(("onnx", "openvino")) for v in arguments.variants) and any(
        "onnx" in WORKLOADS[workload] for workload in arguments.workloads
    )
    in_8_bits = "openvino-int8" in arguments.variants and any(name.startswith("inf") for name in arguments.workloads)
    code = (
        "import sys; from pathlib import Path; sys.path.insert(0, sys.argv[2]); import peer_models; "
        "paths = peer_models.save_models(Path(sys.argv[1])); "
        + ("import peer_onnx; peer_onnx.export(paths['discriminator'], Path(sys.argv[1])); " if wanted else "")
        + ("peer_onnx.export_ner(paths['ner'], Path(sys.argv[1])); " if wanted else "")
        + ("import peer_openvino; directory = Path(sys.argv[1]); " if in_8_bits else "")
        + (
            "peer_openvino.quantise(directory / 'discriminator.onnx', directory / 'discriminator.int8.xml')"
            if in_8_bits
            else ""
        )
    )
    print("preparing models", file=sys.stderr, flush=True)
    done = subprocess.run(
        [sys.executable, "-c", code, str(directory), str(HERE)], check=False, capture_output=True, text=True
    )
    if done.returncode != 0:
        raise SystemExit(f"error: preparing the models failed:\n{done.stderr}")
    return {
        "models": directory,
        "discriminator": directory / "discriminator",
        "ner": directory / "ner",
        "lengths": arguments.lengths,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--aelectra", help="the binary to measure; a path")
    parser.add_argument(
        "--aelectra-mode",
        action="append",
        default=[],
        metavar="NAME=FLAGS",
        help="one more row, the binary with extra flags, such as bf16='--precision bf16'; 8 bits are for inference",
    )
    parser.add_argument(
        "--limit",
        choices=list(LIMITS),
        help="keep aelectra and PyTorch to an instruction set, and leave out who cannot be",
    )
    parser.add_argument("--workloads", nargs="+", default=list(WORKLOADS), choices=list(WORKLOADS))
    parser.add_argument("--variants", nargs="+", default=INFERENCE, choices=INFERENCE)
    parser.add_argument(
        "--lengths", type=Path, default=HERE / "lengths-565.json", help="sentence lengths of inference_ragged"
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=4.0, help="aim of one turn")
    parser.add_argument("--min-repetitions", type=int, default=2, help="of one turn, however long it takes")
    parser.add_argument("--warmup", type=int, default=3)
    parser.add_argument("--json", type=Path, help="also write every figure here")
    arguments = parser.parse_args()
    arguments.cpus = os.cpu_count() or 1
    if arguments.limit:
        os.environ.update(LIMITS[arguments.limit])
        arguments.variants = [variant for variant in arguments.variants if variant in LIMITED_VARIANTS]
    if arguments.aelectra and not Path(arguments.aelectra).exists():
        print(f"error: no file `{arguments.aelectra}`; build it with `cargo build --release`", file=sys.stderr)
        return 2

    with tempfile.TemporaryDirectory() as scratch:
        paths = prepare(Path(scratch), arguments)
        results = {workload: measure(workload, arguments, paths) for workload in arguments.workloads}
    document = {
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "cpus": arguments.cpus,
            "system": platform.platform(),
        },
        "threads": arguments.threads,
        "limit": arguments.limit,
        "rounds": arguments.rounds,
        "results": results,
    }
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print_report(document)
    return 1 if any("failed" in row for result in results.values() for row in result["rows"].values()) else 0


if __name__ == "__main__":
    sys.exit(main())
