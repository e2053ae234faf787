#!/usr/bin/env bash
# Pretraining in f32 and in bf16 from the same seeds, curves beside each other; then a tagger of each.
#
#   tests/experiments/precision.sh AELECTRA SHARDS TOKENIZER NER OUT [STEPS]
#
# SHARDS and TOKENIZER are what the recipe `cpu-small` asks for, NER is a folder with train.conllu,
# dev.conllu and test.conllu. Takes about 4 × 7 minutes of two cores with the default of 1,500 steps.
set -euo pipefail
aelectra=$1 shards=$2 tokenizer=$3 ner=$4 out=$5 steps=${6:-1500}
mkdir -p "$out"
for seed in 1 2; do
  for precision in f32 bf16; do
    run=$out/$precision-$seed
    "$aelectra" pretrain --recipe cpu-small --data "$shards" --tokenizer "$tokenizer" --out "$run" \
      --seed $seed --precision $precision --set schedule_steps="$steps" \
      --set eval_every=$((steps / 6)) --no-dashboard --quiet --resume auto
    "$aelectra" finetune --model "$run/discriminator" --out "$run-ner" --precision $precision \
      --train "$ner/train.conllu" --dev "$ner/dev.conllu" --test "$ner/test.conllu" \
      --epochs 5 --no-dashboard --quiet --json > "$run-ner.json"
    for split in dev test; do
      for way in f32 bf16 int8; do
        "$aelectra" evaluate --model "$run-ner/model" --data "$ner/$split.conllu" --precision $way \
          --predictions "$run-$split-$way.tsv" --json --quiet > "$run-$split-$way.json" || true
      done
    done
  done
done
python3 - "$out" <<'PYTHON'
import json, sys
from pathlib import Path

out = Path(sys.argv[1])
runs = [f"{precision}-{seed}" for seed in (1, 2) for precision in ("f32", "bf16")]
rows = {}
for run in runs:
    for line in (out / run / "events.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["kind"] == "eval":
            rows.setdefault(event["step"], {})[run] = event
print("held-out MLM loss / RTD AUC by step")
print("| step | " + " | ".join(runs) + " |")
print("| ---: |" + " ---: |" * len(runs))
for step, events in sorted(rows.items()):
    cells = [f"{events[run]['mlm_loss']:.3f} / {events[run]['rtd_auc']:.3f}" for run in runs]
    print(f"| {step} | " + " | ".join(cells) + " |")
print("\nF1 of the tagger by precision of inference, dev and test")
for run in runs:
    for way in ("f32", "bf16", "int8"):
        cells = []
        for split in ("dev", "test"):
            text = (out / f"{run}-{split}-{way}.json").read_text()
            cells.append(f"{100 * json.loads(text)['micro']['f1']:.2f}" if text else "–")
        print(f"| {run} | {way} | " + " | ".join(cells) + " |")
PYTHON
