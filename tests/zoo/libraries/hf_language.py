"""Language models of transformers: encoders, decoders, encoders with decoders."""

from __future__ import annotations

from typing import Any

import torch

from libraries.case import Case, tokens
from libraries.hf import case

__all__ = ["ENCODER_DECODERS", "LANGUAGE", "mask", "text"]


def text() -> dict[str, Any]:
    """Two sentences, the second one shorter."""
    return {"input_ids": tokens(2, 12), "attention_mask": mask(2, 12)}


def mask(*shape: int) -> torch.Tensor:
    """Which tokens there are: all of them, but for the last three of the last sentence."""
    found = torch.ones(shape, dtype=torch.long)
    found[-1, -3:] = 0
    return found


def ids() -> dict[str, Any]:
    return {"input_ids": tokens(2, 12)}


def long_text() -> dict[str, Any]:
    return {"input_ids": tokens(2, 64), "attention_mask": mask(2, 64)}


def both() -> dict[str, Any]:
    """A sentence for the encoder, and the beginning of another one for the decoder."""
    return {**text(), "decoder_input_ids": tokens(2, 7)}


def characters() -> dict[str, Any]:
    return {"input_ids": tokens(2, 24), "attention_mask": mask(2, 24)}


CLASSIFY, WORDS, PLAIN = "ForSequenceClassification", "ForCausalLM", "Model"
MASKED, SEQUENCE = "ForMaskedLM", "ForConditionalGeneration"

ENCODERS: list[Case] = [
    case("bert", "Bert", CLASSIFY, text),
    case("bert-masked", "Bert", MASKED, text),
    case("roberta", "Roberta", CLASSIFY, text),
    case("distilbert", "DistilBert", CLASSIFY, text, dim=32, hidden_dim=48, n_layers=2, n_heads=4),
    case("albert", "Albert", CLASSIFY, text, num_hidden_layers=3),
    case("electra", "Electra", "ForPreTraining", text),
    case("deberta", "Deberta", CLASSIFY, text, relative_attention=True,
         pos_att_type=["c2p", "p2c"]),
    case("deberta-v2", "DebertaV2", CLASSIFY, text, relative_attention=True),
    case("mpnet", "MPNet", CLASSIFY, text),
    case("fnet", "FNet", CLASSIFY, ids),
    case("convbert", "ConvBert", CLASSIFY, text, conv_kernel_size=3),
    case("funnel", "Funnel", CLASSIFY, text, block_sizes=[1, 1], d_head=8, d_inner=48),
    case("xlnet", "XLNet", CLASSIFY, text, d_inner=48),
    case("longformer", "Longformer", CLASSIFY, long_text, attention_window=8,
         max_position_embeddings=80),
    case("big-bird", "BigBird", CLASSIFY, text, attention_type="original_full"),
    case("modernbert", "ModernBert", CLASSIFY, text, local_attention=4),
    case("squeezebert", "SqueezeBert", CLASSIFY, text, embedding_size=32),
    case("mobilebert", "MobileBert", CLASSIFY, text, embedding_size=32, true_hidden_size=32,
         intra_bottleneck_size=32, hidden_size=32),
    case("roformer", "RoFormer", CLASSIFY, text, embedding_size=32),
    case("nystromformer", "Nystromformer", CLASSIFY, text, num_landmarks=12,
         segment_means_seq_len=12),
    case("canine", "Canine", CLASSIFY, characters, num_hash_buckets=64, downsampling_rate=4,
         local_transformer_stride=8, upsampling_kernel_size=3),
    case("perceiver", "Perceiver", MASKED, text, num_latents=6, d_latents=32, d_model=32,
         num_blocks=1, num_self_attends_per_block=2, num_self_attention_heads=4,
         num_cross_attention_heads=4, qk_channels=32, v_channels=32),
    case("reformer", "Reformer", "ModelWithLMHead", ids, is_decoder=True, axial_pos_shape=[4, 3],
         axial_pos_embds_dim=[16, 16], attention_head_size=8, local_attn_chunk_length=4,
         attn_layers=["local", "local"], feed_forward_size=48),
    case("esm", "Esm", MASKED, text, position_embedding_type="rotary", mask_token_id=4),
    case("layoutlm", "LayoutLM", CLASSIFY, text),
    case("ibert", "IBert", CLASSIFY, text),
]  # fmt: skip

