"""Make the training goldens: losses, every gradient, and the parameters after 1 and after 10 optimizer steps.

    python reference_pretraining.py

reads the models that make_goldens.py wrote and writes, into tiny-electra/, pretraining.safetensors,
finetuning.safetensors and layerwise_lr.json. See README.md for the tensor names.
"""

import json

import torch
from safetensors.torch import load_file
from transformers import AutoConfig, ElectraForMaskedLM, ElectraForPreTraining, ElectraForTokenClassification

import common
import reference_model as ref

ROOT = common.HERE / "tiny-electra"
STEPS = 10
LEARNING_RATE = 1e-3
DECAY = 0.8


def pretraining_batch() -> ref.Tensors:
    """Given masks and samples: [MASK] on most slots, some left as they were; two samples hit the original, one is [PAD].

    Slots are neither sorted nor repeated. Each entry: (row, position, overwritten by [MASK]?, sampled id or None for
    the original).
    """
    slots = [
        (0, 7, True, 41),
        (0, 2, True, None),
        (0, 10, False, 17),
        (0, 4, True, common.PAD),
        (1, 6, True, 88),
        (1, 1, True, common.MASK),
        (1, 2, True, 23),
        (2, 3, True, 60),
        (2, 1, False, None),
    ]
    batch = common.example_batch()
    batch["input_ids"][0, 3] = 35  # the example batch has [MASK] here, which running text has not
    ids = batch["input_ids"]
    width = ids.shape[1]
    masked, corrupted = ids.clone(), ids.clone()
    sampled = []
    for row, position, overwritten, sample in slots:
        if overwritten:
            masked[row, position] = common.MASK
        sampled.append(int(ids[row, position]) if sample is None else sample)
        corrupted[row, position] = sampled[-1]
    batch.update(
        lengths=batch["attention_mask"].sum(1),
        masked_ids=masked,
        masked_rows=torch.tensor([row * width + position for row, position, _, _ in slots]),
        masked_labels=torch.tensor([int(ids[row, position]) for row, position, _, _ in slots]),
        sampled_ids=torch.tensor(sampled),
        corrupted_ids=corrupted,
        is_replaced=(corrupted != ids).long(),
    )
    assert batch["is_replaced"].sum() == len(slots) - 2
    return batch


def tagging_batch() -> ref.Tensors:
    """Labels on some words; -100 on [CLS], [SEP], continuation pieces and padding."""
    batch = common.example_batch()
    labels = torch.full_like(batch["input_ids"], -100)
    labels[0, [1, 2, 4, 6, 7, 9]] = torch.tensor([0, 1, 2, 3, 0, 4])
    labels[1, [1, 2, 5, 6]] = torch.tensor([0, 1, 0, 3])
    labels[2, [1, 2]] = torch.tensor([0, 0])
    return {**batch, "labels": labels}


def pretraining_parameters() -> ref.Tensors:
    """Shared tables once, under the discriminator's names; what only the generator has under `generator.`."""
    parameters = load_file(ROOT / "discriminator" / "model.safetensors")
    for name, tensor in load_file(ROOT / "generator" / "model.safetensors").items():
        if name.startswith("electra.embeddings."):
            assert torch.equal(tensor, parameters[name]), name
        else:
            parameters[f"generator.{name}"] = tensor
    return parameters


def train(parameters: ref.Tensors, dtype: torch.dtype, loss_of, optimizer: ref.ElectraAdam) -> ref.Tensors:
    """The first loss and gradients, and the parameters after the first and the last step on the same batch."""
    p = {name: tensor.to(dtype, copy=True).requires_grad_() for name, tensor in sorted(parameters.items())}
    results: ref.Tensors = {}
    history: dict[str, list[torch.Tensor]] = {}
    for step in range(1, STEPS + 1):
        out = loss_of(p)
        grads = dict(zip(p, torch.autograd.grad(out["loss"], list(p.values()))))
        norm = optimizer.step(p, grads)
        if step == 1:
            results.update({f"grad.{name}": grad for name, grad in grads.items()})
            results.update({name: value for name, value in out.items() if name.endswith("logits")})
        if step in (1, STEPS):
            results.update({f"step{step}.{name}": tensor.detach().clone() for name, tensor in p.items()})
        for name, value in [*out.items(), ("grad_norm", norm)]:
            if value.ndim == 0:
                history.setdefault(name, []).append(value.detach())
    # Entry k is what step k + 1 saw, before its update.
    results.update({name: torch.stack(values) for name, values in history.items()})
    return results


