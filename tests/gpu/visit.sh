#!/usr/bin/env bash
# All that a card is asked, in the order of its worth, within a number of seconds, on a machine without Rust.
#
#   tests/gpu/visit.sh measure|train PACK OUT SECONDS
#
# PACK is the folder that pack.sh made. `measure`: is it right, how fast beside PyTorch, where the time goes, what each part is worth.
# `train`: after it, from text to a tagger in what time is left. What does not fit is left out and named. OUT gets
# log.txt, rows.jsonl, table.md, profile.txt and rest.tar.gz; of `train` the events, the curve, the comparison and the
# model, in parts of 14 MB.
# DEVICE=cuda, TORCH_DEVICE=cuda (`none`: no PyTorch), SIZE=128, LENGTH=128, STEPS=20 and BENCH_FLAGS are for trying it elsewhere.
set -u
what=$1 pack=$(realpath "$2") seconds=$4
mkdir -p "$3"; results=$(cd "$3" && pwd)
here=$(cd "$(dirname "$0")" && pwd) project=$(cd "$(dirname "$0")/../.." && pwd)
device=${DEVICE:-cuda} torch=${TORCH_DEVICE:-cuda} size=${SIZE:-128} length=${LENGTH:-128} steps=${STEPS:-20}
bench_flags=${BENCH_FLAGS:-}
place=${PLACE:-${TMPDIR:-/tmp}/aelectra-visit} rows=$results/rows.jsonl
out=$place/log
mkdir -p "$out"
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp} XDG_CACHE_HOME=$place/visit/cache CUDA_CACHE_PATH=$place/nv PYTHONUNBUFFERED=1
export AELECTRA_TEST_DEVICE=$device
. "$here/measure.sh"

left() { echo $((seconds - SECONDS)); }

# within SECONDS WHAT COMMAND…: the command, if there is time to begin it, for as long as it may take.
within() {
  local limit=$1 name=$2; shift 2
  local most; most=$(left)
  if [ "$most" -lt 15 ]; then echo "left out: $name"; return; fi
  [ "$most" -gt "$limit" ] || limit=$most
  step "$name"
  "$@" "$limit"
}

# Commands get their time as the last argument.
run() { timeout "${@: -1}" "${@:1:$#-1}" 2>&1; echo "exit code $?"; }
tests() { run "$place/visit/$1" --test-threads 1 "${@:2}" | tail -n 40; }
ours() { # NAME WORKLOAD BATCH ARGUMENTS… LIMIT
  measure "$1" "$2" "$3" "${@: -1}" "$2" --device "$device" "${@:4:$#-4}" $bench_flags
}
without() { AELECTRA_WITHOUT=$1 ours "$device bf16 without $1" pretrain "$size" --precision bf16 "$2"; }
tiles() { AELECTRA_TILES=$1 ours "$device bf16 tiles $1" pretrain "$size" --precision bf16 "$2"; }
exact() { AELECTRA_TF32=0 tests "$@"; }
peers() { # WORKLOAD BATCH LIMIT
  timeout "$3" python3 "$here/torch_steps.py" --torch-device "$torch" --workload "$1" --batch "$2" \
    --length "$length" --steps "$steps" --variants f32 bf16 2>&1 | tee -a "$rows"
}
compiled() {
  touch "$out/go"
  timeout "$1" tail --pid="$compiling" -f /dev/null
  tee -a "$rows" < "$out/compiled.jsonl"
}
profile() {
  timeout "$1" "$aelectra" bench pretrain --device "$device" --precision bf16 --batch "$size" --length "$length" --steps 3 \
    --warmup 2 --profile $bench_flags > "$results/profile.txt" 2>&1
  head -n 40 "$results/profile.txt"
}

# The program, where an earlier command of the visit has not left it.
unpacked() {
  aelectra=$place/visit/aelectra
  [ -x "$aelectra" ] || tar -C "$place" -xJf "$pack/visit.tar.xz"
}

