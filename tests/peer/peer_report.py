"""The table of ratios, in Markdown."""

from peer_contestants import BASE_ROW, BF16_ROWS, F32_ROWS, INT8_ROWS

TITLES = {
    "inference_32x128": "inference, 32 × 128",
    "inference_1x32": "inference, 1 × 32",
    "inference_ragged": "inference, 565 sentences of real lengths",
    "finetune_16x128": "NER training step, 16 × 128",
    "finetune_16x64": "NER training step, 16 × 64",
    "pretrain_16x128": "pretraining step, 16 × 128, dropout 0.1",
    "cold_start": "cold start, one sentence",
}
MIB = 1 << 20
QUIET = 0.05


def ratio(row: dict, base: dict | None, key: str) -> str:
    return f"{row[key] / base[key]:.2f}" if base else "–"


def peers_of(name: str) -> list[str]:
    """Whom a row is held against: 8 bits against 8 bits, bf16 against the best of bf16 and f32, f32 against f32."""
    if "int8" in name:
        return INT8_ROWS
    return F32_ROWS + BF16_ROWS if "bf16" in name else F32_ROWS


def lines_of(title: str, rows: dict[str, dict]) -> list[str]:
    measured = {name: row for name, row in rows.items() if "failed" not in row}
    base = measured.get(BASE_ROW)

    def best_of(names: list[str]) -> dict | None:
        return min((measured[name] for name in names if name in measured), key=lambda row: row["median_ms"], default=None)

    best = best_of(F32_ROWS)
    lines = []
    for name, row in rows.items():
        if "failed" in row:
            lines.append(f"| {title} | {name} | failed: {row['failed']} | | | | | | | | |")
            continue
        medians = row["round_medians_ms"]
        difference = "–"
        if base and "logits" in row and "logits" in base and name != BASE_ROW:
            difference = f"{max(abs(a - b) for a, b in zip(row['logits'], base['logits'])):.1e}"
        cells = [
            title,
            name,
            f"{row['median_ms']:.1f}",
            f"{min(medians):.1f} … {max(medians):.1f}",
            f"{row['min_ms']:.1f}",
            ratio(row, base, "median_ms"),
            ratio(row, base, "min_ms"),
            ratio(row, best, "median_ms"),
            ratio(row, best_of(peers_of(name)), "median_ms"),
            f"{row['peak_rss_bytes'] / MIB:.0f}",
            difference,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return lines


def print_report(document: dict) -> None:
    machine = document["machine"]
    print(
        f"{machine['system']}, {machine['cpus']} processors, {document['threads']} threads, {document['rounds']} rounds"
        + (f", limited to {document['limit']}" if document["limit"] else "")
        + "\n"
    )
    print(
        "| workload | contestant | median ms | medians of rounds | min ms | ÷ sdpa, median | ÷ sdpa, min "
        "| ÷ best f32 peer | ÷ best of its kind | peak MiB | logits: max difference to sdpa |"
    )
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for workload, result in document["results"].items():
        for line in lines_of(TITLES[workload], result["rows"]):
            print(line)
    shares = {TITLES[name]: result["foreign_cpu_share"] for name, result in document["results"].items()}
    known = {title: share for title, share in shares.items() if share is not None}
    if known:
        worst = max(known, key=known.get)
        print(f"\nProcessor time taken by others while measuring: at most {known[worst]:.0%} of the machine ({worst}).")
        if known[worst] > QUIET:
            print("This machine was not idle: the ratios are for trying the script, not for quoting.")
