"""Make the tiny random checkpoints and the tensors that transformers computes from them.

    python make_goldens.py

writes tiny-electra/ and tiny-bert/ beside this file. Everything is seeded: a second run with the pinned versions
writes the same tensors. Expected values are computed in float64 with eager attention and stored as float32, so a
reader's float32 result differs from them by its own rounding only.
"""

import json
import shutil
from pathlib import Path

import torch
from transformers import (
    BertForMaskedLM,
    BertForPreTraining,
    BertForTokenClassification,
    ElectraForMaskedLM,
    ElectraForPreTraining,
    ElectraForTokenClassification,
)

import common


def forward(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Embeddings before and after the projection, every layer's output, the last hidden state and the logits."""
    model.eval()
    model.set_attn_implementation("eager")
    base = model.base_model
    seen = {}
    hooks = [
        base.embeddings.register_forward_hook(lambda _m, _i, out: seen.__setitem__("embeddings", out)),
        *(
            layer.register_forward_hook(lambda _m, _i, out, k=k: seen.__setitem__(f"layer.{k}", out))
            for k, layer in enumerate(base.encoder.layer)
        ),
        base.encoder.register_forward_hook(
            lambda _m, _i, out: seen.__setitem__("last_hidden_state", out.last_hidden_state)
        ),
    ]
    if hasattr(base, "embeddings_project"):
        hooks.append(
            base.embeddings_project.register_forward_hook(
                lambda _m, _i, out: seen.__setitem__("embeddings_project", out)
            )
        )
    with torch.no_grad():
        out = model(**batch)
    for hook in hooks:
        hook.remove()
    seen["logits"] = out.logits if hasattr(out, "logits") else out.prediction_logits
    if hasattr(out, "seq_relationship_logits"):
        seen["seq_relationship_logits"] = out.seq_relationship_logits
    return seen


def expected(models: dict[str, torch.nn.Module], batch: dict[str, torch.Tensor]) -> tuple[dict, dict]:
    """`<model>.<what>` for each model, and how far transformers' own float32 run is from the float64 one."""
    single, double = {}, {}
    for name, model in models.items():
        single.update({f"{name}.{key}": value for key, value in forward(model.float(), batch).items()})
        double.update({f"{name}.{key}": value for key, value in forward(model.double(), batch).items()})
        model.float()
    return double, common.largest_difference(double, single)


def write_family(root: Path, models: dict[str, torch.nn.Module], with_tokenizer: bool) -> None:
    batch = common.example_batch()
    for name, model in models.items():
        directory = root / name
        shutil.rmtree(directory, ignore_errors=True)
        model.save_pretrained(directory)
        if with_tokenizer:
            common.save_tokenizer(directory)
    tensors, difference = expected(models, batch)
    metadata = {"float32_run_of_transformers": json.dumps(difference)}
    common.store(root / "expected.safetensors", {**batch, **tensors}, metadata)
    print(root.name, difference)


def electra_models() -> dict[str, torch.nn.Module]:
    discriminator = ElectraForPreTraining(common.discriminator_config())
    common.randomise(discriminator, 1)
    generator = ElectraForMaskedLM(common.generator_config())
    common.randomise(generator, 2)
    common.share_embeddings(generator, discriminator)
    ner = ElectraForTokenClassification(common.discriminator_config(**common.label_fields()))
    common.randomise(ner, 3)
    return {"discriminator": discriminator, "generator": generator, "ner": ner}


def bert_models() -> dict[str, torch.nn.Module]:
    """`pretraining` is the file form most published BERTs have: pooler and next-sentence head beside the MLM head."""
    mlm = BertForMaskedLM(common.bert_config())
    common.randomise(mlm, 4)
    pretraining = BertForPreTraining(common.bert_config())
    common.randomise(pretraining, 5)
    ner = BertForTokenClassification(common.bert_config(**common.label_fields()))
    common.randomise(ner, 6)
    return {"mlm": mlm, "pretraining": pretraining, "ner": ner}


if __name__ == "__main__":
    torch.set_num_threads(1)
    write_family(common.HERE / "tiny-electra", electra_models(), with_tokenizer=True)
    write_family(common.HERE / "tiny-bert", bert_models(), with_tokenizer=False)
