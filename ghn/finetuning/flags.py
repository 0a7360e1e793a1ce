"""Flags of scripts that train a network from a start: which start, and the name of the run."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from ghn.finetuning.starts import STARTS, Start
from graph2nn.runs import option

__all__ = ["StartFlags", "run_name"]

_INITS = ("rand", *STARTS[1:])


@dataclass(frozen=True, kw_only=True)
class StartFlags:
    """What training begins with, as the published command lines say it.

    Raises:
        ValueError: Flags that contradict each other.
    """

    ckpt: str | None = option(
        None, "-C", help="hypernetwork (name or file) that predicts, or file of trained weights"
    )
    pretrained: bool = option(False, help="begin with the weights that torchvision or timm publish")
    init: str = option("rand", help="initial weights, or what is made of --ckpt's", choices=_INITS)
    beta: float = option(0.0, help="noise on the weights, a share of their correlations' deviation")
    layer: int = option(0, help="first layer, from 1, that --init orth and --beta change")

    def __post_init__(self) -> None:
        if self.ckpt and self.pretrained:
            raise ValueError(
                "--ckpt and --pretrained: both say what to begin with; give one of them"
            )
        if self.layer and not (self.init == "orth" or self.beta):
            raise ValueError(
                "--layer says from where on --init orth or --beta change weights: give one of them"
            )
        if self.ckpt and self.init == "kaiming":
            raise ValueError("--init kaiming: weights are those of --ckpt; give one of them")

    def start(self, statistics: int) -> Start:
        """Return the start, whose statistics come from so many training images."""
        return Start(
            source=self.ckpt or ("kaiming" if self.init == "kaiming" else "random"),
            orthogonal=self.init == "orth",
            noise=self.beta,
            first_layer=self.layer,
            statistics=statistics,
        )

    @property
    def label(self) -> str:
        """Short text for names of runs, empty where nothing is said."""
        source = Path(self.ckpt).stem if self.ckpt else "pretrained" if self.pretrained else ""
        return "_".join(filter(None, (source, self.init if self.init != "rand" else "")))


def run_name(
    *, arch: str, split: str, dataset: str, shots: int | None, start: str, seed: int
) -> str:
    """Make the name of a run folder, without characters that folders cannot have.

    Examples:
        >>> run_name(arch="0", split="test", dataset="digits", shots=5, start="orth", seed=1)
        'test-0_digits_5shot_orth_s1'
    """
    arch = f"{split}-{arch}" if arch.lstrip("-").isdecimal() else arch
    parts = (arch, dataset, f"{shots}shot" if shots else "", start, f"s{seed}")
    return re.sub(r"[^\w.=-]+", "-", "_".join(filter(None, parts)))
