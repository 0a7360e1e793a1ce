"""A table of made-up sparse networks, whose accuracy follows from layer densities and chance."""

from __future__ import annotations

import numpy as np

from graph2nn.sparsity.campaign.results import METRICS, SparseTable

PRUNERS = ("snip", "synflow", "uniform", "erk")
SPARSITIES = (0.6, 0.9, 0.98)


def made_up_table(
    *,
    models: tuple[str, ...] = ("A", "B"),
    datasets: tuple[str, ...] = ("d",),
    seeds: int = 3,
    noise: float = 0.003,
    layers: int = 5,
    missing: tuple[str, ...] = (),
) -> SparseTable:
    """Networks of every combination; columns named in `missing` are left out."""
    rng = np.random.default_rng(0)
    rows, of_layers = [], []
    for model in models:
        for dataset in datasets:
            for at, pruning in enumerate(PRUNERS):
                for sparsity in SPARSITIES:
                    tilt = np.linspace(-1, 1, layers) * (0.4 + at) + 0.3 * rng.standard_normal()
                    density = np.clip((1 - sparsity) * np.exp(0.4 * tilt), 0.001, 1)
                    for seed in range(seeds):
                        key = dict(zip(("model", "dataset", "pruning"), (model, dataset, pruning)))
                        key |= {"sparsity": sparsity, "seed": seed}
                        kept = np.round(density * 1000 * (1 + 0.01 * rng.standard_normal(layers)))
                        kept = np.minimum(kept, 1000)
                        level = np.log(np.maximum(kept, 1) / 1000).mean()
                        accuracy = 0.9 + 0.05 * level + noise * rng.standard_normal()
                        metrics = rng.random(len(METRICS)) * 0.1 - 0.05 + np.exp(level)
                        rows.append({**key, "accuracy": accuracy, **dict(zip(METRICS, metrics))})
                        of_layers += [
                            {
                                **key,
                                "layer_id": number,
                                "layer_name": f"conv{number}",
                                "nnz": count,
                                "numel": 1000,
                                "delta_r": count / 1000 if number else -np.inf,
                                "imdb": count / 2000,
                                "imsg": np.nan if number else count,
                            }
                            for number, count in enumerate(kept)
                        ]
    columns = {name: [row[name] for row in rows] for name in rows[0] if name not in missing}
    return SparseTable(
        columns, {name: [row[name] for row in of_layers] for name in of_layers[0]}, where="made up"
    )
