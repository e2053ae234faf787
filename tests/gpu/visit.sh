#!/usr/bin/env bash
# All that a card is asked within a number of seconds, on a machine without Rust.
#
#   tests/gpu/visit.sh measure|train|both PACK OUT SECONDS
#
# PACK is the folder that pack.sh made. `measure`: is it right, how fast beside PyTorch, where the time goes, what each
# part is worth. First everything is begun side by side, since the driver translates every kernel when it first loads
# it and the tests' kernels come as source; the tests' results are of this time. Then all is measured, one after
# another, what is most wanted first. `train`: after it, from text to a discriminator in what time is left. `both`: one after
# the other, the second with the step's time that the first measured. What does not fit is left out and named. OUT gets
# log.txt, rows.jsonl, table.md, profile.txt and rest.tar.gz; of `train` run.tar.gz (events, curve, comparison, the card's
# memory by the second) and the model, in parts of 14 MB.
# DEVICE=cuda, TORCH_DEVICE=cuda (`none`: no PyTorch), SIZE=128, LENGTH=128, STEPS=20, BENCH_FLAGS and BEGINNING=150, the
# seconds for what is side by side, are for trying it elsewhere.
set -uo pipefail
what=$1 pack=$(realpath "$2") seconds=$4
mkdir -p "$3"; results=$(cd "$3" && pwd)
here=$(cd "$(dirname "$0")" && pwd) project=$(cd "$(dirname "$0")/../.." && pwd)
device=${DEVICE:-cuda} torch=${TORCH_DEVICE:-cuda} size=${SIZE:-128} length=${LENGTH:-128} steps=${STEPS:-20}
bench_flags=${BENCH_FLAGS:-}
place=${PLACE:-${TMPDIR:-/tmp}/aelectra-visit} rows=$results/rows.jsonl
out=$place/log caches=$place/caches
mkdir -p "$out" "$caches" "$place/nv"
export XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp} CUDA_CACHE_PATH=$place/nv CUDA_CACHE_MAXSIZE=4294967296 PYTHONUNBUFFERED=1
export AELECTRA_TEST_DEVICE=$device
. "$here/measure.sh"

left() { echo $((seconds - SECONDS)); }
# most LIMIT WHAT: the seconds that something may take, or, where there is no time to begin it, its name and false.
most() {
  local time; time=$(left)
  if [ "$time" -lt 15 ]; then echo "left out: $2" >&2; return 1; fi
  echo $(($1 < time ? $1 : time))
}

# A machine may have no xz.
untar() { # ARCHIVE
  if command -v xz > /dev/null; then tar -C "$place" -xJf "$1"; else
    python3 -c 'import sys, tarfile; tarfile.open(sys.argv[1], "r:xz").extractall(sys.argv[2])' "$1" "$place"
  fi
}

# What is begun is named, and has a store of compiled kernels of its own: processes that share one wait for each other.
store() {
  [ -d "$caches/$1" ] || cp -r "$place/visit/cache" "$caches/$1"
  export XDG_CACHE_HOME=$caches/$1
}

