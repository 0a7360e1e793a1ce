"""Which layers of a network have a weight, and which of them tells the classes?"""

from __future__ import annotations

from torch import Tensor, nn

__all__ = ["classification_layer", "replace_classes", "weight_layers"]


def weight_layers(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """List the modules with a weight of two dimensions or more, in the order of the modules.

    Examples:
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.Linear(3, 2))
        >>> [name for name, _ in weight_layers(net)]
        ['0', '2']
    """
    return [
        (name, module)
        for name, module in model.named_modules()
        if isinstance(weight := getattr(module, "weight", None), Tensor) and weight.dim() > 1
    ]


def classification_layer(model: nn.Module) -> str:
    """Return the name of the last layer with a weight, which is taken for the one of the classes.

    Raises:
        ValueError: The network has no such layer.
    """
    layers = weight_layers(model)
    if not layers:
        raise ValueError(f"{type(model).__name__} has no layer with a weight of two dimensions")
    return layers[-1][0]


def replace_classes(model: nn.Module, num_classes: int) -> bool:
    """Put a layer with torch's initial weights in place of the last, if it has other outputs.

    Args:
        model: Network whose last layer is linear or a convolution; changed in place.
        num_classes: Number of outputs that it is to have.

    Returns:
        Whether there was anything to change.

    Raises:
        ValueError: The last layer is of another type, which no rule replaces.

    Examples:
        >>> from torchvision.models import resnet18
        >>> model = resnet18()
        >>> replace_classes(model, 10), model.fc.out_features
        (True, 10)
    """
    name = classification_layer(model)
    old = model.get_submodule(name)
    if isinstance(old, nn.Linear):
        same = old.out_features == num_classes
        new: nn.Module = nn.Linear(old.in_features, num_classes, bias=old.bias is not None)
    elif isinstance(old, nn.Conv2d) and old.groups == 1:
        same = old.out_channels == num_classes
        new = nn.Conv2d(
            old.in_channels,
            num_classes,
            old.kernel_size,  # type: ignore[arg-type]
            stride=old.stride,  # type: ignore[arg-type]
            padding=old.padding,  # type: ignore[arg-type]
            bias=old.bias is not None,
        )
    else:
        raise ValueError(
            f"{type(model).__name__}: no rule replaces its last layer {name}, a "
            f"{type(old).__name__}, by one for {num_classes} classes; build the network for them"
        )
    if same:
        return False
    parent, _, leaf = name.rpartition(".")
    setattr(model.get_submodule(parent), leaf, new.to(next(model.parameters()).device))
    return True
