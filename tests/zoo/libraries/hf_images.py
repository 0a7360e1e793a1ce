"""Vision models of transformers: classifiers, detectors, segmenters, depth."""

from __future__ import annotations

from typing import Any

from libraries.case import Case, numbers
from libraries.hf import case, tiny

__all__ = ["IMAGES", "image", "image64"]

CLASSIFY = "ForImageClassification"
STAGES = {
    "embed_dim": 16,
    "depths": [1, 1],
    "num_heads": [2, 4],
    "window_size": 4,
    "patch_size": 4,
    "num_hidden_layers": ...,
    "num_attention_heads": ...,
}
NARROW = {"hidden_sizes": [16, 32], "depths": [1, 1]}


def image() -> dict[str, Any]:
    return {"pixel_values": numbers(2, 3, 32, 32)}


def image64() -> dict[str, Any]:
    return {"pixel_values": numbers(2, 3, 64, 64)}


def video() -> dict[str, Any]:
    return {"pixel_values": numbers(2, 4, 3, 32, 32)}


def resnet() -> Any:
    """The backbone of detectors and segmenters."""
    return tiny("ResNet", embedding_size=16, hidden_sizes=[16, 16, 32, 32], depths=[1, 1, 1, 1],
                out_features=["stage2", "stage3", "stage4"])  # fmt: skip


def dino() -> Any:
    return tiny("Dinov2", out_features=["stage1", "stage2"], reshape_hidden_states=False)


DETR = {
    "backbone_config": resnet, "use_timm_backbone": False, "num_queries": 5,
    "use_pretrained_backbone": False, "encoder_layers": 1, "decoder_layers": 1, "backbone": None,
}  # fmt: skip

