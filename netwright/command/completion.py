"""`netwright completion`: what a shell needs to complete the command."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Literal

from graph2nn.runs import option

__all__ = ["CompletionCommand", "completion_script"]


@dataclass(frozen=True, kw_only=True)
class CompletionCommand:
    """Print what makes a shell complete words and flags (extra `shell`).

    Examples:
        netwright completion bash > ~/.local/share/bash-completion/completions/netwright
        netwright completion zsh > ~/.zfunc/_netwright
    """

    shell: Literal["bash", "zsh", "tcsh"] = option(positional=True, help="name of the shell")


def completion_script(config: CompletionCommand, parser: argparse.ArgumentParser) -> str:
    """Return the script of a shell for a parser.

    Raises:
        ImportError: The package `shtab` is missing.
    """
    try:
        import shtab
    except ImportError:
        raise ImportError(
            'completion needs the package shtab: pip install "netwright[shell]"'
        ) from None
    return shtab.complete(parser, config.shell)
