"""Documents of the built-in sample: a world of recurring names, and topics drawn from topics-*.txt."""

import re
from collections import Counter
from pathlib import Path

import names
from grammar import Document, Person, plain

HERE = Path(__file__).parent

# How many of 41 persons have each role: about what the topics ask for, so that no name is rare.
ROLE_WEIGHTS = {
    "borger": 12, "direktør": 3, "politiker": 2, "spiller": 2, "medarbejder": 2, "kunstner": 2, "formand": 2,
    "borgmester": 1, "træner": 1, "meteorolog": 1, "guide": 1, "kok": 1, "lærer": 1, "skoleleder": 1,
    "historiker": 1, "landmand": 1, "forsker": 1, "betjent": 1, "læge": 1, "fisker": 1, "elev": 1, "minister": 1,
}
ROLES = [role for role, weight in ROLE_WEIGHTS.items() for _ in range(weight)]

# Word lists that templates name; members are templates themselves.
WORDS = {
    "vejrsuper": ["koldeste", "varmeste", "vådeste", "tørreste", "mest solrige", "mest blæsende"],
    "plads_nr": ["første", "anden", "tredje", "fjerde", "femte", "sjette", "syvende", "ottende", "niende"],
    "dyreart": ["ugler", "pindsvin", "sæler", "bier", "ål", "traner", "flagermus"],
    "de_folk": ["danskerne", "børnene", "de unge", "pensionisterne", "mændene", "kvinderne"],
    "flok": ["mennesker", "unge", "studerende", "familier", "arbejdere"],
    "kæl": ["Buster", "Plet", "Mis", "Trine", "Basse", "Vaks", "Futte"],
    "husdyr_fl": ["heste", "køer", "får", "geder"],
    "husdyr_b": ["katten", "hunden", "faderen", "de andre"],
    "vilde": ["traner", "lærker", "storke", "viber", "svaler", "grågæs", "sommerfugle", "firben"],
    "vild_flok": ["tranerne", "lærkerne", "storkene", "viberne", "svalerne"],
    "vild_en": ["en ørn", "en odder", "en isfugl", "en grævling", "en hugorm"],
    "mad_en": ["en suppe", "en kage", "en tærte", "en fiskeret"],
    "dyr_en": ["hund", "kat", "ko", "hest"],
}


def cycle(rng, values, count):
    """`count` values in random order, each as often as the others, give or take one."""
    return (rng.sample(values, len(values)) + rng.sample(values, len(values)))[:count]


