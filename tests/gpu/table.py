"""The table of run.sh: everyone's medians, and aelectra's as a ratio to PyTorch in the same precision and compiled."""

import json
import sys
from pathlib import Path

rows = [json.loads(line) for line in Path(sys.argv[1]).read_text().splitlines() if line.startswith("{")]
sizes = dict.fromkeys((r["workload"], r["batch"], r["length"]) for r in rows)
print(
    "| workload | who | median ms | tokens/s | first s | card MB | loss | ÷ PyTorch eager, same precision "
    "| ÷ compiled bf16 |"
)
print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
for size in sizes:
    here = [r for r in rows if (r["workload"], r["batch"], r["length"]) == size]
    times = {r["who"]: r["median_ms"] for r in here if "median_ms" in r}
    for r in here:
        name = f"{size[0]} {size[1]} × {size[2]}"
        if "median_ms" not in r:
            print(f"| {name} | {r['who']} | {r.get('error', 'no result')} | | | | | | |")
            continue
        precision = "bf16" if "bf16" in r["who"] else "f32"

        def ratio(peer: str, r: dict = r) -> str:
            return f"{r['median_ms'] / times[peer]:.2f}" if peer in times else "–"

        first = f"{r['first_ms'] / 1e3:.1f}" if r.get("first_ms") else "–"
        memory = f"{r['peak_bytes'] / 2**20:,.0f}" if r.get("peak_bytes") else "–"
        # Of random words, so it says only whether there is one.
        loss = (r.get("last") or {}).get("loss")
        loss = f"{loss:.3f}" if loss is not None else "–" if "last" not in r else "not a number"
        print(
            f"| {name} | {r['who']} | {r['median_ms']:.2f} | {r['tokens_per_second']:,.0f} | {first} | {memory} | {loss} "
            f"| {ratio(f'PyTorch {precision}')} | {ratio('PyTorch compile-bf16')} |"
        )
