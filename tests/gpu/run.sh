#!/usr/bin/env bash
# Everything to be known of a GPU: is it right, how fast beside PyTorch on the same card, where the time goes.
#
#   tests/gpu/run.sh AELECTRA OUT [short|full]
#
# AELECTRA was built with `--features cuda,wgpu` (or one of them). The full form takes under 6 minutes, the short one
# under 2. DEVICES="cuda wgpu" is what is measured, TORCH_DEVICE=cuda where PyTorch runs (`none`: not at all), SIZES
# the batches of pretraining, OTHERS what else. OUT/rows.jsonl has every number, OUT/table.md the table, OUT/log.txt what was
# printed, OUT/all.json all of it with the profiles.
set -uo pipefail
aelectra=$(realpath "$1") out=$2 form=${3:-full}
here=$(cd "$(dirname "$0")" && pwd) project=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "$out"; out=$(cd "$out" && pwd)
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp} PYTHONUNBUFFERED=1
devices=${DEVICES:-cuda wgpu} torch=${TORCH_DEVICE:-cuda}
if [ "$form" = short ]; then sizes=${SIZES:-128} steps=${STEPS:-10}; else sizes=${SIZES:-16 128 256} steps=${STEPS:-20}; fi
compiled_variants=compile-bf16; [ "$form" = short ] || compiled_variants="compile-bf16 compile-f32"
# WORKLOAD-BATCH of the full form.
others=${OTHERS:-finetune-8 finetune-32 inference-32 inference-128}
length=${LENGTH:-128} bench_flags=${BENCH_FLAGS:-}
rows=$out/rows.jsonl; : > "$rows"
. "$here/measure.sh"

# compiled BATCH: torch.compile takes a minute to begin, on all cores; then it waits, with its memory held.
compiled() {
  timeout 400 python3 "$here/torch_steps.py" --torch-device "$torch" --workload pretrain --batch "$1" \
    --length "$length" --steps "$steps" --variants $compiled_variants --wait-for "$out/go" --ready "$out/ready" > "$out/compiled.jsonl" 2> "$out/compiled.err" &
  compiling=$!
}
# Nothing is measured beside it.
until_compiled() {
  timeout 100 bash -c "until [ -e '$out/ready' ] || ! kill -0 $compiling 2> /dev/null; do sleep 0.2; done" ||
    echo "torch.compile is still at work: what follows shares the processor with it"
}

# noise_of DEVICE: the first steps of a small pretraining with dropout. Dropout and samples are hashes of seed, step and place,
# so the losses are those of flex within rounding; with other noise they would be apart by whole hundredths.
noise_of() {
  [ -e "$out/noise/shards" ] || {
    timeout 60 "$aelectra" vocab --input "$project/assets/sample/prose.txt" --vocab-size 800 --out "$out/noise/tokenizer" --quiet
    timeout 60 "$aelectra" prepare --input "$project/assets/sample/prose.txt" --tokenizer "$out/noise/tokenizer" \
      --max-length 32 --out "$out/noise/shards" --quiet
  }
  local at; for at in flex "$1"; do
    [ -e "$out/noise/$at/events.jsonl" ] || AELECTRA_TF32=0 timeout 120 "$aelectra" pretrain --recipe demo --device "$at" \
      --data "$out/noise/shards" --tokenizer "$out/noise/tokenizer" --out "$out/noise/$at" --max-steps 5 --quiet --no-dashboard \
      --set log_every=1 --set eval_examples=0 --set model.hidden_dropout_prob=0.1 --set model.attention_probs_dropout_prob=0.1
  done
  python3 - "$out/noise/flex/events.jsonl" "$out/noise/$1/events.jsonl" <<'PY'
import json, sys
def losses(path):
    events = [json.loads(line) for line in open(path)]
    return [event["loss"] for event in events if event["kind"] == "step"]
ours, theirs = losses(sys.argv[2]), losses(sys.argv[1])
apart = max(abs(a - b) for a, b in zip(ours, theirs))
same = len(ours) == len(theirs) == 5 and apart < 1e-3
print("noise, 5 steps with dropout: losses apart by at most", apart, "as flex" if same else "NOT as flex")
PY
}