# benches DO: what is measured, as `DO SECONDS WHO ENVIRONMENT WORKLOAD BATCH ARGUMENTS…`.
benches() {
  local bf16="--precision bf16"
  "$1" 60 "$device bf16" A=a pretrain "$size" $bf16
  "$1" 60 "$device f32" A=a pretrain "$size"
  local part; for part in attention epilogues copy-engine attention,epilogues,copy-engine; do
    "$1" 30 "$device bf16 without $part" AELECTRA_WITHOUT=$part pretrain "$size" $bf16
  done
  local tiles; for tiles in wide small rows wide,small wide,rows; do
    "$1" 30 "$device bf16 tiles $tiles" AELECTRA_TILES=$tiles pretrain "$size" $bf16
  done
  for tiles in wide small rows; do
    "$1" 30 "$device bf16 tiles $tiles without epilogues" "AELECTRA_TILES=$tiles AELECTRA_WITHOUT=epilogues" pretrain "$size" $bf16
  done
  # Through Vulkan, where a driver is.
  [ "$device" = wgpu ] || "$1" 45 "wgpu f32" ON=wgpu pretrain "$size"
  "$1" 30 "$device bf16 Muon" AELECTRA_OPTIMIZER__MUON=1 pretrain "$size" $bf16
  # A quarter: fewer rows take kernels of their own.
  "$1" 30 "$device bf16" A=a pretrain $(((size + 3) / 4)) $bf16
  "$1" 40 "$device bf16" A=a pretrain $((size * 2)) $bf16
  "$1" 30 "$device f32" A=a finetune 32
  "$1" 30 "$device f32" A=a inference "$size"
}
name_of() { printf '%s' "$2-$4-$5" | tr ' ,' '--'; }
# In a process of its own, for its environment.
timed() (
  who=$2 workload=$4 batch=$5
  limit=$(most "$1" "$who, $workload, $batch") || return
  step "$who, $workload, $batch × $length"
  store "$(name_of "$@")"; export $3
  measure "$who" "$workload" "$batch" "$limit" "$workload" --device "${ON:-$device}" "${@:6}" $bench_flags
)
# As many at once as the card has room for: a step of the largest takes some 3.5 GB.
room() {
  local card; card=$(nvidia-smi --query-gpu=memory.total --format=csv,noheader,nounits 2> /dev/null | head -n 1)
  [ -n "$card" ] || return
  while [ "$(jobs -rp | wc -l)" -ge $((card / 3500 > 0 ? card / 3500 : 1)) ] && [ "$SECONDS" -lt "$no_more" ]; do sleep 0.2; done
}
until_then() { local rest=$((no_more - SECONDS)); echo $((rest > 0 ? rest : 1)); }
begun() {
  room
  (
    store "$(name_of "$@")"; export $3
    timeout -k 5 "$(until_then)" "$aelectra" bench "$4" --device "${ON:-$device}" --batch "$5" --length "$length" --steps 1 --warmup 1 "${@:6}" \
      $bench_flags > "$out/begun-$(name_of "$@")" 2>&1 ||
      echo "$2, $4, $5: exit code $?: $(tail -n 1 "$out/begun-$(name_of "$@")")"
  ) &
}

# tests NAME ENVIRONMENT BINARY ARGUMENTS…, beside others; what it says is printed at its end.
tests() {
  room
  (
    store "$1"; export $2
    timeout -k 5 "$(until_then)" "$place/visit/$3" --test-threads 1 "${@:4}" > "$out/$1" 2>&1
    printf '\n-- %s: exit code %s after %s s\n%s\n' "$1" "$?" "$SECONDS" "$(grep -E '^test |panicked|is not' "$out/$1" | tail -n 40)"
  ) &
}
timing_test() { # NAME LIMIT
  local limit; limit=$(most "$2" "$1") || return
  step "$1"
  (store "$1"; timeout -k 5 "$limit" "$place/visit/aelectra_model" --test-threads 1 "$1" --ignored --nocapture 2>&1 | tail -n 60)
}
routines="special tma mma,double mma,tma tiles,tma wide,tma small,tma rows,tma wide small,tma wide rows"

# Everything once, side by side.
begin_all() {
  local beginning; beginning=$(most "${BEGINNING:-150}" "what is begun side by side") || return
  step "everything begins, side by side, for at most $beginning s (exit code 124: not at its end)"
  local exact=AELECTRA_TF32=0 no_more=$((SECONDS + beginning))
  tests products A=a aelectra_model cube::product
  tests attention A=a aelectra_model cube::attention
  tests kernels A=a aelectra_model cube --skip cube::product --skip cube::attention
  tests kernels-exact $exact aelectra_model cube --skip cube::attention
  tests golden-models-exact $exact pretraining_parity
  # Each by itself: what is most wanted, whole layers in training, is not behind anything else.
  tests training-exact $exact kernels training_is
  tests training-bf16-exact $exact kernels training_in_brain_floats
  tests pretraining-exact $exact kernels pretraining_is
  tests inference-exact $exact kernels inference_is
  tests layers-exact $exact kernels --skip any_size --skip training_is --skip training_in_brain_floats --skip pretraining_is --skip inference_is
  benches begun
  tests attention_by A=a aelectra_model attention_by --ignored
  ONLY=$routines tests products_by A=a aelectra_model products_by --ignored
  # Each has its limit; a program that is stopped is waited for by `timeout`.
  local running; running=$(jobs -rp | grep -v "^${compiling:-0}$")
  # `wait` without a name would wait for torch.compile too, which waits for us.
  [ -z "$running" ] || wait $running
}

