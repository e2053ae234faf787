#!/usr/bin/env bash
# From a text file to a tagger on a GPU in a given number of minutes: ELECTRA-Small pretrained, exported, fine-tuned on
# NER beside random weights, evaluated.
#
#   tests/gpu/speedrun.sh AELECTRA TEXT NER OUT MINUTES [STEPS]
#
# TEXT is what `aelectra prepare --input` takes, NER a folder with train.conllu, dev.conllu and test.conllu. STEPS is the
# schedule, which should end when the minutes do: what `run.sh` measures in steps a second, times 60 · MINUTES. DEVICE,
# PRECISION, RECIPE, VOCAB, VALIDATION, SEEDS, EPOCHS and SET ("KEY=VALUE …") change the rest; SEEDS=0 leaves the tagger
# out. A tokenizer and shards in OUT are used again.
set -euo pipefail
aelectra=$(realpath "$1") text=$2 ner=$3 out=$4 minutes=$5 steps=${6:-20000}
device=${DEVICE:-cuda} precision=${PRECISION:-bf16} recipe=${RECIPE:-aelectra-small-cased} vocab=${VOCAB:-32000}
mkdir -p "$out"
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp}
settings=()
for pair in schedule_steps="$steps" warmup_steps=$((steps / 20)) eval_every=$((steps / 8 + 1)) \
  checkpoint_every=$((steps / 4 + 1)) ${SET:-}; do
  settings+=(--set "$pair")
done
# The shorter of the recipe's examples and the positions of its model.
length=$("$aelectra" pretrain --recipe "$recipe" "${settings[@]}" --print-config \
  | sed -nE 's/^(max_length|model\.max_position_embeddings) = ([0-9]+).*/\2/p' | sort -n | head -n 1)
[ -e "$out/tokenizer/vocab.txt" ] || "$aelectra" vocab --input "$text" --out "$out/tokenizer" --vocab-size "$vocab" --cased
[ -e "$out/shards/manifest.json" ] || "$aelectra" prepare --input "$text" --tokenizer "$out/tokenizer" \
  --out "$out/shards" --max-length "${length:-128}" --validation "${VALIDATION:-0.002}"
# The recipe's vocabulary has the size of its tokenizer, this one another maybe.
settings+=(--set vocab_size="$(wc -l < "$out/tokenizer/vocab.txt")")
"$aelectra" pretrain --recipe "$recipe" --data "$out/shards" --tokenizer "$out/tokenizer" --out "$out/run" \
  --device "$device" --precision "$precision" --max-hours "$(python3 -c "print($minutes / 60)")" "${settings[@]}" \
  --resume auto --no-dashboard
[ "${SEEDS:-3}" = 0 ] || "$aelectra" compare --model "$out/run/discriminator" --model "random:$out/run/discriminator" \
  --train "$ner/train.conllu" --dev "$ner/dev.conllu" --test "$ner/test.conllu" --seeds "${SEEDS:-3}" \
  ${EPOCHS:+--epochs "$EPOCHS"} --out "$out/compare" --device "$device"
python3 - "$out" <<'PY'
import json, sys
from pathlib import Path
steps = [json.loads(l) for l in (Path(sys.argv[1]) / "run/events.jsonl").read_text().splitlines()]
last = [e for e in steps if e["kind"] == "step"][-1]
evaluation = [e for e in steps if e["kind"] == "eval"][-1]
print(f"step {last['step']}, {last['tokens_per_second']:,.0f} tokens/s, {last['tokens_seen']:,} tokens seen")
print(f"held out: loss {evaluation['loss']:.4f}, MLM loss {evaluation['mlm_loss']:.4f}, RTD AUC {evaluation['rtd_auc']:.4f}")
PY
"$aelectra" dashboard "$out/run" --svg "$out/curve.svg"
