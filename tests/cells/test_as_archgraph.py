"""Published encodings of cells as graphs."""

from __future__ import annotations

import numpy as np
import pytest

from graph2nn.cells.as_archgraph import (
    cell_graph,
    macro_network,
    nb101_cell,
    nb201_cell,
    nb201_from_string,
    tnb101_cell,
)


def test_nb201_paths_are_those_of_the_cell() -> None:
    cell = nb201_cell((2, 3, 4, 0, 1, 2))
    assert cell.op_names()[1:-1] == ["conv_3x3", "conv_1x1", "avg_pool_3x3", "skip", "none"] + [
        "conv_3x3"
    ]
    # 0→1→2→3, 0→1→3, 0→2→3 and 0→3: four paths from input to output
    reach = np.linalg.matrix_power(_adjacency(cell) + np.eye(8, dtype=int), 8)
    paths = sum(np.linalg.matrix_power(_adjacency(cell), k)[0, 7] for k in range(1, 8))
    assert paths == 4
    assert reach[0, 7] > 0
    assert cell.name == (
        "|nor_conv_3x3~0|+|nor_conv_1x1~0|skip_connect~1|+|avg_pool_3x3~0|none~1|nor_conv_3x3~2|"
    )


def test_the_two_edge_orders_meet() -> None:
    """TransNAS-Bench lists edges by target, NAS-Bench-201 by source; the graphs number alike."""
    cell = tnb101_cell((1, 2, 3, 0, 2, 3))  # 0→1 skip, 0→2 1x1, 1→2 3x3, 0→3 none, 1→3 1x1, 2→3 3x3
    assert cell.op_names() == [
        *("input", "skip", "conv_1x1", "none", "conv_3x3", "conv_1x1", "conv_3x3", "output")
    ]
    assert np.array_equal(cell.edges, nb201_cell((0,) * 6).edges)
    assert cell.name == "64-41414-1_23_023"


def test_macro_knows_its_stages() -> None:
    network = macro_network("01201201")
    # the input, stages 1 to 3 of 2, 3 and 3 layers, the output with the last
    assert network.cell.tolist() == [0, 1, 1, 2, 2, 2, 3, 3, 3, 3]
    assert network.op_names()[1:4] == ["skip", "mbconv_k3_e3", "mbconv_k5_e6"]


def test_nb101_keeps_what_is_stored() -> None:
    matrix = np.zeros((4, 4), dtype=int)
    matrix[0, 1] = matrix[1, 3] = matrix[0, 2] = 1
    cell = nb101_cell(matrix, (0, 4, 2, 1))
    assert cell.op_names() == ["input", "conv_3x3", "max_pool_3x3", "output"]
    assert cell.edges.tolist() == [[0, 0, 1], [1, 2, 3]]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nb201_cell((0, 1, 2)), "NAS-Bench-201: expected 6 codes from 0 to 4"),
        (lambda: nb201_cell((0, 1, 2, 3, 4, 5)), "expected 6 codes from 0 to 4, got"),
        (lambda: tnb101_cell((4, 0, 0, 0, 0, 0)), "TransNAS-Bench-101 micro: expected 6 codes"),
        (lambda: macro_network("012"), "NAS-Bench-Macro: expected 8 codes from 0 to 2"),
        (lambda: nb101_cell(np.eye(3, dtype=int), (0, 2, 1)), "strictly upper triangular"),
        (lambda: nb101_cell(np.zeros((2, 2)), (0, 2, 1)), "3 x 3 matrix for 3 codes"),
        (lambda: cell_graph(["input", "fly"], []), "unknown operation 'fly'; known are input"),
        (lambda: cell_graph(["input", "output"], [(1, 0)]), r"edge \(1, 0\) does not run forward"),
    ],
)
def test_bad_input(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def _adjacency(cell) -> np.ndarray:
    table = np.zeros((cell.num_nodes,) * 2, dtype=int)
    table[tuple(cell.edges)] = 1
    return table


def test_strings_of_nb201_are_read() -> None:
    for code in np.random.default_rng(0).integers(5, size=(20, 6)):
        cell = nb201_cell(code.tolist())
        found = nb201_from_string(cell.name)
        assert found.name == cell.name and np.array_equal(found.op, cell.op)
    for text in ("", "|none~0|", cell.name.replace("~2", "~1"), cell.name.replace("~0|+", "x~0|+")):
        with pytest.raises(ValueError, match="NAS-Bench-201: expected a string such as"):
            nb201_from_string(text)
