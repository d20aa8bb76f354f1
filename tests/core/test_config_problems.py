"""What a user reads when something in a configuration file is wrong."""

from __future__ import annotations

import pytest

from facenet.config import BenchmarkConfig, InferenceConfig, TrainConfig, parse_config
from facenet.errors import ConfigError

from .config_files import Problems


class TestProblems:
    def test_are_all_told_at_once_with_line_key_value_and_what_is_right(
        self, problems: Problems
    ) -> None:
        text = """\
            data:
              root: faces
              image_size: large
              augmentations:
                - flip
                - colour
            model:
              embeding_dim: 128
              dropout: 1.5
            optimizer:
              name: Adam
            trainer:
              devices: -1
              deterministic: perhaps
            """
        assert problems(text) == [
            "c.yaml:3: data.image_size: must be a whole number, got 'large'",
            "c.yaml:6: data.augmentations.1: must be 'flip', 'color', 'crop', 'rotation', 'blur' "
            "or 'jpeg', got 'colour', did you mean 'color'?",
            "c.yaml:8: model.embeding_dim: unknown key, did you mean 'embedding_dim'?",
            "c.yaml:9: model.dropout: must be less than 1, got 1.5",
            "c.yaml:11: optimizer.name: must be 'adam', 'adamw' or 'sgd', got 'Adam', "
            "did you mean 'adam'?",
            "c.yaml:13: trainer.devices: must be greater than 0 or 'auto', got -1",
            "c.yaml:14: trainer.deterministic: must be true or false, got 'perhaps'",
        ]

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("seed: yesterday", "seed: must be a whole number, got 'yesterday'"),
            ("model: resnet18", "model: must be a mapping of keys, got 'resnet18'"),
            ("model:", "model: must be a mapping of keys, got nothing"),
            ("miner: 3", "miner: must be a mapping of keys, got 3"),
            ("miner: {k: 3}", "miner.plugin: this key is required"),
            ("miner: {plugin: 3}", "miner.plugin: must be text (in quotes), got 3"),
            ("optimizer: {betas: 0.9}", "optimizer.betas: must be a list, got 0.9"),
            ("optimizer: {betas: [0.9]}", "optimizer.betas.1: this item is required"),
            (
                "optimizer: {betas: [0.1, 0.2, 0.3]}",
                "optimizer.betas: must have at most 2 items, not 3",
            ),
            ("optimizer: {betas: [0.9, 2]}", "optimizer.betas.1: must be less than 1, got 2"),
            ("optimizer: {lr: fast}", "optimizer.lr: must be a number, got 'fast'"),
            (
                "trainer: {limit_train_batches: 1.5}",
                "trainer.limit_train_batches: must be a whole number or at most 1, got 1.5",
            ),
            ("model: {embedding_dim: 0}", "model.embedding_dim: must be at least 1, got 0"),
            (
                "model: {embedding_dim: 5000}",
                "model.embedding_dim: must be at most 4000, got 5000",
            ),
            (
                "scheduler: {name: multistep}",
                "scheduler.milestones: 'multistep' needs at least one, for example [1000, 2000]",
            ),
            ("logging: {output_dir: [a]}", "logging.output_dir: must be a path, got a list"),
            (
                "colours: 3",
                "colours: unknown key; allowed: seed, data, model, miner, optimizer, scheduler, "
                "watchdog, trainer, logging, licences",
            ),
        ],
    )
    def test_are_told_in_plain_words(self, problems: Problems, line: str, message: str) -> None:
        assert problems(f"data: {{root: faces}}\n{line}\n") == [f"c.yaml:2: {message}"]

    def test_of_a_batch_show_the_product(self, problems: Problems) -> None:
        assert problems(
            """\
            data:
              root: faces
              batch_size: 30
              classes_per_batch: 8
              samples_per_class: 4
            """
        ) == [
            "c.yaml:3: data.batch_size: is 30, but classes_per_batch x samples_per_class is "
            "8 x 4 = 32: make them equal, or leave batch_size out (null)"
        ]

    def test_of_one_sample_for_each_class(self, problems: Problems) -> None:
        assert problems("data: {root: faces, samples_per_class: 1}") == [
            "c.yaml:1: data.samples_per_class: must be at least 2, got 1"
        ]

    def test_of_a_missing_key_point_at_its_section(self, problems: Problems) -> None:
        assert problems("seed: 1\ndata:\n  shuffle: true") == [
            "c.yaml:2: data.root: this key is required"
        ]

    def test_of_a_list_point_at_the_item(self, problems: Problems) -> None:
        text = """\
            training: {data: {root: faces}}
            experiments:
              - {backbone: resnet18, embedding_dim: 64}
              - {backbone: resnet18}
              - backbone: resnet18
                embedding_dim: 0
            """
        assert problems(text, model=BenchmarkConfig) == [
            "c.yaml:4: experiments.1.embedding_dim: this key is required",
            "c.yaml:6: experiments.2.embedding_dim: must be at least 1, got 0",
        ]

    def test_of_a_sweep_without_runs(self, problems: Problems) -> None:
        assert problems("training: {data: {root: faces}}", model=BenchmarkConfig) == [
            f"c.yaml:1: {key}: is empty: name at least one, or list experiments"
            for key in ("backbones", "embedding_dims")
        ]

    def test_of_values_in_memory_have_no_file(self) -> None:
        with pytest.raises(ConfigError) as caught:
            parse_config({"data": {"root": "x"}, "sede": 1}, TrainConfig, check_plugins=False)
        assert str(caught.value) == "sede: unknown key, did you mean 'seed'?"