measured() {
  : > "$rows"; rm -f "$out/go"
  step "card"
  unpacked
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2> /dev/null || echo "no nvidia-smi"
  lscpu | grep -E '^(Model name|CPU\(s\))'
  # The tests look for the project where they were built.
  built=$(cat "$place/visit/built-in")
  [ -e "$built" ] || { mkdir -p "$(dirname "$built")" && ln -s "$project" "$built"; }
  if [ "$torch" != none ]; then
    # torch.compile takes a minute to begin.
    timeout "$seconds" python3 "$here/torch_steps.py" --torch-device "$torch" --workload pretrain --batch "$size" --length "$length" \
      --steps "$steps" --variants compile-bf16 --wait-for "$out/go" > "$out/compiled.jsonl" 2> "$out/compiled.err" &
    compiling=$!
  fi
  within 30 "doctor" run "$aelectra" doctor
  within 90 "kernels beside plain Rust, exact" exact aelectra_model cube --skip attention
  within 60 "pretraining $size × $length in bf16" ours "$device bf16" pretrain "$size" --precision bf16
  within 60 "pretraining $size × $length in f32" ours "$device f32" pretrain "$size"
  within 30 "kernels of a step" profile
  [ "$torch" = none ] || within 40 "PyTorch" peers pretrain "$size"
  [ "$torch" = none ] || within 90 "PyTorch, compiled" compiled
  for part in attention epilogues copy-engine attention,epilogues,copy-engine; do
    within 30 "without $part" without "$part"
  done
  for tiles in wide small wide,small; do within 30 "tiles $tiles" tiles "$tiles"; done
  within 90 "kernels beside plain Rust, on tensor cores" tests aelectra_model cube
  within 30 "pretraining with Muon" ours "$device bf16 Muon" pretrain "$size" --precision bf16 --set optimizer.muon=1
  within 30 "pretraining, a small batch" ours "$device bf16" pretrain $(((size + 7) / 8)) --precision bf16
  within 40 "pretraining, a large batch" ours "$device bf16" pretrain $((size * 2)) --precision bf16
  [ "$torch" = none ] || within 40 "PyTorch, a large batch" peers pretrain $((size * 2))
  within 30 "attention by way" tests aelectra_model attention_by --ignored --nocapture
  within 30 "fine-tuning" ours "$device f32" finetune 32
  within 30 "inference" ours "$device f32" inference "$size"
  within 60 "golden models, exact" exact pretraining_parity
  within 120 "layers, exact" exact kernels
  ONLY="special tma mma,double mma,tma tiles,tma wide,tma small,tma wide small" within 120 "routines of products" tests aelectra_model products_by --ignored --nocapture
  step "table"
  python3 "$here/table.py" "$rows" | tee "$results/table.md"
  tar -C "$out" -czf "$results/rest.tar.gz" .
}

# SECONDS_A_STEP is what a step takes, as measured before, AFTER the seconds for what follows pretraining.
trained() {
  step "text to tagger"
  unpacked
  tar -C "$place" -xJf "$pack/text.tar.xz"
  # Where it is looked for, so that no time goes into making it again.
  mkdir -p "$place/run"; cp -r "$place/text/tokenizer" "$place/run/"
  local minutes; minutes=$(python3 -c "print(($(left) - ${AFTER:-90}) / 60)")
  local planned; planned=$(python3 -c "print(max(int($minutes * 60 / ${SECONDS_A_STEP:-0.03}), 10))")
  echo "$planned steps in $minutes minutes"
  # Some seconds are for what comes back.
  timeout "$(($(left) - 20))" "$here/speedrun.sh" "$aelectra" "$place/text/text" "$place/text/ner" "$place/run" "$minutes" "$planned"
  step "what comes back"
  for file in run/events.jsonl curve.svg compare/table.md compare/table.json; do
    [ ! -e "$place/run/$file" ] || cp "$place/run/$file" "$results/"
  done
  tar -C "$place/run/run" -c discriminator | xz -1 -T0 | split -b 14M - "$results/model.tar.xz."
  ls -l "$results"
}

case $what in
  measure) measured 2>&1 | tee "$results/log.txt" ;;
  train) trained 2>&1 | tee "$results/log.txt" ;;
  *) echo "measure or train, not $what" >&2; exit 2 ;;
esac
