"""The k largest, exactly k: as by a sort, with ties by position or drawn, with NaN."""

from __future__ import annotations

import pytest
import torch

from graph2nn.training.top_k import kth_largest, top_k, top_k_reference


@pytest.mark.parametrize("size", [1, 2, 17, 1000])
@pytest.mark.parametrize("levels", [0, 1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_top_k_equals_sort(size, levels, dtype, generator):
    scores = torch.rand(size, generator=generator)
    scores = (scores * levels).round().to(dtype) if levels else scores.to(dtype)
    for k in {1, 2, size // 3, size - 1, size} & set(range(1, size + 1)):
        chosen = top_k(scores, k)
        assert int(chosen.sum()) == k
        assert torch.equal(chosen, top_k_reference(scores, k))
        assert kth_largest(scores, k) == scores.sort(descending=True).values[k - 1]


def test_topk_with_nan_takes_them_first():
    scores = torch.tensor([0.5, float("nan"), 2.0, float("nan"), 1.0])
    assert top_k(scores, 1).tolist() == [False, True, False, False, False]
    assert top_k(scores, 3).tolist() == [False, True, True, True, False]


def test_ties_are_drawn_by_a_generator():
    scores = torch.tensor([2.0, 1.0, 1.0, 1.0, 1.0, 0.0])
    draws = [top_k(scores, 3, generator=torch.Generator().manual_seed(s)) for s in range(40)]
    for chosen in draws:
        assert int(chosen.sum()) == 3 and chosen[0] and not chosen[5]
    assert torch.stack(draws).any(0)[:5].all()
    again = top_k(scores, 3, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again, draws[0])


def test_nothing_is_drawn_without_ties():
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert top_k(torch.arange(5.0), 2, generator=generator).tolist() == [False] * 3 + [True] * 2
    assert torch.equal(generator.get_state(), before)
