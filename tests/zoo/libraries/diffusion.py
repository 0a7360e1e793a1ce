"""Networks of diffusers: denoisers, transformers, autoencoders."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import nn

from libraries.case import Case, numbers

__all__ = ["DIFFUSERS"]


def make(name: str, sizes: dict[str, Any]) -> nn.Module:
    import diffusers

    return getattr(diffusers, name)(**sizes)


def case(name: str, kind: str, input: Any, **sizes: Any) -> Case:
    return Case("diffusers", name, partial(make, kind, sizes), input)


def image(channels: int = 4, side: int = 16) -> Any:
    return lambda: numbers(1, channels, side, side)


def noisy(channels: int = 4, side: int = 16, **more: Any) -> Any:
    """A noisy image, the step of the diffusion, and what else there is."""

    def input() -> dict[str, Any]:
        given = {k: v() for k, v in more.items()}
        return {"sample": numbers(1, channels, side, side), "timestep": torch.tensor([5]), **given}

    return input


def latents(channels: int = 4, **more: Any) -> Any:
    """The same for transformers, which call the image otherwise."""

    def input() -> dict[str, Any]:
        given = {k: v() for k, v in more.items()}
        return {"hidden_states": numbers(1, channels, 8, 8), "timestep": torch.tensor([5]), **given}

    return input


def video(**more: Any) -> Any:
    def input() -> dict[str, Any]:
        given = {k: v() for k, v in more.items()}
        states = numbers(1, 4, 2, 8, 8)
        return {"hidden_states": states, "timestep": torch.tensor([5]), **given}

    return input


def words(width: int = 16) -> Any:
    return lambda: numbers(1, 5, width)


NARROW = {"block_out_channels": (8, 16), "norm_num_groups": 4, "layers_per_block": 1}
DOWN = {
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
}
CROSS = {
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "UpBlock2D"), "cross_attention_dim": 16,
    "attention_head_dim": 4,
}  # fmt: skip
HEADS = {"num_attention_heads": 2, "attention_head_dim": 8, "num_layers": 1}

DIFFUSERS: list[Case] = [
    case("unet", "UNet2DModel", noisy(3), sample_size=16, attention_head_dim=4, **NARROW,
         down_block_types=("DownBlock2D", "AttnDownBlock2D"),
         up_block_types=("AttnUpBlock2D", "UpBlock2D")),
    case("unet-text", "UNet2DConditionModel", noisy(encoder_hidden_states=words()), sample_size=16,
         **NARROW, **CROSS),
    case("unet-text-xl", "UNet2DConditionModel", noisy(encoder_hidden_states=words(),
         added_cond_kwargs=lambda: {"text_embeds": numbers(1, 16), "time_ids": numbers(1, 6)}),
         sample_size=16, **NARROW, **CROSS, addition_embed_type="text_time", use_linear_projection=
         True, addition_time_embed_dim=8, projection_class_embeddings_input_dim=64),
    case("unet-video", "UNet3DConditionModel", lambda: {"sample": numbers(1, 4, 2, 16, 16),
         "timestep": torch.tensor([5]), "encoder_hidden_states": numbers(1, 5, 16)}, sample_size=16,
         **NARROW, cross_attention_dim=16, attention_head_dim=4,
         down_block_types=("CrossAttnDownBlock3D", "DownBlock3D"),
         up_block_types=("UpBlock3D", "CrossAttnUpBlock3D")),
    case("controlnet", "ControlNetModel", noisy(encoder_hidden_states=words(),
         controlnet_cond=image(3, 128)), conditioning_embedding_out_channels=(8, 8, 8, 8), **NARROW,
         cross_attention_dim=16, attention_head_dim=4,
         down_block_types=("DownBlock2D", "CrossAttnDownBlock2D")),
    case("autoencoder", "AutoencoderKL", image(3), **NARROW, **DOWN),
    case("autoencoder-tiny", "AutoencoderTiny", image(3), encoder_block_out_channels=(8, 8),
         decoder_block_out_channels=(8, 8), num_encoder_blocks=(1, 1), num_decoder_blocks=(1, 1)),
    case("autoencoder-vq", "VQModel", image(3), **NARROW, **DOWN, num_vq_embeddings=16),
    case("autoencoder-asymmetric", "AsymmetricAutoencoderKL", image(3), norm_num_groups=4,
         down_block_out_channels=(8, 16), up_block_out_channels=(8, 16), **DOWN),
    case("autoencoder-audio", "AutoencoderOobleck", lambda: numbers(1, 2, 64),
         encoder_hidden_size=8, downsampling_ratios=[2, 4], channel_multiples=[1, 2],
         decoder_channels=8, decoder_input_channels=4),
    case("dit", "DiTTransformer2DModel", latents(class_labels=lambda: torch.tensor([3])), **HEADS,
         in_channels=4, sample_size=8, num_embeds_ada_norm=8, out_channels=8, norm_num_groups=4),
    case("pixart", "PixArtTransformer2DModel", latents(encoder_hidden_states=words(),
         added_cond_kwargs=lambda: {"resolution": None, "aspect_ratio": None}), **HEADS,
         sample_size=8, cross_attention_dim=16, caption_channels=16, norm_num_groups=4,
         use_additional_conditions=False),
    case("transformer", "Transformer2DModel", lambda: {"hidden_states": numbers(1, 8, 8, 8),
         "encoder_hidden_states": numbers(1, 5, 16)}, **HEADS, in_channels=8, norm_num_groups=4,
         cross_attention_dim=16),
    case("sd3", "SD3Transformer2DModel", latents(encoder_hidden_states=words(),
         pooled_projections=lambda: numbers(1, 16)), sample_size=8, patch_size=2, in_channels=4,
         **{**HEADS, "num_layers": 2}, joint_attention_dim=16, caption_projection_dim=16,
         pooled_projection_dim=16, out_channels=4, pos_embed_max_size=8),
    case("flux", "FluxTransformer2DModel", lambda: {
        "hidden_states": numbers(1, 16, 4), "encoder_hidden_states": numbers(1, 5, 16),
        "pooled_projections": numbers(1, 16), "timestep": torch.tensor([0.5]),
        "img_ids": torch.zeros(16, 3), "txt_ids": torch.zeros(5, 3), "guidance": torch.ones(1)},
        in_channels=4, **HEADS, num_single_layers=1, joint_attention_dim=16,
        pooled_projection_dim=16, guidance_embeds=True, axes_dims_rope=(2, 2, 4)),
    case("auraflow", "AuraFlowTransformer2DModel", latents(encoder_hidden_states=words()),
         sample_size=8, num_mmdit_layers=1, num_single_dit_layers=1, attention_head_dim=8,
         num_attention_heads=2, joint_attention_dim=16, caption_projection_dim=16,
         pos_embed_max_size=16),
    case("lumina2", "Lumina2Transformer2DModel", latents(encoder_hidden_states=words(),
         encoder_attention_mask=lambda: torch.ones(1, 5, dtype=torch.bool)), sample_size=8,
         in_channels=4, hidden_size=24, num_layers=1, num_refiner_layers=1, num_attention_heads=3,
         num_kv_heads=1, multiple_of=8, axes_dim_rope=(4, 2, 2), axes_lens=(32, 32, 32),
         cap_feat_dim=16),
    case("sana", "SanaTransformer2DModel", latents(encoder_hidden_states=words()), in_channels=4,
         out_channels=4, **HEADS, num_cross_attention_heads=2, cross_attention_head_dim=8,
         cross_attention_dim=16, caption_channels=16, sample_size=8),
    case("wan", "WanTransformer3DModel", video(encoder_hidden_states=words()), in_channels=4,
         out_channels=4, **HEADS, text_dim=16, freq_dim=16, ffn_dim=24, cross_attn_norm=True),
    case("cogvideox", "CogVideoXTransformer3DModel", lambda: {
        "hidden_states": numbers(1, 2, 4, 8, 8), "timestep": torch.tensor([5]),
        "encoder_hidden_states": numbers(1, 5, 16)}, **HEADS, in_channels=4, out_channels=4,
        time_embed_dim=8, text_embed_dim=16, sample_width=8, sample_height=8, sample_frames=5,
        max_text_seq_length=5),
    case("ltx-video", "LTXVideoTransformer3DModel", lambda: {
        "hidden_states": numbers(1, 32, 4), "timestep": torch.tensor([5]), "num_frames": 2,
        "height": 4, "width": 4, "encoder_hidden_states": numbers(1, 5, 16),
        "encoder_attention_mask": torch.ones(1, 5)}, in_channels=4, out_channels=4, **HEADS,
        cross_attention_dim=16, caption_channels=16),
    case("latte", "LatteTransformer3DModel", video(encoder_hidden_states=words()), sample_size=8,
         **HEADS, in_channels=4, patch_size=2, cross_attention_dim=16, caption_channels=16,
         num_embeds_ada_norm=10, video_length=2, norm_type="ada_norm_single", out_channels=8),
    case("prior", "PriorTransformer", lambda: {"hidden_states": numbers(1, 8), "timestep":
         torch.tensor([5]), "proj_embedding": numbers(1, 8), "encoder_hidden_states":
         numbers(1, 5, 8)}, **HEADS, embedding_dim=8, num_embeddings=5, additional_embeddings=4),
    case("uvit", "UVit2DModel", lambda: {
        "input_ids": torch.arange(64).view(1, 8, 8) % 16,
        "encoder_hidden_states": numbers(1, 5, 16),
        "pooled_text_emb": numbers(1, 16), "micro_conds": numbers(1, 5)}, hidden_size=16,
        cond_embed_dim=16, encoder_hidden_size=16, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=24, codebook_size=16, vocab_size=17, in_channels=16,
        block_out_channels=16,
        micro_cond_encode_dim=8, micro_cond_embed_dim=40, sample_size=8, block_num_heads=2),
    case("svd", "UNetSpatioTemporalConditionModel", lambda: {
        "sample": numbers(1, 2, 8, 16, 16), "timestep": torch.tensor([5]), "encoder_hidden_states":
        numbers(1, 1, 16), "added_time_ids": numbers(1, 3)}, sample_size=16, layers_per_block=1,
        block_out_channels=(32, 32), num_attention_heads=(2, 2), cross_attention_dim=16,
        addition_time_embed_dim=8, projection_class_embeddings_input_dim=24, num_frames=2,
        down_block_types=("CrossAttnDownBlockSpatioTemporal", "DownBlockSpatioTemporal"),
        up_block_types=("UpBlockSpatioTemporal", "CrossAttnUpBlockSpatioTemporal")),
]  # fmt: skip