main() {
  rm -rf "$out/noise"
  rm -f "$out/go" "$out/ready"
  [ "$torch" = none ] || compiled "${sizes##* }"
  step "card"
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2> /dev/null || echo "no nvidia-smi"
  step "doctor"
  timeout 60 "$aelectra" doctor
  printf '{"input_ids":[[2,5,6,7,8,9,10,3],[2,11,12,13,3,0,0,0]],"attention_mask":[[1,1,1,1,1,1,1,1],[1,1,1,1,1,0,0,0]]}' \
    > "$out/ids.json"
  [ "$torch" = none ] || until_compiled
  for device in $devices; do
    step "$device: the numbers of flex on a golden model"
    for at in flex "$device"; do
      AELECTRA_TF32=0 timeout 120 "$aelectra" embed-check --model "$project/assets/golden/tiny-electra/ner" \
        --ids "$out/ids.json" --out "$out/$at.safetensors" --device "$at" --quiet
    done
    python3 - "$out/flex.safetensors" "$out/$device.safetensors" "$out/ids.json" <<'PY'
import json, struct, sys
def read(path):
    raw = open(path, "rb").read()
    size = int.from_bytes(raw[:8], "little")
    head = json.loads(raw[8 : 8 + size])
    for name, about in head.items():
        if name != "__metadata__" and about["dtype"] == "F32":
            part = raw[8 + size :][about["data_offsets"][0] : about["data_offsets"][1]]
            yield name, struct.unpack(f"<{len(part) // 4}f", part)
real = [token for row in json.load(open(sys.argv[3]))["attention_mask"] for token in row]
ours = dict(read(sys.argv[2]))
worst = 0.0
for name, values in read(sys.argv[1]):
    width = len(values) // len(real)
    apart = [abs(a - b) for a, b in zip(values, ours[name])]
    # What a model gives on padding means nothing, and differs between kernels.
    largest = max(d for at, d in enumerate(apart) if real[at // width])
    worst = max(worst, largest)
    print(name, "largest difference", largest)
print("parity:", "as flex" if worst < 1e-4 else f"NOT as flex: {worst:g}")
PY
    noise_of "$device"
    for batch in $sizes; do
      step "$device: pretraining step $batch × $length"
      measure "$device f32" pretrain "$batch" 120 pretrain --device "$device" $bench_flags
      case $device in cuda*) measure "$device bf16" pretrain "$batch" 120 pretrain --device "$device" --precision bf16 $bench_flags ;; esac
    done
    step "$device: kernels of a step"
    largest=${sizes##* }; precision=f32; case $device in cuda*) precision=bf16 ;; esac
    timeout 90 "$aelectra" bench pretrain --device "$device" --precision $precision --batch "$largest" --length "$length" \
      --steps 3 --warmup 2 --profile $bench_flags > "$out/profile-$device.txt" 2>&1
    head -n 36 "$out/profile-$device.txt"
    if [ "$form" = full ]; then
      step "$device: NER step and inference"
      for pair in $others; do
        measure "$device f32" ${pair%-*} ${pair#*-} 60 ${pair%-*} --device "$device"
      done
    fi
  done
  if [ "$torch" != none ]; then
    for batch in $sizes; do
      step "PyTorch, pretraining step $batch × $length"
      timeout 150 python3 "$here/torch_steps.py" --torch-device "$torch" --workload pretrain --batch "$batch" \
        --length "$length" --steps "$steps" --variants f32 bf16 | tee -a "$rows"
    done
    step "PyTorch, compiled"
    touch "$out/go"
    wait "$compiling"
    tee -a "$rows" < "$out/compiled.jsonl"
    if [ "$form" = full ]; then
      for pair in $others; do
        timeout 90 python3 "$here/torch_steps.py" --torch-device "$torch" --workload ${pair%-*} --batch ${pair#*-} \
          --length "$length" --steps "$steps" --variants f32 bf16 | tee -a "$rows"
      done
    fi
  fi
  step "table"
  python3 "$here/table.py" "$rows" | tee "$out/table.md"
  # Everything in one file.
  python3 - "$out" <<'PY'
import json, sys
from pathlib import Path
out = Path(sys.argv[1])
rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines() if line.startswith("{")]
profiles = {path.stem.removeprefix("profile-"): path.read_text() for path in sorted(out.glob("profile-*.txt"))}
(out / "all.json").write_text(json.dumps({"rows": rows, "profiles": profiles, "log": (out / "log.txt").read_text()}, indent=1))
PY
  step "end"
}
main 2>&1 | tee "$out/log.txt"
