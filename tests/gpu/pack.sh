#!/usr/bin/env bash
# Packs what a card is asked, for a machine that has one and no Rust: see visit.sh.
#
#   tests/gpu/pack.sh OUT [NER TEXT ...]
#
# OUT/visit.tar.xz gets the program, the tests of its kernels and, compiled beforehand, the kernels of its benches
# (KERNELS=none leaves these out); OUT/text.tar.xz, where there are texts, these, a tokenizer made of them and the folder NER with
# train.conllu, dev.conllu and test.conllu. FEATURES="cuda,wgpu" is what is built, VOCAB=32000 the size of the
# vocabulary. DOCS_RS=1, as where nothing can be fetched, builds without LLVM: functions of it that are never called then
# come from a library that stands in for them.
set -euo pipefail
mkdir -p "$1"; out=$(cd "$1" && pwd); shift
here=$(cd "$(dirname "$0")" && pwd) project=$(cd "$(dirname "$0")/../.." && pwd)
stage=$(mktemp -d); trap 'rm -rf "$stage"' EXIT
if [ -n "${DOCS_RS:-}" ]; then
  printf '#!/bin/sh\nexec %s "$@" -Wl,--warn-unresolved-symbols\n' "$(command -v cc)" > "$stage/cc"
  chmod +x "$stage/cc"; PATH=$stage:$PATH
fi
cd "$project"
# `it` is not packed: its build makes the program.
cargo test -p aelectra-model -p aelectra-train --features "${FEATURES:-cuda,wgpu}" --lib --test kernels --test pretraining_parity \
  --test it --no-run --message-format json-render-diagnostics > "$stage/built.json"
mkdir "$stage/visit"
python3 - "$stage" <<'PY'
import json, subprocess, sys
stage = sys.argv[1]
wanted = ["aelectra_model", "kernels", "pretraining_parity", "aelectra"]
for line in open(f"{stage}/built.json"):
    built = json.loads(line)
    if built.get("executable") and built["target"]["name"] in wanted:
        name = built["target"]["name"]
        subprocess.run(["strip", "-o", f"{stage}/visit/{name}.bin", built["executable"]], check=True)
        wanted.remove(name)
assert not wanted, f"not built: {wanted}"
PY
{
  printf '#include <stdio.h>\n#include <stdlib.h>\n'
  nm -D --undefined-only "$stage"/visit/*.bin | awk '{print $NF}' | { grep -E '^(LLVM|cubecl_)' || true; } | sort -u |
    while read -r name; do printf 'void %s(void){fputs("%s is not in this build\\n",stderr);abort();}\n' "$name" "$name"; done
} > "$stage/missing.c"
cc -shared -fPIC -o "$stage/visit/libmissing.so" "$stage/missing.c"
for bin in "$stage"/visit/*.bin; do
  # Beside it, so that what else a script starts does not get the library. A software driver of Mesa would get it, and call
  # what stands in for LLVM: none but NVIDIA's is looked for.
  cat > "${bin%.bin}" <<SH
#!/bin/sh
here=\$(dirname "\$0")
export __EGL_VENDOR_LIBRARY_FILENAMES=/dev/null
for icd in /etc/vulkan/icd.d/nvidia_icd*.json /usr/share/vulkan/icd.d/nvidia_icd*.json /usr/local/nvidia/share/vulkan/icd.d/nvidia_icd*.json; do
  [ -e "\$icd" ] && export VK_DRIVER_FILES="\${VK_DRIVER_FILES:-\$icd}"
done
export VK_DRIVER_FILES="\${VK_DRIVER_FILES:-/dev/null}"
LD_PRELOAD=\$here/libmissing.so exec "\$here/$(basename "$bin")" "\$@"
SH
  chmod +x "${bin%.bin}"
done
printf '%s\n' "$project" > "$stage/visit/built-in"
mkdir -p "$stage/visit/cache"
# Of benches only: tests measure too, and what is measured on no card must not be taken for one's.
if [ "${KERNELS:-}" != none ]; then
  export CACHE=$stage/visit/cache BATCH=128
  tests/gpu/no-card.sh "$stage/visit/aelectra"
  export PRECISIONS=bf16 WORKLOADS=pretrain
  # Of fewer rows, which visit.sh measures too.
  BATCH=32 tests/gpu/no-card.sh "$stage/visit/aelectra"
  BATCH=32 PRECISIONS=f32 WORKLOADS=finetune tests/gpu/no-card.sh "$stage/visit/aelectra"
  for tiles in wide small rows wide,small wide,rows; do AELECTRA_TILES=$tiles tests/gpu/no-card.sh "$stage/visit/aelectra"; done
  for tiles in wide small rows; do AELECTRA_TILES=$tiles AELECTRA_WITHOUT=epilogues tests/gpu/no-card.sh "$stage/visit/aelectra"; done
  for part in attention epilogues copy-engine attention,epilogues,copy-engine; do
    AELECTRA_WITHOUT=$part tests/gpu/no-card.sh "$stage/visit/aelectra"
  done
  AELECTRA_OPTIMIZER__MUON=1 tests/gpu/no-card.sh "$stage/visit/aelectra"
fi
# Programs and tests share most of their code, which one window over all of them finds.
tar -C "$stage" -c visit | xz --lzma2=preset=3,dict=256MiB > "$out/visit.tar.xz"
if [ $# -ge 2 ]; then
  ner=$1; shift
  mkdir -p "$stage/text/ner" "$stage/text/text"
  cp "$ner"/{train,dev,test}.conllu "$stage/text/ner/"
  cp "$@" "$stage/text/text/"
  "$stage/visit/aelectra" vocab --input "$stage/text/text" --out "$stage/text/tokenizer" --vocab-size "${VOCAB:-32000}" --cased -q
  tar -C "$stage" -cJf "$out/text.tar.xz" text
fi
ls -l "$out"