peers() { # WORKLOAD BATCH LIMIT
  local limit
  [ "$torch" != none ] || return
  limit=$(most "$3" "PyTorch, $1, $2") || return
  step "PyTorch, $1, $2 × $length"
  timeout -k 5 "$limit" python3 "$here/torch_steps.py" --torch-device "$torch" --workload "$1" --batch "$2" \
    --length "$length" --steps "$steps" --variants f32 bf16 2>> "$out/torch.err" | tee -a "$rows"
}
compiled() {
  local limit
  [ "$torch" != none ] || return
  limit=$(most 60 "PyTorch, compiled") && step "PyTorch, compiled" && touch "$out/go" &&
    timeout -k 5 "$limit" tail --pid="$compiling" -f /dev/null
  # One that is late must not disturb what follows.
  kill "$compiling" 2> /dev/null; wait "$compiling" 2> /dev/null
  tee -a "$rows" < "$out/compiled.jsonl"
}
profile() {
  local limit; limit=$(most 30 "kernels of a step") || return
  step "kernels of a step"
  (
    store profile
    timeout -k 5 "$limit" "$aelectra" bench pretrain --device "$device" --precision bf16 --batch "$size" --length "$length" --steps 3 \
      --warmup 2 --profile $bench_flags > "$results/profile.txt" 2>&1
  )
  head -n 40 "$results/profile.txt"
}

# The program, where an earlier command of the visit has not left it; what is of another pack goes.
unpacked() {
  aelectra=$place/visit/aelectra
  local sum; sum=$(sha256sum < "$pack/visit.tar.xz")
  if [ ! -x "$aelectra" ] || [ "$sum" != "$(cat "$place/of-pack" 2> /dev/null)" ]; then
    rm -rf "$place/visit" "$caches" "$place/run"; mkdir -p "$caches"
    untar "$pack/visit.tar.xz" && printf '%s\n' "$sum" > "$place/of-pack"
  fi
  # The pack's kernels are PTX of CUDA 13 (no-card.sh), which an older driver refuses; its own NVRTC compiles them again.
  local driver; driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2> /dev/null | head -n 1)
  if [ -n "$driver" ] && [ "${driver%%.*}" -lt 580 ]; then
    echo "driver $driver is older than the pack's kernels (580): they are compiled here"
    rm -rf "$place/visit/cache"; mkdir "$place/visit/cache"
  fi
}

measured() {
  : > "$rows"; rm -f "$out/go" "$out/ready"
  step "card"
  unpacked
  nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv,noheader 2> /dev/null || echo "no nvidia-smi"
  lscpu | grep -E '^(Model name|CPU\(s\))'
  # The tests look for the project where they were built.
  built=$(cat "$place/visit/built-in")
  [ -e "$built" ] || { mkdir -p "$(dirname "$built")" && ln -s "$project" "$built"; }
  (store doctor; timeout 30 "$aelectra" doctor 2>&1)
  if [ "$torch" != none ]; then
    # torch.compile takes a minute to begin; then it waits with its memory held, so that it counts as nobody else's.
    timeout -k 5 "$seconds" python3 "$here/torch_steps.py" --torch-device "$torch" --workload pretrain --batch "$size" --length "$length" \
      --steps "$steps" --variants compile-bf16 --wait-for "$out/go" --ready "$out/ready" > "$out/compiled.jsonl" 2> "$out/compiled.err" &
    compiling=$!
  fi
  begin_all
  local limit
  if [ "$torch" != none ] && limit=$(most 60 "waiting for torch.compile"); then
    timeout -k 5 "$limit" bash -c "until [ -e '$out/ready' ] || ! kill -0 $compiling 2> /dev/null; do sleep 0.2; done" ||
      echo "torch.compile is still at work: what follows shares the processor with it"
  fi
  declare -i done_benches=0
  in_order() {
    timed "$@"
    done_benches+=1
    # The peers after the figures that they are compared with.
    # What is known is there however this ends.
    python3 "$here/table.py" "$rows" > "$results/table.md"
    if [ "$done_benches" = 2 ]; then profile; peers pretrain "$size" 40; compiled; fi
  }
  benches in_order
  peers pretrain $((size * 2)) 40
  timing_test attention_by 30
  ONLY=$routines timing_test products_by 60
  step "table"
  python3 "$here/table.py" "$rows" | tee "$results/table.md"
  cp "$results"/{rows.jsonl,table.md,profile.txt} "$out/" 2> /dev/null
  tar -C "$out" -czf "$results/rest.tar.gz" .
}

