"""`Network`: published names, any image size, and gradients for exactly its own parameters."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from torch.func import functional_call

from graph2nn.deepnets import (
    DARTS,
    GENOTYPES,
    OPS,
    PDARTS,
    Genotype,
    NetConfig,
    Network,
    ViT,
    sample_config,
    split_rules,
)
from graph2nn.deepnets.networks.layers import PosEnc, drop_path

SAMPLED = [
    sample_config(split_rules(split, image_size=16), np.random.default_rng(seed), image_size=16)
    for split in ("train", "dense", "bnfree")
    for seed in range(3)
]


def cell(*edges: tuple[str, int], concat: tuple[int, ...] | None = None) -> Genotype:
    concat = concat or (1 + len(edges) // 2,)
    return Genotype(edges, concat, edges, concat)


def small(genotype: Genotype, **changes: object) -> NetConfig:
    return NetConfig(**{"genotype": genotype, "n_cells": 3, "C": 8, "image_size": 8, **changes})


@pytest.mark.parametrize("name", GENOTYPES)
def test_named_genotypes_run(name: str) -> None:
    net = Network(small(GENOTYPES[name], image_size=32))
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_published_parameter_names() -> None:
    names = set(dict(Network(small(DARTS, stem_type=1, fc_layers=2)).named_parameters()))
    assert {
        "stem0.0.weight",
        "stem0.1.bias",
        "stem1.1.weight",
        "cells.0.preprocess0.conv_1.weight",
        "cells.0.preprocess0.bn.weight",
        "cells.0.preprocess1.op.1.weight",
        "cells.0._ops.0.op.5.weight",
        "classifier.0.weight",
        "classifier.3.bias",
    } <= names
    assert "stem.0.weight" in dict(Network(small(DARTS)).named_parameters())
    names = set(dict(Network(small(ViT)).named_parameters()))
    assert {
        "stem0.weight",
        "pos_enc.weight",
        "cells.0._ops.1.to_qkv.weight",
        "cells.0._ops.1.to_out.0.bias",
        "cells.0._ops.1.ff.net.3.weight",
        "cells.0._ops.1.ln2.bias",
    } <= names


@pytest.mark.parametrize("op", OPS[1:])
@pytest.mark.parametrize("image_size", [1, 3, 8, 28])
@pytest.mark.parametrize("stem_type", [0, 1])
def test_every_operation_at_every_size(op: str, image_size: int, stem_type: int) -> None:
    genotype = cell((op, 0), (op, 1))
    for glob_avg, is_vit in ((True, None), (False, None), (False, False)):
        config = small(
            genotype,
            image_size=image_size,
            stem_type=stem_type,
            stem_pool=stem_type == 0,
            glob_avg=glob_avg,
            is_vit=is_vit,
            in_channels=1,
        )
        logits = Network(config)(torch.randn(2, 1, image_size, image_size))
        assert logits.shape == (2, 10) and logits.isfinite().all()


@pytest.mark.parametrize("config", SAMPLED, ids=range(len(SAMPLED)))
def test_functional_call_reaches_every_parameter(
    config: NetConfig, generator: torch.Generator
) -> None:
    net = Network(config.with_(C=8), device="meta")
    params = {
        name: (0.1 * torch.randn(p.shape, generator=generator)).requires_grad_()
        for name, p in net.named_parameters()
    }
    logits = functional_call(net, params, (torch.randn(2, 3, 16, 16, generator=generator),))
    grads = torch.autograd.grad(logits.square().sum(), list(params.values()))
    assert all(g is not None for g in grads)
    assert not list(net.buffers())


def test_unused_operations_are_built_on_demand_only() -> None:
    genotype = cell(("conv_1x1", 0), ("none", 1), ("conv_3x3", 1), ("none", 0), concat=(3,))
    config = small(genotype, image_size=8)
    lean, full = Network(config), Network(config, unused=True)
    assert "cells.2._ops.0.op.1.weight" not in lean.state_dict()
    assert "cells.2._ops.0.op.1.weight" in full.state_dict()
    lean.load_state_dict({k: full.state_dict()[k] for k in lean.state_dict()})
    x = torch.randn(2, 3, 8, 8)
    torch.testing.assert_close(lean(x), full(x))


def test_missing_states_are_zeros_in_the_concatenation() -> None:
    genotype = cell(("conv_1x1", 1), ("none", 0), ("none", 0), ("none", 1), concat=(2, 3))
    net = Network(small(genotype, n_cells=1))
    features = net.cells[0](*[torch.randn(2, 24, 8, 8)] * 2)
    assert features.shape == (2, 16, 8, 8)
    assert features[:, :8].abs().sum() > 0 and features[:, 8:].abs().sum() == 0


@pytest.mark.parametrize(
    "image_size, stem_type, side", [(32, 0, 8), (32, 1, 4), (28, 0, 7), (8, 1, 1)]
)
def test_flattened_side_is_that_of_the_last_map(image_size: int, stem_type: int, side: int) -> None:
    config = small(PDARTS, image_size=image_size, stem_type=stem_type, glob_avg=False)
    assert Network(config).classifier[0].in_features == 4 * 32 * side**2


@pytest.mark.parametrize(
    "image_size, side, patch", [(32, 11, 3), (224, 14, 16), (28, 10, 3), (8, 3, 3)]
)
def test_patch_stem(image_size: int, side: int, patch: int) -> None:
    net = Network(small(ViT, image_size=image_size), device="meta")
    assert net.pos_enc.weight.shape == (1, 8, side, side)
    assert net.stem0.weight.shape[-1] == patch
    assert net(torch.zeros(2, 3, image_size, image_size, device="meta")).shape == (2, 10)


@pytest.mark.parametrize("genotype", [DARTS, ViT])
@pytest.mark.parametrize("image_size", [8, 32, 64, 224])
def test_auxiliary_head_in_training_only(genotype: Genotype, image_size: int) -> None:
    net = Network(small(genotype, image_size=image_size, auxiliary=True), device="meta")
    x = torch.zeros(2, 3, image_size, image_size, device="meta")
    logits, auxiliary = net(x)
    assert logits.shape == auxiliary.shape == (2, 10)
    assert net.eval()(x).shape == (2, 10)


def test_drop_path_drops_whole_samples() -> None:
    out = drop_path(torch.ones(400, 2, 3, 3), 0.25, torch.Generator().manual_seed(1))
    per_sample = out.flatten(1)
    assert (per_sample == per_sample[:, :1]).all()
    assert out.unique().tolist() == [0.0, pytest.approx(4 / 3)]
    assert 0.65 < (out > 0).float().mean() < 0.85


def test_drop_path_is_off_by_default_and_repeatable() -> None:
    net = Network(small(DARTS, image_size=16))
    x = torch.randn(4, 3, 16, 16)
    plain = net(x)
    net.drop_path_prob = 0.5
    outs = []
    for _ in range(2):
        net.generator = torch.Generator().manual_seed(3)
        outs.append(net(x))
    torch.testing.assert_close(outs[0], outs[1])
    assert not torch.allclose(outs[0], plain)
    torch.testing.assert_close(net.eval()(x), plain)


def test_running_statistics_only_with_track() -> None:
    assert not list(Network(small(DARTS, norm="bnorm")).buffers())
    assert list(Network(small(DARTS, norm="bn-track")).buffers())


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_weights_belong_to_torch_modules_of_exact_type(device: str) -> None:
    for config in SAMPLED:
        for module in Network(config, device=device).modules():
            if any(True for _ in module.parameters(recurse=False)):
                assert type(module).__module__.startswith("torch.nn") or isinstance(module, PosEnc)


def test_published_signature() -> None:
    net = Network.from_args(16, 100, PDARTS, 5, is_imagenet_input=False, fc_layers=1)
    assert net.config.image_size == 32 and net.config.norm == "bn-track"
    assert net(torch.zeros(2, 3, 32, 32)).shape == (2, 100)
    light = Network.from_args(16, 100, PDARTS, 5, light=True)
    assert light.config.image_size == 224 and all(p.is_meta for p in light.parameters())


@pytest.mark.parametrize("config", [small(DARTS), *SAMPLED], ids=str)
def test_config_survives_json(config: NetConfig) -> None:
    assert NetConfig.from_json(json.loads(json.dumps(config.to_json()))) == config
    assert hash(config) == hash(config.with_())


def test_from_json_ignores_what_is_no_argument() -> None:
    entry = {"genotype": ViT._asdict(), "n_cells": 4, "num_nodes": 7, "norm": None}
    config = NetConfig.from_json(entry, C=64)
    assert config == NetConfig(genotype=ViT, n_cells=4, C=64, norm=None)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"C": 7}, r"NetConfig.C: expected an even number from 2, got 7"),
        ({"genotype": ViT, "C": 4}, r"NetConfig.C: expected at least 8 for msa"),
        ({"n_cells": 0}, r"NetConfig.n_cells: expected at least 1, got 0"),
        ({"ks": 4}, r"NetConfig.ks: expected an odd number, got 4"),
        ({"stem_type": 2}, r"NetConfig.stem_type: expected 0 or 1, got 2"),
        ({"C_mult": 3}, r"NetConfig.C_mult: expected 1 or 2, got 3"),
        ({"norm": "ln"}, r"NetConfig.norm: expected None or 'bn...', got 'ln'"),
        ({"preproc": False}, r"preproc: expected True, because cells change the width"),
        ({"genotype": cell(("conv_9x9", 0), ("none", 1))}, r"unknown operation 'conv_9x9'"),
        ({"genotype": cell(("msa", 0), ("none", 2))}, r"input state 2 does not exist"),
        ({"genotype": cell(("msa", 0))}, r"expected two edges per step, got 1"),
        ({"genotype": cell(("msa", 0), ("msa", 1), concat=(3,))}, r"normal_concat"),
    ],
)
def test_bad_arguments(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**{"genotype": DARTS, **changes})


def test_disconnected_network() -> None:
    with pytest.raises(ValueError, match="does not depend on its input"):
        Network(small(cell(("none", 0), ("none", 1))))


@pytest.mark.parametrize("genotype, shape", [(DARTS, (2, 1, 8, 8)), (ViT, (2, 3, 9, 9))])
def test_wrong_images(genotype: Genotype, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="Network: expected images of"):
        Network(small(genotype))(torch.zeros(shape))
