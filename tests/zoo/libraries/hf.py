"""Small networks of Hugging Face's transformers, by the name of their configuration."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from libraries.case import Case

__all__ = ["TINY", "case", "make", "tiny"]

TINY: dict[str, Any] = {
    "vocab_size": 100,
    "hidden_size": 32,
    "d_model": 32,
    "n_embd": 32,
    "embedding_size": 16,
    "num_hidden_layers": 2,
    "num_layers": 2,
    "num_decoder_layers": 2,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "n_layer": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_heads": 4,
    "n_head": 4,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "intermediate_size": 48,
    "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48,
    "ffn_dim": 48,
    "d_ff": 48,
    "d_kv": 8,
    "head_dim": 8,
    "max_position_embeddings": 64,
    "n_positions": 64,
    "image_size": 32,
    "patch_size": 8,
    "type_vocab_size": 2,
    "num_labels": 10,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
"""Sizes that a configuration takes where it has a field of that name."""


def tiny(kind: str, **sizes: Any) -> Any:
    """A configuration `<kind>Config` with small sizes; `sizes` go first, `...` leaves a default."""
    import transformers

    cls = getattr(transformers, f"{kind}Config")
    fields = {"num_labels", *cls().to_dict(), *cls.attribute_map}
    known = {k: v for k, v in TINY.items() if k in fields}
    return cls(**{k: v for k, v in {**known, **sizes}.items() if v is not ...})


def make(kind: str, head: str, sizes: dict[str, Any]) -> nn.Module:
    """The network `<kind><head>` of that configuration; `=Name` is its whole name."""
    import transformers

    config = tiny(kind, **{k: v() if callable(v) else v for k, v in sizes.items()})
    return getattr(transformers, head[1:] if head[0] == "=" else kind + head)(config)


def case(name: str, kind: str, head: str, input: Any, **sizes: Any) -> Case:
    """A case of transformers."""
    return Case("transformers", name, partial(make, kind, head, sizes), input)