class World:
    """The population: every person has one full name and one role for the whole corpus."""

    introduces = True  # a person's first mention in a document is the full name
    misc = names.MISC

    def __init__(self, rng):
        firsts, lasts = names.WOMEN + names.MEN, names.SURNAMES
        rows = []
        for _ in range(2):  # two rounds over both lists, so that every name has at least two bearers
            count = max(len(firsts), len(lasts))
            rows += zip(cycle(rng, firsts, count), cycle(rng, lasts, count))
        rows = sorted(set(rows))
        rng.shuffle(rows)
        people = [Person(first, last, ROLES[i % len(ROLES)]) for i, (first, last) in enumerate(rows)]
        self.used = Counter()
        self.people = people
        self.towns, self.islands = 2 * names.TOWNS + names.VILLAGES, names.ISLANDS
        self.lists = {"e": names.COUNTRIES, "f": names.FOREIGN_CITIES, "v": names.STREETS, "b": names.PARTIES,
                      "u": names.INSTITUTES, "g": names.BANDS}
        self.by_role = {r: [p for p in people if p.role == r] for r in ROLES}
        self.by_role["kvinde"] = [p for p in people if p.woman]
        self.by_role["mand"] = [p for p in people if not p.woman]
        branches = sorted(names.BRANCHES)
        self.companies = []
        for i, stem in enumerate(names.STEMS):
            branch = branches[i % len(branches)]
            self.companies.append((stem, rng.choice(names.BRANCHES[branch][0]), branch))

    def pick(self, rng, options):
        """One of the options, the least used of three drawn at random: no name stays rare."""
        return min((rng.choice(options) for _ in range(3)), key=lambda v: self.used[str(v)])

    def draw(self, rng, kind, doc, name):
        """An entity of a kind for the slot `name`, distinct from the others of that kind."""
        for _ in range(200):
            value = self._draw(rng, kind, doc, name)
            taken = [v for k, v in doc.cast.items() if k.rstrip("0123456789") == kind]
            if kind == "p":
                clash = any(value.first == v.first or value.last == v.last for v in taken)
            else:
                clash = value in taken
            if not clash:
                self.used[str(value)] += 1
                return value
        raise ValueError(f"no value left for {name}")

    def _draw(self, rng, kind, doc, name):
        forms = doc.roles.get(name, "").replace("_", " ").split("|")
        if kind == "p":
            return self.pick(rng, self.by_role[forms[0]] if name in doc.roles else self.people)
        if kind == "t":
            return self.pick(rng, self.islands if rng.random() < 0.1 and forms != ["by"] else self.towns)
        if kind in self.lists:
            wanted = [v for v in forms if v in self.lists[kind]]
            return self.pick(rng, wanted or self.lists[kind])
        if kind == "c":
            return self.pick(rng, [c for c in self.companies if c[2] in forms] or self.companies)
        if kind == "m":
            owners = [self.pick(rng, self.people) for _ in range(rng.choice([1, 1, 2]))]
            name = " & ".join(o.last for o in owners)
            if len(owners) == 1 and rng.random() < 0.5:
                name = str(owners[0])
            return f"{name} {rng.choice(names.TRADES)}"
        place = self.town(rng, doc, "t" + re.sub(r"\D", "", name))
        if kind == "k":
            return place, rng.choice(names.CLUB_FORMS)
        endings = {"kom": ["Kommune"], "s": names.SCHOOL_FORMS, "a": names.PAPER_FORMS, "o": names.ASSOCIATIONS}
        return f"{place} {rng.choice(forms if forms[0] else endings[kind])}"

    def town(self, rng, doc, slot):
        """The town an organisation is named after: the document's own, unless that is an island."""
        if slot not in doc.cast:
            doc.cast[slot] = self.draw(rng, "t", doc, slot)
        place = doc.cast[slot]
        return rng.choice(self.towns) if place in names.ISLANDS else place


class Topic:
    """A section of a topics file: who plays which role, and the three kinds of templates."""

    def __init__(self, name):
        self.name, self.roles, self.lead, self.body, self.close = name, {}, [], [], []


# The topics of prose.txt. Few words that come back often are what a network of 64 dimensions can learn in a minute;
# with all topics (`generate.py --all-topics`) it has learnt nothing but frequencies by then.
SAMPLE_TOPICS = {"byråd", "sport", "erhverv"}


def read_topics():
    """The topics of all topics-*.txt, in file order."""
    topics = []
    for path in sorted(HERE.glob("topics-*.txt")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            head, rest = line[:2], line[2:].strip()
            if line.startswith("## "):
                topics.append(Topic(line[3:]))
            elif head == "@ ":
                topics[-1].roles = dict(pair.split("=") for pair in rest.split())
            elif head in ("> ", "- ", "< "):
                {"> ": topics[-1].lead, "- ": topics[-1].body, "< ": topics[-1].close}[head].append(rest)
            elif line and not line.startswith("#"):
                raise ValueError(f"{path.name}:{number}: expected '## ', '@ ', '> ', '- ' or '< '")
    return topics


def document(rng, world, topic):
    """One document: an opening, some of the topic's body sentences in their order, a closing."""
    doc = Document(rng, world, WORDS, topic.roles)
    count = rng.randint(5, 11)
    body = [topic.body[i] for i in sorted(rng.sample(range(len(topic.body)), min(count, len(topic.body))))]
    # A sentence without slots reads the same every time, so it comes less often.
    body = [t for t in body if "[" in t or "{" in t or rng.random() < 0.4]
    templates = [rng.choice(topic.lead), *body, rng.choice(topic.close)]
    return " ".join(doc.sentence(t) for t in templates)


def prose(rng, world, size, all_topics=False):
    """Documents until `size` bytes are reached, marks included, topics in shuffled rounds."""
    topics, out, total = [t for t in read_topics() if all_topics or t.name in SAMPLE_TOPICS], [], 0
    while total < size:
        for topic in rng.sample(topics, len(topics)):
            text = document(rng, world, topic)
            out.append(text)
            total += len(plain(text).encode()) + 2
    return out
