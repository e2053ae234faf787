"""Write the text that the cpu-small run of EXPERIMENTS.md (2026-11-25) was pretrained on.

    python tests/experiments/mixture.py train-modern.jsonl.zst mixture.jsonl

From JSON lines with `text` and `source` it takes parliament whole, the sentences of the treebank's training part
ten times, and samples of acts and of software documentation, so that a small network sees people and places more
often than paragraphs. Needs the `zstd` command.
"""

import argparse
import json
import random
import subprocess
from collections import defaultdict

SEED = 20261125
ACTS, PARLIAMENT, NEWS = "retsinformation", "folketinget", "ddt-train"


def megabytes(line: str) -> float:
    return len(json.loads(line)["text"].encode()) / 1e6


def sample(lines: list[str], most: float, rng: random.Random) -> list[str]:
    """Documents in random order, each that still fits into `most` megabytes."""
    lines, total, taken = lines[:], 0, []
    rng.shuffle(lines)
    for line in lines:
        size = round(megabytes(line) * 1e6)
        if (total + size) / 1e6 <= most:
            total += size
            taken.append(line)
    return taken


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input", help="JSON lines, compressed with zstd")
    parser.add_argument("output")
    parser.add_argument("--news-repeats", type=int, default=10)
    parser.add_argument("--acts-mb", type=float, default=20)
    parser.add_argument("--documentation-mb", type=float, default=15)
    arguments = parser.parse_args()
    text = subprocess.run(["zstd", "-dc", arguments.input], check=True, capture_output=True, text=True).stdout
    groups = defaultdict(list)
    for line in text.removesuffix("\n").split("\n"):
        source = json.loads(line)["source"]
        groups[source if source in (ACTS, PARLIAMENT, NEWS) else "documentation"].append(line + "\n")
    rng = random.Random(SEED)
    lines = groups[PARLIAMENT] + groups[NEWS] * arguments.news_repeats
    lines += sample(groups[ACTS], arguments.acts_mb, rng)
    lines += sample(groups["documentation"], arguments.documentation_mb, rng)
    rng.shuffle(lines)
    with open(arguments.output, "w") as output:
        output.writelines(lines)
    print(f"{len(lines)} documents, {sum(map(megabytes, lines)):.1f} MB")


if __name__ == "__main__":
    main()
