"""Products of a fixed wiring: all executions give the same sums."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from graph2nn.wirings.compaction import execution
from graph2nn.wirings.compaction.execution import EdgeProduct, choose_execution, set_execution
from graph2nn.wirings.networks.tiny import StaticWiring


def weights(receivers: int, senders: int, density: float, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    found = torch.randn(receivers, senders, generator=generator)
    return found * (torch.rand(found.shape, generator=generator) < density)


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if numba were not installed."""
    monkeypatch.setattr(execution, "_compiled", lambda: None)


SIZES = [(7, 5, 0.3, 3), (40, 64, 0.1, 1300), (3, 4, 0.0, 5), (0, 4, 0.5, 5), (4, 0, 0.5, 2)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("bias", [False, True])
def test_executions_agree(size: tuple, bias: bool) -> None:
    receivers, senders, density, columns = size
    weight, sent = weights(receivers, senders, density), torch.randn(senders, columns)
    shift = torch.arange(float(receivers)) if bias else None
    expected = weight.double() @ sent.double() + (0 if shift is None else shift[:, None])
    product = EdgeProduct(weight, shift)
    for how in ("dense", "csr", "dense"):
        product.set_execution(how)
        found = product(sent)
        assert found.shape == (receivers, columns) and found.dtype == torch.float32
        assert (found - expected).abs().sum() < 1e-4 * max(1, found.numel())
    assert torch.equal(product.weight(), weight)


@pytest.mark.parametrize("size", SIZES)
def test_without_numba(size: tuple, plain: None) -> None:
    test_executions_agree(size, True)


def test_columns_shared_by_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    monkeypatch.setattr(execution, "_CHUNK", 100)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    weight, sent = weights(20, 30, 0.2), torch.randn(30, 1003)
    found = EdgeProduct(weight, execution="csr")(sent)
    assert (found - weight @ sent).abs().max() < 1e-4


def test_columns_that_are_not_contiguous() -> None:
    weight, sent = weights(6, 5, 0.4), torch.randn(9, 5).t()
    found = EdgeProduct(weight, execution="csr")(sent)
    assert (found - weight @ sent).abs().max() < 1e-5


def test_double_precision_goes_without_the_kernel() -> None:
    weight, sent = weights(6, 5, 0.4), torch.randn(5, 9, dtype=torch.float64)
    product = EdgeProduct(weight, execution="csr").double()
    found = product(sent)
    assert found.dtype == torch.float64
    assert (found - weight.double() @ sent).abs().max() < 1e-12


def test_auto_goes_by_density(plain: None) -> None:
    sparse, dense = EdgeProduct(weights(50, 50, 0.02)), EdgeProduct(weights(50, 50, 0.9))
    assert (sparse.execution, dense.execution) == ("csr", "dense")
    between = (execution.AUTO_DENSITY["torch"] + execution.AUTO_DENSITY["compiled"]) / 2
    assert choose_execution(EdgeProduct(weights(50, 50, between))) == "dense"


def test_auto_with_numba_takes_csr_up_to_a_higher_density() -> None:
    pytest.importorskip("numba")
    between = (execution.AUTO_DENSITY["torch"] + execution.AUTO_DENSITY["compiled"]) / 2
    assert choose_execution(EdgeProduct(weights(50, 50, between))) == "csr"


def test_multiply_adds() -> None:
    product = EdgeProduct(weights(10, 10, 0.1), execution="csr")
    assert product.macs == len(product.values) < 30
    product.set_execution("dense")
    assert product.macs == 100


def test_bad_input() -> None:
    with pytest.raises(ValueError, match="unknown execution 'sparse'; choose one of dense, csr"):
        EdgeProduct(torch.ones(1, 1), execution="sparse")
    with pytest.raises(ValueError, match="unknown execution"):
        set_execution(nn.Sequential(EdgeProduct(torch.ones(1, 1))), "blocks")
    with pytest.raises(ValueError, match="expected a model of compact.., got StaticWiring"):
        set_execution(StaticWiring("random"), "csr")


def test_numba_is_not_imported_before_it_is_needed() -> None:
    import subprocess

    code = "import sys, graph2nn.wirings.compaction.compact; sys.exit('numba' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
