"""Networks of segmentation-models-pytorch: every decoder, encoders of every kind."""

from __future__ import annotations

from functools import partial
from typing import Any

from torch import nn

from libraries.case import Case, numbers

__all__ = ["SEGMENTERS"]

DECODERS = ("Unet", "UnetPlusPlus", "MAnet", "Linknet", "FPN", "PSPNet", "DeepLabV3",
            "DeepLabV3Plus", "UPerNet", "Segformer")  # fmt: skip
ENCODERS = ("mobilenet_v2", "efficientnet-b0", "mit_b0", "densenet121", "vgg11_bn", "dpn68",
            "timm-regnetx_002", "timm-mobilenetv3_small_minimal_100", "mobileone_s0",
            "tu-convnext_atto", "tu-ghostnet_100", "timm-skresnet18")  # fmt: skip


def make(decoder: str, encoder: str, more: dict[str, Any]) -> nn.Module:
    import segmentation_models_pytorch as library

    return getattr(library, decoder)(encoder, encoder_weights=None, classes=10, **more)


def case(decoder: str, encoder: str, side: int = 64, **more: Any) -> Case:
    name = "-".join((decoder.lower(), encoder, *more))
    made = partial(make, decoder, encoder, more)
    return Case("segmentation_models_pytorch", name, made, lambda: numbers(2, 3, side, side))


SEGMENTERS: list[Case] = [
    *(case(decoder, "resnet18") for decoder in DECODERS),
    case("PAN", "resnet18", 256),
    case("DPT", "tu-vit_tiny_patch16_224", 224),
    case("Unet", "resnet18", decoder_attention_type="scse"),
    case("Unet", "resnet18", aux_params={"classes": 10}),
    *(case("FPN" if "mit" in encoder else "Unet", encoder) for encoder in ENCODERS),
]
