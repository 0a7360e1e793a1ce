"""Many fits and scores, spread over processes, written down one by one, never done twice."""

from __future__ import annotations

import hashlib
import io
import json
import math
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from graph2nn.runs import RunFolder, read_metrics, write_atomic
from graph2nn.runs.campaign import Job, Row, read_job, result_files, run_campaign
from graph2nn.runs.folder import check_settings, json_value
from predictors.benchmark.protocol import Trial, split_rows
from predictors.benchmark.tables import keep_tables, table_copy, table_name
from predictors.metrics import scores
from predictors.registry import make_predictor
from predictors.tables import read_table

__all__ = ["prediction_file", "run_benchmark", "run_trial", "stored_records"]

_CONFIG = {"kind": "predictor benchmark"}
_SCORES = ("tau", "rho", "precision", "regret")
_BEST = 10  # networks that precision and regret look at


def run_trial(
    trial: Trial, *, data_dir: str | None = None, keep: Path | None = None
) -> dict[str, Any]:
    """Fit the trial's model and score it on its test networks.

    Args:
        keep: Folder for an .npz file with the test networks' `row`, `truth` and `predicted`, under
            `prediction_file(trial)`.

    Returns:
        The trial's settings (the target by name) with `train` and `test` as they were, `tau`,
        `rho`, `precision` and `regret` (of the 10 predicted best; regret in units of the target),
        `fit_s` and `predict_s` (seconds).

    Raises:
        ValueError: Unknown names, a table that is not there, or too few networks.
    """
    table = read_table(trial.table, data_dir=data_dir)
    name = table_name(trial.table, data_dir=data_dir)
    train, test = split_rows(table, trial)
    label = table.label(trial.target)
    model = make_predictor(trial.model, seed=trial.seed, attributes=trial.attributes)
    start = time.perf_counter()
    model.fit([table.graphs[k] for k in train], label[train])
    fitted = time.perf_counter()
    predicted = model.predict([table.graphs[k] for k in test])
    done = time.perf_counter()
    if keep is not None:
        keep.mkdir(parents=True, exist_ok=True)
        buffer = io.BytesIO()
        np.savez(buffer, row=test, truth=label[test], predicted=predicted)
        file_name = f"{_hashed(_text(trial, name))}.npz"
        write_atomic(keep / file_name, lambda file: file.write(buffer.getvalue()))
    sign = 1 if table.higher_is_better(trial.target) else -1
    return {
        **_key(trial, name),
        "target": trial.target or table.default,
        "train": len(train),
        "test": len(test),
        **scores(sign * label[test], sign * predicted, k=_BEST),
        "fit_s": round(fitted - start, 3),
        "predict_s": round(done - fitted, 3),
    }


def run_benchmark(
    folder: str | Path,
    trials: Iterable[Trial],
    *,
    jobs: int = 1,
    backend: str | None = None,
    data_dir: str | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """Run the trials that the folder does not hold yet, and return the records of all.

    Each record is a line of `metrics.jsonl` the moment it is there, so a run that was stopped goes
    on where it was, and later calls with more trials add to it. Predictions are in `predictions/`.

    Args:
        folder: Run folder of this benchmark; made if missing.
        trials: Trials to run; duplicates count once.
        jobs, backend: Arguments of `parallel_map`.
        data_dir: Folder of the tables' files, see `read_table`.
        progress: Whether a bar is shown.

    Raises:
        ValueError: As for `run_trial`, or a folder that holds another kind of run, or results of
            another table of one's own under the same name.
    """
    given = list(dict.fromkeys(trials))
    names = {t: table_name(t, data_dir=data_dir) for t in dict.fromkeys(t.table for t in given)}
    run = RunFolder(folder, _CONFIG, resume=True)
    copies = keep_tables(run.path, names, data_dir=data_dir)
    wanted = list(dict.fromkeys(replace(t, table=names[t.table]) for t in given))
    done = _stored(run.path)
    # Large and slow tables change hands least when their trials are neighbours.
    missing = sorted((t for t in wanted if _text(t) not in done), key=lambda t: (t.table, t.seed))
    work = partial(_work, copies=copies, data_dir=data_dir, keep=run.path / "predictions")
    plan = [
        Job(name=_name(t), work=work, payload=t, results=(_result(run.path, t),)) for t in missing
    ]
    campaign = run_campaign(
        run,
        plan,
        jobs=jobs,
        backend=backend,
        done=len(wanted) - len(missing),
        report=lambda files: files[0][0],
        unit="trial",
        progress=progress and bool(missing),
    )
    run.close()
    campaign.check("trials")
    done = _stored(run.path)
    return [done[_text(trial)] for trial in wanted]


def stored_records(folder: str | Path) -> list[dict[str, Any]]:
    """Return all records of a run folder, whichever call made them; damaged files have none.

    Raises:
        ValueError: A folder that holds another kind of run.
    """
    check_settings(folder, _CONFIG)
    return list(_stored(Path(folder)).values())


def _stored(folder: Path) -> dict[str, dict[str, Any]]:
    """Records by trial, from result files; from the log where a run is older than these.

    A damaged file is passed over, so that its trial runs again.
    """
    rows = {row["trial"]: row for row in read_metrics(folder) if "trial" in row}
    for path in result_files(folder):
        with suppress(ValueError):
            (row,) = read_job(path)
            rows[row["trial"]] = row
    return {trial: _record(row) for trial, row in rows.items()}


def _record(row: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a trial without what the campaign wrote beside it; JSON has no NaN."""
    beside = ("trial", "step", "job", "networks", "error")
    kept = {name: value for name, value in row.items() if name not in beside}
    return kept | {name: math.nan for name in _SCORES if name in kept and kept[name] is None}


def _work(trial: Trial, copies: Mapping[str, Path], **how: Any) -> list[list[Row]]:
    own = copies.get(str(trial.table))
    found = run_trial(trial if own is None else replace(trial, table=own), **how)
    record = {name: json_value(value) for name, value in found.items()}
    return [[{"trial": _text(trial), **record}]]


def _name(trial: Trial) -> str:
    table = table_copy("", str(trial.table)).stem
    return f"{table}_{trial.model}_{_hashed(_text(trial))}"


def _result(folder: Path, trial: Trial) -> Path:
    return folder / "results" / f"{_name(trial)}.jsonl"


def prediction_file(trial: Trial) -> str:
    """Name the file with the trial's predictions."""
    return f"{_hashed(_text(trial, table_name(trial.table)))}.npz"


def _hashed(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _key(trial: Trial, table: str) -> dict[str, Any]:
    """The trial's settings, a table of one's own by its name."""
    values = {field.name: getattr(trial, field.name) for field in fields(trial)}
    return {**values, "table": table, "attributes": " ".join(trial.attributes)}


def _text(trial: Trial, table: str | None = None) -> str:
    return json.dumps(_key(trial, table or str(trial.table)), sort_keys=True)
