"""ELECTRA's forward pass and optimizer as plain functions over a dictionary of tensors with Hugging Face names.

Written apart from transformers on purpose: it is the second opinion for what transformers has not got (joint loss,
tied tables, ELECTRA's Adam), and `reference_pretraining.py` first asserts that both agree on what both have.
There is no dropout here, and no special treatment of the padding row of the word table (`torch.nn.Embedding` with
`padding_idx`, as in transformers, would drop its gradient; the original implementation does not).
"""

import math

import torch
import torch.nn.functional as F

Tensors = dict[str, torch.Tensor]


def linear(p: Tensors, name: str, x: torch.Tensor) -> torch.Tensor:
    return F.linear(x, p[f"{name}.weight"], p[f"{name}.bias"])


def layer_norm(p: Tensors, name: str, x: torch.Tensor, eps: float) -> torch.Tensor:
    return F.layer_norm(x, x.shape[-1:], p[f"{name}.weight"], p[f"{name}.bias"], eps)


def embed(p: Tensors, config, ids: torch.Tensor, types: torch.Tensor) -> torch.Tensor:
    name = "electra.embeddings"
    positions = p[f"{name}.position_embeddings.weight"][: ids.shape[1]]
    x = p[f"{name}.word_embeddings.weight"][ids] + p[f"{name}.token_type_embeddings.weight"][types] + positions
    return layer_norm(p, f"{name}.LayerNorm", x, config.layer_norm_eps)


def attend(p: Tensors, prefix: str, config, x: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    rows, width, hidden = x.shape
    heads = config.num_attention_heads
    size = hidden // heads

    def split(name: str) -> torch.Tensor:
        return linear(p, f"{prefix}.self.{name}", x).view(rows, width, heads, size).transpose(1, 2)

    scores = split("query") @ split("key").transpose(2, 3) / math.sqrt(size)
    scores = scores.masked_fill(mask[:, None, None, :] == 0, -torch.inf)
    context = (scores.softmax(-1) @ split("value")).transpose(1, 2).reshape(rows, width, hidden)
    return layer_norm(
        p, f"{prefix}.output.LayerNorm", linear(p, f"{prefix}.output.dense", context) + x, config.layer_norm_eps
    )


def encode(p: Tensors, scope: str, config, ids: torch.Tensor, types: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    """`scope` is "" for the discriminator and "generator." for the generator; the embedding tables are common to both."""
    x = embed(p, config, ids, types)
    x = linear(p, f"{scope}electra.embeddings_project", x)
    for k in range(config.num_hidden_layers):
        prefix = f"{scope}electra.encoder.layer.{k}"
        x = attend(p, f"{prefix}.attention", config, x, mask)
        inner = F.gelu(linear(p, f"{prefix}.intermediate.dense", x))
        x = layer_norm(
            p, f"{prefix}.output.LayerNorm", linear(p, f"{prefix}.output.dense", inner) + x, config.layer_norm_eps
        )
    return x


def mlm_logits(p: Tensors, config, hidden: torch.Tensor) -> torch.Tensor:
    h = F.gelu(linear(p, "generator.generator_predictions.dense", hidden))
    h = layer_norm(p, "generator.generator_predictions.LayerNorm", h, config.layer_norm_eps)
    return F.linear(h, p["electra.embeddings.word_embeddings.weight"], p["generator.generator_lm_head.bias"])


def rtd_logits(p: Tensors, hidden: torch.Tensor) -> torch.Tensor:
    h = F.gelu(linear(p, "discriminator_predictions.dense", hidden))
    return linear(p, "discriminator_predictions.dense_prediction", h).squeeze(-1)


def pretraining_loss(p: Tensors, generator, discriminator, batch: Tensors) -> Tensors:
    """run_pretraining.py of google-research/electra: total = MLM + 50 * RTD, each a sum over (count + 1e-6)."""
    types, mask = batch["token_type_ids"], batch["attention_mask"]
    hidden = encode(p, "generator.", generator, batch["masked_ids"], types, mask)
    slots = mlm_logits(p, generator, hidden.flatten(0, 1)[batch["masked_rows"]])
    nll = F.cross_entropy(slots, batch["masked_labels"], reduction="none")
    mlm = nll.sum() / (len(nll) + 1e-6)

    # The samples are given ids, so nothing flows back through them.
    hidden = encode(p, "", discriminator, batch["corrupted_ids"], types, mask)
    logits = rtd_logits(p, hidden)
    real = mask.to(logits.dtype)
    bce = F.binary_cross_entropy_with_logits(logits, batch["is_replaced"].to(logits.dtype), reduction="none")
    rtd = (bce * real).sum() / (real.sum() + 1e-6)
    return {"mlm_logits": slots, "rtd_logits": logits, "mlm_loss": mlm, "rtd_loss": rtd, "loss": mlm + 50.0 * rtd}


def token_classification_loss(p: Tensors, config, batch: Tensors) -> Tensors:
    """Mean cross-entropy over the labelled positions; -100 is ignored."""
    hidden = encode(p, "", config, batch["input_ids"], batch["token_type_ids"], batch["attention_mask"])
    logits = linear(p, "classifier", hidden)
    return {
        "logits": logits,
        "loss": F.cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), ignore_index=-100),
    }


def is_decayed(name: str) -> bool:
    return "LayerNorm" not in name and not name.endswith("bias")


class ElectraAdam:
    """optimization.py of google-research/electra: no bias correction, epsilon outside the root, decoupled decay."""

    def __init__(self, lr: float, multipliers: dict[str, float] | None = None):
        self.lr, self.multipliers = lr, multipliers or {}
        self.moments: dict[str, tuple[torch.Tensor, torch.Tensor]] = {}

    def step(self, p: Tensors, grads: Tensors) -> torch.Tensor:
        """Update `p` in place and return the global norm before clipping."""
        norm = torch.stack([g.square().sum() for g in grads.values()]).sum().sqrt()
        scale = torch.clamp(1.0 / norm, max=1.0)
        for name, tensor in p.items():
            g = grads[name] * scale
            m, v = self.moments.get(name, (torch.zeros_like(g), torch.zeros_like(g)))
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            self.moments[name] = (m, v)
            update = m / (v.sqrt() + 1e-6)
            if is_decayed(name):
                update = update + 0.01 * tensor.detach()
            tensor.data -= self.lr * self.multipliers.get(name, 1.0) * update
        return norm


def layerwise_multipliers(names, layers: int, decay: float) -> dict[str, float]:
    """decay^(layers + 2 - depth): depth 0 for the embeddings and their projection, k + 1 for layer k, layers + 2 for a head."""

    def depth(name: str) -> int:
        if name.startswith("electra.embeddings"):
            return 0
        if name.startswith("electra.encoder.layer."):
            return int(name.split(".")[3]) + 1
        return layers + 2

    return {name: decay ** (layers + 2 - depth(name)) for name in names}
