"""Packaging of netwright: graph2nn, archtokens, ghn, predictors, and the command netwright."""

from __future__ import annotations

import json
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
# "tokenizers" is Hugging Face's import name, so that folder is only a home for archtokens.
# Weights and tables are installed inside graph2nn, where graph2nn/runs/shipped.py finds them.
PACKAGE_DIR = {
    "archtokens": "tokenizers/archtokens",
    "graph2nn.shipped.checkpoints": "checkpoints",
    "graph2nn.shipped.data": "data",
}
# Named one by one: the folder also holds what users have downloaded, made and trained.
DATA = [
    "README.md",
    "ground_truth/README.md",
    *(
        f"ground_truth/{name}.h5"
        for name in ("deepnets_cifar10", "deepnets_digits", "graphs_digits")
    ),
    "networks/timm_models.h5",
    "published/README.md",
    "published/*.h5",
    *(
        f"relational/{sweep}/{file}"
        for sweep in ("mlp_cifar10_13_long", "mlp_cifar10_52", "mlp_digits_52")
        for file in (
            *("config.json", "environment.json", "results.csv", "results.csv.sha256"),
            *("results_by_epoch.csv.gz", "results_by_epoch.csv.gz.sha256"),
        )
    ),
    "sparse/README.md",
    *(
        f"sparse/{name}{end}"
        for name in ("cifar10", "digits")
        for end in (".csv", ".csv.sha256", ".json", "_layers.csv", "_layers.csv.sha256")
    ),
    "wirings/README.md",
    *(
        f"wirings/{runs}.csv{end}"
        for runs in (
            *("cifar10_continuous_5", "cifar10_discrete_time_5", "cifar10_static_5"),
            *("cifar10_static_20", "digits_tiny"),
        )
        for end in ("", ".sha256")
    ),
]

CORE = [
    "torch>=2.6",
    "torch-geometric",
    "networkx",
    "h5py",
    "numpy",
    "scikit-learn",
    "scipy",
    "tqdm",
    "matplotlib",
    "joblib>=1.5",
    "filelock",
    "pillow",
    "pytorch-optimizer>=4.1",
]
EXTRAS = {
    "fast": ["numba"],
    "graphs": ["igraph"],
    "explain": ["shap"],
    "boost": ["xgboost", "lightgbm"],
    "vision": ["torchvision"],
    "timm": ["torchvision", "timm"],
    "hub": ["huggingface_hub", "safetensors"],
    "log": ["tensorboard"],
    "ode": ["torchdiffeq"],
    "detect": ["torchvision", "pycocotools"],
    "onnx": ["onnx"],
    "shell": ["shtab"],
    "cluster": ["dask[distributed]", "ray; python_version < '3.15'"],
}
# Networks of other libraries that tests and benchmarks run; no function needs these libraries.
ZOO = [
    *EXTRAS["timm"],
    "transformers>=5",
    "diffusers",
    "segmentation-models-pytorch",
    "peft",
    "monai",
    "einops",  # layers of MONAI's transformers
]
# Of mkdocs: version 2 takes neither plug-ins nor this theme.
DOCS = ["mkdocs>=1.6,<2", "mkdocs-material", "mkdocs-jupyter", "mkdocstrings[python]"]
NOTEBOOKS = ["nbclient", "ipykernel", "ipywidgets"]  # without widgets tqdm warns
TOOLS = [
    "onnxscript",
    "playwright",
    "pytest",
    "pytest-randomly",
    "pytest-xdist",
    "ruff",
    "mypy",
    "setuptools>=70.1",
]


def packages() -> list[str]:
    """Every package with code in it; a layer joins the wheel when it gets its `__init__.py`."""
    top = find_packages(include=["graph2nn", "graph2nn.*", "ghn", "ghn.*"])
    top += find_packages(include=["predictors", "predictors.*", "netwright", "netwright.*"])
    tokens = ROOT / PACKAGE_DIR["archtokens"]
    if (tokens / "__init__.py").is_file():
        top += ["archtokens", *(f"archtokens.{name}" for name in find_packages(str(tokens)))]
    return [*top, *(name for name in PACKAGE_DIR if name.startswith("graph2nn.shipped."))]


def checkpoints() -> list[str]:
    """The weights that the manifest describes, and results of published ones."""
    manifest = json.loads((ROOT / "checkpoints" / "MANIFEST.json").read_text(encoding="utf-8"))
    files = [entry["file"] for entry in manifest.values()]
    return ["MANIFEST.json", "README.md", "ghn3_results.csv", *files]


def long_description() -> str:
    readme = ROOT / "README.md"
    return readme.read_text(encoding="utf-8") if readme.is_file() else ""


def extras() -> dict[str, list[str]]:
    runtime = sorted({requirement for group in EXTRAS.values() for requirement in group})
    test = [*runtime, *ZOO, *TOOLS, *DOCS, *NOTEBOOKS]
    return {**EXTRAS, "zoo": ZOO, "docs": DOCS, "test": test, "all": runtime}


setup(
    name="netwright",
    version="0.1.0",
    description="Neural networks as graphs: predict parameters and accuracy from the graph alone",
    long_description=long_description(),
    long_description_content_type="text/markdown",
    author="the Netwright authors",
    license="MIT",
    license_files=["LICENSE"],
    python_requires=">=3.10",
    packages=packages(),
    package_dir=PACKAGE_DIR,
    package_data={
        "": ["py.typed"],
        "graph2nn.archgraph.pictures.page": ["*.html", "*.css", "*.js", "dagre.LICENSE"],
        "graph2nn.relational.graphs": ["graph_sets.npz"],
        "archtokens.grammar": ["vocabulary.json"],
        "graph2nn.shipped.checkpoints": checkpoints(),
        "graph2nn.shipped.data": DATA,
    },
    install_requires=CORE,
    extras_require=extras(),
    entry_points={"console_scripts": ["netwright = netwright.command.main:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
