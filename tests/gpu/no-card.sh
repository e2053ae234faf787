#!/usr/bin/env bash
# Whether every kernel of a training step compiles for CUDA, and what a step costs the host, without a card.
#
#   tests/gpu/no-card.sh AELECTRA [OUT]
#
# CACHE is another place for what is compiled; BATCH, STEPS, PRECISIONS and WORKLOADS say what a bench does.
# AELECTRA was built with `--features cuda`. NVRTC and its headers are installed as Python packages into OUT (about 500 MB).
# The driver is fake_driver.c: kernels are compiled, loaded and not run, so that all numbers but times and launches are
# meaningless. A kernel that does not compile ends it with an error. Two minutes at first, seconds with what is compiled.
set -euo pipefail
aelectra=$(realpath "$1") out=${2:-${XDG_CACHE_HOME:-$HOME/.cache}/aelectra/no-card}
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$out/driver"; out=$(cd "$out" && pwd)
if [ ! -e "$out/cuda/nvidia" ]; then
  python3 -m pip install -q --no-deps --target "$out/cuda" nvidia-cuda-nvrtc==13.0.88 nvidia-cuda-runtime==13.0.96 \
    nvidia-cuda-cccl==13.0.85 nvidia-cuda-crt==13.0.88
  ln -sf libnvrtc.so.13 "$out/cuda/nvidia/cu13/lib/libnvrtc.so"
fi
cc -shared -fPIC -O1 -w -Wl,-soname,libcuda.so.1 -o "$out/driver/libcuda.so.1" "$here/fake_driver.c"
ln -sf libcuda.so.1 "$out/driver/libcuda.so"
# What is measured on no card must not be taken for one's, so caches are apart; and no driver for Vulkan is looked for.
export HOME=$out XDG_CACHE_HOME=${CACHE:-$out/cache} XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp} CUDA_PATH=$out/cuda/nvidia/cu13
export LD_LIBRARY_PATH=$out/driver:$out/cuda/nvidia/cu13/lib FAKE_DRIVER_LAUNCHES=${FAKE_DRIVER_LAUNCHES:-1}
export VK_DRIVER_FILES=/dev/null __EGL_VENDOR_LIBRARY_FILENAMES=/dev/null
"$aelectra" doctor | grep 'GPU cuda'
for precision in ${PRECISIONS:-f32 bf16}; do
  for workload in ${WORKLOADS:-pretrain finetune inference}; do
    "$aelectra" bench $workload --device cuda --precision $precision --batch "${BATCH:-32}" --length 128 --steps "${STEPS:-10}" --warmup 2
  done
done
