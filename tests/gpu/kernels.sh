#!/usr/bin/env bash
# What the kernels of a step need of a card, without one: registers, spills, shared memory, how many blocks fit at once.
#
#   tests/gpu/kernels.sh AELECTRA [OUT]
#
# AELECTRA was built with `--features cuda`; OUT is what no-card.sh takes, which runs the benches, and BATCH, PRECISIONS and WORKLOADS
# are its settings. A table for each precision and workload, made by kernels.py from what ptxas says; CUDA's compiler for it is
# installed as a Python package into OUT. A minute and a half for a step of pretraining in bf16.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${2:-${XDG_CACHE_HOME:-$HOME/.cache}/aelectra/no-card}
mkdir -p "$out"
[ -e "$out/cuda-nvcc" ] || python3 -m pip install -q --no-deps --target "$out/cuda-nvcc" nvidia-cuda-nvcc==13.0.88
for precision in ${PRECISIONS:-bf16}; do
  for workload in ${WORKLOADS:-pretrain}; do
    folder=$out/kernels-$precision-$workload
    rm -rf "$folder"; mkdir -p "$folder"
    # Twice: what more steps launch more is a step's, and the rest begins a run.
    for steps in 1 11; do
      FAKE_DRIVER_KERNELS=$folder STEPS=$steps PRECISIONS=$precision WORKLOADS=$workload BATCH=${BATCH:-128} \
        "$here/no-card.sh" "$1" "$out" > "$folder/bench.txt"
      mv "$folder/launches.tsv" "$folder/launches-$steps.tsv"
    done
    printf '%s, %s, %s × 128\n\n' "$workload" "$precision" "${BATCH:-128}"
    python3 "$here/kernels.py" "$folder" "$out/cuda-nvcc/nvidia/cu13/bin/ptxas"
    echo
  done
done
