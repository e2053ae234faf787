"""Throughput of the Python peers of `aelectra prepare`, on the same text and vocabulary.

    pip install tokenizers zstandard
    python tests/peer/tokenizers_throughput.py --tokenizer DIR [--megabytes N] [--threads N] TEXT.jsonl.zst ...

Two peers, both of which read the files themselves, as `aelectra prepare` does:

* `batch`: Hugging Face `tokenizers`, `encode_batch_fast` over documents, all cores; ids are
  concatenated and written as 16-bit numbers. Only tokenizing and writing: no sentences, no
  examples, no masks. The baseline for "at least 3 times".
* `builder`: one process that splits sentences with the rule of thumb `[.!?] ` + capital, tokenizes
  each sentence with `tokenizers` (one call a sentence, as google-research/electra calls its
  tokenizer) and packs examples of two segments as `build_pretraining_dataset.py` describes them:
  target length 128, 5 % shorter, 10 % with one segment, what does not fit thrown away. The
  baseline for "at least 20 times".

Prints one JSON document: for each, megabytes of UTF-8 text per second of wall time, and the
processor seconds of all threads, which a busy machine does not distort.
"""

import argparse
import array
import io
import json
import os
import random
import re
import sys
import tempfile
import time


def documents(paths, limit):
    """Yields the texts of JSON-lines files, up to `limit` bytes of UTF-8."""
    import zstandard

    seen = 0
    for path in paths:
        with open(path, "rb") as raw:
            stream = zstandard.ZstdDecompressor().stream_reader(raw) if path.endswith(".zst") else raw
            for line in io.TextIOWrapper(stream, encoding="utf-8"):
                text = json.loads(line)["text"]
                seen += len(text.encode())
                yield text
                if limit and seen >= limit:
                    return


def batches(items, size):
    batch = []
    for item in items:
        batch.append(item)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch


def run_batch(tokenizer, texts, out):
    """Documents to ids with batch encoding on all cores."""
    tokens = total = count = 0
    for batch in batches(texts, 256):
        ids = array.array("H")
        for encoding in tokenizer.encode_batch_fast(batch, add_special_tokens=False):
            ids.extend(encoding.ids)
        ids.tofile(out)
        tokens += len(ids)
        count += len(batch)
        total += sum(len(text.encode()) for text in batch)
    return {"documents": count, "tokens": tokens, "bytes": total}


SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-ZÆØÅ])|\n+")


class ExampleBuilder:
    """Examples as section 4.5 of the project's reference describes them."""

    def __init__(self, max_length, cls, sep, seed):
        self.max_length, self.cls, self.sep = max_length, cls, sep
        self.random = random.Random(seed)
        self.sentences, self.length, self.target = [], 0, max_length

    def add(self, ids):
        self.sentences.append(ids)
        self.length += len(ids)
        return self.build() if self.length >= self.target else None

    def build(self):
        if not self.sentences:
            return None
        first_target = 100_000 if self.random.random() < 0.1 else (self.target - 3) // 2
        first, second = [], []
        for ids in self.sentences:
            if (
                not first
                or len(first) + len(ids) < first_target
                or (not second and len(first) < first_target and self.random.random() < 0.5)
            ):
                first += ids
            else:
                second += ids
        first = first[: self.max_length - 2]
        second = second[: max(0, self.max_length - len(first) - 3)]
        self.sentences, self.length = [], 0
        short = self.random.random() < 0.05
        self.target = self.random.randint(5, self.max_length) if short else self.max_length
        ids = [self.cls, *first, self.sep]
        types = [0] * len(ids)
        if second:
            ids += [*second, self.sep]
            types += [1] * (len(ids) - len(types))
        padding = [0] * (self.max_length - len(ids))
        return ids + padding, [1] * len(ids) + padding, types + padding


def run_builder(tokenizer, texts, out):
    """Documents to examples, one sentence and one process at a time."""
    cls, sep = tokenizer.token_to_id("[CLS]"), tokenizer.token_to_id("[SEP]")
    builder = ExampleBuilder(128, cls, sep, 0)
    examples = tokens = total = count = 0

    def write(example):
        nonlocal examples
        if example is not None:
            examples += 1
            for part in example:
                array.array("H", part).tofile(out)

    for text in texts:
        count += 1
        total += len(text.encode())
        for sentence in SENTENCE_END.split(text):
            if sentence:
                ids = tokenizer.encode(sentence, add_special_tokens=False).ids
                tokens += len(ids)
                write(builder.add(ids))
        write(builder.build())
    return {"documents": count, "tokens": tokens, "examples": examples, "bytes": total}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("paths", nargs="+")
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--megabytes", type=float, default=0, help="only the first N of the text")
    parser.add_argument("--builder-megabytes", type=float, default=20, help="the same for `builder`")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    # Read by the Rust side of `tokenizers` when it starts its pool.
    os.environ["RAYON_NUM_THREADS"] = str(arguments.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(os.path.join(arguments.tokenizer, "tokenizer.json"))
    report = {"tokenizers": tokenizers.__version__, "python": sys.version.split()[0], "threads": arguments.threads}
    for name, run, megabytes in [
        ("batch", run_batch, arguments.megabytes),
        ("builder", run_builder, min(filter(None, [arguments.megabytes, arguments.builder_megabytes]), default=0)),
    ]:
        texts = documents(arguments.paths, megabytes * 1e6)
        with tempfile.TemporaryFile() as out:
            started, processor = time.perf_counter(), time.process_time()
            result = run(tokenizer, texts, out)
            seconds = time.perf_counter() - started
        result["seconds"] = seconds
        result["cpu_seconds"] = time.process_time() - processor
        result["megabytes_per_second"] = result["bytes"] / 1e6 / seconds
        report[name] = result
    json.dump(report, sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
