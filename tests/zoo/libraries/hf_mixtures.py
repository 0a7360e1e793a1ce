"""Mixtures of experts and state-space models of transformers."""

from __future__ import annotations

from libraries.case import Case
from libraries.hf import case
from libraries.hf_language import both, ids, text

__all__ = ["EXPERTS", "STATE_SPACE"]

WORDS = "ForCausalLM"
FOUR = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24}
LATENT = {
    "n_routed_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 24, "n_group": 1,
    "topk_group": 1, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8, "v_head_dim": 8, "first_k_dense_replace": 1, "head_dim": 8,
    "num_key_value_heads": 4,
}  # fmt: skip

EXPERTS: list[Case] = [
    case("mixtral", "Mixtral", WORDS, text, num_local_experts=4),
    case("qwen2-moe", "Qwen2Moe", WORDS, text, **FOUR, shared_expert_intermediate_size=24),
    case("qwen3-moe", "Qwen3Moe", WORDS, text, **FOUR),
    case("olmoe", "Olmoe", WORDS, text, num_experts=4, num_experts_per_tok=2),
    case("granitemoe", "GraniteMoe", WORDS, text, num_local_experts=4, num_experts_per_tok=2),
    case("deepseek-v2", "DeepseekV2", WORDS, text, **LATENT, topk_method="greedy"),
    case("deepseek-v3", "DeepseekV3", WORDS, text, **LATENT),
    case("gpt-oss", "GptOss", WORDS, text, num_local_experts=4, num_experts_per_tok=2,
         sliding_window=4),
    case("phimoe", "Phimoe", WORDS, text, num_local_experts=4),
    case("jetmoe", "JetMoe", WORDS, text, num_local_experts=4, kv_channels=8,
         num_key_value_heads=2),
    case("llama4", "Llama4Text", "=Llama4ForCausalLM", text, num_local_experts=4,
         intermediate_size_mlp=48, attention_chunk_size=8),
    case("glm4-moe", "Glm4Moe", WORDS, text, n_routed_experts=4, num_experts_per_tok=2,
         moe_intermediate_size=24, first_k_dense_replace=1, n_group=1, topk_group=1),
    case("ernie4-5-moe", "Ernie4_5_Moe", WORDS, text, moe_num_experts=4, moe_k=2,
         moe_intermediate_size=24, moe_layer_start_index=1, moe_layer_end_index=1),
    case("switch", "SwitchTransformers", "ForConditionalGeneration", both, num_experts=4,
         num_sparse_encoder_layers=1, num_sparse_decoder_layers=1, expert_capacity=16),
    case("nllb-moe", "NllbMoe", "ForConditionalGeneration", both, num_experts=4,
         encoder_sparse_step=2, decoder_sparse_step=2, expert_capacity=16),
]  # fmt: skip

STATE_SPACE: list[Case] = [
    case("mamba", "Mamba", WORDS, text, state_size=4, time_step_rank=4, expand=2),
    case("falcon-mamba", "FalconMamba", WORDS, text, state_size=4, time_step_rank=4),
    case("mamba2", "Mamba2", WORDS, text, state_size=8, num_heads=8, head_dim=8, n_groups=2,
         chunk_size=4),
    case("rwkv", "Rwkv", WORDS, ids, attention_hidden_size=32, context_length=32),
    case("recurrent-gemma", "RecurrentGemma", WORDS, text, lru_width=32, attention_window_size=8,
         num_hidden_layers=3, block_types=("recurrent", "recurrent", "attention")),
    case("jamba", "Jamba", WORDS, text, num_experts=4, mamba_d_state=4, mamba_dt_rank=4,
         attn_layer_period=2, attn_layer_offset=1, expert_layer_period=2, expert_layer_offset=1,
         use_mamba_kernels=False),
    case("zamba2", "Zamba2", WORDS, text, num_hidden_layers=3, mamba_d_state=8, mamba_headdim=16,
         mamba_ngroups=1, n_mamba_heads=4, chunk_size=4, num_key_value_heads=4, num_mem_blocks=1,
         layers_block_type=["mamba", "mamba", "hybrid"], use_mem_rope=False, adapter_rank=4),
    case("bamba", "Bamba", WORDS, text, mamba_n_heads=8, mamba_d_head=8, mamba_d_state=8,
         mamba_n_groups=1, mamba_chunk_size=4, attn_layer_indices=[1]),
    case("falcon-h1", "FalconH1", WORDS, text, mamba_d_ssm=32, mamba_n_heads=4, mamba_d_head=8,
         mamba_d_state=8, mamba_chunk_size=4),
    case("granite-hybrid", "GraniteMoeHybrid", WORDS, text, layer_types=["mamba", "attention"],
         num_local_experts=4, num_experts_per_tok=2, mamba_n_heads=8, mamba_d_head=8,
         mamba_d_state=8, shared_intermediate_size=24),
    case("nemotron-h", "NemotronH", WORDS, text, mamba_num_heads=8, mamba_head_dim=8, n_groups=2,
         ssm_state_size=8, chunk_size=4, hybrid_override_pattern="M*-",
         num_hidden_layers=3),
    case("qwen3-next", "Qwen3Next", WORDS, text, **FOUR, linear_num_key_heads=2,
         linear_num_value_heads=4, linear_key_head_dim=8, linear_value_head_dim=8,
         shared_expert_intermediate_size=24, layer_types=["linear_attention", "full_attention"]),
    case("lfm2", "Lfm2", WORDS, text, layer_types=["conv", "full_attention"], block_ff_dim=48),
]  # fmt: skip
