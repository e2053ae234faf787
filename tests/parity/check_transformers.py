"""Hand-run check: aelectra and transformers compute the same from each other's files.

    python tests/parity/check_transformers.py --aelectra target/release/aelectra --sentences FILE

1. transformers writes random models of real size (ELECTRA-small discriminator, generator and NER model, BERT-base NER
   and MLM model); `aelectra embed-check` reads them.
2. With --round-trip, `aelectra export` writes each ELECTRA model again and transformers must find the same bits.
3. Each directory given with --read, such as a published checkpoint, is read by both.
4. Each directory given with --written (what aelectra wrote) is loaded by transformers: nothing missing, unexpected or
   mismatched, files complete, tied tensors stored once, tokenizer forms in agreement, same numbers as `embed-check`.

Numbers are compared at every real position of the sentences. Exit code 0 when all hold, 1 when one does not, 2 for
unusable input. See README.md beside this file.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
import transformers
from safetensors import safe_open
from safetensors.torch import load_file
from tokenizers import BertWordPieceTokenizer, Tokenizer
from transformers import AutoTokenizer, BertTokenizer

TOLERANCE = 1e-4
VOCAB_SIZE = 32_000
LABELS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
DEFAULT_SENTENCES = Path(__file__).resolve().parents[3] / "shared/data/ner/danplus-ddt-4/test.conllu"
TIED = ("generator_lm_head.weight", "cls.predictions.decoder.weight", "cls.predictions.decoder.bias")
FILES = (
    "config.json",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "README.md",
)


class Results:
    """Lines of the report; a failed one makes the exit code 1."""

    def __init__(self):
        self.failed = 0

    def add(self, ok: bool, line: str) -> None:
        self.failed += not ok
        print(f"{'ok  ' if ok else 'FAIL'}  {line}", flush=True)


def read_sentences(path: Path, limit: int) -> list[str]:
    """The `# text =` lines of a CoNLL-U file, or the lines of any other file."""
    lines = path.read_text(encoding="utf-8").splitlines()
    if path.suffix == ".conllu":
        lines = [line.removeprefix("# text = ") for line in lines if line.startswith("# text = ")]
    return [line.strip() for line in lines if line.strip()][:limit]


def train_tokenizer(sentences: list[str], directory: Path) -> None:
    """A cased vocabulary of the sentences themselves: real ids of real words, no download."""
    trainer = BertWordPieceTokenizer(lowercase=False, strip_accents=False, handle_chinese_chars=False)
    trainer.train_from_iterator(sentences, vocab_size=4000, min_frequency=1, show_progress=False)
    tokenizer = BertTokenizer(
        vocab=trainer.get_vocab(), do_lower_case=False, strip_accents=False, tokenize_chinese_chars=False
    )
    tokenizer.save_pretrained(directory)


def batches_of(tokenizer, sentences: list[str], size: int, model) -> list[dict[str, torch.Tensor]]:
    """Padded batches in the order of the file, so most rows carry padding."""
    return [
        dict(
            tokenizer(
                sentences[k : k + size],
                padding=True,
                truncation=True,
                max_length=min(128, model.config.max_position_embeddings),
                return_tensors="pt",
                return_token_type_ids=False,
            )
        )
        for k in range(0, len(sentences), size)
    ]


def random_model(kind, config, seed: int) -> torch.nn.Module:
    """Weights at the scale of 1 / sqrt(fan in), so attention is not uniform and logits are of order 1 and more."""
    model = kind(config)
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in sorted(model.named_parameters()):
            noise = torch.randn(tensor.shape, generator=rng)
            if name.endswith("LayerNorm.weight"):
                tensor.copy_(1.0 + 0.1 * noise)
            elif tensor.ndim == 1:
                tensor.copy_(0.1 * noise)
            else:
                tensor.copy_(noise / tensor.shape[-1] ** 0.5)
    return model.eval()


def model_plans() -> dict[str, tuple]:
    """Name → class, configuration."""
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: k for k, label in enumerate(LABELS)}}
    small = {"vocab_size": VOCAB_SIZE}
    quarter = {**small, "hidden_size": 64, "num_attention_heads": 1, "intermediate_size": 256}
    electra, bert = transformers.ElectraConfig, transformers.BertConfig
    return {
        "electra-small-discriminator": (transformers.ElectraForPreTraining, electra(**small)),
        "electra-small-generator": (transformers.ElectraForMaskedLM, electra(**quarter)),
        "electra-small-ner": (transformers.ElectraForTokenClassification, electra(**small, **labels)),
        "bert-base-ner": (transformers.BertForTokenClassification, bert(**small, **labels)),
        "bert-base-mlm": (transformers.BertForMaskedLM, bert(**small)),
    }


def run(command: list[str]) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"`{' '.join(command)}` ended with {done.returncode}:\n{done.stderr.strip()}")


def embed_check(aelectra: str, directory: Path, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    with tempfile.TemporaryDirectory() as scratch:
        ids, out = Path(scratch) / "ids.json", Path(scratch) / "out.safetensors"
        ids.write_text(json.dumps({key: batch[key].tolist() for key in ("input_ids", "attention_mask")}))
        run([aelectra, "embed-check", "--model", str(directory), "--ids", str(ids), "--out", str(out)])
        return load_file(out)


def logits_of(out) -> dict[str, torch.Tensor]:
    """Under whichever name the class has them; a bare encoder has none."""
    found = [getattr(out, name) for name in ("logits", "prediction_logits") if hasattr(out, name)]
    return {"logits": found[0]} if found else {}


def compare_numbers(aelectra: str, directory: Path, model, batches: list[dict], results: Results, label: str) -> None:
    """Largest difference of last_hidden_state and logits over all real positions."""
    worst: dict[str, float] = {}
    largest, tokens, finite = 0.0, 0, True
    for batch in batches:
        try:
            theirs = embed_check(aelectra, directory, batch)
        except RuntimeError as error:
            results.add(False, f"{label}: {error}")
            return
        with torch.no_grad():
            out = model(**batch, output_hidden_states=True)
        ours = {"last_hidden_state": out.hidden_states[-1], **logits_of(out)}
        if set(theirs) != set(ours):
            results.add(False, f"{label}: embed-check wrote {sorted(theirs)}, expected {sorted(ours)}")
            return
        real = batch["attention_mask"] == 1
        tokens += int(real.sum())
        for name, wanted in ours.items():
            found = theirs[name].float().reshape(wanted.shape)
            difference = (found[real] - wanted[real]).abs()
            finite &= bool(torch.isfinite(difference).all())
            worst[name] = max(worst.get(name, 0.0), difference.max().item())
        largest = max(largest, ours.get("logits", ours["last_hidden_state"])[real].abs().max().item())
    ok = finite and max(worst.values()) <= TOLERANCE
    results.add(
        ok,
        f"{label}: {sum(len(b['input_ids']) for b in batches)} sentences, {tokens} tokens, largest |output| {largest:.2f}, "
        f"max difference {', '.join(f'{value:.1e} {name}' for name, value in worst.items())}",
    )


def transformers_class(directory: Path):
    config = json.loads((directory / "config.json").read_text(encoding="utf-8"))
    return getattr(transformers, config["architectures"][0])


def load_strictly(directory: Path, results: Results, label: str):
    """Load with the class that config.json names; nothing may be missing, unexpected or of another shape."""
    model, info = transformers_class(directory).from_pretrained(directory, output_loading_info=True)
    faults = {key: value for key, value in info.items() if value}
    results.add(
        not faults,
        f"{label}: loads as {type(model).__name__}, " + (f"{faults}" if faults else "no key missing or unexpected"),
    )
    return model.eval()


def check_files(directory: Path, results: Results, label: str) -> None:
    missing = [name for name in FILES if not (directory / name).exists()]
    results.add(not missing, f"{label}: " + (f"lacks {missing}" if missing else f"all {len(FILES)} files are there"))
    with safe_open(directory / "model.safetensors", "pt") as file:
        metadata = file.metadata() or {}
        twice = sorted(set(TIED).intersection(file.keys()))
    results.add(metadata.get("format") == "pt", f"{label}: safetensors metadata {metadata}")
    results.add(not twice, f"{label}: tied tensors " + (f"stored again: {twice}" if twice else "stored once"))


def check_tokenizer(directory: Path, sentences: list[str], results: Results, label: str):
    """AutoTokenizer, the bare tokenizer.json, and vocab.txt with tokenizer_config.json must give the same ids."""
    auto = AutoTokenizer.from_pretrained(directory)
    settings = json.loads((directory / "tokenizer_config.json").read_text(encoding="utf-8"))
    tokens = (directory / "vocab.txt").read_text(encoding="utf-8").removesuffix("\n").split("\n")
    keys = ("do_lower_case", "strip_accents", "tokenize_chinese_chars")
    plain = BertTokenizer(vocab={t: k for k, t in enumerate(tokens)}, **{k: settings[k] for k in keys if k in settings})
    bare = Tokenizer.from_file(str(directory / "tokenizer.json"))
    bare.no_truncation()
    bare.no_padding()
    wrong = []
    for sentence in [
        *sentences,
        "Blåbærgrød\u00ad på Ærø – 100 %! 😀 naïve 漢字 " + "x" * 101,
        "a\u0308\u030a \u0007 A\u030arhus",
    ]:
        ids = auto(sentence)["input_ids"]
        if not ids == plain(sentence)["input_ids"] == bare.encode(sentence).ids:
            wrong.append(sentence)
    results.add(
        not wrong,
        f"{label}: AutoTokenizer ({type(auto).__name__}), tokenizer.json and vocab.txt "
        + (
            f"differ on {len(wrong)} texts, first: {wrong[0]!r}"
            if wrong
            else f"give the same ids on {len(sentences) + 2} texts"
        ),
    )
    return auto


def round_trip(aelectra: str, name: str, source: Path, scratch: Path, results: Results) -> Path | None:
    """transformers' file → aelectra export → the same tensors, bit for bit."""
    out = scratch / f"{name}-exported"
    try:
        run([aelectra, "export", "--checkpoint", str(source), "--out", str(out), "--head", name.rsplit("-", 1)[1]])
    except RuntimeError as error:
        results.add(False, f"{name}: {error}")
        return None
    before, after = load_file(source / "model.safetensors"), load_file(out / "model.safetensors")
    changed = [key for key in before if key not in after or not torch.equal(before[key], after[key])]
    added = sorted(set(after) - set(before))
    results.add(
        not changed and not added,
        f"{name}: export keeps {len(before)} tensors bit for bit; changed {changed}, added {added}",
    )
    return out