class TestPlugins:
    """With the installed stores and frontends; none of them imports anything heavy here."""

    def test_an_unknown_one_is_told_with_the_nearest(self, problems: Problems) -> None:
        text = "checkpoint_path: x\nstore: pgvektor"
        (line,) = problems(text, model=InferenceConfig, check_plugins=True)
        assert line.startswith(
            "c.yaml:2: store: unknown store 'pgvektor', did you mean 'pgvector'? (installed: "
        )

    @pytest.mark.parametrize("start", ["database:", "store:\n  plugin: pgvector"])
    def test_options_are_checked_under_the_key_as_written(
        self, problems: Problems, start: str
    ) -> None:
        text = f"checkpoint_path: x\n{start}\n  host: db.example\n  port: abc\n  tabel: faces"
        key, line = start.partition(":")[0], text.splitlines().index("  port: abc") + 1
        assert problems(text, model=InferenceConfig, check_plugins=True) == [
            f"c.yaml:{line}: {key}.port: must be a whole number, got 'abc'",
            f"c.yaml:{line + 1}: {key}.tabel: unknown key, did you mean 'table'?",
        ]

    def test_options_are_checked_along_with_everything_else(self, problems: Problems) -> None:
        text = "device: gpu\ndatabase: {host: a, port: 0}\nfrontends: {serve: {prot: 1}}"
        assert problems(text, model=InferenceConfig, check_plugins=True) == [
            "c.yaml:1: checkpoint_path: this key is required",
            "c.yaml:1: device: must be 'auto', 'cpu', 'cuda' or 'mps', got 'gpu', "
            "did you mean 'cpu'?",
            "c.yaml:2: database.port: must be at least 1, got 0",
            "c.yaml:3: frontends.serve.prot: unknown key, did you mean 'port'?",
        ]

    def test_an_unknown_frontend_is_told(self, problems: Problems) -> None:
        text = "checkpoint_path: x\nstore: memory\nfrontends:\n  sevre: {}"
        (line,) = problems(text, model=InferenceConfig, check_plugins=True)
        assert line.startswith("c.yaml:4: frontends.sevre: unknown frontend 'sevre', did you mean")