# SECONDS_A_STEP is what a step takes, as measured before, AFTER the seconds for what follows pretraining. Fine-tuning is
# for the machine at home: SEEDS=3 AFTER=… has it done here, and takes minutes.
trained() {
  step "text to discriminator"
  unpacked
  untar "$pack/text.tar.xz"
  # A run of other steps would not be continued. The tokenizer is where it is looked for, so that no time goes into it.
  rm -rf "$place/run"
  mkdir -p "$place/run"; cp -r "$place/text/tokenizer" "$place/run/"
  local minutes; minutes=$(python3 -c "print(($(left) - ${AFTER:-60}) / 60)")
  # Some of it goes to the first step, evaluations and checkpoints; the schedule is to reach its end.
  local planned; planned=$(python3 -c "print(max(int(0.92 * $minutes * 60 / ${SECONDS_A_STEP:-0.03}), 10))")
  echo "$planned steps in $minutes minutes"
  store train
  # Some seconds are for what comes back.
  local rc=0
  nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits --loop=1 > "$place/run/card-memory.txt" 2> /dev/null & local watching=$!
  SEEDS=${SEEDS:-0} timeout -k 15 "$(($(left) - 20))" "$here/speedrun.sh" "$aelectra" "$place/text/text" "$place/text/ner" "$place/run" "$minutes" "$planned" ||
    rc=$?
  kill "$watching" 2> /dev/null; wait "$watching" 2> /dev/null
  # A run that was stopped writes its last checkpoint and its models first.
  timeout 15 bash -c 'while pgrep -f "[p]retrain --recipe" > /dev/null; do sleep 0.2; done'
  step "what comes back (exit code $rc)"
  flat "$place/run/card-memory.txt"
  (cd "$place/run" && tar -czf "$results/run.tar.gz" $(ls -d run/events.jsonl curve.svg card-memory.txt compare/table.* 2> /dev/null))
  if [ -e "$place/run/run/discriminator" ]; then
    tar -C "$place/run/run" -c discriminator | split -b 14M - "$results/model.tar."
  else
    echo "there is no model"
  fi
  ls -l "$results"
  return "$rc"
}

# The card's memory after a tenth and a half of a run and near its end: flat, or not.
flat() {
  python3 - "$1" <<'PY'
import sys
used = [int(line) for line in open(sys.argv[1]).read().split() if line.isdigit()]
if used:
    at = lambda share: used[min(int(share * len(used)), len(used) - 1)]
    print(f"card's memory, MB, after 10, 50, 95 % of {len(used)} s: {at(0.1)}, {at(0.5)}, {at(0.95)}; most {max(used)}")
PY
}

# The seconds of a step in bf16, as measured; nothing where it was not.
a_step() {
  python3 - "$rows" "$device bf16" "$size" <<'PY'
import json, sys
rows = [json.loads(line) for line in open(sys.argv[1]) if line.startswith("{")]
for row in rows:
    if (row["who"], row["workload"], row["batch"]) == (sys.argv[2], "pretrain", int(sys.argv[3])) and "median_ms" in row:
        print(row["median_ms"] / 1000)
PY
}
both() {
  local whole=$seconds
  seconds=$((whole / 2))
  measured
  seconds=$whole
  SECONDS_A_STEP=${SECONDS_A_STEP:-$(a_step)}
  local rc=0
  trained || rc=$?
  # They are in rest.tar.gz, and only so many files come back.
  rm -f "$results"/{rows.jsonl,table.md,profile.txt}
  return "$rc"
}

case $what in
  measure) measured 2>&1 | tee "$results/log.txt" ;;
  train) trained 2>&1 | tee "$results/log.txt" ;;
  both) both 2>&1 | tee "$results/log.txt" ;;
  *) echo "measure, train or both, not $what" >&2; exit 2 ;;
esac
