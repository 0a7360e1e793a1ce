"""Run folders: what is written, what is refused, what survives a crash."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graph2nn.runs import RunFolder, describe_environment

CONFIG = {"lr": 0.1, "sizes": (1, 2), "epochs": 3}


def test_files(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs" / "a", CONFIG)
    run.log(0, loss=1.5, top1=float("nan"), note="x")
    run.save_last({"kind": "net", "step": 1})
    assert json.loads((run.path / "config.json").read_text())["sizes"] == [1, 2]
    assert "torch" in json.loads((run.path / "environment.json").read_text())
    assert run.metrics() == [{"step": 0, "loss": 1.5, "top1": None, "note": "x"}]
    assert run.can_resume and run.load_last(kind="net")["step"] == 1
    assert not run.best.exists()


def test_best_is_kept_across_a_resume(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, CONFIG)
    values = [0.5, 0.4, float("nan"), 0.5, 0.6]
    saved = [run.save_best(v, {"kind": "net", "step": i}) for i, v in enumerate(values)]
    assert saved == [True, False, False, False, True]
    again = RunFolder(tmp_path, CONFIG, resume=True)
    assert again.best_value == 0.6
    assert not again.save_best(0.55, {"kind": "net"})
    assert again.save_best(0.1, {"kind": "net"}, larger_is_better=False)


def test_resume_drops_lines_after_the_checkpoint_and_half_a_line(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, CONFIG)
    for step in range(5):
        run.log(step, loss=float(step))
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"step": 5, "lo')  # killed while writing
    again = RunFolder(tmp_path, CONFIG, resume=True)
    assert [row["step"] for row in again.metrics()] == [0, 1, 2, 3, 4]
    again.rewind(2)
    again.log(3, loss=0.0)
    assert [row["step"] for row in again.metrics()] == [0, 1, 2, 3]


def test_refusals(tmp_path: Path) -> None:
    RunFolder(tmp_path / "a", CONFIG).log(0, loss=1.0)
    with pytest.raises(ValueError, match="holds a run already; resume it or choose another folder"):
        RunFolder(tmp_path / "a", CONFIG).log(0, loss=1.0)
    with pytest.raises(ValueError, match="other settings: lr was 0.1, is 0.2; use these settings"):
        RunFolder(tmp_path / "a", {**CONFIG, "lr": 0.2}, resume=True)
    RunFolder(tmp_path / "a", {**CONFIG, "epochs": 9}, resume=True, may_differ=("epochs",))
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "thesis.tex").write_text("")
    with pytest.raises(ValueError, match="is not empty and holds no run"):
        RunFolder(tmp_path / "b", CONFIG, resume=True)
    with pytest.raises(ValueError, match="is a file, expected a folder"):
        RunFolder(tmp_path / "b" / "thesis.tex", CONFIG)
    (tmp_path / "a" / "config.json").write_text("{")
    with pytest.raises(ValueError, match="config.json is damaged"):
        RunFolder(tmp_path / "a", CONFIG, resume=True)
    with pytest.raises(OSError, match="cannot write .*choose another folder"):
        RunFolder(tmp_path / "b" / "thesis.tex" / "run", CONFIG)


def test_a_run_of_before_a_setting_existed_goes_on_with_its_default(tmp_path: Path) -> None:
    RunFolder(tmp_path, CONFIG).log(0, loss=1.0)
    new = {**CONFIG, "noise": 0}
    with pytest.raises(ValueError, match="noise was None, is 0"):
        RunFolder(tmp_path, new, resume=True)
    with pytest.raises(ValueError, match="noise was 0, is 4"):
        RunFolder(tmp_path, {**CONFIG, "noise": 4}, resume=True, defaults={"noise": 0, "lr": 9.0})
    run = RunFolder(tmp_path, new, resume=True, defaults={"noise": 0, "lr": 9.0})
    assert json.loads((run.path / "config.json").read_text())["noise"] == 0


def test_a_run_that_got_nowhere_does_not_occupy_its_folder(tmp_path: Path) -> None:
    RunFolder(tmp_path, CONFIG)
    run = RunFolder(tmp_path, {**CONFIG, "lr": 0.2})
    assert json.loads((tmp_path / "config.json").read_text())["lr"] == 0.2
    run.save_last({"kind": "net", "step": 1})
    with pytest.raises(ValueError, match="other settings: lr was 0.2, is 0.1"):
        RunFolder(tmp_path, CONFIG, resume=True)


def test_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra `log` is not installed")
    run = RunFolder(tmp_path, CONFIG, tensorboard=True)
    run.log(0, loss=1.0)
    run.close()
    assert list((tmp_path / "tensorboard").iterdir())


def test_environment_names_no_machine() -> None:
    found = describe_environment()
    json.dumps(found)
    assert not {"host", "hostname", "user"} & set(found)
