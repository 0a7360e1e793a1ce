"""Which published tables of whole networks are shipped? GPTs, FBNets, timm, DeepNets-1M labels."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from predictors.tables.published.original import (
    Columns,
    Published,
    csv_file,
    json_curves,
    read_json,
)

__all__ = ["NETWORKS"]


def _deepnets(folder: Path, file: str) -> Columns:
    """One row a network, split by split; NaN where a split has no such number."""
    splits = read_json(folder / file)
    rows = [rows[str(k)] for rows in splits.values() for k in range(len(rows))]
    columns = {
        "split": np.array([name for name, rows in splits.items() for _ in rows]),
        "index": np.array([k for rows in splits.values() for k in range(len(rows))]),
    }
    for name in dict.fromkeys(name for row in rows for name in row):
        values = [row.get(name, np.nan) for row in rows]
        if isinstance(values[0], list):
            columns[name] = json_curves(values)
        else:
            columns[name] = np.array(values, dtype=np.int64 if name == "params" else np.float64)
    return columns


def _deepnets_labels(title: str, file: str, time: str, pitfalls: str) -> Published:
    return Published(
        title=f"DeepNets-1M, 1 402 networks: published results on {title}",
        part="deepnets",
        file=file,
        read=partial(_deepnets, file=file),
        source=f"facebookresearch/ppuda: {file.removesuffix('.gz')}, as published with the code",
        cite="Parameter Prediction for Unseen Deep Architectures (NeurIPS 2021, arXiv:2110.13100)",
        licence="MIT",
        units={
            "split": "split of the published evaluation networks",
            "index": "row in the published deepnets1m_eval.hdf5",
            "params": "count",
            "time": time,
            "converge_time": "unit as published",
            "training_loss": "cross-entropy, by epoch",
            "training_acc": "percent, by epoch",
            "*_acc*": "percent",
        },
        pitfalls=f"The networks themselves are not shipped and cannot be recovered. {pitfalls}",
    )


_NOT_EVERYWHERE = "NaN where a split has no such number."

NETWORKS: dict[str, Published] = {
    "hwgpt": Published(
        title="HW-GPT-Bench, 10 000 GPTs of space S: perplexity, latency, energy, memory",
        part="predictors",
        file="hwgpt_s.csv.gz",
        read=csv_file(
            "hwgpt_s.csv.gz",
            text=("heads", "mlp_ratios"),
            whole=("embed_dim", "n_layer", "bias"),
        ),
        source="automl/HW-GPT-Bench: arch_ppl_bench_s, data_collection/raw_results_hw",
        cite="HW-GPT-Bench (NeurIPS 2024, datasets track, arXiv:2405.10299)",
        licence="Apache-2.0",
        units={
            "embed_dim": "width",
            "n_layer": "count",
            "heads": "attention heads a layer, joined by -",
            "mlp_ratios": "width of the MLP over embed_dim, a layer, joined by -",
            "bias": "1 with, 0 without bias in linear layers; norms always have one",
            "perplexity": "perplexity on OpenWebText, of weights from one shared supernet",
            "accuracy": "fraction of next tokens, of weights from one shared supernet",
            "params": "count, of the network that costs were measured on",
            "macs": "count, of the same network on 8 sequences of 1 024 tokens",
            "lat_cpu_meta_s": "s, or ms where above 100",
            "lat_*_s": "s",
            "lat_*_ms": "ms",
            "energy_*": "Wh, the source's kWh times 1000",
            "mem_*": "MB",
        },
        pitfalls="Perplexity and accuracy are those of weights that one weight-sharing supernet "
        "hands down, no network was trained by itself. Costs, params and macs are those of other "
        "networks: with SiLU-gated MLPs of three matrices, for the source compares a misspelt "
        "name, and with an output layer of its own; the supernet has GELU and ties it to the "
        "embedding. CPU latencies are in seconds, GPU ones in milliseconds; 547 latencies of the "
        "host meta, those above 100, are in milliseconds too (`load_table` gives seconds). Check "
        "the order of magnitude of the energies before quoting one.",
    ),
    "fbnet": Published(
        title="FBNet, 5 000 networks of 22 layers: latency on 23 devices and batch sizes",
        part="predictors",
        file="fbnet_latency_help.csv.gz",
        read=csv_file("fbnet_latency_help.csv.gz", text=("arch",)),
        source="HayeonLee/HELP: data/fbnet",
        cite="HELP (NeurIPS 2021, arXiv:2106.08630); FBNet (CVPR 2019, arXiv:1812.03443)",
        licence="MIT",
        units={
            "arch": "22 codes joined by _, one a layer: 0 kernel 3 expansion 1, 1 the same with 2 "
            "groups, 2 expansion 3, 3 expansion 6, 4 to 7 the same with kernel 5, 8 skip",
            "*": "ms; the number behind a GPU is the batch size",
        },
        pitfalls="Columns that the source adds up from look-up tables are left out. Phones have "
        "whole milliseconds. Layers have the sizes for images of 32 pixels (CIFAR-100). A linear "
        "model of the codes is strong: show it beside.",
    ),
    "timm_models": Published(
        title="timm, 987 pairs of model and image size: ImageNet accuracy and speed",
        part="predictors",
        file="timm_models.csv.gz",
        read=csv_file("timm_models.csv.gz", text=("arch", "family", "tag"), whole=("img_size",)),
        source="huggingface/pytorch-image-models: results",
        cite="timm (huggingface/pytorch-image-models)",
        licence="Apache-2.0",
        units={
            "arch": "name for timm.create_model",
            "img_size": "pixels",
            "family": "prefix of the name, crude",
            "tag": "name of the published weights",
            "top*": "percent, ImageNet-1k validation",
            "params_m": "millions",
            "gmacs": "1e9 multiply-adds",
            "activations_m": "millions",
            "ms_*": "ms an image: RTX 4090 in mixed precision at a large batch; CPUs in float32, "
            "batch 1, compiled",
        },
        pitfalls="Training data and recipe differ from row to row: show parameters and MACs as "
        "baselines beside every result. NaN where nothing was published.",
    ),
    "deepnets1m_cifar10": _deepnets_labels(
        "CIFAR-10",
        "results_cifar10.json.gz",
        "inference time, unit as published",
        f"{_NOT_EVERYWHERE} In split val, ghn1_, ghn2_ and mlp_test_acc are validation figures.",
    ),
    "deepnets1m_cifar10_extended": _deepnets_labels(
        "CIFAR-10, with curves of training",
        "results_cifar10_extended.json.gz",
        "inference time, unit as published",
        "Accuracies by epoch are those after epochs 1, 5, 10, 20, 30, 40, 50; time and noisy "
        "accuracies differ from deepnets1m_cifar10.",
    ),
    "deepnets1m_imagenet": _deepnets_labels(
        "ImageNet after one epoch", "results_imagenet.json.gz", "ms", _NOT_EVERYWHERE
    ),
}
"""The tables by name."""
