"""Networks of other libraries: built small and offline, nothing downloaded."""

from __future__ import annotations

from libraries.adapters import ADAPTERS
from libraries.case import Case
from libraries.diffusion import DIFFUSERS
from libraries.gradients import call, outputs, used
from libraries.hf_images import IMAGES
from libraries.hf_language import LANGUAGE
from libraries.hf_mixtures import EXPERTS, STATE_SPACE
from libraries.hf_more import AUDIO, MULTIMODAL, SERIES
from libraries.medical import MONAI
from libraries.message_passing import GRAPH_NETWORKS
from libraries.segmentation import SEGMENTERS
from libraries.untouched import Belongings, untouched

__all__ = ["CASES", "FAMILIES", "Belongings", "Case", "call", "outputs", "untouched", "used"]

FAMILIES: dict[str, list[Case]] = {
    "transformers, text": LANGUAGE,
    "transformers, mixtures of experts": EXPERTS,
    "transformers, state space": STATE_SPACE,
    "transformers, vision": IMAGES,
    "transformers, audio": AUDIO,
    "transformers, multimodal": MULTIMODAL,
    "transformers, time series": SERIES,
    "diffusers": DIFFUSERS,
    "segmentation-models-pytorch": SEGMENTERS,
    "PyG": GRAPH_NETWORKS,
    "peft": ADAPTERS,
    "MONAI": MONAI,
}
CASES: list[Case] = [case for cases in FAMILIES.values() for case in cases]
