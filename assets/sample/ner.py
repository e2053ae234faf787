"""The NER sentences of the built-in sample: disjoint names and templates per split, CoNLL-U output."""

import random
import re
from collections import Counter
from pathlib import Path

import names
from grammar import ABBREVIATIONS, MARK, Document, Person, plain
from prose import WORDS, World

HERE = Path(__file__).parent
SPLITS = {"train": 0.6, "dev": 0.12, "test": 0.28}
SENTENCES = {"train": 720, "dev": 170, "test": 240}

NER_WORDS = {
    **WORDS,
    "dyr_fl": ["fugle", "harer", "bier", "rådyr", "ugler", "frøer"],
    "bygn": ["rådhus", "kirke", "station", "mølle", "apotek"],
    "overn": ["køkkenet", "sengen", "kurven", "vinduet"],
    "ting_bf": ["nøgler", "jakker", "bøger", "billetter"],
    "mad_be": ["kagen", "brødet", "suppen", "æblerne"],
}


NER_ROLES = {"o5": "Teater|Museum|Kirke|Bibliotek"}  # associations that are also a house


def split_pools(rng, values):
    """The values of one list, shuffled and cut into the three splits."""
    values = list(values)
    rng.shuffle(values)
    first = round(len(values) * SPLITS["train"])
    second = first + max(2, round(len(values) * SPLITS["dev"]))
    return {"train": values[:first], "dev": values[first:second], "test": values[second:]}


class Pool(World):
    """A world whose names all come from one split's part of the lists."""

    introduces = False

    def __init__(self, rng, split, pools, companies):
        mine = {key: parts[split] for key, parts in pools.items()}
        stems = set(mine["STEMS"])
        self.misc = {key: mine[key] for key in names.MISC}
        self.companies = [c for c in companies if c[0] in stems]
        self.people = [Person(f, l, None) for f in mine["FIRST"] for l in mine["SURNAMES"]]
        self.lists = {"e": mine["COUNTRIES"], "f": mine["FOREIGN_CITIES"], "v": mine["STREETS"], "b": mine["PARTIES"], "u": mine["INSTITUTES"], "g": mine["BANDS"]}
        self.used = Counter()
        self.towns, self.islands = mine["TOWNS"], mine["ISLANDS"]


def make_pools(rng):
    pools = {key: split_pools(rng, getattr(names, key)) for key in
             ("SURNAMES", "ISLANDS", "COUNTRIES", "FOREIGN_CITIES", "STREETS", "STEMS", "PARTIES", "INSTITUTES", "BANDS")}
    pools["FIRST"] = split_pools(rng, names.WOMEN + names.MEN)
    pools["TOWNS"] = split_pools(rng, names.TOWNS + names.VILLAGES)
    pools.update({key: split_pools(rng, rows) for key, rows in names.MISC.items()})
    return pools


# Tokens ------------------------------------------------------------------------------------------


def tokenize(text):
    """(start, end) of each token: words with their inner marks, abbreviations and ordinals with dot."""
    spans = []
    for match in re.finditer(r"\S+", text):
        start, end = match.span()
        while start < end and text[start] in "\"(»–":
            spans.append((start, start + 1))
            start += 1
        tail = []
        while end > start and text[end - 1] in "\".,!?:;)«":
            word = text[start:end]
            if word.lower() in ABBREVIATIONS or re.fullmatch(r"\d+\.", word) and end < len(text):
                break
            tail.append((end - 1, end))
            end -= 1
        if start < end:
            spans.append((start, end))
        spans.extend(reversed(tail))
    return spans


def conllu(sent_id, marked):
    """One sentence with `name=` first in MISC, as DaNE writes its entities."""
    text, entities, shift = plain(marked), [], 0
    for m in MARK.finditer(marked):
        start = m.start() - shift
        entities.append((start, start + len(m[2]), m[1]))
        shift += len(m[0]) - len(m[2])
    rows, starts, ends = [], set(), set()
    spans = tokenize(text)
    for i, (start, end) in enumerate(spans):
        starts.add(start)
        ends.add(end)
        tag = next((("B-" if start == s else "I-") + label for s, e, label in entities if s <= start and end <= e), "O")
        glued = i + 1 < len(spans) and spans[i + 1][0] == end
        misc = f"name={tag}" + ("|SpaceAfter=No" if glued else "")
        rows.append("\t".join([str(i + 1), text[start:end], *"_______", misc]))
    for s, e, _ in entities:
        assert s in starts and e in ends, f"entity does not end with a token: {text!r}"
    return f"# sent_id = {sent_id}\n# text = {text}\n" + "\n".join(rows) + "\n"


# Splits ------------------------------------------------------------------------------------------


def ner_splits(rng, companies, prose):
    """Sentences of the three splits as marked text: distinct, and none of them in the prose."""
    pools, seen, result = make_pools(rng), set(), {}
    for split, wanted in SENTENCES.items():
        world = Pool(rng, split, pools, companies)
        lines = (HERE / f"ner-{split}.txt").read_text(encoding="utf-8").splitlines()
        templates = [line for line in lines if line and not line.startswith("#")]
        sentences, rounds = [], 0
        while len(sentences) < wanted and rounds < 50:
            rounds += 1
            for template in rng.sample(templates, len(templates)):
                marked = Document(rng, world, NER_WORDS, NER_ROLES).sentence(template)
                text = plain(marked)
                if text not in seen and text not in prose:
                    seen.add(text)
                    sentences.append(marked)
        rng.shuffle(sentences)
        result[split] = sentences[:wanted]
    return result
