"""The peer's models and steps: ELECTRA-small in PyTorch as transformers has it, and joint pretraining on top."""

from pathlib import Path

import torch
import torch.nn.functional as F
import transformers
from transformers import ElectraConfig, ElectraForMaskedLM, ElectraForPreTraining, ElectraForTokenClassification

VOCAB_SIZE = 32_000
LABELS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]


def config(**changes) -> ElectraConfig:
    return ElectraConfig(**{"vocab_size": VOCAB_SIZE, **changes})


def widen(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    """Matrices at the scale 1 / sqrt(fan in): logits far enough from zero to compare the numbers of two runtimes."""
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _name, tensor in sorted(model.named_parameters()):
            if tensor.ndim == 2:
                tensor.copy_(torch.randn(tensor.shape, generator=rng) / tensor.shape[-1] ** 0.5)
    return model


def save_models(directory: Path) -> dict[str, Path]:
    """The checkpoints every contestant reads, with a tokenizer so that text can be tagged."""
    transformers.logging.disable_progress_bar()
    labels = {"id2label": dict(enumerate(LABELS)), "label2id": {label: k for k, label in enumerate(LABELS)}}
    models = {
        "discriminator": ElectraForPreTraining(config()),
        "ner": ElectraForTokenClassification(config(**labels)),
    }
    letters = "abcdefghijklmnopqrstuvwxyzæøåABCDEFGHIJKLMNOPQRSTUVWXYZÆØÅ0123456789.,"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + c for c in letters)]
    tokens += [f"filler{k}" for k in range(VOCAB_SIZE - len(tokens))]
    for seed, (name, model) in enumerate(models.items()):
        widen(model, seed).save_pretrained(directory / name)
        tokenizer = transformers.BertTokenizer(
            vocab={t: k for k, t in enumerate(tokens)}, do_lower_case=False, strip_accents=False
        )
        tokenizer.save_pretrained(directory / name)
        (directory / name / "vocab.txt").write_text("".join(t + "\n" for t in tokens), encoding="utf-8")
    return {name: directory / name for name in models}


def random_ids(rows: int, width: int, seed: int) -> torch.Tensor:
    return torch.randint(5, VOCAB_SIZE, (rows, width), generator=torch.Generator().manual_seed(seed))


def ragged_batches(lengths: list[int], size: int) -> list[dict[str, torch.Tensor]]:
    """Sentences sorted by length, in batches padded to their longest."""
    ordered, batches = sorted(lengths, reverse=True), []
    for start in range(0, len(ordered), size):
        chunk = ordered[start : start + size]
        ids = random_ids(len(chunk), chunk[0], start)
        mask = (torch.arange(chunk[0])[None, :] < torch.tensor(chunk)[:, None]).long()
        batches.append({"input_ids": ids * mask, "attention_mask": mask})
    return batches


class JointPretraining(torch.nn.Module):
    """Generator of a quarter of the width and discriminator, embeddings tied, total loss MLM + 50 * RTD."""

    def __init__(self):
        super().__init__()
        self.discriminator = ElectraForPreTraining(config())
        self.generator = ElectraForMaskedLM(config(hidden_size=64, num_attention_heads=1, intermediate_size=256))
        self.generator.electra.embeddings = self.discriminator.electra.embeddings
        self.generator.generator_lm_head.weight = self.discriminator.electra.embeddings.word_embeddings.weight

    def forward(self, input_ids, masked_ids, rows):
        hidden = self.generator.electra(masked_ids)[0].flatten(0, 1)[rows]
        logits = self.generator.generator_lm_head(self.generator.generator_predictions(hidden))
        flat = input_ids.flatten()
        mlm = F.cross_entropy(logits, flat[rows])
        with torch.no_grad():
            # Gumbel noise is minus the logarithm of an exponential variable.
            noise = torch.empty_like(logits, dtype=torch.float32).exponential_().log_()
            sampled = (logits.float() - noise).argmax(-1)
            corrupted = flat.scatter(0, rows, sampled).view_as(input_ids)
            replaced = (corrupted != input_ids).float()
        scores = self.discriminator(corrupted).logits
        rtd = F.binary_cross_entropy_with_logits(scores.float(), replaced)
        return mlm + 50.0 * rtd


def pretraining_batch(rows: int, width: int, seed: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Original ids, generator input, and the flat index of each drawn slot; 85 % of the slots are [MASK]."""
    rng = torch.Generator().manual_seed(seed)
    ids = random_ids(rows, width, seed)
    # As many as aelectra draws: 19 of 128.
    drawn = max(1, round(0.15 * width))
    slots = torch.stack([torch.randperm(width - 2, generator=rng)[:drawn] + 1 for _ in range(rows)])
    flat = (slots + torch.arange(rows)[:, None] * width).flatten()
    masked = ids.flatten().clone()
    masked[flat[torch.rand(len(flat), generator=rng) < 0.85]] = 4
    return ids, masked.view_as(ids), flat


def optimizer_for(model: torch.nn.Module, lr: float) -> torch.optim.Optimizer:
    """PyTorch's fused AdamW: ELECTRA's Adam but for the bias correction, two scalars a step; nothing in PyTorch is faster."""
    plain = [p for name, p in model.named_parameters() if "LayerNorm" in name or name.endswith("bias")]
    decayed = [p for name, p in model.named_parameters() if not ("LayerNorm" in name or name.endswith("bias"))]
    groups = [{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=lr, eps=1e-6, fused=True)
