"""Make lengths-565.json: how many word pieces, [CLS] and [SEP] included, the sentences of a CoNLL-U file have.

python make_lengths.py --vocab vocab.txt --sentences test.conllu --out lengths-565.json
"""

import argparse
import json
from pathlib import Path

from tokenizers import BertWordPieceTokenizer


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--vocab", type=Path, required=True, help="vocab.txt of a cased tokenizer")
    parser.add_argument("--sentences", type=Path, required=True, help="CoNLL-U; words are taken from its second column")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    tokenizer = BertWordPieceTokenizer(
        str(arguments.vocab), lowercase=False, strip_accents=False, handle_chinese_chars=False
    )
    lengths = []
    for block in arguments.sentences.read_text(encoding="utf-8").strip().split("\n\n"):
        words = [line.split("\t")[1] for line in block.splitlines() if line.split("\t")[0].isdigit()]
        pieces = sum(len(tokenizer.encode(word, add_special_tokens=False).ids) for word in words)
        lengths.append(min(pieces + 2, arguments.max_length))
    arguments.out.write_text(json.dumps({"lengths": lengths}) + "\n", encoding="utf-8")
    print(
        f"{len(lengths)} sentences, {sum(lengths)} positions, mean {sum(lengths) / len(lengths):.1f}, longest {max(lengths)}"
    )


if __name__ == "__main__":
    main()
