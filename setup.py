"""Packaging of netwright: the libraries graph2nn, archtokens, ghn and predictors."""

from __future__ import annotations

from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
# "tokenizers" is Hugging Face's import name, so that folder is only a home for archtokens.
PACKAGE_DIR = {"archtokens": "tokenizers/archtokens"}

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
]
EXTRAS = {
    "fast": ["numba"],
    "graphs": ["igraph"],
    "explain": ["shap"],
    "boost": ["xgboost", "lightgbm"],
    "vision": ["torchvision"],
    "zoo": ["torchvision", "timm"],
    "hub": ["huggingface_hub", "safetensors"],
    "log": ["tensorboard"],
    "ode": ["torchdiffeq"],
    "cluster": ["dask[distributed]", "ray; python_version < '3.15'"],
}
TOOLS = ["pytest", "pytest-randomly", "pytest-xdist", "ruff", "mypy", "setuptools>=70.1"]


def packages() -> list[str]:
    """Every package with code in it; a layer joins the wheel when it gets its `__init__.py`."""
    top = find_packages(include=["graph2nn", "graph2nn.*", "ghn", "ghn.*"])
    top += find_packages(include=["predictors", "predictors.*"])
    tokens = ROOT / PACKAGE_DIR["archtokens"]
    if (tokens / "__init__.py").is_file():
        top += ["archtokens", *(f"archtokens.{name}" for name in find_packages(str(tokens)))]
    return top


def long_description() -> str:
    readme = ROOT / "README.md"
    return readme.read_text(encoding="utf-8") if readme.is_file() else ""


def extras() -> dict[str, list[str]]:
    runtime = sorted({requirement for group in EXTRAS.values() for requirement in group})
    return {**EXTRAS, "test": [*runtime, *TOOLS], "all": runtime}


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
        "graph2nn.relational.graphs": ["graph_sets.npz"],
        "archtokens.grammar": ["vocabulary.json"],
    },
    install_requires=CORE,
    extras_require=extras(),
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Intended Audience :: Science/Research",
        "Programming Language :: Python :: 3",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