IMAGES: list[Case] = [
    case("vit", "ViT", CLASSIFY, image),
    case("deit", "DeiT", "ForImageClassificationWithTeacher", image),
    case("beit", "Beit", CLASSIFY, image, use_relative_position_bias=True),
    case("dinov2", "Dinov2", CLASSIFY, image),
    case("vit-mae", "ViTMAE", "ForPreTraining", image, decoder_hidden_size=16,
         decoder_num_hidden_layers=1, decoder_num_attention_heads=2, decoder_intermediate_size=24),
    case("swin", "Swin", CLASSIFY, image, **STAGES),
    case("swinv2", "Swinv2", CLASSIFY, image, **STAGES),
    case("convnext", "ConvNext", CLASSIFY, image64, **NARROW, num_stages=2),
    case("convnextv2", "ConvNextV2", CLASSIFY, image64, **NARROW, num_stages=2),
    case("resnet", "ResNet", CLASSIFY, image64, **NARROW, embedding_size=16),
    case("regnet", "RegNet", CLASSIFY, image64, **NARROW, embedding_size=16, groups_width=8),
    case("bit", "Bit", CLASSIFY, image64, **NARROW, embedding_size=16, num_groups=4),
    case("mobilenet-v2", "MobileNetV2", CLASSIFY, image64, depth_multiplier=0.25),
    case("mobilevit", "MobileViT", CLASSIFY, image64, hidden_sizes=[16, 24, 32],
         neck_hidden_sizes=[4, 8, 8, 16, 16, 24, 32], image_size=64, patch_size=2),
    case("efficientnet", "EfficientNet", CLASSIFY, image64, image_size=64, width_coefficient=0.25,
         depth_coefficient=0.3, hidden_dim=320),
    case("poolformer", "PoolFormer", CLASSIFY, image64, hidden_sizes=[8, 8, 16, 16],
         depths=[1, 1, 1, 1]),
    case("pvt", "Pvt", CLASSIFY, image64, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1],
         image_size=64, num_attention_heads=[1, 1, 2, 2], patch_sizes=[4, 2, 2, 2], patch_size=...),
    case("segformer", "Segformer", "ForSemanticSegmentation", image64, hidden_sizes=[8, 8, 16, 16],
         depths=[1, 1, 1, 1], num_attention_heads=[1, 1, 2, 2], decoder_hidden_size=16),
    case("levit", "Levit", CLASSIFY, image64, image_size=64, hidden_sizes=[16, 24, 32],
         num_attention_heads=[2, 3, 4], depths=[1, 1, 1], key_dim=[8, 8, 8], patch_size=16),
    case("cvt", "Cvt", CLASSIFY, image64, embed_dim=[8, 16, 24], depth=[1, 2, 3],
         num_heads=[1, 2, 3], num_hidden_layers=...),
    case("focalnet", "FocalNet", CLASSIFY, image, embed_dim=16, depths=[1, 1],
         hidden_sizes=[16, 32], focal_levels=[1, 1], focal_windows=[3, 3], patch_size=4),
    case("hiera", "Hiera", CLASSIFY, image64, image_size=[64, 64], embed_dim=16,
         depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8], patch_size=[7, 7]),
    case("swiftformer", "SwiftFormer", CLASSIFY, image64, depths=[1, 1, 1, 1],
         embed_dims=[8, 16, 16, 24], image_size=64),
    case("dpt", "DPT", "ForDepthEstimation", image64, image_size=64, num_hidden_layers=4,
         backbone_out_indices=[0, 1, 2, 3],
         neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16, is_hybrid=False),
    case("upernet", "UperNet", "ForSemanticSegmentation", image64, backbone_config=lambda:
         tiny("ResNet", embedding_size=16, hidden_sizes=[8, 8, 16, 16], depths=[1, 1, 1, 1],
              out_features=["stage1", "stage2", "stage3", "stage4"]),
         hidden_size=16, pool_scales=[1, 2], auxiliary_loss_weight=0.4,
         auxiliary_in_channels=16, auxiliary_channels=8,
         use_pretrained_backbone=False),
    case("detr", "Detr", "ForObjectDetection", image64, **DETR),
    case("conditional-detr", "ConditionalDetr", "ForObjectDetection", image64, **DETR),
    case("deformable-detr", "DeformableDetr", "ForObjectDetection", image64,
         **{**DETR, "decoder_layers": 2}, num_feature_levels=3),
    case("yolos", "Yolos", "ForObjectDetection", image, image_size=[32, 32],
         num_detection_tokens=4),
    case("mask2former", "Mask2Former", "ForUniversalSegmentation", image64, feature_size=32,
         mask_feature_size=32, hidden_dim=32, encoder_feedforward_dim=48, encoder_layers=1,
         decoder_layers=2, dim_feedforward=48, num_queries=5, use_pretrained_backbone=False,
         backbone_config=lambda: tiny(
             "Swin", embed_dim=16, depths=[1, 1, 1, 1], window_size=4, num_hidden_layers=...,
             num_attention_heads=..., num_heads=[2, 2, 4, 4], patch_size=4, image_size=64,
             out_features=["stage1", "stage2", "stage3", "stage4"])),
    case("rt-detr", "RTDetr", "ForObjectDetection", image64, num_queries=5, encoder_hidden_dim=32,
         encoder_ffn_dim=48, d_model=32, decoder_ffn_dim=48, decoder_layers=1, num_denoising=0,
         use_pretrained_backbone=False, encoder_in_channels=[16, 32, 32],
         decoder_in_channels=[32, 32, 32], hidden_expansion=0.5, backbone_config=lambda: tiny(
             "RTDetrResNet", embedding_size=16, hidden_sizes=[16, 16, 32, 32], depths=[1, 1, 1, 1],
             out_features=["stage2", "stage3", "stage4"])),
    case("sam", "SamVision", "Model", image64, image_size=64, patch_size=16, output_channels=16,
         global_attn_indexes=[1], window_size=2, mlp_dim=48),
    case("videomae", "VideoMAE", "ForVideoClassification", video, num_frames=4),
    case("timesformer", "Timesformer", "ForVideoClassification", video, num_frames=4),
    case("superpoint", "SuperPoint", "ForKeypointDetection", image64,
         encoder_hidden_sizes=[8, 8, 16, 16], decoder_hidden_size=16, keypoint_decoder_dim=65,
         descriptor_decoder_dim=16),
    case("depth-anything", "DepthAnything", "ForDepthEstimation", image64, backbone_config=lambda:
         tiny("Dinov2", num_hidden_layers=4, image_size=64, apply_layernorm=True,
              out_features=["stage1", "stage2", "stage3", "stage4"], reshape_hidden_states=False),
         reassemble_hidden_size=32, neck_hidden_sizes=[8, 8, 16, 16], fusion_hidden_size=16,
         patch_size=8, head_in_index=-1),
    case("vitpose", "VitPose", "ForPoseEstimation", lambda: {"pixel_values": numbers(2, 3, 32, 32)},
         backbone_config=lambda: tiny("VitPoseBackbone", image_size=[32, 32], patch_size=[8, 8],
                                      out_features=["stage2"]), num_labels=5),
    case("swin2sr", "Swin2SR", "ForImageSuperResolution", image, embed_dim=16, depths=[1, 1],
         num_heads=[2, 2], window_size=4, patch_size=1, num_hidden_layers=...,
         num_attention_heads=...),
]  # fmt: skip
