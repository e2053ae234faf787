"""Write table.jsonl.gz: tag sequences with the scores that seqeval and scikit-learn give them.

    pip install seqeval==1.2.2 scikit-learn
    python make_table.py

Each line is a JSON object: `kind`, `gold` and `predicted` (sentences; tags separated by blanks),
`default` and `strict` (seqeval without a mode, and mode="strict" with scheme=IOB2), `no_misc`
(micro F1 of the default mode after B-MISC and I-MISC became O on both sides), and `piece`
(scikit-learn's micro F1 over the six B-/I- tags of PER, LOC and ORG on the flattened tags). A mode
holds `micro`, `macro` (null without any entity, which seqeval cannot average) and `classes`, each
[precision, recall, f1, support, predicted, correct]; `strict` is null where seqeval refuses the
tags. The cases are drawn with a fixed seed, so the same versions write the same bytes.
"""

import gzip
import io
import itertools
import json
import pathlib
import random
import sys
import warnings

import sklearn
from seqeval.metrics.sequence_labeling import get_entities, precision_recall_fscore_support
from seqeval.metrics.v1 import precision_recall_fscore_support as strict_scores
from seqeval.scheme import IOB2, Entities
from sklearn.metrics import f1_score

warnings.filterwarnings("ignore")
CLASSES = ["PER", "LOC", "ORG", "MISC"]
ORIGINAL = ["B-PER", "I-PER", "B-LOC", "I-LOC", "B-ORG", "I-ORG"]
random.seed(20201101)


def clean(length, classes=CLASSES):
    """A well-formed IOB2 sentence."""
    tags = []
    while len(tags) < length:
        if random.random() < 0.5:
            tags.append("O")
        else:
            name = random.choice(classes)
            tags += ["B-" + name] + ["I-" + name] * random.choice([0, 0, 1, 1, 2, 4])
    return tags[:length]


def noise(length, prefixes="BIO", classes=CLASSES):
    """Any tag at any place."""
    def tag():
        prefix = random.choice(prefixes)
        return "O" if prefix == "O" else prefix + "-" + random.choice(classes)

    return [tag() for _ in range(length)]


def edited(gold, share, classes=CLASSES):
    """Predictions as a model makes them: mostly the gold tags."""
    return [noise(1, "BIO", classes)[0] if random.random() < share else tag for tag in gold]


def entity_edited(gold):
    """Whole entities dropped, shifted, cut, or given another class."""
    tags = ["O"] * len(gold)
    for name, start, end in get_entities(gold):
        what = random.random()
        if what < 0.15:
            continue
        if what < 0.3:
            name = random.choice(CLASSES)
        if 0.3 <= what < 0.4:
            start, end = min(start + 1, len(gold) - 1), min(end + 1, len(gold) - 1)
        if 0.4 <= what < 0.5:
            end = max(start, end - 1)
        tags[start] = "B-" + name
        tags[start + 1 : end + 1] = ["I-" + name] * (end - start)
    return tags


def sentences(make, most=4, longest=12):
    return [make(random.randint(1, longest)) for _ in range(random.randint(1, most))]


