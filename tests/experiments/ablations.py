"""Ablations of the recipe `cpu-small` (rows `now…`, with Adam unless they say Muon) and of what it was before: one change at a time, the same budget of processor time for each.

    python tests/experiments/ablations.py --aelectra target/release/aelectra --text train-modern.jsonl.zst \\
        --ner danplus-ddt-4 --out ablations [--minutes 10] [--jobs 2] [ROW ...]

Each row pretrains on one thread for the steps that fit into the budget (measured beforehand by `bench pretrain`), is then
fine-tuned with each rate of `RATES` by the first seed and with the best on dev by all of `--seeds`, and is a line of
`OUT/table.md`. Rows that are there already are not done again, so the script may be killed at any time. As many rows at a
time as there are processors, each on one thread, use a machine better than one row on all of them.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

EPOCHS = 5
RATES = "[5e-4,1e-3,2e-3]"


@dataclass
class Row:
    """What a row changes: keys of the recipe, its vocabulary, its mixture of sources."""

    set: dict = field(default_factory=dict)
    vocabulary: int = 16000
    mixture: str = "plain"
    seed: int = 1
    recipe: str = "cpu-small-2026-11"


def now(seed: int = 1, vocabulary: int = 16000, mixture: str = "plain", **set) -> Row:
    return Row({"optimizer.muon": 0.0} | set, vocabulary, mixture, seed, "cpu-small")


def shape(hidden: int, layers: int = 3, **others) -> dict:
    return {
        "model.hidden_size": hidden,
        "model.intermediate_size": 4 * hidden,
        "model.num_attention_heads": hidden // 64,
        "model.num_hidden_layers": layers,
        **others,
    }


MIXTURES = {
    # That of EXPERIMENTS.md, 2026-11-25.
    "plain": [],
    # Fewer acts, and the treebank's own sentences more often.
    "news": ["--news-repeats", "30", "--acts-mb", "6", "--documentation-mb", "12"],
}

GDES = {"embedding_sharing": "gdes"}
MUON = {"optimizer.muon": 1.0}
ROWS = {
    "base": Row(),
    "base-seed2": Row(seed=2),
    "news": Row(mixture="news"),
    "vocab-8k": Row(vocabulary=8000),
    "gdes": Row(GDES),
    "generator-half": Row({"generator_size": 0.5}),
    "generator-quarter": Row({"generator_size": 0.25}),
    "generator-half-gdes": Row({"generator_size": 0.5, **GDES}),
    "generator-half-gdes-seed2": Row({"generator_size": 0.5, **GDES}, seed=2),
    "generator-half-gdes-layers-6": Row(shape(128, 6, generator_size=0.5, **GDES)),
    "generator-half-gdes-vocab-8k": Row({"generator_size": 0.5, **GDES}, vocabulary=8000),
    "generator-quarter-gdes": Row({"generator_size": 0.25, **GDES}),
    "generator-quarter-gdes-rate-2.4e-3": Row({"generator_size": 0.25, "learning_rate": 2.4e-3, **GDES}),
    "rate-2.4e-3": Row({"learning_rate": 2.4e-3}),
    "mask-0.15": Row({"mask_prob": 0.15}),
    "mask-0.3": Row({"mask_prob": 0.3}),
    "cold-samples": Row({"sampling_temperature": 0.5}),
    "whole-words": Row({"whole_word_masking": True}),
    "batch-16": Row({"batch_size": 16}),
    "hidden-256": Row(shape(256)),
    "hidden-256-generator-quarter-gdes": Row(shape(256, generator_size=0.25, **GDES)),
    "layers-6": Row(shape(128, 6)),
    "mlm": Row({"objective": "mlm"}),
    "now": now(),
    "now-seed2": now(seed=2),
    "now-muon": now(**MUON),
    "now-muon-seed2": now(seed=2, **MUON),
    "now-muon-half": now(**{"optimizer.muon": 0.5}),
    "now-muon-twice": now(**{"optimizer.muon": 2.0}),
    "now-muon-rate-2.4e-3": now(learning_rate=2.4e-3, **MUON),
    "now-generator-quarter": now(generator_size=0.25),
    "now-mask-0.25": now(mask_prob=0.25),
    "now-hot-samples": now(sampling_temperature=2.0),
    "now-vocab-8k": now(vocabulary=8000),
    "now-layers-6": now(**{"model.num_hidden_layers": 6}),
}


def run(command: list, log: Path) -> dict:
    """The JSON document that a command prints where it was asked for one; what it says goes to `log`."""
    with open(log, "ab") as err:
        result = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=err, env={**os.environ, "RAYON_NUM_THREADS": "1"})
    if result.returncode:
        sys.exit(f"{' '.join(map(str, command))} failed; see {log}")
    return json.loads(result.stdout) if "--json" in command else {}


def written(path: Path, value: dict) -> None:
    """Whole or not at all, so that a row that was killed is done again."""
    half = path.with_suffix(".half")
    half.write_text(json.dumps(value))
    half.replace(path)


class Ablations:
    def __init__(self, arguments: argparse.Namespace):
        self.a = arguments
        self.out = Path(arguments.out)
        self.out.mkdir(parents=True, exist_ok=True)

    def data(self, row: Row) -> tuple[Path, Path]:
        """Vocabulary and shards of a row, made if they are missing."""
        text = self.out / f"{row.mixture}.jsonl"
        if not text.exists():
            mixture = Path(__file__).with_name("mixture.py")
            half = text.with_suffix(".half")
            subprocess.run([sys.executable, mixture, self.a.text, half, *MIXTURES[row.mixture]], check=True)
            half.replace(text)
        name = f"{row.mixture}-{row.vocabulary}"
        tokenizer, shards, log = self.out / f"tok-{name}", self.out / f"shards-{name}", self.out / f"{name}.log"
        if not tokenizer.exists():
            run([self.a.aelectra, "vocab", "--input", text, "--out", tokenizer, "--vocab-size", row.vocabulary, "--cased", "--max-length", 64, "-q"], log)
        if not (shards / "manifest.json").exists():
            run([self.a.aelectra, "prepare", "--input", text, "--tokenizer", tokenizer, "--out", shards, "--max-length", 64, "--validation", 0.01, "-q"], log)
        return tokenizer, shards

    def settings(self, row: Row) -> list:
        changes = {"precision": self.a.precision, **row.set}
        return [part for key, value in changes.items() for part in ("--set", f"{key}={json.dumps(value).strip(chr(34))}")]

    def speed(self, name: str, row: Row) -> float:
        """Seconds of a step on one thread, nothing else running."""
        file = self.out / f"{name}.speed.json"
        if not file.exists():
            batch = row.set.get("batch_size", 32)
            command = [self.a.aelectra, "bench", "pretrain", "--recipe", row.recipe, "--batch", batch, "--length", 64, "--steps", 6]
            command += ["--warmup", 2, "--vocab-size", row.vocabulary, "--json", *self.settings(row)]
            written(file, run(command, self.out / f"{name}.log"))
        return json.loads(file.read_text())["median_ms"] / 1000

    def do(self, name: str) -> None:
        row, log = ROWS[name], self.out / f"{name}.log"
        tokenizer, shards = self.data(row)
        steps = max(int(self.a.minutes * 60 / self.speed(name, row) / 100), 1) * 100
        pretrained, done = self.out / name, self.out / f"{name}.pretrain.json"
        if not done.exists():
            command = [self.a.aelectra, "pretrain", "--recipe", row.recipe, "--data", shards, "--tokenizer", tokenizer, "--out", pretrained]
            command += ["--seed", row.seed, "--max-steps", steps, "--resume", "auto", "--no-dashboard", "-q", "--json"]
            command += ["--set", f"schedule_steps={steps}", "--set", f"eval_every={max(steps // 10, 1)}", *self.settings(row)]
            written(done, run(command, log))
        tuned, done = self.out / f"{name}-ner", self.out / f"{name}.ner.json"
        if not done.exists():
            splits = [part for split in ("train", "dev", "test") for part in (f"--{split}", Path(self.a.ner) / f"{split}.conllu")]
            head = "generator" if row.set.get("objective") == "mlm" else "discriminator"
            command = [self.a.aelectra, "finetune", "--model", pretrained / head, *splits, "--out", tuned, "--seeds", self.a.seeds]
            command += ["--epochs", EPOCHS, "--precision", self.a.precision, "--set", f"learning_rates={RATES}", "--no-dashboard", "-q", "--json"]
            written(done, run(command, log))
        self.table()

    def table(self) -> None:
        lines = ["| row | steps | MLM loss | RTD AUC | rate | dev F1 | test F1 | test by seed |", "| --- | ---: | ---: | ---: | ---: | ---: | ---: | --- |"]
        for name in ROWS:
            files = [self.out / f"{name}.{kind}.json" for kind in ("pretrain", "ner")]
            if not all(file.exists() and file.stat().st_size for file in files):
                continue
            pretrain, ner = (json.loads(file.read_text()) for file in files)
            dev = [100 * one["dev_f1"] for one in ner["runs"]]
            test = [100 * one["test_f1"] for one in ner["runs"]]
            auc = pretrain.get("rtd_auc")
            lines.append(
                f"| {name} | {pretrain['steps']} | {pretrain['mlm_loss']:.3f} | {f'{auc:.3f}' if auc else '–'} | {ner['runs'][0]['learning_rate']:.0e} "
                f"| {statistics.mean(dev):.1f} | {statistics.mean(test):.1f} ± {statistics.stdev(test) if len(test) > 1 else 0:.1f} | {', '.join(f'{f1:.1f}' for f1 in test)} |"
            )
        (self.out / "table.md").write_text("\n".join(lines) + "\n")

    def all(self) -> None:
        names = self.a.rows or list(ROWS)
        for name in names:
            self.data(ROWS[name])
            self.speed(name, ROWS[name])
        with ThreadPoolExecutor(self.a.jobs) as pool:
            for _ in pool.map(self.do, names):
                pass
        print((self.out / "table.md").read_text(), end="")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(ROWS)}; default: all")
    parser.add_argument("--aelectra", required=True, help="the binary")
    parser.add_argument("--text", required=True, help="JSON lines with `text` and `source`, compressed with zstd")
    parser.add_argument("--ner", required=True, help="folder with train.conllu, dev.conllu and test.conllu")
    parser.add_argument("--out", required=True)
    parser.add_argument("--minutes", type=float, default=20, help="of processor time for the pretraining of a row")
    parser.add_argument("--seeds", type=int, default=3, help="of fine-tuning")
    parser.add_argument("--precision", default="bf16", help="f32 where `doctor` says that bf16 is rounded factors in 32 bits")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="rows at a time, each on one thread")
    arguments = parser.parse_args()
    if unknown := set(arguments.rows) - set(ROWS):
        parser.error(f"no row {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    Ablations(arguments).all()


if __name__ == "__main__":
    main()
