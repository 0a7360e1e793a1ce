"""Networks of transformers wrapped by peft: adapters of every kind."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from libraries.case import Case, numbers
from libraries.hf import make as hugging_face
from libraries.hf_language import both, text

__all__ = ["ADAPTERS"]

TARGETS = ["q_proj", "v_proj"]


def llama() -> nn.Module:
    return hugging_face("Llama", "ForCausalLM", {"num_key_value_heads": 4})


def bert() -> nn.Module:
    return hugging_face("Bert", "ForSequenceClassification", {})


def t5() -> nn.Module:
    return hugging_face("T5", "ForConditionalGeneration", {})


def vit() -> nn.Module:
    return hugging_face("ViT", "ForImageClassification", {})


def experts() -> nn.Module:
    return hugging_face("Mixtral", "ForCausalLM", {"num_local_experts": 4})


def make(base: Callable[[], nn.Module], config: str, options: dict[str, Any]) -> nn.Module:
    import peft

    return peft.get_peft_model(base(), getattr(peft, f"{config}Config")(**options))


def merged(base: Callable[[], nn.Module]) -> nn.Module:
    """Adapters added to the weights and taken away again."""
    found: Any = make(base, "Lora", {"r": 2, "target_modules": TARGETS})
    return found.merge_and_unload()


def two(base: Callable[[], nn.Module]) -> nn.Module:
    """Two adapters, of which the second one is at work."""
    import peft

    found: Any = make(base, "Lora", {"r": 2, "target_modules": TARGETS})
    found.add_adapter("other", peft.LoraConfig(r=4, target_modules=TARGETS))
    found.set_adapter("other")
    return found


def case(name: str, base: Callable[[], nn.Module], config: str, input: Any = text, **options: Any
         ) -> Case:  # fmt: skip
    return Case("peft", name, partial(make, base, config, options), input)


def image() -> dict[str, Any]:
    return {"pixel_values": numbers(2, 3, 32, 32)}


WORDS = {"task_type": "CAUSAL_LM"}

ADAPTERS: list[Case] = [
    case("lora", llama, "Lora", r=2, target_modules=TARGETS),
    case("lora-all", llama, "Lora", r=2, target_modules="all-linear", modules_to_save=["lm_head"]),
    case("lora-embedding", llama, "Lora", r=2, target_modules=["embed_tokens", "q_proj"]),
    case("lora-experts", experts, "Lora", r=2, target_modules=TARGETS,
         target_parameters=["experts.gate_up_proj"]),
    case("lora-vit", vit, "Lora", image, r=2, target_modules=["q_proj", "v_proj"],
         modules_to_save=["classifier"]),
    case("lora-classifier", bert, "Lora", r=2, task_type="SEQ_CLS"),
    case("dora", llama, "Lora", r=2, target_modules=TARGETS, use_dora=True),
    case("adalora", llama, "AdaLora", target_modules=TARGETS, init_r=4, total_step=10, tinit=1,
         tfinal=1),
    case("loha", llama, "LoHa", r=2, target_modules=TARGETS),
    case("lokr", llama, "LoKr", r=2, target_modules=TARGETS),
    case("oft", llama, "OFT", oft_block_size=4, target_modules=TARGETS),
    case("boft", llama, "BOFT", boft_block_size=4, target_modules=TARGETS),
    case("hra", llama, "HRA", r=2, target_modules=TARGETS),
    case("ia3", llama, "IA3", target_modules=["k_proj", "down_proj"],
         feedforward_modules=["down_proj"]),
    case("vera", llama, "Vera", r=2, target_modules=["q_proj"]),
    case("fourier", llama, "FourierFT", n_frequency=8, target_modules=TARGETS),
    case("vblora", llama, "VBLoRA", r=2, num_vectors=8, vector_length=8, topk=2,
         target_modules=TARGETS),
    case("layer-norm", llama, "LNTuning", target_modules=["input_layernorm"]),
    case("trainable-tokens", llama, "TrainableTokens", token_indices=[7, 8],
         target_modules=["embed_tokens"]),
    case("prefix", llama, "PrefixTuning", num_virtual_tokens=3, **WORDS),
    case("prefix-projected", llama, "PrefixTuning", num_virtual_tokens=3, prefix_projection=True,
         encoder_hidden_size=16, **WORDS),
    case("prompt", llama, "PromptTuning", num_virtual_tokens=3, **WORDS),
    case("p-tuning", llama, "PromptEncoder", num_virtual_tokens=3, encoder_hidden_size=16, **WORDS),
    case("lora-t5", t5, "Lora", both, r=2, target_modules=["q", "v"]),
    Case("peft", "merged", partial(merged, llama), text),
    Case("peft", "two", partial(two, llama), text),
]  # fmt: skip