def write(name: str, batch: ref.Tensors, parameters: ref.Tensors, loss_of, multipliers=None) -> None:
    runs = {
        dtype: train(parameters, dtype, loss_of, ref.ElectraAdam(LEARNING_RATE, multipliers))
        for dtype in (torch.float32, torch.float64)
    }
    double, single = runs[torch.float64], runs[torch.float32]
    metadata = {}
    for group in ("grad.", "step1.", "step10.", ""):
        part = {key: value for key, value in double.items() if key.startswith(group)}
        if group == "":
            part = {key: value for key, value in part.items() if "." not in key}
        metadata[f"float32_run_of_this_reference {group or 'values'}"] = json.dumps(
            common.largest_difference(part, single)
        )
    metadata["learning_rate"] = str(LEARNING_RATE)
    common.store(ROOT / name, {**batch, **double}, metadata)
    print(name, "loss", [round(x, 4) for x in double["loss"].tolist()], "norm", double["grad_norm"][0].item())
    for key, value in metadata.items():
        print("  ", key, value)


def check_against_transformers(p: ref.Tensors, tags: ref.Tensors, batch: ref.Tensors, configs) -> None:
    """Where transformers computes the same thing, this reference must agree with it, or its goldens are worthless."""
    p = {name: tensor.double() for name, tensor in p.items()}
    tags = {name: tensor.double() for name, tensor in tags.items()}
    inputs = {key: batch[key] for key in ("token_type_ids", "attention_mask")}
    ours = ref.pretraining_loss(p, configs["generator"], configs["discriminator"], batch)
    generator = ElectraForMaskedLM.from_pretrained(ROOT / "generator").double().eval()
    theirs = generator(input_ids=batch["masked_ids"], **inputs).logits.flatten(0, 1)[batch["masked_rows"]]
    torch.testing.assert_close(ours["mlm_logits"], theirs, rtol=0, atol=1e-10)

    discriminator = ElectraForPreTraining.from_pretrained(ROOT / "discriminator").double().eval()
    out = discriminator(input_ids=batch["corrupted_ids"], labels=batch["is_replaced"], **inputs)
    real = batch["attention_mask"] == 1
    torch.testing.assert_close(ours["rtd_logits"][real], out.logits[real], rtol=0, atol=1e-10)
    # transformers adds no 1e-6 to the count and returns this loss in float32.
    torch.testing.assert_close(ours["rtd_loss"], out.loss.double(), rtol=1e-6, atol=0)

    tagging = tagging_batch()
    ner = ElectraForTokenClassification.from_pretrained(ROOT / "ner").double().eval()
    out = ner(**tagging)
    out.loss.backward()
    wanted = {name: tensor.requires_grad_() for name, tensor in tags.items()}
    mine = ref.token_classification_loss(wanted, configs["ner"], tagging)
    grads = dict(zip(wanted, torch.autograd.grad(mine["loss"], list(wanted.values()))))
    torch.testing.assert_close(mine["loss"], out.loss, rtol=0, atol=1e-10)
    for name, parameter in ner.named_parameters():
        torch.testing.assert_close(grads[name], parameter.grad, rtol=0, atol=1e-10)


def main() -> None:
    torch.set_num_threads(1)
    configs = {name: AutoConfig.from_pretrained(ROOT / name) for name in ("discriminator", "generator", "ner")}
    batch, tagging = pretraining_batch(), tagging_batch()
    parameters, tags = pretraining_parameters(), load_file(ROOT / "ner" / "model.safetensors")
    check_against_transformers(parameters, tags, batch, configs)

    write(
        "pretraining.safetensors",
        batch,
        parameters,
        lambda p: ref.pretraining_loss(p, configs["generator"], configs["discriminator"], batch),
    )
    layers = configs["ner"].num_hidden_layers
    multipliers = ref.layerwise_multipliers(sorted(tags), layers, DECAY)
    write(
        "finetuning.safetensors",
        tagging,
        tags,
        lambda p: ref.token_classification_loss(p, configs["ner"], tagging),
        multipliers,
    )
    small = {"embeddings": 0, **{f"layer.{k}": k + 1 for k in range(12)}, "head": 14}
    document = {
        "decay": DECAY,
        "tiny_ner": {"num_hidden_layers": layers, "multipliers": multipliers},
        "electra_small": {
            "num_hidden_layers": 12,
            "multipliers": {name: DECAY ** (14 - depth) for name, depth in small.items()},
        },
    }
    (ROOT / "layerwise_lr.json").write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
