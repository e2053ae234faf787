#!/usr/bin/env bash
# Runs a command with a CUDA card that is emulated on the processor: kernels run, slowly, and compute what a card would.
#
#   tests/gpu/emulator.sh COMMAND [ARGUMENT ...]
#
# COMMAND is the program, built with `--features cuda`, or tests of it with AELECTRA_TEST_DEVICE=cuda. Needs an x86-64
# processor, Linux and g++. Driver, kernels and caches lie in ~/.cache/aelectra/emulator. See emulator/emulator.cpp.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
out=${XDG_CACHE_HOME:-$HOME/.cache}/aelectra/emulator
mkdir -p "$out/driver" "$out/kernels" "$out/include"
# Its headers are device.h; that CUDA's are there is asked before anything is compiled.
touch "$out/include/cuda_fp16.h"
library=$out/driver/libcuda.so.1
sources=("$here/fake_driver.c" "$here/emulator/emulator.cpp" "$here/emulator/device.h")
if [ ! -e "$library" ] || [ -n "$(find "${sources[@]}" -newer "$library")" ]; then
  cc -c -DEMULATED -fPIC -O1 -w -o "$out/driver/driver.o" "$here/fake_driver.c"
  c++ -std=c++20 -O2 -shared -fPIC -Wl,-soname,libcuda.so.1 -o "$library" "$here/emulator/emulator.cpp" "$out/driver/driver.o"
  for name in libcuda.so libnvrtc.so libnvrtc.so.13; do ln -sf libcuda.so.1 "$out/driver/$name"; done
fi
export CUDA_EMULATOR_SOURCE=$here/emulator CUDA_EMULATOR_CACHE=$out/kernels
export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
# What is measured and compiled here must not be taken for a card's, so caches are apart; and no driver for Vulkan is
# looked for.
export HOME=$out XDG_CACHE_HOME=$out/cache XDG_RUNTIME_DIR=${XDG_RUNTIME_DIR:-/tmp} CUDA_PATH=$out
export LD_LIBRARY_PATH=$out/driver${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
export VK_DRIVER_FILES=/dev/null __EGL_VENDOR_LIBRARY_FILENAMES=/dev/null
exec "$@"
