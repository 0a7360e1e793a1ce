"""Which output of a network is the one that classifies, and graphs of networks that do nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from graph2nn.archgraph import TraceError, coverage, trace

VECTORS = torch.zeros(2, 4)


class Outputs(nn.Module):
    """Features of width 8 and logits of 10 classes, and what is returned of them."""

    def __init__(self, give: Callable[[Tensor, Tensor, Tensor], object]) -> None:
        super().__init__()
        self.body, self.fc, self.box = nn.Linear(4, 8), nn.Linear(8, 10), nn.Linear(8, 4)
        self.give = give

    def forward(self, x: Tensor) -> object:
        x = self.body(x)
        return self.give(x, self.fc(x), self.box(x))


@pytest.mark.parametrize(
    "give, classes",
    [
        (lambda x, logits, box: (x, logits), 10),
        (lambda x, logits, box: (logits, x), 10),
        (lambda x, logits, box: {"features": x, "logits": logits}, 10),
        (lambda x, logits, box: (logits, box), 10),
        (lambda x, logits, box: logits[:, :, None], None),
        (lambda x, logits, box: torch.cat([box, logits], 1).split([4, 10], 1)[1], 10),
        (lambda x, logits, box: logits.topk(3).values, 3),
        (lambda x, logits, box: torch.zeros(2, 5), None),
    ],
)
@pytest.mark.parametrize("view", ["full", "primitives", "ghn2", "ghn3"])
def test_the_classes_are_those_of_the_logits(give: Callable, classes: int, view) -> None:
    assert trace(Outputs(give), VECTORS, view=view).num_classes == classes


def test_the_graph_of_a_network_that_does_nothing() -> None:
    class Constant(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.spare = nn.Linear(2, 3)

        def forward(self) -> Tensor:
            return torch.ones(2, 10)

    model = Constant()
    graph = trace(model, ())
    assert graph.num_nodes == 0
    found = coverage(graph, model)
    assert found.missing == ("spare.weight", "spare.bias") and not found.complete
    assert str(found).startswith("0 of 2 parameters have a node")


def test_the_failure_without_the_advice() -> None:
    """Functions that take the input under another name say so themselves."""
    with pytest.raises(TraceError, match="pass `input=` with tensors the model accepts") as caught:
        trace(nn.Linear(3, 2), VECTORS)
    assert caught.value.failure and "pass" not in caught.value.failure
    assert str(caught.value).startswith(caught.value.failure)
