"""Small networks for each rule of the published encoding, with what the published code makes."""

from __future__ import annotations

from torch import nn

__all__ = ["FIGURES", "NETWORKS"]


def conv(
    read: int, written: int, kernel: int = 3, stride: int = 1, padding: int = 1, **options: int
) -> nn.Conv2d:
    return nn.Conv2d(read, written, kernel, stride, padding, **options)


def chain(size: int, *layers: nn.Module) -> tuple[nn.Module, int]:
    """Layers in a row, and the size of the images."""
    return nn.Sequential(*layers), size


class Block(nn.Module):
    """A residual block, by the names of its convolutions."""

    def __init__(self, read: int, written: int, stride: int = 1, **shortcut: nn.Module) -> None:
        super().__init__()
        self.conv1 = conv(read, written, 3, stride)
        self.conv2 = conv(written, written)
        for name, module in shortcut.items():
            self.add_module(name, module)


def down(read: int, written: int, stride: int = 2) -> Block:
    return Block(read, written, stride, shortcut=conv(read, written, 1, stride, 0))


MAX, MEAN = nn.MaxPool2d, nn.AvgPool2d
STEM = (conv(3, 4), Block(4, 4))
END = (nn.Linear(6, 3),)
PAIR = (conv(3, 6), conv(6, 6))

NETWORKS: dict[str, tuple[nn.Module, int]] = {
    "no padding": chain(8, conv(3, 4, padding=0), conv(4, 6, padding=0), *END),
    "padding 2": chain(8, conv(3, 4, 5, 1, 2), conv(4, 6, 3, 1, 2), *END),
    "kernels 1 and 2": chain(6, conv(3, 4, 1, 1, 1), conv(4, 5, 2), conv(5, 6, 1, 1, 0), *END),
    "stride first": chain(8, conv(3, 4, 3, 2), conv(4, 6), *END),
    "stride second": chain(8, conv(3, 4), conv(4, 6, 3, 2), *END),
    "stride, odd size": chain(9, conv(3, 4), conv(4, 6, 3, 2), *END),
    "stride twice": chain(16, conv(3, 4), conv(4, 5, 3, 2), conv(5, 6, 3, 2), conv(6, 6), *END),
    "stride 3": chain(11, conv(3, 4), conv(4, 5, 3, 3), conv(5, 6), *END),
    "stride, kernel 5": chain(8, conv(3, 4), conv(4, 5, 5, 2, 2), conv(5, 6), *END),
    "stride, kernel 1": chain(8, conv(3, 4), conv(4, 5, 1, 2, 0), conv(5, 6), *END),
    "mean pooling": chain(
        8, *PAIR, MEAN((2, 2), (2, 2)), conv(6, 5), MEAN((4, 4)), nn.Linear(5, 3)
    ),
    "global pooling": chain(8, *PAIR, MEAN((8, 8)), nn.Linear(6, 7), nn.Linear(7, 3)),
    "pooling 3": chain(9, *PAIR, MAX((3, 3)), conv(6, 6), *END),
    "pooling, cut": chain(7, *PAIR, MAX((2, 2)), nn.Linear(54, 5), nn.Linear(5, 3)),
    "pooling, gaps": chain(9, *PAIR, MAX((2, 2), (3, 3)), conv(6, 6), *END),
    "pooling twice": chain(8, *PAIR, MAX((2, 2)), MAX((2, 2)), nn.Linear(24, 5), nn.Linear(5, 3)),
    "pooling first": chain(8, conv(3, 6), MAX((2, 2)), nn.Linear(96, 5), nn.Linear(5, 3)),
    "stride before pooling": chain(
        16, conv(3, 6), conv(6, 6, 3, 2), conv(6, 6), MAX((2, 2)), conv(6, 6), *END
    ),
    "stride after pooling": chain(
        16, *PAIR, MAX((2, 2)), conv(6, 5), conv(5, 6, 3, 2), conv(6, 6), *END
    ),
    "linear only": chain(8, nn.Linear(192, 20), nn.Linear(20, 10), nn.Linear(10, 3)),
    "linear second": chain(8, conv(3, 6), nn.Linear(6, 5), nn.Linear(5, 3)),
    "flattened": chain(8, conv(3, 6), conv(6, 2), nn.Linear(128, 5)),
    "pooling to 2 x 2": chain(7, *PAIR, nn.Linear(24, 5), nn.Linear(5, 3)),
    "depthwise": chain(8, conv(3, 6), conv(6, 6, groups=6), conv(6, 6, 1, 1, 0), *END),
    "depthwise, two each": chain(8, conv(3, 6), conv(6, 12, groups=6), conv(12, 6, 1), *END),
    "dilation": chain(8, conv(3, 6), conv(6, 6, 3, 1, 2, dilation=2), conv(6, 6), *END),
    "shortcut": chain(8, *STEM, down(4, 6), Block(6, 6), *END),
    "shortcut, stride 1": chain(8, *STEM, down(4, 6, 1), Block(6, 6), *END),
    "shortcut, kernel 3": chain(
        8, *STEM, Block(4, 6, 2, shortcut=conv(4, 6, 3, 2)), Block(6, 6), *END
    ),
    "shortcut after stem": chain(8, conv(3, 4), down(4, 6), Block(6, 6), *END),
    "shortcuts in a row": chain(16, *STEM, down(4, 5), down(5, 6), Block(6, 6), *END),
    "shortcut, pooled stem": chain(
        16, conv(3, 4), conv(4, 4), MAX((2, 2)), Block(4, 4), down(4, 6), Block(6, 6), *END
    ),
    "shortcut, module pools": chain(8, *STEM, down(4, 6), Block(6, 6), MEAN((4, 4)), *END),
}
"""By name: the network and the size of its images."""

