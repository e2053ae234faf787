"""Tiny configurations, random weights, the example batch and file writing shared by the golden scripts."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from transformers import BertConfig, BertTokenizer, ElectraConfig

HERE = Path(__file__).resolve().parent

PAD, UNK, CLS, SEP, MASK = range(5)
VOCAB_SIZE = 96
LABELS = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]

# Dropout is 0 in the configurations: the training goldens need a deterministic forward pass, and evaluation ignores it.
SHARED = {
    "vocab_size": VOCAB_SIZE,
    "num_hidden_layers": 2,
    "max_position_embeddings": 40,
    "hidden_dropout_prob": 0.0,
    "attention_probs_dropout_prob": 0.0,
    "pad_token_id": PAD,
}


def discriminator_config(**changes) -> ElectraConfig:
    """embedding_size differs from hidden_size, so `embeddings_project` exists."""
    fields = {"embedding_size": 16, "hidden_size": 24, "num_attention_heads": 2, "intermediate_size": 48}
    return ElectraConfig(**{**SHARED, **fields, **changes})


def generator_config(**changes) -> ElectraConfig:
    """A third of the discriminator's width, one head; the embedding tables have the same shapes and are shared."""
    fields = {"embedding_size": 16, "hidden_size": 8, "num_attention_heads": 1, "intermediate_size": 16}
    return ElectraConfig(**{**SHARED, **fields, **changes})


def bert_config(**changes) -> BertConfig:
    fields = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
    return BertConfig(**{**SHARED, **fields, **changes})


def label_fields() -> dict:
    return {
        "id2label": dict(enumerate(LABELS)),
        "label2id": {label: index for index, label in enumerate(LABELS)},
    }


def randomise(model: torch.nn.Module, seed: int) -> None:
    """Draw every parameter, biases and LayerNorm included, wide enough that no output is near zero.

    Names are visited in sorted order, so the weights do not depend on the order of definition inside transformers.
    """
    rng = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in sorted(model.named_parameters()):
            noise = torch.randn(tensor.shape, generator=rng)
            if name.endswith("LayerNorm.weight"):
                tensor.copy_(1.0 + 0.2 * noise)
            elif tensor.ndim == 1:
                tensor.copy_(0.2 * noise)
            elif "_embeddings." in name:
                tensor.copy_(0.5 * noise)
            else:
                tensor.copy_(0.3 * noise)


def share_embeddings(generator: torch.nn.Module, discriminator: torch.nn.Module) -> None:
    """Make the pair tied: same word, position and token-type tables and embedding LayerNorm."""
    generator.electra.embeddings.load_state_dict(discriminator.electra.embeddings.state_dict())


def example_batch() -> dict[str, torch.Tensor]:
    """Three rows of different length; [UNK] and [MASK] occur, both token types occur, the last row has one segment."""
    rng = torch.Generator().manual_seed(11)
    lengths, first_segments, width = [12, 9, 5], [6, 4, 5], 12
    input_ids = torch.full((3, width), PAD)
    token_type_ids = torch.zeros((3, width), dtype=torch.long)
    attention_mask = torch.zeros((3, width), dtype=torch.long)
    for row, (length, first) in enumerate(zip(lengths, first_segments)):
        input_ids[row, :length] = torch.randint(MASK + 1, VOCAB_SIZE, (length,), generator=rng)
        input_ids[row, 0] = CLS
        input_ids[row, first - 1] = SEP
        input_ids[row, length - 1] = SEP
        token_type_ids[row, first:length] = 1
        attention_mask[row, :length] = 1
    input_ids[0, 3] = MASK
    input_ids[1, 2] = UNK
    return {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}


def tiny_tokenizer() -> BertTokenizer:
    """A cased character vocabulary of exactly VOCAB_SIZE entries."""
    letters = "abcdefghijklmnopqrstuvwxyzæøå"
    tokens = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *("##" + c for c in letters)]
    tokens += [*"0123456789", *"ABDEFHIKLMNOPRS", *".,-?!:()"]
    assert len(tokens) == len(set(tokens)) == VOCAB_SIZE
    return BertTokenizer(
        vocab={token: index for index, token in enumerate(tokens)},
        do_lower_case=False,
        strip_accents=False,
        tokenize_chinese_chars=False,
        model_max_length=SHARED["max_position_embeddings"],
    )


def save_tokenizer(directory: Path) -> None:
    """tokenizer.json and tokenizer_config.json by transformers, plus the vocab.txt that it no longer writes."""
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(directory)
    by_id = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    (directory / "vocab.txt").write_text("".join(token + "\n" for token, _ in by_id), encoding="utf-8")


def store(path: Path, tensors: dict[str, torch.Tensor], metadata: dict[str, str] | None = None) -> None:
    """Write f32 and i64 tensors; float64 results are rounded once, here."""
    ready = {
        name: (tensor.detach().float() if tensor.is_floating_point() else tensor.detach()).contiguous().clone()
        for name, tensor in tensors.items()
    }
    save_file(ready, path, metadata=metadata or {})


def largest_difference(left: dict[str, torch.Tensor], right: dict[str, torch.Tensor]) -> dict[str, float]:
    """Largest absolute difference, and the largest relative to each tensor's own largest magnitude.

    Tensors below 1e-9 count for the former only: they are zero in exact arithmetic, as the gradient of a key bias is.
    """
    absolute, relative = 0.0, 0.0
    for name, a in left.items():
        if not a.is_floating_point():
            continue
        difference = (a.double() - right[name].double()).abs().max().item()
        scale = a.double().abs().max().item()
        absolute = max(absolute, difference)
        relative = max(relative, difference / scale if scale > 1e-9 else 0.0)
    return {"absolute": absolute, "relative_to_tensor_max": relative}