DECODERS: list[Case] = [
    case("gpt2", "GPT2", "LMHeadModel", text),
    case("gpt2-classifier", "GPT2", CLASSIFY, ids),
    case("gpt-neo", "GPTNeo", WORDS, text, attention_types=[[["global", "local"], 1]],
         window_size=4),
    case("gpt-neox", "GPTNeoX", WORDS, text),
    case("gptj", "GPTJ", WORDS, text, rotary_dim=4),
    case("gpt-bigcode", "GPTBigCode", WORDS, text),
    case("opt", "OPT", WORDS, text, word_embed_proj_dim=16),
    case("bloom", "Bloom", WORDS, text),
    case("mpt", "Mpt", WORDS, text, n_heads=4, n_layers=2),
    case("llama", "Llama", WORDS, text),
    case("llama-classifier", "Llama", CLASSIFY, ids),
    case("mistral", "Mistral", WORDS, text, sliding_window=4),
    case("qwen2", "Qwen2", WORDS, text),
    case("qwen3", "Qwen3", WORDS, text),
    case("gemma2", "Gemma2", WORDS, text, sliding_window=4),
    case("gemma3", "Gemma3Text", "=Gemma3ForCausalLM", text, sliding_window=4),
    case("gemma3n", "Gemma3nText", "=Gemma3nForCausalLM", text, num_kv_shared_layers=0,
         hidden_size_per_layer_input=8, vocab_size_per_layer_input=100, laurel_rank=4,
         altup_num_inputs=2, layer_types=["full_attention", "sliding_attention"],
         intermediate_size=48,
         activation_sparsity_pattern=[0.5, 0.0]),
    case("phi", "Phi", WORDS, text),
    case("phi3", "Phi3", WORDS, text),
    case("falcon", "Falcon", WORDS, text),
    case("falcon-alibi", "Falcon", WORDS, text, alibi=True, new_decoder_architecture=False),
    case("stablelm", "StableLm", WORDS, text),
    case("olmo2", "Olmo2", WORDS, text),
    case("cohere", "Cohere", WORDS, text),
    case("starcoder2", "Starcoder2", WORDS, text),
    case("granite", "Granite", WORDS, text),
    case("smollm3", "SmolLM3", WORDS, text),
    case("bitnet", "BitNet", WORDS, text),
    case("diffllama", "DiffLlama", WORDS, text),
    case("ctrl", "CTRL", "LMHeadModel", text, dff=48),
    case("codegen", "CodeGen", WORDS, text, rotary_dim=4),
    case("xglm", "XGLM", WORDS, text, attention_heads=4),
    case("imagegpt", "ImageGPT", "ForCausalImageModeling", ids),
    case("biogpt", "BioGpt", WORDS, text),
    case("openai-gpt", "OpenAIGPT", "LMHeadModel", ids),
]  # fmt: skip

ENCODER_DECODERS: list[Case] = [
    case("t5", "T5", SEQUENCE, both),
    case("t5-gated", "T5", SEQUENCE, both, feed_forward_proj="gated-gelu",
         tie_word_embeddings=False),
    case("umt5", "UMT5", SEQUENCE, both),
    case("longt5", "LongT5", SEQUENCE, both, local_radius=3, global_block_size=4,
         encoder_attention_type="transient-global"),
    case("bart", "Bart", SEQUENCE, both),
    case("mbart", "MBart", SEQUENCE, both),
    case("pegasus", "Pegasus", SEQUENCE, both),
    case("marian", "Marian", "MTModel", both),
    case("m2m-100", "M2M100", SEQUENCE, both),
    case("led", "LED", SEQUENCE, both, attention_window=[4, 4], max_encoder_position_embeddings=64,
         max_decoder_position_embeddings=64),
    case("prophetnet", "ProphetNet", SEQUENCE, both, num_encoder_layers=2,
         num_encoder_attention_heads=4, num_decoder_attention_heads=4, num_buckets=8),
    case("blenderbot", "Blenderbot", SEQUENCE, both),
    case("fsmt", "FSMT", SEQUENCE, both, src_vocab_size=100, tgt_vocab_size=100, langs=["a", "b"]),
    case("plbart", "PLBart", SEQUENCE, both),
]  # fmt: skip

LANGUAGE = [*ENCODERS, *DECODERS, *ENCODER_DECODERS]
