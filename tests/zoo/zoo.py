"""Names of the networks that zoo tests run through, and how to build them in no time."""

from __future__ import annotations

import warnings
from typing import Any

from torch import nn
from torch.overrides import TorchFunctionMode

__all__ = ["LARGE", "TIMM", "SkipFilling", "build_timm", "build_torchvision", "image_size"]

# Models that take long to build: hundreds of millions of parameters, or hundreds of layers.
LARGE = (
    "vit_h_14 vit_l_16 vit_l_32 regnet_y_128gf regnet_y_32gf regnet_x_32gf regnet_y_16gf "
    "regnet_x_16gf convnext_large convnext_base efficientnet_v2_l efficientnet_v2_m "
    "efficientnet_b6 efficientnet_b7 swin_b swin_v2_b swin_v2_s densenet201 wide_resnet101_2 "
    "resnext101_64x4d resnext101_32x8d resnet152 efficientnet_b5 vgg19 vgg19_bn vgg16 vgg13"
).split()

# A hundred models of timm, the smallest of each family.
TIMM = (
    "beit_base_patch16_224 botnet26t_256 cait_xxs24_224 coat_tiny coatnet_nano_rw_224 convit_tiny "
    "convmixer_768_32 convnextv2_atto cpubone_nano crossvit_tiny_240 csatv2 cspdarknet53 "
    "cspnext_tiny davit_tiny deit_tiny_patch16_224 densenet121 dla34 dpn48b edgenext_small "
    "efficientformer_l1 efficientformerv2_s0 efficientnet_b0 efficientvim_m1 efficientvit_b0 "
    "efficientvit_m0 eva02_tiny_patch14_224 fasternet_t0 fastvit_t8 focalnet_tiny_srf "
    "gcvit_xxtiny ghostnet_050 halonet26t hardcorenas_a hgnetv2_b0 hiera_tiny_224 hrnet_w18_small "
    "iformer_t inception_next_tiny inception_resnet_v2 inception_v4 lambda_resnet26t "
    "lcnetv2_small legacy_seresnet18 legacy_xception levit_128s lowformer_b0 mambaout_femto "
    "maxvit_rmlp_pico_rw_256 mixer_s16_224 mobilenetv4_conv_small mobileone_s0 mobilevit_xxs "
    "mobilevitv2_050 mvitv2_tiny naflexvit_base_patch16_gap nasnetalarge nest_tiny nextvit_small "
    "nf_resnet50 nfnet_l0 pit_ti_224 poolformer_s12 pvt_v2_b0 qwen3_vit_88m rdnet_tiny "
    "regnety_002 repghostnet_050 repvgg_a0 repvit_m1 res2net50_26w_4s resmlp_12_224 resnest14d "
    "resnet18 resnetv2_50 resnetv2_50d_evos rexnet_100 samvit_base_patch16_224 selecsls42 "
    "sequencer2d_s shvit_s1 skresnet18 starnet_s050 swiftformer_xs swin_tiny_patch4_window7_224 "
    "swinv2_cr_tiny_224 swinv2_tiny_window8_256 tf_efficientnet_lite0 tiny_vit_5m_224 "
    "tnt_s_patch16_224 tresnet_m twins_pcpvt_small visformer_tiny vit_relpos_small_patch16_224 "
    "vit_small_r26_s32_224 vit_tiny_patch16_224 vitamin_small_224 volo_d1_224 vovnet39a "
    "xception41 xcit_nano_12_p16_224"
).split()

_FILLING = {"uniform_", "normal_", "erfinv_", "trunc_normal_", "orthogonal_", "dirac_"}


class SkipFilling(TorchFunctionMode):
    """Leaves new parameters unfilled: drawing them is most of the time of building a model."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if getattr(func, "__name__", "") in _FILLING:
            tensor = args[0] if args else kwargs.get("tensor")
            if isinstance(tensor, nn.Parameter):
                return tensor
        return func(*args, **kwargs)


def build_torchvision(name: str, **options: Any) -> nn.Module:
    """A torchvision model with unfilled parameters."""
    from torchvision import models

    if name in ("googlenet", "inception_v3"):
        options["init_weights"] = False
    with SkipFilling(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about initial weights and deprecated arguments
        return models.get_model(name, weights=None, **options)


def build_timm(name: str, **options: Any) -> nn.Module:
    """A timm model with unfilled parameters, its image size where tracing looks for it."""
    import timm

    with SkipFilling(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about deprecated names
        model = timm.create_model(name, pretrained=False, **options)
    model.expected_input_sz = tuple(model.default_cfg["input_size"])
    return model


def image_size(model: nn.Module) -> tuple[int, int, int]:
    """(channels, height, width) of the images a model of either library is made for."""
    size = getattr(model, "expected_input_sz", 299 if type(model).__name__ == "Inception3" else 224)
    return size if isinstance(size, tuple) else (3, size, size)
