#!/bin/sh
# Build the Python environment of the peers: sh tests/peer/setup.sh [DIRECTORY]
# Needs Python 3.11 or later with its headers and a C++ compiler (torch.compile generates C++).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
target=${1:-"$here/.venv"}
python3 -m venv "$target"
"$target/bin/pip" install --quiet --requirement "$here/requirements.txt"
"$target/bin/python" - <<'PYTHON'
import onnxruntime, torch, transformers
print(f"torch {torch.__version__}, transformers {transformers.__version__}, onnxruntime {onnxruntime.__version__}")
PYTHON
echo "ready: $target/bin/python $here/bench_peer.py --help"
