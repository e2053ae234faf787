"""The template engine of the built-in sample.

A template is Danish text with choices and slots:

    [a|b|c]          one of the parts, each again a template; [a|] is an optional part
    {ub:dyr#x}       indefinite singular noun with article: "en brun hund" (x remembers the noun)
    {be:dyr#x}       definite singular: "hunden" or "den brune hund"
    {fl:dyr#x}       indefinite plural: "brune hunde"
    {bf:dyr#x}       definite plural: "hundene"
    {nu:dyr#x}       the bare definite noun, no adjective, for a later mention
    {pron:x}         the pronoun den/det for x
    {er:plan#x}      predicate adjective agreeing with x in the singular; {erfl:plan} in the plural
    {p1} {p1.f} …    an entity of the document, see `Document.entity`
    {tal:2-9} {num:100-900} {åt:1100-1500} {kr:20-90} {år} {dato} {dag} {kl} {pct} {grader}
    {vare} {vare1} … a MISC name, see `MISC`; a numbered one stays the same in the document
    {name}           a random member of the word list `name`, again a template

A rendered sentence carries the entities as marks: \\x01PER\\x02Mette Krogh\\x03. `plain` removes
them and ner.py turns them into tags. Every decision comes from one `random.Random`, so a seed fixes the text.
"""

import re

import names
from lexicon import DAYS, MONTHS, NOUNS, NUMBERS, PREDICATES

MARK = re.compile("\x01([A-Z]+)\x02([^\x03]*)\x03")


def mark(label, text):
    return f"\x01{label}\x02{text}\x03"


def plain(text):
    """The text without its entity marks."""
    return MARK.sub(r"\2", text)


def genitive(name):
    """Danish genitive: -s, or an apostrophe after s, x and z."""
    return name + ("'" if name[-1] in "sxz" else "s")


def thousands(n):
    return f"{n:,}".replace(",", ".")


class Person:
    def __init__(self, first, last, role):
        self.first, self.last, self.role = first, last, role
        self.woman = first in names.WOMEN

    def __str__(self):
        return f"{self.first} {self.last}"


class Document:
    """One document's cast and memory; slots of the same name mean the same thing throughout."""

    def __init__(self, rng, world, words, roles=None):
        self.rng, self.world, self.words, self.roles = rng, world, words, roles or {}
        self.cast, self.memory = {}, {}

    # Templates -----------------------------------------------------------------------------------

    def render(self, template):
        out, i = [], 0
        while i < len(template):
            c = template[i]
            if c == "[":
                parts, i = split_choice(template, i)
                out.append(self.render(self.rng.choice(parts)))
            elif c == "{":
                j = template.index("}", i)
                out.append(self.slot(template[i + 1 : j]))
                i = j + 1
            else:
                out.append(c)
                i += 1
        return "".join(out)

    def sentence(self, template):
        """A rendered template with single spaces and a capital first letter."""
        text = re.sub(r" +", " ", self.render(template)).strip()
        text = re.sub(r" ([,.?!;:])", r"\1", text)
        return capitalise(text)

    def slot(self, slot):
        kind, _, arg = slot.partition(":")
        if kind in ("ub", "be", "fl", "bf", "nu"):
            return self.noun(kind, arg)
        if kind in ("er", "erfl"):
            theme, _, key = arg.partition("#")
            row = self.rng.choice(PREDICATES[theme])
            if kind == "erfl":
                return row[2]
            return row[1] if self.memory[key][1][-1] == "t" else row[0]
        if kind == "åt":
            return str(self.rng.randint(*map(int, arg.split("-"))))
        if kind in ("tal", "num", "kr"):
            low, high = map(int, arg.split("-"))
            if kind == "kr":
                return thousands(self.rng.randint(low, high) * 10) + " kroner"
            n = self.rng.randint(low, high)
            return NUMBERS[n] if kind == "tal" else thousands(n)
        if kind == "pron":
            return "det" if self.memory[arg][1][-1] == "t" else "den"
        bare = kind.rstrip("0123456789")
        if bare in MISC:
            return self.misc(kind, bare)
        if slot in FIXED:
            return FIXED[slot](self.rng)
        if slot in self.words:
            return self.render(self.rng.choice(self.words[slot]))
        return self.entity(slot)

    def misc(self, slot, bare):
        """A MISC slot; with a number it keeps its value, without one it avoids the last four."""
        if slot in self.cast:
            return self.cast[slot]
        rows, column = self.world.misc[MISC[bare][0]], MISC[bare][1]
        recent = self.memory.setdefault("recent misc", [])
        fresh = [r for r in rows if r not in recent and mark("MISC", r[column]) not in self.cast.values()]
        row = self.world.pick(self.rng, fresh or rows)
        self.world.used[str(row)] += 1
        recent.append(row)
        del recent[:-4]
        text = mark("MISC", row[column])
        if slot != bare:
            self.cast[slot] = text
        return text

    def noun(self, kind, arg):
        cls, _, key = arg.partition("#")
        rows, adjectives = NOUNS[cls]
        row = self.memory.get(key) if key else None
        if row is None:
            recent = self.memory.setdefault("recent nouns", [])
            row = self.rng.choice([r for r in rows if r not in recent])
            recent.append(row)
            del recent[:-6]
            if key:
                self.memory[key] = row
        neuter, adj = row[1][-1] == "t", self.rng.choice(adjectives)
        adjective = self.rng.random() < {"ub": 0.55, "be": 0.25, "fl": 0.6, "bf": 0.2, "nu": 0.0}[kind]
        if kind == "ub":
            article = "et" if neuter else "en"
            return f"{article} {adj[1 if neuter else 0]} {row[0]}" if adjective else f"{article} {row[0]}"
        if kind in ("be", "nu"):
            definite = "lille" if adj[0] == "lille" else adj[2]
            return f"{'det' if neuter else 'den'} {definite} {row[0]}" if adjective else row[1]
        if kind == "fl":
            return f"{adj[2]} {row[2]}" if adjective else row[2]
        return f"de {adj[2]} {row[2]}" if adjective else row[3]

    # Entities ------------------------------------------------------------------------------------

    def entity(self, slot):
        """An entity slot: the first letter is its kind, the number tells two of a kind apart.

        p1 full name, .f first, .l last (the full name where it comes first), .b always the last,
           .h han/hun, .m ham/hende, .g hans/hendes, .h_stor with a capital;
        t1 town or village (.i "i Odder"/"på Samsø"), e1 country, f1 foreign city, v1 street;
        c1 company (full) .k short name, .v what it makes; k1 club, .k its town; kom1 municipality;
        s1 school; a1 newspaper; o1 association; b1 party; u1 institute; g1 band; m1 firm named after its owner.
        A trailing "s" after the dot part gives the genitive: p1.fs, t1.s.
        """
        name, _, part = slot.partition(".")
        kind = name.rstrip("0123456789")
        first_mention = name not in self.cast
        if first_mention:
            self.cast[name] = self.world.draw(self.rng, kind, self, name)
        value = self.cast[name]
        gen = genitive if part.endswith("s") else (lambda x: x)
        part = part[:-1] if part.endswith("s") else part
        if kind == "p":
            if first_mention and part == "l" and self.world.introduces:
                part = ""
            part, _, big = part.partition("_")
            if big:
                return self.entity(f"{name}.{part}").capitalize()
            if part in "hmg" and part:
                return {"h": ("han", "hun"), "m": ("ham", "hende"), "g": ("hans", "hendes")}[part][value.woman]
            text = {"": f"{value.first} {value.last}", "f": value.first, "l": value.last, "b": value.last}[part]
            return mark("PER", gen(text))
        if kind in ("t", "e", "f", "v"):
            if part == "i":
                preposition = "på" if value in names.ISLANDS else "i"
                return f"{preposition} {mark('LOC', value)}"
            return mark("LOC", gen(value))
        if kind == "c":
            stem, form, branch = value
            if part == "v":
                return self.rng.choice(names.BRANCHES[branch][1])
            return mark("ORG", gen(stem if part == "k" else f"{stem} {form}"))
        if kind == "k":
            return mark("ORG", gen(value[0] if part == "k" else f"{value[0]} {value[1]}"))
        return mark("ORG", gen(value))


