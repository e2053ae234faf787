"""Make odd/: checkpoints with the oddities of published files, each as small as a model can be.

    python make_odd.py

Most directories hold the same discriminator or generator in another dress, so one set of expected tensors serves them
all; cases.json says which. Where transformers can load a directory, this script asserts that it does.
"""

import json
import shutil
from collections import OrderedDict
from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForTokenClassification,
    ElectraConfig,
    ElectraForMaskedLM,
    ElectraForPreTraining,
)

import common

ROOT = common.HERE / "odd"
SHAPE = {
    "vocab_size": 32,
    "num_hidden_layers": 1,
    "intermediate_size": 12,
    "max_position_embeddings": 10,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
}
CASES: dict[str, dict] = {}


def batch() -> dict[str, torch.Tensor]:
    return {
        "input_ids": torch.tensor([[2, 9, 30, 17, 5, 3], [2, 11, 1, 3, 0, 0]]),
        "attention_mask": torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 0, 0]]),
    }


def discriminator(seed: int = 21, **changes) -> ElectraForPreTraining:
    fields = {"embedding_size": 4, "hidden_size": 8, "num_attention_heads": 2, **SHAPE, **changes}
    model = ElectraForPreTraining(ElectraConfig(**fields))
    common.randomise(model, seed)
    return model.eval()


def generator() -> ElectraForMaskedLM:
    model = ElectraForMaskedLM(
        ElectraConfig(
            **{"embedding_size": 4, "hidden_size": 2, "num_attention_heads": 1, **SHAPE, "intermediate_size": 6}
        )
    )
    common.randomise(model, 22)
    return model.eval()


def bert(kind, **changes):
    model = kind(BertConfig(hidden_size=8, num_attention_heads=2, **{**SHAPE, **changes}))
    common.randomise(model, 23)
    return model.eval()


def weights(model: torch.nn.Module) -> dict[str, torch.Tensor]:
    """Every parameter under its own name; tied ones appear once, as save_pretrained writes them."""
    return OrderedDict((name, parameter.detach().clone()) for name, parameter in model.named_parameters())


def case(name: str, expected: str, note: str, config, changes: dict | None = None) -> Path:
    """A fresh directory with its config.json, noted in cases.json."""
    directory = ROOT / name
    directory.mkdir(parents=True)
    document = {**config.to_dict(), **(changes or {})}
    (directory / "config.json").write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    CASES[name] = {"expected": expected, "note": note}
    return directory


def config_of(model: torch.nn.Module):
    model.config.architectures = [type(model).__name__]
    return model.config


def safetensors(directory: Path, tensors: dict[str, torch.Tensor]) -> None:
    save_file(tensors, directory / "model.safetensors", metadata={"format": "pt"})


class PrintWhenUnpickled:
    """Unpickling this calls print: harmless, but proof that a reader executed the file."""

    def __reduce__(self):
        return (print, ("pytorch_model.bin was executed",))


def released_aelaectra(directory: Path, disc: torch.nn.Module) -> None:
    """The names of the released Ælæctra .bin: generator beside the encoder, an RTD head that no HF class expects.

    The generator shares the word table's storage; its other small tables are copies that training never touched.
    """
    gen = ElectraForMaskedLM(
        ElectraConfig(
            **{"embedding_size": 4, "hidden_size": 2, "num_attention_heads": 1, **SHAPE, "intermediate_size": 3}
        )
    )
    common.randomise(gen, 24)
    source, out = weights(disc), OrderedDict()
    positions = torch.arange(SHAPE["max_position_embeddings"]).expand(1, -1)
    out["electra.embeddings.position_ids"] = positions.clone()
    out.update((name, tensor) for name, tensor in source.items() if name.startswith("electra."))
    words = out["electra.embeddings.word_embeddings.weight"]
    out["generator.embeddings.position_ids"] = positions.clone()
    for name, tensor in weights(gen).items():
        if name.startswith("electra."):
            out["generator." + name.removeprefix("electra.")] = tensor
        elif name.startswith("generator_predictions."):
            out[name] = tensor
        elif name == "generator_lm_head.bias":
            out["generator_predictions.bias"] = tensor
    out["generator.embeddings.word_embeddings.weight"] = words
    out["generator_predictions.decoder.weight"] = words
    out["generator_predictions.decoder.bias"] = out["generator_predictions.bias"]
    rng = torch.Generator().manual_seed(25)
    out["discriminator_predictions.dense.weight"] = source["discriminator_predictions.dense.weight"]
    out["discriminator_predictions.dense.bias"] = source["discriminator_predictions.dense.bias"]
    for name, shape in (
        ("LayerNorm.weight", (8,)),
        ("LayerNorm.bias", (8,)),
        ("classifier.weight", (1, 8)),
        ("classifier.bias", (1,)),
    ):
        out[f"discriminator_predictions.{name}"] = torch.randn(shape, generator=rng)
    torch.save(out, directory / "pytorch_model.bin")


