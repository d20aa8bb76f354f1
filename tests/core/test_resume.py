"""A run that is stopped and goes on is the run that was not stopped."""

from __future__ import annotations

import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from facenet import train
from facenet.config import TrainConfig, parse_config
from facenet.errors import DataError, ModelError, TrainingError
from facenet.models import read_card
from facenet.training import module
from facenet.training.checkpoints import read_state
from facenet.validation import changed_keys

STEPS_PER_EPOCH = 4
Run = Callable[..., None]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def run(train_values: dict[str, Any]) -> Run:
    """Train for three epochs into a folder, with things that are random in it."""

    def run(folder: Path, *overrides: str, existing: Any = "refuse") -> None:
        train_values["logging"]["output_dir"] = str(folder)
        common = ["trainer.max_epochs=3", "model.dropout=0.2", "miner=distance_weighted"]
        config = parse_config(train_values, TrainConfig, overrides=[*common, *overrides])
        train(config, existing=existing)

    return run


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Send this process the signal of Ctrl-C while it computes the loss of batch number n."""

    def stop_at(batch: int) -> None:
        compute, calls = module.triplet_loss, iter(range(1000))

        def loss_and_ctrl_c(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == batch:
                os.kill(os.getpid(), signal.SIGINT)
            return compute(*args, **kwargs)

        monkeypatch.setattr(module, "triplet_loss", loss_and_ctrl_c)

    return stop_at


@pytest.fixture(scope="module")
def uninterrupted() -> dict[tuple[str, ...], list[dict[str, str]]]:
    """The rows of metrics.csv of whole runs, by their overrides."""
    return {}


@pytest.mark.parametrize(
    ("batch", "overrides"),
    [
        (0, ()),
        (STEPS_PER_EPOCH + 1, ()),
        (STEPS_PER_EPOCH + 1, ("data.num_workers=2",)),
        (2 * STEPS_PER_EPOCH - 1, ()),
        (3 * STEPS_PER_EPOCH - 1, ()),
        (2 * STEPS_PER_EPOCH, ("trainer.accumulate_grad_batches=2",)),
        (STEPS_PER_EPOCH, ("logging.checkpoint_interval=3", "miner=curriculum")),
    ],
)
def test_the_curve_is_that_of_the_uninterrupted_run(
    run: Run, stop_at, uninterrupted, tmp_path: Path, batch: int, overrides: tuple[str, ...]
) -> None:
    if overrides not in uninterrupted:
        run(tmp_path / "whole", *overrides)
        uninterrupted[overrides] = rows(tmp_path / "whole")
    stop_at(batch)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", *overrides)
    stopped = rows(tmp_path / "stopped")
    run(tmp_path / "stopped", *overrides, existing="resume")
    resumed = rows(tmp_path / "stopped")
    assert len(stopped) <= len(uninterrupted[overrides])
    assert resumed == uninterrupted[overrides]


def test_a_killed_run_goes_on_from_the_last_epoch(run: Run, train_values, tmp_path: Path) -> None:
    run(tmp_path / "whole")
    config = tmp_path / "killed.yaml"
    config.write_text((tmp_path / "whole" / "config.yaml").read_text().replace("whole", "killed"))
    killed = subprocess.Popen([sys.executable, "-m", "facenet", "train", "--config", str(config)])
    last = tmp_path / "killed" / "checkpoints" / "last.ckpt"
    while killed.poll() is None and not last.exists():
        time.sleep(0.02)
    killed.kill()
    assert killed.wait() == -signal.SIGKILL
    run(tmp_path / "killed", existing="resume")
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")


def test_the_last_checkpoint_is_the_last_one_however_good(run: Run, tmp_path: Path) -> None:
    """With a learning rate that forgets all, the best checkpoint is an early one."""
    run(tmp_path / "run", "optimizer.lr=10", "scheduler=null", "optimizer.name=sgd")
    state = read_state(tmp_path / "run" / "checkpoints" / "last.ckpt")
    assert (state.epoch, state.is_finished) == (3, True)


def test_an_unfinished_run_is_not_replaced_unasked(run: Run, stop_at, tmp_path: Path) -> None:
    stop_at(STEPS_PER_EPOCH)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run")
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    content = last.read_bytes()
    with pytest.raises(DataError, match=r"stopped in epoch 2 of 3: go on with --resume"):
        run(tmp_path / "run")
    assert last.read_bytes() == content
    run(tmp_path / "run", existing="replace")
    assert rows(tmp_path / "run")[0]["step"] == "0"


def test_a_finished_run_is_not_replaced_unasked(
    facenet, trained: Path, train_values, tmp_path: Path
) -> None:
    output, config = tmp_path / "run", tmp_path / "train.yaml"
    shutil.copytree(trained, output)
    config.write_text(yaml.safe_dump(train_values))
    for arguments, held in [
        (
            (),
            "a finished run: prolong it with --resume and a larger trainer.max_epochs, begin anew",
        ),
        (
            (),
            "a run without checkpoints/last.ckpt: begin anew with --replace, which removes it, or",
        ),
        (("--resume",), "a run without checkpoints/last.ckpt: begin anew"),
    ]:
        ran = facenet("train", "--config", config, *arguments)
        assert ran.code == 2
        assert f"{output}: holds {held}" in ran.err
        assert "identities" not in ran.err  # which may take minutes to read
        (output / "checkpoints" / "last.ckpt").unlink(missing_ok=True)
    assert read_card(output / "bundle") == read_card(trained / "bundle")


def test_nothing_of_a_replaced_run_stays(run: Run, stop_at, trained: Path, tmp_path: Path) -> None:
    shutil.copytree(trained, tmp_path / "run")
    stop_at(0)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run", existing="replace")
    assert not (tmp_path / "run" / "bundle").exists()
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == ["last.ckpt"]
    assert len(list((tmp_path / "run" / "tensorboard").glob("events*"))) == 1
    assert len(rows(tmp_path / "run")) == 1


def test_what_is_no_bundle_is_not_removed(run: Run, tmp_path: Path) -> None:
    (tmp_path / "run" / "bundle").mkdir(parents=True)
    (tmp_path / "run" / "bundle" / "kept.txt").write_text("precious")
    with pytest.raises(ModelError, match=r"bundle: holds something that is no model bundle"):
        run(tmp_path / "run", existing="replace")
    assert (tmp_path / "run" / "bundle" / "kept.txt").read_text() == "precious"


@pytest.mark.parametrize(("devices", "workers"), [(1, 2), (2, 0)])
def test_sigterm_to_all_processes_saves_the_run(
    train_values, tmp_path: Path, devices: int, workers: int
) -> None:
    """As service managers and schedulers send it; who passes it on to others sends it again."""
    train_values["trainer"] |= {"max_epochs": 500, "devices": devices}
    train_values["data"] |= {"num_workers": workers, "classes_per_batch": 2}
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump(train_values))
    process = subprocess.Popen(
        [sys.executable, "-m", "facenet", "train", "--config", str(config)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    last = tmp_path / "run" / "checkpoints" / "last.ckpt"
    while process.poll() is None and not last.is_file():
        time.sleep(0.1)
    before = last.stat().st_mtime_ns
    os.killpg(process.pid, signal.SIGTERM)
    process.terminate()
    _, err = process.communicate(timeout=120)
    assert (process.returncode, "Traceback" in err) == (130, False), err
    assert "facenet: interrupted; what was finished is kept" in err
    assert last.stat().st_mtime_ns != before
    assert read_state(last).batch > 0


def test_another_configuration_is_another_run(run: Run, stop_at, tmp_path: Path) -> None:
    stop_at(STEPS_PER_EPOCH)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "run")
    with pytest.raises(ModelError, match=r"model\.embedding_dim was 16, is 32; optimizer\.lr was"):
        run(tmp_path / "run", "model.embedding_dim=32", "optimizer.lr=0.1", existing="resume")


def test_a_plugins_name_alone_is_a_mapping_without_options() -> None:
    then, now = {"miner": {"plugin": "pml", "miner": "a"}}, {"miner": "pml"}
    assert changed_keys(then, now) == ["miner.miner was a, is not given"]
    assert changed_keys({"miner": {"plugin": "pml"}}, now) == []
    assert changed_keys(now, {"miner": "batch_all"}) == ["miner was pml, is batch_all"]


def test_resuming_nothing_is_said(facenet, train_values, tmp_path: Path) -> None:
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump(train_values))
    ran = facenet("train", "--config", config, "--resume", "--set", "data.root=nowhere")
    assert f"{tmp_path / 'run'}: holds no run to go on with: a new one begins" in ran.err


def test_resuming_nothing_starts_from_the_beginning(run: Run, tmp_path: Path) -> None:
    run(tmp_path / "run", "trainer.max_epochs=1", existing="resume")
    assert len(rows(tmp_path / "run")) == STEPS_PER_EPOCH + 1


def test_a_full_disk_loses_no_checkpoint(train_values, faces: Path, tmp_path: Path) -> None:
    """A limit on file sizes stands for the full disk: the write fails in its middle."""
    config = tmp_path / "train.yaml"
    config.write_text(yaml.safe_dump(train_values))
    output = Path(train_values["logging"]["output_dir"])
    train(parse_config(train_values, TrainConfig, overrides=["trainer.max_epochs=1"]))
    last = (output / "checkpoints" / "last.ckpt").read_bytes()
    code = (
        "import resource, signal, sys; from facenet.cli import main;"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(last) // 2}, -1));"
        f"sys.exit(main(['train', '--config', {str(config)!r}, '--resume']))"
    )
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == TrainingError.exit_code
    assert "the checkpoint could not be written" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert (output / "checkpoints" / "last.ckpt").read_bytes() == last
    assert not list(output.rglob("*.partial"))
