# What run.sh and visit.sh share. They set `aelectra`, `out`, `rows`, `length` and `steps` before they use it.

step() { printf '\n== %s (%s s)\n' "$1" "$SECONDS"; }

# The card's memory in use, MB, again and again.
watch_memory() { exec nvidia-smi --query-gpu=memory.used --format=csv,noheader,nounits --loop-ms=100 2> /dev/null; }

# measure WHO WORKLOAD BATCH SECONDS ARGUMENTS…: one row, whatever happens.
measure() {
  local who=$1 workload=$2 batch=$3 limit=$4; shift 4
  local name=${who// /-}-$workload-$batch
  watch_memory > "$out/memory" & local watching=$!
  # What others hold is known before it begins.
  local waited; for waited in {1..40}; do
    [ ! -s "$out/memory" ] && kill -0 "$watching" 2> /dev/null && sleep 0.1
  done
  timeout -k 5 "$limit" "$aelectra" bench "$@" --batch "$batch" --length "$length" --steps "$steps" --warmup 3 --json \
    > "$out/last.json" 2> "$out/$name.err"
  local rc=$?
  kill "$watching" 2> /dev/null; wait "$watching" 2> /dev/null
  python3 - "$who" "$workload" "$batch" "$length" "$rc" "$out" "$name" >> "$rows" <<'PY'
import json, sys
who, workload, batch, length, rc, out, name = sys.argv[1:]
row = {"who": who, "workload": workload, "batch": int(batch), "length": int(length)}
memory = [int(line) for line in open(f"{out}/memory").read().split() if line.isdigit()]
if memory:
    # Others on the card, which are there before, are not ours.
    row["peak_bytes"] = (max(memory) - memory[0]) * 2**20
try:
    row |= json.load(open(f"{out}/last.json"))
    row["workload"] = workload
except ValueError:
    said = open(f"{out}/{name}.err").read().strip().splitlines()
    wrong = [line for line in said if "panicked" in line or line.startswith("error")] or said[-1:]
    what = "ran out of time" if rc in ("124", "137") else f"exit code {rc}"
    row["error"] = ": ".join([what, *wrong[:1]])[:300]
print(json.dumps(row))
PY
  tail -n 1 "$rows" | cut -c 1-300
}