FIXED = {
    "år": lambda r: str(r.randint(1952, 2025)),
    "gamleår": lambda r: str(r.randint(1780, 1939)),
    "dato": lambda r: f"{r.randint(1, 28)}. {r.choice(MONTHS)}",
    "måned": lambda r: r.choice(MONTHS),
    "dag": lambda r: r.choice(DAYS),
    "kl": lambda r: f"kl. {r.randint(7, 22)}" + r.choice(["", ".30", ".15", ".45", ".00"]),
    "pct": lambda r: f"{r.randint(2, 88)}{r.choice(['', '', ',5', ',2', ',7'])} procent",
    "grader": lambda r: f"{r.randint(2, 29)} grader",
    "alder": lambda r: str(r.randint(19, 91)),
    "mål": lambda r: r.choice(["1-0", "2-0", "2-1", "3-1", "3-2", "4-2", "5-1", "4-0", "3-0"]),
}


# MISC slots: the world's list and the column of its rows.
MISC = {
    "natu": ("nations", 1), "nat": ("nations", 2), "person_fra": ("nations", 3), "folk": ("nations", 4),
    "sprog": ("languages", 0), "lov": ("laws", 0), "fest": ("festivals", 0), "løb": ("races", 0),
    "vare": ("products", 0), "pris": ("prizes", 0), "værk": ("works", 0),
}


def split_choice(template, start):
    """The parts of the choice that opens at `start`, and the index behind its closing bracket."""
    depth, parts, last = 0, [], start + 1
    for i in range(start, len(template)):
        c = template[i]
        depth += (c == "[") - (c == "]")
        if c == "|" and depth == 1:
            parts.append(template[last:i])
            last = i + 1
        if c == "]" and depth == 0:
            return parts + [template[last:i]], i + 1
    raise ValueError(f"unclosed choice: {template!r}")


def capitalise(text):
    """Capital first letter, past marks and opening quotes."""
    return re.sub(r"^((?:\x01[A-Z]+\x02|[\"»(–] ?)*)([a-zæøå])", lambda m: m[1] + m[2].upper(), text)


# Tokens that keep their final dot.
ABBREVIATIONS = set(
    "f.eks. bl.a. ca. dr. nr. kl. mio. m.fl. osv. dvs. pga. fhv. tlf. inkl. ang. evt. hr. fr. skt. o.l. mht. stk. jf.".split()
)