def check_written(arguments, directory: Path, sentences: list[str], scratch: Path, results: Results) -> None:
    """Everything that is asked of one directory that aelectra wrote."""
    label = str(directory)
    check_files(directory, results, label)
    model = load_strictly(directory, results, label)
    if (directory / "tokenizer_config.json").exists():
        tokenizer = check_tokenizer(directory, sentences, results, label)
    else:
        train_tokenizer(sentences, scratch / "tokenizer")
        tokenizer = AutoTokenizer.from_pretrained(scratch / "tokenizer")
    batches = batches_of(tokenizer, sentences, arguments.batch_size, model)
    compare_numbers(arguments.aelectra, directory, model, batches, results, label)


def check_read(arguments, directory: Path, sentences: list[str], results: Results) -> None:
    """A checkpoint from anywhere, with its own tokenizer."""
    model = transformers_class(directory).from_pretrained(directory).eval()
    batches = batches_of(AutoTokenizer.from_pretrained(directory), sentences, arguments.batch_size, model)
    compare_numbers(arguments.aelectra, directory, model, batches, results, str(directory))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--aelectra", required=True, help="the binary to check")
    parser.add_argument(
        "--sentences", type=Path, default=DEFAULT_SENTENCES, help=".conllu, or text with one sentence per line"
    )
    parser.add_argument("--limit", type=int, default=100, help="number of sentences")
    parser.add_argument("--batch-size", type=int, default=10)
    parser.add_argument(
        "--models",
        nargs="*",
        default=list(model_plans()),
        choices=list(model_plans()),
        help="default: all; give none to skip",
    )
    parser.add_argument("--round-trip", action="store_true", help="also export the ELECTRA models and compare bits")
    parser.add_argument("--read", nargs="*", type=Path, default=[], help="checkpoints from elsewhere, with a tokenizer")
    parser.add_argument("--written", nargs="*", type=Path, default=[], help="directories that aelectra wrote")
    arguments = parser.parse_args()
    if not arguments.sentences.exists():
        print(f"error: no file `{arguments.sentences}`; give one with --sentences", file=sys.stderr)
        return 2
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    sentences = read_sentences(arguments.sentences, arguments.limit)
    print(
        f"transformers {transformers.__version__}, torch {torch.__version__}, {len(sentences)} sentences, tolerance {TOLERANCE}"
    )

    results = Results()
    with tempfile.TemporaryDirectory() as scratch_name:
        scratch = Path(scratch_name)
        for seed, (name, (kind, config)) in enumerate(model_plans().items(), start=1):
            if name not in arguments.models:
                continue
            directory = scratch / name
            model = random_model(kind, config, seed)
            model.save_pretrained(directory)
            train_tokenizer(sentences, directory)
            batches = batches_of(AutoTokenizer.from_pretrained(directory), sentences, arguments.batch_size, model)
            compare_numbers(arguments.aelectra, directory, model, batches, results, name)
            if arguments.round_trip and name.startswith("electra"):
                exported = round_trip(arguments.aelectra, name, directory, scratch, results)
                if exported:
                    load_strictly(exported, results, exported.name)
            del model

        for directory in [*arguments.read, *arguments.written]:
            try:
                if directory in arguments.read:
                    check_read(arguments, directory, sentences, results)
                else:
                    check_written(arguments, directory, sentences, scratch, results)
            except (OSError, ValueError, KeyError, RuntimeError) as error:
                results.add(False, f"{directory}: {type(error).__name__}: {error}")

    print("every check holds" if results.failed == 0 else f"{results.failed} checks failed")
    return 1 if results.failed else 0


if __name__ == "__main__":
    sys.exit(main())
