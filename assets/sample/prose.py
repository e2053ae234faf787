"""Documents of the built-in sample: a world of recurring names, and topics drawn from topics-*.txt."""

import re
from pathlib import Path

import names
from grammar import Document, Person, plain

HERE = Path(__file__).parent

ROLES = ["borgmester", "politiker", "træner", "spiller", "meteorolog", "guide", "kok", "lærer", "skoleleder",
         "direktør", "medarbejder", "historiker", "landmand", "forsker", "kunstner", "betjent", "læge", "fisker",
         "elev", "borger", "borger", "borger", "borger", "minister", "formand"]

# Word lists that templates name in lower or upper case; members are templates themselves.
WORDS = {
    "vejrsuper": ["koldeste", "varmeste", "vådeste", "tørreste", "mest solrige", "mest blæsende"],
    "FIRST": ["første", "anden", "tredje", "fjerde", "femte", "sjette", "syvende", "ottende", "niende"],
    "sagflok": ["ugler", "pindsvin", "sæler", "bier", "ål", "traner", "flagermus"],
    "de_folk": ["danskerne", "børnene", "de unge", "pensionisterne", "mændene", "kvinderne"],
    "folkub": ["mennesker", "unge", "studerende", "familier", "arbejdere"],
    "mad_en": ["en suppe", "en kage", "en tærte", "en fiskeret"],
    "dyr_en": ["hund", "kat", "ko", "hest"],
}


class World:
    """The population: every person has one full name and one role for the whole corpus."""

    introduces = True  # a person's first mention in a document is the full name
    misc = names.MISC

    def __init__(self, rng):
        firsts, lasts = names.WOMEN + names.MEN, names.SURNAMES
        people, used = [], set()
        for i in range(2 * max(len(firsts), len(lasts))):
            while True:
                first = firsts[i % len(firsts)]
                last = lasts[(i + rng.randrange(4) * 37) % len(lasts)]
                if (first, last) not in used:
                    break
            used.add((first, last))
            people.append(Person(first, last, ROLES[i % len(ROLES)]))
        self.people = people
        self.towns, self.islands = 2 * names.TOWNS + names.VILLAGES, names.ISLANDS
        self.lists = {"e": names.COUNTRIES, "f": names.FOREIGN_CITIES, "v": names.STREETS, "b": names.PARTIES,
                      "u": names.INSTITUTES, "g": names.BANDS}
        self.by_role = {r: [p for p in people if p.role == r] for r in ROLES}
        branches = sorted(names.BRANCHES)
        self.companies = []
        for i, stem in enumerate(names.STEMS):
            branch = branches[i % len(branches)]
            self.companies.append((stem, rng.choice(names.BRANCHES[branch][0]), branch))

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
                return value
        raise ValueError(f"no value left for {name}")

    def _draw(self, rng, kind, doc, name):
        if kind == "p":
            return rng.choice(self.by_role[doc.roles[name]] if name in doc.roles else self.people)
        if kind == "t":
            return rng.choice(self.islands if rng.random() < 0.08 else self.towns)
        if kind in self.lists:
            return rng.choice(self.lists[kind])
        if kind == "c":
            return rng.choice(self.companies)
        if kind == "m":
            owners = [rng.choice(self.people) for _ in range(rng.choice([1, 1, 2]))]
            name = " & ".join(o.last for o in owners) if len(owners) > 1 else rng.choice([owners[0].last, f"{owners[0].first} {owners[0].last}"])
            return f"{name} {rng.choice(names.TRADES)}"
        place = self.town(rng, doc, "t" + re.sub(r"\D", "", name))
        if kind == "k":
            return place, rng.choices(names.CLUB_FORMS[:7:6] + ["IF", "Håndboldklub"], [5, 4, 4, 3])[0]
        forms = {"kom": ["Kommune"], "s": names.SCHOOL_FORMS, "a": names.PAPER_FORMS, "o": names.ASSOCIATIONS}[kind]
        return f"{place} {rng.choice(forms)}"

    def town(self, rng, doc, slot):
        """The town an organisation is named after: the document's own, unless that is an island."""
        if slot not in doc.cast:
            doc.cast[slot] = self.draw(rng, "t", doc, slot)
        place = doc.cast[slot]
        return rng.choice(self.towns) if place in names.ISLANDS else place


class Topic:
    def __init__(self, name):
        self.name, self.roles, self.lead, self.body, self.close = name, {}, [], [], []


def read_topics():
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
    templates = [rng.choice(topic.lead), *body, rng.choice(topic.close)]
    return " ".join(doc.sentence(t) for t in templates)


def prose(rng, world, size):
    """Documents until `size` bytes are reached, marks included, topics in shuffled rounds."""
    topics, out, total = read_topics(), [], 0
    while total < size:
        for topic in rng.sample(topics, len(topics)):
            text = document(rng, world, topic)
            out.append(text)
            total += len(plain(text).encode()) + 2
    return out
