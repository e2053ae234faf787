"""Tag an archive twice, once undisturbed and once killed with SIGKILL and started again, and compare the bytes.

    python tests/experiments/corpus_kills.py --aelectra target/release/aelectra --model runs/…/model \\
        --text train-modern.jsonl.zst --out archive

The archive is 50 files of 2,000 lines, a sentence each, from JSON lines with `text`. Needs the `zstd` command.
"""

import argparse
import json
import random
import re
import subprocess
import time
from pathlib import Path

FILES, SENTENCES, SEED = 50, 2000, 20261127


def write_archive(text: str, folder: Path) -> None:
    """Sentences of 5 to 40 words in folders of ten files."""
    stream = subprocess.Popen(["zstd", "-dc", text], stdout=subprocess.PIPE, text=True)
    sentences = []
    for line in stream.stdout:
        for sentence in re.split(r"(?<=[.!?])\s+", json.loads(line)["text"]):
            if 5 <= len(sentence.split()) <= 40:
                sentences.append(" ".join(sentence.split()))
        if len(sentences) >= FILES * SENTENCES:
            break
    stream.kill()
    for number in range(FILES):
        path = folder / f"year-{1980 + number // 10}" / f"{number:02}.txt"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n".join(sentences[number * SENTENCES : (number + 1) * SENTENCES]) + "\n")


def contents(folder: Path) -> dict:
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--aelectra", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--text", required=True)
    parser.add_argument("--out", required=True)
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--precision", default="bf16")
    a = parser.parse_args()
    out = Path(a.out)
    archive = out / "archive"
    write_archive(a.text, archive)

    def command(tagged: Path) -> list:
        return [a.aelectra, "predict", "--model", a.model, "--input", f"{archive}/**", "--out", str(tagged), "--format", "jsonl", "--precision", a.precision]

    started = time.time()
    subprocess.run(command(out / "whole"), check=True)
    seconds = time.time() - started
    whole = contents(out / "whole")
    print(f"undisturbed: {FILES * SENTENCES} sentences in {seconds:.1f} s, {FILES * SENTENCES / seconds:.0f} a second, {len(whole)} files")
    rng, killed = random.Random(SEED), 0
    while killed < a.kills:
        process = subprocess.Popen(command(out / "killed"), stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.5, seconds / (a.kills + 1)))
        if process.poll() is not None:
            raise SystemExit(f"it ended after {killed} kills, before the next")
        process.kill()
        process.wait()
        killed += 1
        present = contents(out / "killed")
        done = [name for name in present if name in whole]
        torn = [name for name in done if present[name] != whole[name]]
        print(f"kill {killed}: {len(done)} files there, {len(torn)} of them torn")
        if torn:
            raise SystemExit(f"torn: {torn}")
    subprocess.run(command(out / "killed"), check=True)
    if contents(out / "killed") != whole:
        raise SystemExit("the bytes differ")
    print(f"the same {sum(map(len, whole.values()))} bytes in {len(whole)} files after {killed} kills")


if __name__ == "__main__":
    main()