FIGURES: dict[str, tuple[int, int, int, float]] = {
    "no padding": (435, 3220, 88778705, 8172.7174072265625),
    "padding 2": (1291, 13516, 447697393, 34525.3758392334),
    "kernels 1 and 2": (1342, 4500, 142557393, 11402.83555984497),
    "stride first": (406, 1910, 60185843, 4715.9317054748535),
    "stride second": (655, 4211, 129927339, 12107.419258117676),
    "stride, odd size": (840, 4757, 151223546, 11987.013145446777),
    "stride twice": (2511, 18360, 598359849, 45829.96913814545),
    "stride 3": (1170, 7306, 235234679, 16761.412139892578),
    "stride, kernel 5": (735, 6960, 217434234, 17546.120372772217),
    "stride, kernel 1": (735, 4948, 156472571, 12272.042938232422),
    "mean pooling": (1151, 16436, 531879265, 40642.62854194641),
    "global pooling": (1078, 12946, 413897328, 34036.62777709961),
    "pooling 3": (1392, 21796, 703610959, 53673.91186904907),
    "pooling, cut": (839, 9571, 301515322, 23733.04303741455),
    "pooling, gaps": (1392, 17549, 562794697, 44330.11747455597),
    "pooling twice": (1076, 11331, 358950510, 29828.02713394165),
    "pooling first": (104, 202, 989177, 526.8081150054932),
    "stride before pooling": (3375, 37677, 1234150844, 94324.98128318787),
    "stride after pooling": (4559, 71947, 2359833324, 184481.70656204224),
    "linear only": (225, 1626, 33870926, 3913.2138137817383),
    "linear second": (14, 13, 926, 38.787109375),
    "flattened": (812, 5983, 187834264, 13168.828899383545),
    "pooling to 2 x 2": (839, 9192, 290720525, 22436.48676109314),
    "depthwise": (1455, 7788, 244243721, 20084.264629364014),
    "depthwise, two each": (2055, 7722, 239822944, 18614.89641571045),
    "dilation": (1887, 26485, 864465283, 66084.23476409912),
    "shortcut": (1455, 14080, 458545305, 35478.138706207275),
    "shortcut, stride 1": (2607, 34160, 1112737843, 83261.79901695251),
    "shortcut, kernel 3": (1455, 14157, 459232766, 36880.74183654785),
    "shortcut after stem": (943, 8105, 256556021, 19432.048526763916),
    "shortcuts in a row": (5071, 54380, 1783888381, 136578.8473186493),
    "shortcut, pooled stem": (3919, 44155, 1441674746, 112406.41514396667),
    "shortcut, module pools": (1455, 14064, 451839457, 35857.36472320557),
}
"""By name, from the published code, for weights of `fill_by_formula(network, 0.4, seed)`, with the
place in `NETWORKS` for a seed: nodes, edges, and the two sums of `checksums`."""
