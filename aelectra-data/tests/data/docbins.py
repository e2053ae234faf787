"""Write the `.spacy` files beside this script: what spaCy itself makes of a few sentences of ours.

    pip install spacy==3.8.18
    python docbins.py

`annotated.spacy` has sentence starts, entities side by side, tokens of white space, and words and classes that spaCy knows by
number (`ORG`); `plain.spacy` only what tokens are named by, and annotation that is missing in part; of `unset.spacy` nobody set
`doc.ents`; the entities of `groups.spacy` and `groups_beside.spacy` stand in `doc.spans`, without and beside `doc.ents`.
"""

import pathlib

import spacy
from spacy.tokens import Doc, DocBin, Span

HERE = pathlib.Path(__file__).parent
VOCAB = spacy.blank("da").vocab


def document(text, ents=None, starts=None, **more):
    """A document of words between blanks (`·` is a blank, `¶` two line breaks), its entities as (first, end, class)."""
    words = [word.replace("·", " ").replace("¶", "\n\n") for word in text.split()]
    sent_starts = starts and [place in starts for place in range(len(words))]
    doc = Doc(VOCAB, words=words, spaces=[True] * len(words), sent_starts=sent_starts)
    if ents is not None:
        doc.set_ents([Span(doc, *ent) for ent in ents], **more)
    return doc


def write(name, docs, **options):
    DocBin(docs=docs, **options).to_disk(HERE / name)


write(
    "annotated.spacy",
    [
        document(
            "Mette Lindholm besøgte Århus . ¶ Hun mødte Bo Ib fra ORG .",
            [(0, 2, "PERSON"), (3, 4, "LOC"), (8, 9, "PERSON"), (9, 10, "PERSON"), (11, 12, "ORG")],
            starts=[0, 6],
        ),
        document("ADJ og IS_ALPHA er · ord .", [], starts=[0]),
        document("· Den · sorte kat", [(0, 5, "VÆRK")], starts=[0]),
        document("", []),
    ],
    store_user_data=True,
)
gap = document("Bo så måske Ry", [(0, 1, "PER")], default="missing")
gap.set_ents([], missing=[], outside=[gap[1:2]], blocked=[gap[3:4]], default="unmodified")
write(
    "plain.spacy",
    [document("Ib sov . Ry lå øde .", [(0, 1, "PER"), (3, 4, "LOC")]), gap, document("Ingen så på mig .")],
    attrs=["ENT_IOB", "ENT_TYPE"],
)
write("unset.spacy", [document("Ib sov ."), document("Ry lå øde .")])
for name, ents in [("groups.spacy", None), ("groups_beside.spacy", [])]:
    doc = document("Ib sov i Ry .", ents)
    doc.spans["sc"] = [Span(doc, 0, 1, "PER"), Span(doc, 3, 4, "LOC")]
    write(name, [doc])
