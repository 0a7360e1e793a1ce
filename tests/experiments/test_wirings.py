"""`experiments/wirings.py`: the commands of its help, a resumed run, wrong flags."""

from __future__ import annotations

import json
import re

import pytest
import torch

from graph2nn.wirings import CONFIGS

TINY = ["--nodes", "60", "--inputs", "8", "--outputs", "10", "--layers", "4", "--keep", "0.1"]
FAST = ["-d", "digits", "--epochs", "2", "--shots", "12", "--batch-size", "60", *TINY]


def test_every_configuration_is_listed_and_parsed_as_published(script, capsys) -> None:
    script.main(["--list"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(CONFIGS)
    assert sum(not line.startswith("resnet50/") for line in lines) == 22
    for name, config in CONFIGS.items():
        assert script.parse([name, "--data-dir", "data"])[1] == config


def test_any_setting_can_be_changed(script) -> None:
    flags = ["-d", "digits", "-e", "5", "--keep", "0.3", "--kind", "rigl", "--schedule", "step"]
    flags += ["--milestones", "2,4", "--nesterov", "--label-smoothing", "0.1"]
    _, config = script.parse(["medium/mobilenetv1_dnw_x225", *flags])
    assert (config.dataset, config.epochs, config.keep, config.kind) == ("digits", 5, 0.3, "rigl")
    assert config.milestones == (2, 4) and config.nesterov
    assert config.recipe().label_smoothing == 0.1
    assert (config.batch_size, config.model) == (128, "mobilenetv1")
    folder = script.default_folder(config)
    assert folder == "runs/medium_mobilenetv1_dnw_x225_rigl_digits_s1996"


def test_train_resume_and_evaluate_compacted(script, tmp_path, capsys) -> None:
    out = tmp_path / "run"
    script.main(["small/static_dnw", *FAST, "--out", str(out)])
    text = capsys.readouterr().out
    assert f"next: python experiments/wirings.py --resume {out} --evaluate" in text
    assert "360 edges" in text and "epoch 2: test accuracy" in text
    assert (out / "figures" / "adjacency.gif").is_file()
    rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    assert {"C", "L", "alive", "swap_rate", "in_entropy"} <= set(rows[-1])

    before = (out / "last.pt").read_bytes()
    script.main(["--resume", str(out), "--shots", "12"])
    assert (out / "last.pt").read_bytes() == before  # it was done
    capsys.readouterr()

    flags = ["--resume", str(out), "--shots", "12", "--evaluate"]
    script.main([*flags, "--compact", "--execution", "csr"])
    text = capsys.readouterr().out
    found = re.findall(r"^(.*): test accuracy ([\d.]+) %, loss ([\d.]+)", text, re.M)
    assert [label for label, *_ in found] == ["as trained", "compacted, csr"]
    assert found[0][1:] == found[1][1:]
    assert float(found[0][1]) == pytest.approx(100 - rows[-1]["top1_error"], abs=0.006)
    script.main([*flags, "--execution", "dense"])
    assert "\ndense: test accuracy" in capsys.readouterr().out


def test_a_run_killed_before_its_first_checkpoint_goes_on(script, tmp_path, capsys) -> None:
    out = tmp_path / "run"
    script.main(["small/static_dnw", *FAST, "--no-pictures", "--out", str(out)])
    expected = (out / "metrics.jsonl").read_text().splitlines()
    for name in ("last.pt", "initial.pt"):
        (out / name).unlink()
    (out / "metrics.jsonl").write_text("")
    with pytest.raises(FileNotFoundError, match="stopped before the first; go on with it"):
        script.main(["--resume", str(out), "--evaluate"])
    script.main(["--resume", str(out), "--shots", "12", "--no-pictures"])
    again = (out / "metrics.jsonl").read_text().splitlines()
    losses = [[json.loads(line)["test_loss"] for line in lines] for lines in (expected, again)]
    assert losses[0] == losses[1]


def test_a_graph_by_name_is_trained_and_resumed(script, tmp_path, capsys) -> None:
    out = tmp_path / "run"
    flags = ["small/discrete_time_dnw", *FAST, "--kind", "given", "--edges", "ws:n=20,k=4,p=0.1"]
    script.main([*flags, "--no-pictures", "--out", str(out)])
    assert "900 edges of 3,600 slots" in capsys.readouterr().out
    script.main(["--resume", str(out), "--shots", "12", "--evaluate", "--compact"])
    text = capsys.readouterr().out
    found = re.findall(r"test accuracy ([\d.]+) %", text)
    assert len(found) == 2 and found[0] == found[1]


def test_fine_tuning_and_lottery_from_a_run_folder(script, tmp_path, capsys) -> None:
    whole = tmp_path / "complete"
    flags = ["small/static_dnw", *FAST, "--no-pictures", "--epochs", "1"]
    script.main([*flags, "--kind", "complete", "--keep", "1", "--out", str(whole)])
    runs = []
    for kind in ("fine_tune", "lottery"):
        out = tmp_path / kind
        script.main([*flags, "--kind", kind, "--trained", str(whole), "--out", str(out)])
        assert "360 edges" in capsys.readouterr().out
        rows = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
        assert rows[-1]["swap_rate"] == 0 and not (out / "figures").exists()
        runs.append(str(out))
    script.main(["--collect", *runs, "--out", str(tmp_path / "table.csv")])
    assert "lottery" in capsys.readouterr().out
    lines = (tmp_path / "table.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * 2 and lines[0].startswith("name,model,kind,dataset,keep,epochs")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "give a configuration"),
        (["small/nope"], "no configuration 'small/nope'; there are:"),
        (["small/static_dnw", "--resume", "x"], "give a configuration or --resume"),
        (["small/static_dnw", "--evaluate"], "--resume RUN"),
        (["--resume", "missing"], "missing does not exist"),
        (["small/static_dnw", "--keep", "0"], "keep"),
        (["small/static_dnw", "--compact"], "add --evaluate"),
        (["small/static_dnw", "--kind", "nope"], "invalid choice: 'nope'"),
    ],
)
def test_bad_flags_end_with_what_to_do(script, flags, message, capsys) -> None:
    with pytest.raises(SystemExit):
        script.main(flags)
    text = capsys.readouterr().err
    assert message in text
    if "nope" in message and "configuration" in message:
        assert all(name in text for name in CONFIGS)


def test_a_checkpoint_of_the_original_is_refused_with_the_reason(script, tmp_path, capsys) -> None:
    path = tmp_path / "dnw_x225.pt"
    torch.save({"model": {"module.weight": torch.zeros(2)}, "last_epoch": 249}, path)
    for more in ([], ["--evaluate"]):
        with pytest.raises(SystemExit):
            script.main(["--resume", str(path), *more])
        assert "Checkpoints of allenai/dnw are not read" in capsys.readouterr().err


def test_images_that_the_network_cannot_take_are_refused(script, tmp_path) -> None:
    with pytest.raises(ValueError, match="image_size: expected at least 2"):
        script.main(["small/static_dnw", *FAST, "--image-size", "1", "--out", str(tmp_path)])
