"""Slots: rectangles and masks of legal entries."""

from __future__ import annotations

import pytest
import torch

from graph2nn.wirings.edges.slots import Rectangle, Slots, full_mask


def test_everything_is_legal_by_default():
    slots = Slots((3, 4))
    assert slots.count == slots.total == 12 and slots.mask().all()


@pytest.mark.parametrize("shape", [(5, 4), (5, 4, 1, 1), (5, 4, 3, 3)])
@pytest.mark.parametrize("as_mask", [False, True])
def test_pack_and_unpack(shape, as_mask, generator):
    rectangles = [Rectangle(2, 5, 0, 2), Rectangle(4, 5, 2, 4)]
    slots = Slots(shape, rectangles)
    if as_mask:
        slots = Slots(shape, legal=slots.mask())
    assert slots.count == 8 * slots.kernel
    assert slots.rows().tolist() == [n * slots.kernel for n in (0, 0, 2, 2, 4)]
    values = torch.rand(shape, generator=generator)
    packed = slots.pack(values)
    assert packed.shape == (slots.count,)
    assert torch.equal(slots.unpack(packed), values * slots.mask())
    if len(shape) == 4:
        other = values.contiguous(memory_format=torch.channels_last)
        assert torch.equal(slots.pack(other), packed)


def test_mask_between_nodes_spreads_over_kernels():
    mask = full_mask([[1, 0], [0, 1]], (2, 2, 3, 3))
    assert mask.sum() == 18 and mask[0, 0].all() and not mask[0, 1].any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Slots((3,)), "expected \\(outputs, inputs, ...\\)"),
        (lambda: Slots((3, 0)), "from 1 up"),
        (lambda: Slots((3, 3), [(0, 4, 0, 1)]), "leaves a weight of 3 x 3"),
        (lambda: Slots((3, 3), [(0, 2, 0, 2), (1, 3, 1, 3)]), "overlaps"),
        (lambda: Slots((3, 3), legal=torch.ones(2, 3)), "expected shape \\(3, 3\\)"),
    ],
)
def test_bad_slots(make, message):
    with pytest.raises(ValueError, match=message):
        make()
