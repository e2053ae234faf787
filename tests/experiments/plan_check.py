"""Compare the seconds of a step that `aelectra plan` predicts with those that `aelectra bench pretrain` measures.

    python tests/experiments/plan_check.py --aelectra target/release/aelectra

`plan` times one shape of ELECTRA-Small on this machine; its rates are then applied to five others. By turns, on an idle
machine; the medians of the rounds are compared.
"""

import argparse
import json
import statistics
import subprocess

# Name, batch, length, layers; the first is the one that `plan` measures.
SHAPES = [
    ("16 × 128", 16, 128, 12),
    ("8 × 128", 8, 128, 12),
    ("32 × 128", 32, 128, 12),
    ("16 × 64", 16, 64, 12),
    ("8 × 256", 8, 256, 12),
    ("16 × 128, 6 layers", 16, 128, 6),
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aelectra", required=True)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()

    def run(*words) -> dict:
        command = [arguments.aelectra, *map(str, words), "--json"]
        return json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout)

    measured, speeds = {name: [] for name, *_ in SHAPES}, []
    for _ in range(arguments.rounds):
        for name, batch, length, layers in SHAPES:
            shape = ["--batch", batch, "--length", length, "--set", f"model.num_hidden_layers={layers}"]
            measured[name].append(run("bench", "pretrain", "--steps", 6, "--warmup", 2, *shape)["median_ms"])
        speeds.append(run("plan", "--set", "batch_size=16")["speed"])
    speed = sorted(speeds, key=lambda one: one["flops_per_second"])[len(speeds) // 2]
    print("| | measured ms | predicted ms | |\n| --- | ---: | ---: | ---: |")
    for name, batch, length, layers in SHAPES:
        # What a step takes does not depend on the device that is asked about.
        settings = ["--set", f"batch_size={batch}", "--length", length, "--set", f"model.num_hidden_layers={layers}"]
        cost = run("plan", "--on", "t4", *settings)
        passes = cost["flops_per_token"] * cost["tokens_per_step"] / speed["flops_per_second"]
        # Eight words of 32 bits a parameter, see `plan/cost.rs`.
        update = 32 * cost["parameters"] / speed["optimizer_bytes_per_second"]
        found, predicted = statistics.median(measured[name]), 1000 * (passes + update)
        print(f"| {name} | {found:.0f} | {predicted:.0f} | {100 * (predicted / found - 1):+.1f} % |")


if __name__ == "__main__":
    main()