def cases():
    def pairs(kind, count, gold, predict):
        for _ in range(count):
            right = gold()
            yield kind, right, [predict(tags) for tags in right]

    same_length = lambda make: lambda tags: make(len(tags))
    yield from pairs("tag edits", 450, lambda: sentences(clean), lambda t: edited(t, 0.15))
    yield from pairs("entity edits", 450, lambda: sentences(clean, 6, 25), entity_edited)
    yield from pairs("noise", 350, lambda: sentences(noise), same_length(noise))
    yield from pairs("noisy gold", 250, lambda: sentences(noise), lambda t: edited(t, 0.2))
    two = ["PER", "LOC"]
    pool = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
    for tags in itertools.product(pool, repeat=3):
        yield "all of length 3", [list(tags)], [random.choices(pool, k=3)]
        yield "all of length 3", [clean(3, two)], [list(tags)]
    for tags in itertools.product(pool, repeat=2):
        # An entity at the end of a sentence and an I- at the start of the next.
        yield "sentence boundary", [list(tags), ["I-PER", "O"]], [["O", "B-PER"], ["I-PER", "I-LOC"]]
    everything = "BIES" + "O"
    yield from pairs(
        "ends and singles", 200, lambda: sentences(lambda n: noise(n, everything, two)),
        same_length(lambda n: noise(n, everything, two)),
    )
    odd = ["A-B", "Å", "æøå", "_", "O", "B-PER", "x-", "-x", "MISC"]
    yield from pairs(
        "odd classes", 150, lambda: sentences(lambda n: noise(n, "BIO", odd)),
        lambda t: edited(t, 0.3, odd),
    )
    bare = lambda n: random.choices(["B", "I", "O", "B-PER", "I-PER", "B-", "I-"], k=n)
    yield from pairs("no class", 100, lambda: sentences(bare), same_length(bare))
    yield from pairs("nothing predicted", 60, lambda: sentences(clean), lambda t: ["O"] * len(t))
    yield from pairs("nothing to find", 60, lambda: sentences(lambda n: ["O"] * n), same_length(noise))
    yield from pairs("nothing at all", 5, lambda: sentences(lambda n: ["O"] * n), list)
    yield from pairs("empty sentences", 60, lambda: [[], *sentences(clean), []], lambda t: edited(t, 0.2))
    yield from pairs("perfect", 60, lambda: sentences(clean), list)
    yield from pairs("shifted by one", 80, lambda: sentences(clean), lambda t: ["O"] + t[:-1])
    inside = lambda t: ["I" + tag[1:] if tag[0] == "B" else tag for tag in t]
    yield from pairs("I- only", 80, lambda: sentences(clean), inside)
    begin = lambda t: ["B" + tag[1:] if tag[0] == "I" else tag for tag in t]
    yield from pairs("B- only", 80, lambda: sentences(clean), begin)
    for _ in range(6):
        gold = [clean(random.randint(1, 60)) for _ in range(60)]
        yield "a whole test set", gold, [edited(tags, 0.05) for tags in gold]


def spans(tags, strict):
    if strict:
        entities = Entities(tags, IOB2).entities
        return [(e.sent_id, e.tag, e.start, e.end) for sentence in entities for e in sentence]
    return [("", *entity) for entity in get_entities(tags)]


def mode(gold, predicted, strict):
    scores = (
        (lambda average: strict_scores(gold, predicted, average=average, scheme=IOB2))
        if strict
        else (lambda average: precision_recall_fscore_support(gold, predicted, average=average))
    )
    right, guessed = set(spans(gold, strict)), set(spans(predicted, strict))
    names = sorted({entity[1] for entity in right | guessed})
    counts = lambda entities, name: sum(name in (None, entity[1]) for entity in entities)

    def row(p, r, f, s, name=None):
        return [float(p), float(r), float(f), int(s), counts(guessed, name), counts(right & guessed, name)]

    micro = row(*scores("micro"))
    if not names:
        return {"micro": micro, "macro": None, "classes": {}}
    classes = {name: row(*values, name) for name, *values in zip(names, *scores(None))}
    return {"micro": micro, "macro": row(*scores("macro")), "classes": classes}


def no_misc(tags):
    return [["O" if tag in ("B-MISC", "I-MISC") else tag for tag in row] for row in tags]


def main():
    lines = []
    for kind, gold, predicted in cases():
        try:
            strict = mode(gold, predicted, True)
        except ValueError:
            strict = None
        flat = lambda rows: [tag for row in rows for tag in row]
        without = precision_recall_fscore_support(no_misc(gold), no_misc(predicted), average="micro")
        case = {
            "kind": kind,
            "gold": [" ".join(tags) for tags in gold],
            "predicted": [" ".join(tags) for tags in predicted],
            "default": mode(gold, predicted, False),
            "strict": strict,
            "no_misc": float(without[2]),
            "piece": float(
                f1_score(flat(gold), flat(predicted), labels=ORIGINAL, average="micro", zero_division=0)
            ),
        }
        lines.append(json.dumps(case, ensure_ascii=False, separators=(",", ":")))
    head = {"seqeval": "1.2.2", "scikit-learn": sklearn.__version__, "cases": len(lines)}
    data = "\n".join([json.dumps(head), *lines, ""]).encode()
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9, mtime=0) as file:
        file.write(data)
    path = pathlib.Path(__file__).with_name("table.jsonl.gz")
    path.write_bytes(buffer.getvalue())
    print(f"{len(lines)} cases, {len(data)} bytes, {path.stat().st_size} packed", file=sys.stderr)


main()
