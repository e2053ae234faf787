#!/usr/bin/env python3
"""Writes the built-in sample: prose.txt and ner/{train,dev,test}.conllu, next to this file.

    python3 assets/sample/generate.py

Deterministic: the same sources give the same bytes (Python 3.11 and later, standard library only).
"""

import random
import sys
from collections import Counter
from pathlib import Path

from grammar import MARK, plain
from ner import conllu, ner_splits, tokenize
from prose import World, prose

HERE = Path(__file__).parent
SEED = 20240611
PROSE_BYTES = 840_000


def write(path, text):
    path.parent.mkdir(exist_ok=True)
    path.write_text(text, encoding="utf-8", newline="\n")


def statistics(documents, splits):
    """The tables of README.md, for pasting there after a change."""
    text = " ".join(documents)
    print(f"{len(documents):,} documents, {len(text.split()):,} words, {len(set(text.split())):,} distinct")
    known = {m[2] for s in splits["train"] for m in MARK.finditer(s)}
    for split, sentences in splits.items():
        found = [m for s in sentences for m in MARK.finditer(s)]
        counts = Counter(m[1] for m in found)
        unseen = sum(m[2] not in known for m in found)
        tokens = sum(len(tokenize(plain(s))) for s in sentences)
        empty = sum(not MARK.search(s) for s in sentences)
        print(split, len(sentences), tokens, empty, *(counts[c] for c in ("PER", "ORG", "LOC", "MISC")), f"{100 * unseen / len(found):.1f} %", sep=" | ")


def main():
    world = World(random.Random(f"{SEED} world"))
    documents = [plain(d) for d in prose(random.Random(f"{SEED} prose"), world, PROSE_BYTES, "--all-topics" in sys.argv)]
    text = "\n\n".join(documents) + "\n"
    write(HERE / "prose.txt", text)
    splits = ner_splits(random.Random(f"{SEED} ner"), world.companies, text)
    for split, sentences in splits.items():
        blocks = [conllu(f"{split}-{i}", s) for i, s in enumerate(sentences, 1)]
        write(HERE / "ner" / f"{split}.conllu", "\n".join(blocks) + "\n")
    statistics(documents, splits)


if __name__ == "__main__":
    main()