def make() -> dict[str, torch.Tensor]:
    disc, gen = discriminator(), generator()
    own = weights(disc)
    d, g = config_of(disc), config_of(gen)
    expected: dict[str, torch.nn.Module] = {"discriminator": disc, "generator": gen}

    at = case(
        "no-prefix",
        "discriminator",
        "bare encoder: keys without `electra.`, no head",
        d,
        {"architectures": ["ElectraModel"]},
    )
    safetensors(at, {k.removeprefix("electra."): v for k, v in own.items() if k.startswith("electra.")})

    at = case("gamma-beta", "discriminator", "LayerNorm.gamma and .beta for weight and bias", d)
    rename = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    safetensors(at, {next((k.replace(a, b) for a, b in rename.items() if k.endswith(a)), k): v for k, v in own.items()})

    at = case("position-ids", "discriminator", "int64 buffer electra.embeddings.position_ids [1, 10] in the file", d)
    positions = torch.arange(SHAPE["max_position_embeddings"]).expand(1, -1).contiguous()
    safetensors(at, {**own, "electra.embeddings.position_ids": positions})

    at = case(
        "generator-size-string",
        "discriminator",
        'config.json has "generator_size": "0.25"',
        d,
        {"generator_size": "0.25"},
    )
    safetensors(at, own)

    at = case("decoder-absent", "generator", "tied generator_lm_head.weight not stored, as save_pretrained does", g)
    safetensors(at, weights(gen))
    at = case("decoder-stored", "generator", "generator_lm_head.weight stored beside the word table, equal to it", g)
    words = weights(gen)["electra.embeddings.word_embeddings.weight"]
    safetensors(at, {**weights(gen), "generator_lm_head.weight": words.clone()})

    at = case("bin-zip", "discriminator", "pytorch_model.bin, zip format of torch 1.6 and later", d)
    torch.save(own, at / "pytorch_model.bin")
    at = case("bin-legacy", "discriminator", "pytorch_model.bin, format before torch 1.6", d)
    torch.save(own, at / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    at = case("bin-tied", "generator", "pytorch_model.bin: decoder and word table share one storage", g)
    torch.save(gen.state_dict(), at / "pytorch_model.bin")
    at = case(
        "bin-executes",
        "none",
        "pytorch_model.bin whose pickle calls print: no reader may call it: refuse the file, or read the tensors alone",
        d,
    )
    torch.save(OrderedDict([*own.items(), ("extra", PrintWhenUnpickled())]), at / "pytorch_model.bin")

    at = case(
        "aelaectra-released",
        "discriminator",
        "the released names: only electra.* is usable, the RTD head is not",
        d,
        {"generator_size": "0.25"},
    )
    released_aelaectra(at, disc)

    same = discriminator(26, embedding_size=8)
    expected["embedding-equals-hidden"] = same
    at = case("embedding-equals-hidden", "embedding-equals-hidden", "no embeddings_project", config_of(same))
    safetensors(at, weights(same))

    for name, dtype in (("float16", torch.float16), ("bfloat16", torch.bfloat16)):
        half = {k: v.to(dtype) for k, v in own.items()}
        rounded = discriminator()
        rounded.load_state_dict({k: v.float() for k, v in half.items()})
        expected[name] = rounded
        at = case(
            name,
            name,
            f"weights stored as {name}; expected: the rounded weights, computed in full precision",
            d,
            {"dtype": name},
        )
        safetensors(at, half)

    at = case("sharded", "discriminator", "model.safetensors.index.json over several files", d)
    disc.save_pretrained(at, max_shard_size="1KB")

    pooled = bert(
        BertForTokenClassification, id2label={0: "O", 1: "B-PER", 2: "I-PER"}, label2id={"O": 0, "B-PER": 1, "I-PER": 2}
    )
    expected["bert-ner-pooler"] = pooled
    at = case(
        "bert-ner-pooler",
        "bert-ner-pooler",
        "token classification with bert.pooler.dense left in the file",
        config_of(pooled),
    )
    rng = torch.Generator().manual_seed(27)
    pooler = {
        "bert.pooler.dense.weight": torch.randn(8, 8, generator=rng),
        "bert.pooler.dense.bias": torch.randn(8, generator=rng),
    }
    safetensors(at, {**weights(pooled), **pooler})

    masked = bert(BertForMaskedLM)
    expected["bert-decoder-stored"] = masked
    at = case(
        "bert-decoder-stored",
        "bert-decoder-stored",
        "cls.predictions.decoder.{weight,bias} stored beside what they are tied to",
        config_of(masked),
    )
    safetensors(at, {k: v.clone() for k, v in masked.state_dict().items()})

    tensors = {}
    for name, model in expected.items():
        model = model.double()
        model.set_attn_implementation("eager")
        with torch.no_grad():
            tensors[f"{name}.last_hidden_state"] = model.base_model(**batch()).last_hidden_state
            tensors[f"{name}.logits"] = model(**batch()).logits
    return tensors


def check(expected: dict[str, torch.Tensor]) -> None:
    """transformers computes the expected tensors from these directories (it is right about each of them)."""
    real = batch()["attention_mask"] == 1
    for name, entry in CASES.items():
        if entry["expected"] == "none":
            continue
        architecture = json.loads((ROOT / name / "config.json").read_text())["architectures"][0]
        kind = {
            c.__name__: c
            for c in (ElectraForPreTraining, ElectraForMaskedLM, BertForMaskedLM, BertForTokenClassification)
        }
        model = kind.get(architecture, ElectraForPreTraining).from_pretrained(ROOT / name).double().eval()
        with torch.no_grad():
            hidden, logits = model.base_model(**batch()).last_hidden_state, model(**batch()).logits
        prefix = entry["expected"]
        torch.testing.assert_close(hidden[real], expected[f"{prefix}.last_hidden_state"][real], rtol=1e-6, atol=1e-6)
        entry["logits"] = name not in ("no-prefix", "aelaectra-released")
        if entry["logits"]:
            torch.testing.assert_close(logits[real], expected[f"{prefix}.logits"][real], rtol=1e-6, atol=1e-6)


def main() -> None:
    torch.set_num_threads(1)
    shutil.rmtree(ROOT, ignore_errors=True)
    expected = make()
    check(expected)
    common.store(ROOT / "expected.safetensors", {**batch(), **expected})
    (ROOT / "cases.json").write_text(json.dumps(CASES, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
