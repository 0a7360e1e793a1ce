"""Named genotypes: the best cells of DARTS and P-DARTS, and a plain vision transformer."""

from graph2nn.deepnets.graphs.config import Genotype

__all__ = ["DARTS", "GENOTYPES", "PDARTS", "ViT"]

_SEP3, _SEP5 = "sep_conv_3x3", "sep_conv_5x5"
_DIL3, _DIL5 = "dil_conv_3x3", "dil_conv_5x5"
_SKIP, _MAX, _AVG = "skip_connect", "max_pool_3x3", "avg_pool_3x3"

DARTS = Genotype.of(
    {
        "normal": [
            *[(_SEP3, 0), (_SEP3, 1), (_SEP3, 0), (_SEP3, 1)],
            *[(_SEP3, 1), (_SKIP, 0), (_SKIP, 0), (_DIL3, 2)],
        ],
        "normal_concat": range(2, 6),
        "reduce": [
            *[(_MAX, 0), (_MAX, 1), (_SKIP, 2), (_MAX, 1)],
            *[(_MAX, 0), (_SKIP, 2), (_SKIP, 2), (_MAX, 1)],
        ],
        "reduce_concat": range(2, 6),
    }
)
"""Cell found by DARTS, second order (arXiv:1806.09055)."""

PDARTS = Genotype.of(
    {
        "normal": [
            *[(_SKIP, 0), (_DIL3, 1), (_SKIP, 0), (_SEP3, 1)],
            *[(_SEP3, 1), (_SEP3, 3), (_SEP3, 0), (_DIL5, 4)],
        ],
        "normal_concat": range(2, 6),
        "reduce": [
            *[(_AVG, 0), (_SEP5, 1), (_SEP3, 0), (_DIL5, 2)],
            *[(_MAX, 0), (_DIL3, 1), (_DIL3, 1), (_DIL5, 3)],
        ],
        "reduce_concat": range(2, 6),
    }
)
"""Cell found by Progressive DARTS (arXiv:1904.12760)."""

ViT = Genotype.of(
    {
        "normal": [("none", 0), ("msa", 1)],
        "normal_concat": [2],
        "reduce": [("none", 0), (_AVG, 1)],
        "reduce_concat": [2],
    }
)
"""A chain of transformer blocks (arXiv:2010.11929) with two 3x3 average poolings."""

GENOTYPES: dict[str, Genotype] = {"DARTS": DARTS, "PDARTS": PDARTS, "ViT": ViT}
"""The named genotypes, by the name accepted on the command line."""
