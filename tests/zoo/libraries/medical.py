"""Networks of MONAI: segmentation, classification, registration, generation in 2-d and 3-d."""

from __future__ import annotations

from copy import deepcopy
from functools import partial
from typing import Any

import torch
from torch import nn

from libraries.case import Case, numbers

__all__ = ["MONAI"]


def make(name: str, sizes: dict[str, Any]) -> nn.Module:
    import monai.networks.nets as library

    return getattr(library, name)(**deepcopy(sizes))  # some turn the lists they are given


def case(name: str, kind: str, input: Any, **sizes: Any) -> Case:
    return Case("monai", name, partial(make, kind, sizes), input)


def flat() -> Any:
    return numbers(1, 1, 32, 32)


def volume() -> Any:
    return numbers(1, 1, 32, 32, 32)


def flat64() -> Any:
    return numbers(1, 1, 64, 64)


IN_2D = {"spatial_dims": 2, "in_channels": 1, "out_channels": 3}
IN_3D = {**IN_2D, "spatial_dims": 3}
THIN = {"channels": (8, 16, 16), "strides": (2, 2)}

MONAI: list[Case] = [
    case("unet", "UNet", flat, **IN_2D, **THIN, num_res_units=1),
    case("unet-3d", "UNet", volume, **IN_3D, **THIN),
    case("attention-unet", "AttentionUnet", flat, **IN_2D, **THIN),
    case("basic-unet", "BasicUNet", flat, **IN_2D, features=(8, 8, 8, 8, 16, 8)),
    case("basic-unet-plus-plus", "BasicUNetPlusPlus", flat, **IN_2D, features=(8, 8, 8, 8, 16, 8)),
    case("dynunet", "DynUNet", flat, **IN_2D, kernel_size=[3, 3, 3], strides=[1, 2, 2],
         upsample_kernel_size=[2, 2], filters=[8, 8, 16], deep_supervision=False),
    case("segresnet", "SegResNet", volume, spatial_dims=3, init_filters=8, out_channels=3,
         blocks_down=(1, 1), blocks_up=(1,)),
    case("segresnet-vae", "SegResNetVAE", flat, spatial_dims=2, input_image_size=(32, 32),
         init_filters=8, out_channels=3, blocks_down=(1, 1), blocks_up=(1,)),
    case("segresnet-ds", "SegResNetDS", flat, spatial_dims=2, init_filters=8, out_channels=3,
         blocks_down=(1, 1), dsdepth=1),
    case("vnet", "VNet", volume, spatial_dims=3, out_channels=3),
    case("unetr", "UNETR", flat, **IN_2D, img_size=32, feature_size=8, hidden_size=24, mlp_dim=32,
         num_heads=4),
    case("swin-unetr", "SwinUNETR", flat64, **IN_2D, feature_size=12, depths=(1, 1, 1, 1),
         num_heads=(1, 2, 2, 2)),
    case("mednext", "MedNeXt", flat, **IN_2D, init_filters=8, encoder_expansion_ratio=2,
         decoder_expansion_ratio=2, bottleneck_expansion_ratio=2, kernel_size=3,
         blocks_down=(1, 1), blocks_bottleneck=1, blocks_up=(1, 1)),
    case("flexible-unet", "FlexibleUNet", flat64, in_channels=1, out_channels=3,
         backbone="resnet18", spatial_dims=2, decoder_channels=(16, 16, 8, 8, 8)),
    case("highresnet", "HighResNet", flat, **IN_2D),
    case("ahnet", "AHNet", flat64, spatial_dims=2, in_channels=1, out_channels=3, psp_block_num=0),
    case("densenet", "DenseNet", flat, **IN_2D, init_features=8, growth_rate=4,
         block_config=(2, 2)),
    case("resnet-3d", "ResNet", volume, block="basic", layers=[1, 1, 1, 1], num_classes=10,
         block_inplanes=[8, 8, 16, 16], n_input_channels=1),
    case("senet", "SENet", flat64, spatial_dims=2, in_channels=1, num_classes=10,
         block="se_resnet_bottleneck", layers=(1, 1, 1, 1), groups=1, reduction=16,
         dropout_prob=None),
    case("efficientnet", "EfficientNetBN", flat64, model_name="efficientnet-b0", spatial_dims=2,
         in_channels=1, num_classes=10, pretrained=False),
    case("vit", "ViT", flat, in_channels=1, img_size=32, patch_size=8, hidden_size=24, mlp_dim=32,
         num_layers=2, num_heads=4, classification=True, num_classes=10, spatial_dims=2),
    case("vit-autoencoder", "ViTAutoEnc", flat, in_channels=1, img_size=(32, 32), patch_size=16,
         hidden_size=24, mlp_dim=32, num_layers=2, num_heads=4, spatial_dims=2),
    case("masked-autoencoder", "MaskedAutoEncoderViT", flat, in_channels=1, img_size=32,
         patch_size=8, hidden_size=24, mlp_dim=32, num_layers=2, num_heads=4, spatial_dims=2,
         decoder_hidden_size=24, decoder_mlp_dim=32, decoder_num_layers=1, decoder_num_heads=4),
    case("autoencoder", "AutoEncoder", flat, **IN_2D, channels=(4, 8),
         strides=(2, 2)),
    case("variational", "VarAutoEncoder", flat, spatial_dims=2, in_shape=(1, 32, 32),
         out_channels=1, latent_size=8, channels=(4, 8), strides=(2, 2)),
    case("autoencoder-kl", "AutoencoderKL", flat, **IN_2D, channels=(8, 16), latent_channels=3,
         num_res_blocks=1, attention_levels=(False, True), norm_num_groups=4),
    case("vqvae", "VQVAE", flat, **IN_2D, channels=(8, 16), num_res_layers=1,
         num_res_channels=(8, 16), downsample_parameters=((2, 4, 1, 1), (2, 4, 1, 1)),
         upsample_parameters=((2, 4, 1, 1, 0), (2, 4, 1, 1, 0)), num_embeddings=16,
         embedding_dim=8),
    case("diffusion-unet", "DiffusionModelUNet", lambda: {"x": numbers(1, 1, 16, 16), "timesteps":
         torch.tensor([5]), "context": numbers(1, 3, 8)}, **IN_2D, channels=(8, 16),
         attention_levels=(False, True), num_res_blocks=1, norm_num_groups=4, num_head_channels=4,
         with_conditioning=True, cross_attention_dim=8),
    case("controlnet", "ControlNet", lambda: {"x": numbers(1, 1, 16, 16), "timesteps":
         torch.tensor([5]), "controlnet_cond": numbers(1, 1, 16, 16)}, spatial_dims=2,
         in_channels=1, channels=(8, 16), attention_levels=(False, True), num_res_blocks=1,
         norm_num_groups=4, num_head_channels=4, conditioning_embedding_in_channels=1,
         conditioning_embedding_num_channels=(8,)),
    case("decoder-only", "DecoderOnlyTransformer", lambda: torch.arange(12).view(1, 12),
         num_tokens=16, max_seq_len=16, attn_layers_dim=16, attn_layers_depth=2,
         attn_layers_heads=4),
    case("spade", "SPADENet", lambda: (numbers(1, 2, 32, 32),), spatial_dims=2,
         in_channels=1, out_channels=1, label_nc=2, input_shape=[32, 32], channels=[8, 16],
         z_dim=8, is_vae=False),
    case("patch-critic", "PatchDiscriminator", flat, spatial_dims=2, channels=8, in_channels=1,
         num_layers_d=2),
    case("regressor", "Regressor", flat, in_shape=(1, 32, 32), out_shape=(2,), channels=(4, 8),
         strides=(2, 2)),
    case("generator", "Generator", lambda: numbers(1, 8), latent_shape=(8,), start_shape=(8, 4, 4),
         channels=(8, 4, 1), strides=(2, 2, 1)),
    case("registration", "RegUNet", flat, spatial_dims=2, in_channels=1, num_channel_initial=4,
         depth=2),
    case("localnet", "LocalNet", flat, spatial_dims=2, in_channels=1, out_channels=2,
         num_channel_initial=4, extract_levels=(0, 1)),
    case("globalnet", "GlobalNet", flat, image_size=[32, 32], spatial_dims=2, in_channels=1,
         num_channel_initial=4, depth=2),
    case("voxelmorph", "VoxelMorph", lambda: (numbers(1, 1, 32, 32), numbers(1, 1, 32, 32)),
         spatial_dims=2),
    case("quicknat", "Quicknat", flat, num_classes=3, num_channels=1, num_filters=8,
         se_block="CSE"),
    case("bags", "MILModel", lambda: numbers(1, 2, 3, 32, 32), num_classes=10, pretrained=False,
         mil_mode="att_trans", backbone="resnet18"),
    case("fully-connected", "FullyConnectedNet", lambda: numbers(1, 8), in_channels=8,
         out_channels=10, hidden_channels=[16, 8]),
]  # fmt: skip
