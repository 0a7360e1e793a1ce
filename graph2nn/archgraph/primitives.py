"""The vocabulary of operations a graph hypernetwork knows (DeepNets-1M, arXiv:2110.13100, Table
1)."""

__all__ = ["PRIMITIVES", "PRIMITIVE_ID"]

PRIMITIVES: tuple[str, ...] = (
    "max_pool",
    "avg_pool",
    "sep_conv",
    "dil_conv",
    "conv",
    "msa",
    "cse",
    "sum",
    "concat",
    "input",
    "bias",
    "bn",
    "ln",
    "pos_enc",
    "glob_avg",
)
"""The 15 primitives in published order: the index is the row of a hypernetwork's `embed`."""

PRIMITIVE_ID: dict[str, int] = {name: i for i, name in enumerate(PRIMITIVES)}
