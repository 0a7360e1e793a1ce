"""One description of a setting: command line, help text, JSON."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass, replace
from typing import Literal

import pytest

from graph2nn.runs import (
    add_arguments,
    changed,
    flat,
    flattened,
    from_args,
    from_dict,
    option,
    parse_command,
    parse_config,
    settings_of,
    to_dict,
)


@dataclass(frozen=True, kw_only=True)
class Inner:
    lr: float = option(0.1, help="learning rate")
    steps: tuple[int, ...] = option((200, 250), help="milestones")


@dataclass(frozen=True, kw_only=True)
class Settings:
    meta_batch_size: int = option(1, "-m", help="networks a step, 100 % of them")
    name: str = option("EXP", help="of the run")
    ln: bool = option(False, help="layer norm")
    shuffle: bool = option(True, help="new order every epoch")
    hypernet: Literal["gatedgnn", "mlp"] = option("gatedgnn", "-H", help="kind")
    opt: str = option("adam", choices=["adam", "sgd"])
    image_size: int | None = option(None, "-i", help="side in pixels")
    max_shape: tuple[int, ...] | None = option(None)
    plain: float = 0.5
    train: Inner = option(factory=Inner)

    def __post_init__(self) -> None:
        if self.meta_batch_size < 1:
            raise ValueError(f"meta_batch_size must be at least 1, got {self.meta_batch_size}")


@pytest.mark.parametrize(
    "argv, expected",
    [
        ([], {}),
        (["-m", "8"], {"meta_batch_size": 8}),
        (["--meta_batch_size", "8"], {"meta_batch_size": 8}),
        (["--meta-batch-size=8"], {"meta_batch_size": 8}),
        (["--ln", "--no-shuffle"], {"ln": True, "shuffle": False}),
        (["-H", "mlp", "--opt", "sgd"], {"hypernet": "mlp", "opt": "sgd"}),
        (["-i", "32"], {"image_size": 32}),
        (["-i", "none"], {"image_size": None}),
        (["--max_shape", "64,64,11,11"], {"max_shape": (64, 64, 11, 11)}),
        (["--max_shape", "64", "64"], {"max_shape": (64, 64)}),
        (["--max_shape", "none"], {"max_shape": None}),
        (["--plain", "2"], {"plain": 2.0}),
        (["--train_lr", "1e-3", "--train-steps", "3"], {"train": Inner(lr=1e-3, steps=(3,))}),
    ],
)
def test_command_line(argv: list[str], expected: dict) -> None:
    assert parse_config(Settings, argv) == Settings(**expected)


def test_published_short_flags() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Published:
        virtual_edges: int = option(1, "-v")
        weight_norm: bool = option(False, "-n")

    got = parse_config(Published, "-n -v 50".split())
    assert got == Published(virtual_edges=50, weight_norm=True)


def test_positional_and_required() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Generator:
        split: str = option(positional=True)
        count: int = option(10, positional=True)
        out: str = option()

    assert parse_config(Generator, ["train", "--out", "a"]) == Generator(split="train", out="a")
    assert parse_config(Generator, ["train", "5", "--out", "a"]).count == 5


def test_several_by_position() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Files:
        names: tuple[str, ...] = option(positional=True)
        sizes: tuple[int, ...] = option((), "-s")

    got = parse_config(Files, ["a,b.json", "c", "-s", "1,2"])
    assert got == Files(names=("a,b.json", "c"), sizes=(1, 2))  # a name may have a comma

    @dataclass(frozen=True, kw_only=True)
    class Numbers:
        numbers: tuple[int, ...] = option((3,), positional=True)

    assert parse_config(Numbers, []) == Numbers(numbers=(3,))
    assert parse_config(Numbers, ["4", "5"]).numbers == (4, 5)


@pytest.mark.parametrize("argv", [[], ["x"]])
def test_wrong_values_by_position(argv: list[str], capsys: pytest.CaptureFixture) -> None:
    @dataclass(frozen=True, kw_only=True)
    class Numbers:
        numbers: tuple[int, ...] = option(positional=True)

    with pytest.raises(SystemExit):
        parse_config(Numbers, argv)
    message = "are required: numbers" if not argv else "argument numbers: invalid int value: 'x'"
    assert message in capsys.readouterr().err


def test_help_shows_defaults(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit) as stop:
        parse_config(Settings, ["--help"])
    assert stop.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for part in (
        "(default: 1)",
        "100 % of them",
        "(default: 200,250)",
        "--train_lr",
        "gatedgnn,mlp",
    ):
        assert part in text


@pytest.mark.parametrize(
    "argv, message",
    [
        (["-m", "0"], "meta_batch_size must be at least 1, got 0"),
        (["-m", "x"], "invalid int value: 'x'"),
        (["-i", "x"], "invalid int value: 'x'"),
        (["-H", "cnn"], "invalid choice: 'cnn'"),
        (["--max_shape", "a,b"], "expected ints separated by commas"),
        (["--unknown", "1"], "unrecognized arguments"),
    ],
)
def test_bad_command_lines(argv: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        parse_config(Settings, argv)
    assert message in capsys.readouterr().err


def test_json_round_trip() -> None:
    config = Settings(max_shape=(1, 2), train=Inner(lr=3.0))
    text = json.dumps(to_dict(config))
    assert from_dict(Settings, json.loads(text)) == config
    with pytest.raises(ValueError, match="Settings has no setting lr; it has meta_batch_size"):
        from_dict(Settings, {"lr": 1})


def test_unsupported_type() -> None:
    @dataclass
    class Odd:
        table: dict = option(factory=dict)

    with pytest.raises(TypeError, match="field table: a command line has no argument"):
        add_arguments(argparse.ArgumentParser(), Odd)


def test_beside_other_arguments() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--other")
    add_arguments(parser, Inner)
    args = parser.parse_args(["--other", "x", "--lr", "2"])
    assert from_args(Inner, args).lr == 2 and args.other == "x"


@dataclass(frozen=True, kw_only=True)
class Draw:
    """Draw a graph, 100 % of it.

    More about drawing.
    """

    size: int = option(8, help="inches")

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"size must be at least 1, got {self.size}")


COMMANDS = {"draw": Draw, "train": Settings}


def test_commands(capsys: pytest.CaptureFixture) -> None:
    assert parse_command(COMMANDS, ["draw", "--size", "4"], description="Graphs.") == Draw(size=4)
    found = parse_command(COMMANDS, ["train", "-m", "3"], description="Graphs.")
    assert found == Settings(meta_batch_size=3)
    with pytest.raises(SystemExit):
        parse_command(COMMANDS, ["--help"], description="Graphs.")
    assert "Draw a graph, 100 % of it." in capsys.readouterr().out
    with pytest.raises(SystemExit):
        parse_command(COMMANDS, ["draw", "--help"], description="Graphs.")
    assert "More about drawing." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        ([], "COMMAND"),
        (["paint"], "choose from"),
        (["draw", "--size", "0"], "size must be at least 1, got 0"),
        (["draw", "-m", "3"], "unrecognized arguments"),
    ],
)
def test_bad_commands(argv: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        parse_command(COMMANDS, argv, description="Graphs.")
    assert message in capsys.readouterr().err


@dataclass(frozen=True, kw_only=True)
class Training:
    epochs: int = option(200, "-e", help="passes")
    order: str = option("cosine", choices=("cosine", "step", "exponential"))
    image_size: int | None = option(None, "-i", help="side in pixels", name="imsize")
    steps: tuple[int, ...] = option((1, 2))
    drop_last: bool = option(True)

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs must be at least 1, got {self.epochs}")


@dataclass(frozen=True, kw_only=True)
class Owner:
    name: str = option()
    training: Training = flat(
        lambda: Training(epochs=5, drop_last=False),
        without=("drop_last",),
        order=option(help="of the rate", choices=("cosine", "step"), name="schedule"),
    )
    seed: int = option(0)


@dataclass(frozen=True, kw_only=True)
class Outer:
    owner: Owner = flat(lambda: Owner(name="a", seed=3), seed=option(name="first_seed"))
    seed: int = option(1)


FLAT_LINE = "--name x -e 7 --schedule step --imsize 32 --steps 3 4".split()


def test_flat_settings_stand_beside_the_owners(capsys: pytest.CaptureFixture) -> None:
    training = Training(epochs=7, order="step", image_size=32, steps=(3, 4), drop_last=False)
    assert parse_config(Owner, FLAT_LINE) == Owner(name="x", training=training)
    assert parse_config(Owner, ["--name", "x"]).training == Training(epochs=5, drop_last=False)
    with pytest.raises(SystemExit):
        parse_config(Owner, ["--help"])
    text = " ".join(capsys.readouterr().out.split())
    assert "passes (default: 5)" in text and "of the rate (default: cosine)" in text
    assert "drop_last" not in text and "image_size" not in text and "--order" not in text


@pytest.mark.parametrize(
    "argv, message",
    [
        (["--schedule", "exponential"], "invalid choice: 'exponential'"),
        (["--no-drop_last"], "unrecognized arguments"),
        (["-e", "0"], "epochs must be at least 1, got 0"),
    ],
)
def test_bad_flat_settings(argv: list[str], message: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        parse_config(Owner, ["--name", "x", *argv])
    assert message in capsys.readouterr().err


def test_flat_settings_are_stored_beside_the_owners() -> None:
    config = parse_config(Owner, FLAT_LINE)
    stored = to_dict(config)
    assert stored == {
        "name": "x", "epochs": 7, "schedule": "step", "imsize": 32, "steps": [3, 4], "seed": 0,
    }  # fmt: skip
    assert from_dict(Owner, json.loads(json.dumps(stored))) == config
    assert from_dict(Owner, {"name": "x"}) == Owner(
        name="x"
    )  # the owner's defaults, not Training's
    unusual = changed(config, **{"training.drop_last": True})
    assert unusual.training.drop_last and to_dict(unusual) == {**stored, "training.drop_last": True}
    assert from_dict(Owner, to_dict(unusual)) == unusual
    with pytest.raises(ValueError, match="Owner has no setting order; it has name, epochs, sched"):
        from_dict(Owner, {"name": "x", "order": "step"})


def test_flat_settings_change_by_their_own_names() -> None:
    config = Owner(name="x")
    got = changed(config, epochs=9, seed=2)
    assert got == Owner(name="x", training=Training(epochs=9, drop_last=False), seed=2)
    assert changed(config) == config
    with pytest.raises(ValueError, match="Owner has no setting lr; it has name, epochs"):
        changed(config, lr=1)
    with pytest.raises(ValueError, match="epochs must be at least 1, got 0"):
        changed(config, epochs=0)


def test_settings_make_a_parsers_defaults() -> None:
    base = changed(Owner(name="x"), epochs=9, imsize=16)
    parser = argparse.ArgumentParser()
    add_arguments(parser, Owner)
    parser.set_defaults(**settings_of(base))
    assert from_args(Owner, parser.parse_args(["--name", "x"])) == base
    assert settings_of(Owner)["epochs"] == 5 and settings_of(base)["epochs"] == 9


def test_flat_within_flat() -> None:
    got = parse_config(Outer, "-e 2 --seed 4 --first-seed 5 --name b".split())
    assert (got.seed, got.owner.seed, got.owner.name, got.owner.training.epochs) == (4, 5, "b", 2)
    assert from_dict(Outer, to_dict(got)) == got
    assert changed(got, epochs=3, seed=1).owner.training.epochs == 3


@flattened
@dataclass(frozen=True, kw_only=True)
class Flattened(Owner):
    pass


def test_a_flattened_class_takes_and_shows_flat_settings_as_its_own() -> None:
    config = Flattened(name="x", epochs=9, schedule="step")
    assert config.training == Training(epochs=9, order="step", drop_last=False)
    assert (config.epochs, config.schedule, config.imsize) == (9, "step", None)
    assert replace(config, steps=(5,)).training == replace(config.training, steps=(5,))
    assert Flattened(name="x", training=config.training, epochs=3).training.order == "step"
    assert parse_config(Flattened, FLAT_LINE) == from_dict(
        Flattened, to_dict(parse_config(Owner, FLAT_LINE))
    )
    for wrong in ("order", "training.none"):
        with pytest.raises(TypeError, match="unexpected keyword argument"):
            Flattened(name="x", **{wrong: 1})
    with pytest.raises(AttributeError, match="cannot assign|no setter|can't set"):
        config.epochs = 3


def test_flat_settings_need_names_of_their_own() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Twice:
        epochs: int = option(1)
        training: Training = flat(Training)

    @dataclass(frozen=True, kw_only=True)
    class Misspelt:
        training: Training = flat(Training, without=("epoch",))

    with pytest.raises(TypeError, match="Twice: two settings named epochs; rename one"):
        add_arguments(argparse.ArgumentParser(), Twice)
    with pytest.raises(TypeError, match="field training: Training has no setting epoch"):
        add_arguments(argparse.ArgumentParser(), Misspelt)


@dataclass(frozen=True, kw_only=True)
class Build:
    """Build what is named."""

    what: str = option(positional=True, help="name")
    more: tuple[str, ...] = option((), positional=True, help="arguments")
    deep: bool = option(False, help="all of it")


@dataclass(frozen=True, kw_only=True)
class Plain:
    """Do nothing."""


def test_values_by_position_may_stand_among_flags(capsys):
    known = {"build": Build, "plain": Plain}

    def read(*words: str):
        return parse_command(known, words, description="", program="maker", scattered="more")

    expected = Build(what="net", more=("a=1", "b=2"), deep=True)
    assert read("build", "net", "a=1", "--deep", "b=2") == expected
    assert read("build", "--deep", "net", "a=1", "b=2") == expected
    for words in (["build", "net", "--wide"], ["plain", "more"]):
        with pytest.raises(SystemExit):
            read(*words)
        assert "maker " in (said := capsys.readouterr().err) and "unrecognized arguments" in said
