"""Configuration files: what loads, and what a user reads when something is wrong."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent
from typing import Any, Protocol, TypeVar

import pytest
import yaml
from pydantic import BaseModel, SecretStr, ValidationError

from facenet.config import (
    CONFIGS,
    BenchmarkConfig,
    InferenceConfig,
    Section,
    TrainConfig,
    dump_config,
    load_config,
    parse_config,
)
from facenet.errors import ConfigError
from facenet.validation import config_error

Config = TypeVar("Config", bound=Section)

TRAIN = """\
seed: 7
data:
  root: faces
  image_size: 96
  batch_size: 32
  num_workers: 0
  classes_per_batch: 8
  samples_per_class: 4
  val_split: 0.25
  val_images_per_class: 10
  shuffle: false
  min_images_per_class: 3
  augmentations: [flip, rotation]
  cache_dataset: true
  precision: float16
  pin_memory: true
  persistent_workers: false
model:
  backbone: resnet50
  embedding_dim: 256
  pretrained: true
  dropout: 0.1
  margin: 0.3
  distance: euclidean
  train_backbone: false
miner: batch_hard
optimizer:
  name: sgd
  lr: 1e-2
  weight_decay: 0
  betas: [0.8, 0.99]
  momentum: 0.95
scheduler:
  name: multistep
  warmup_steps: 10
  t_max: 100
  milestones: [50, 80]
  gamma: 0.5
watchdog: stop
trainer:
  max_epochs: 2
  devices: auto
  num_nodes: 2
  accelerator: cpu
  strategy: ddp
  precision: bf16-mixed
  accumulate_grad_batches: 2
  gradient_clip_val: null
  limit_train_batches: 5
  limit_val_batches: 0.5
  deterministic: true
  enable_progress_bar: false
logging:
  output_dir: out
  checkpoint_interval: 2
  checkpoint_top_k: 3
  monitor: val_accuracy
  mode: max
  log_every_n_steps: 5
  loggers: [csv, {name: WandbLogger, project: faces}]
licences:
  allow: [MIT, BSD-3-Clause]
"""
INFERENCE = """\
checkpoint_path: out/bundle
device: cpu
normalize_embeddings: false
batch_size: 16
num_workers: 1
image_size: 96
threshold: 0.4
detection_threshold: 0.5
detector: whole_image
images:
  formats: [JPEG, PNG]
  max_pixels: 1000000
  max_bytes: 2000000
quality: strict
template: robust
store:
  plugin: pgvector
  host: db.example
  port: 5433
  name: faces
  user: ada
  password: hunter2
  table: samples
  identity_table: people
  sslmode: require
frontends:
  serve: {port: 9000}
licences:
  allow: [MIT, LicenseRef-Ours]
"""
BENCHMARK = """\
training:
  data: {root: faces}
output_dir: out
backbones: [resnet18, resnet50]
embedding_dims: [64, 128]
experiments:
  - {backbone: resnet18, embedding_dim: 32}
miners: [batch_hard, curriculum]
seeds: [0, 1]
max_parallel: 2
inference_batch_size: 8
top_k: 3
num_random_queries: 2
gallery_split: all
device: cpu
query_image: ada.jpg
"""
FILES = {"train": TRAIN, "inference": INFERENCE, "benchmark": BENCHMARK}
DATABASE = """\
database:
  host: db.example
  port: 5433
  name: faces
  user: ada
  password: hunter2
  table: samples
  identity_table: people
  sslmode: require
"""


class Load(Protocol):
    """Write a file and load it."""

    def __call__(
        self, text: str, model: type[Config], *overrides: str, check_plugins: bool = False
    ) -> Config: ...


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Load:
    monkeypatch.chdir(tmp_path)

    def write_and_load(
        text: str, model: type[Config], *overrides: str, check_plugins: bool = False
    ) -> Config:
        Path("c.yaml").write_text(dedent(text), encoding="utf-8")
        return load_config("c.yaml", model, overrides=overrides, check_plugins=check_plugins)

    return write_and_load


class Problems(Protocol):
    """Write a file that does not load; the lines that a user reads."""

    def __call__(
        self, text: str, *overrides: str, model: type[Section] = ..., check_plugins: bool = ...
    ) -> list[str]: ...


@pytest.fixture
def problems(load: Load) -> Problems:
    def read(
        text: str,
        *overrides: str,
        model: type[Section] = TrainConfig,
        check_plugins: bool = False,
    ) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(text, model, *overrides, check_plugins=check_plugins)
        return str(caught.value).splitlines()

    return read


def keys_of(values: Any) -> Any:
    """The keys of nested mappings, without values."""
    return {key: keys_of(item) for key, item in values.items()} if isinstance(values, dict) else ()


class TestEveryKeyLoads:
    @pytest.mark.parametrize("name", FILES)
    def test_with_its_value(self, load: Load, name: str) -> None:
        loaded = load(FILES[name], CONFIGS[name]).model_dump(mode="json")
        written = yaml.safe_load(FILES[name])
        for key in written.keys() - {"training"}:
            if isinstance(written[key], dict) and key != "store":
                for inner, value in written[key].items():
                    self.agree(loaded[key][inner], value)
            else:
                self.agree(loaded[key], written[key])

    def agree(self, loaded: Any, value: Any) -> None:
        if isinstance(loaded, dict) and isinstance(value, str):
            loaded = loaded["plugin"]
        if isinstance(loaded, list):
            for item, expected in zip(loaded, value, strict=True):
                self.agree(item, expected)
        elif isinstance(loaded, dict):
            assert loaded.keys() >= value.keys()
            for key in value:
                self.agree(loaded[key], value[key])
        else:
            assert loaded == (float(value) if isinstance(loaded, float) else value)

    @pytest.mark.parametrize("name", ["train", "benchmark"])
    def test_and_the_example_leaves_none_out(self, load: Load, name: str) -> None:
        written = yaml.safe_load(FILES[name])
        assert set(written) == set(CONFIGS[name].model_fields)
        for section, keys in keys_of(written).items():
            inner = CONFIGS[name].model_fields[section].annotation
            if keys and isinstance(inner, type) and inner is not TrainConfig:
                assert issubclass(inner, Section)
                assert set(keys) == set(inner.model_fields)

    @pytest.mark.parametrize("name", FILES)
    def test_and_is_in_the_json_schema(self, name: str) -> None:
        schema = CONFIGS[name].model_json_schema()
        assert yaml.safe_load(FILES[name]).keys() <= schema["properties"].keys()
        assert schema["additionalProperties"] is False

    def test_and_the_json_schema_knows_the_short_spellings(self) -> None:
        properties = InferenceConfig.model_json_schema()["properties"]
        assert properties["database"]["type"] == "object"
        assert properties["detector_weights"]["type"] == "string"
        assert properties["detector_confidence"]["type"] == "number"

    def test_and_the_json_schema_allows_a_slot_to_hold_more_keys(self) -> None:
        definitions = InferenceConfig.model_json_schema()["$defs"]
        assert definitions["StoreSlot"]["additionalProperties"] is True


class TestDefaults:
    def test_a_train_file_needs_only_the_images(self, load: Load) -> None:
        config = load("data: {root: faces}", TrainConfig)
        assert config.data.root == Path("faces")
        assert config.miner.plugin == "distance_weighted"

    def test_an_empty_file_says_what_is_required(self, problems: Problems) -> None:
        assert problems("") == ["c.yaml:1: data: this key is required"]

    def test_a_scheduler_may_be_switched_off(self, load: Load) -> None:
        assert load("data: {root: faces}\nscheduler: null", TrainConfig).scheduler is None

    def test_the_folder_of_the_file_is_known(self, load: Load) -> None:
        assert load("checkpoint_path: x", InferenceConfig).config_dir == Path()

    def test_values_in_memory_have_no_folder(self) -> None:
        config = parse_config({"checkpoint_path": "x"}, InferenceConfig, check_plugins=False)
        assert config.config_dir is None


class TestNothingChangesAfterLoading:
    def test_a_key(self, load: Load) -> None:
        config = load(TRAIN, TrainConfig)
        with pytest.raises(ValidationError, match="frozen"):
            config.model.embedding_dim = 3  # type: ignore[misc]

    def test_a_plugins_option(self, load: Load) -> None:
        config = load(INFERENCE, InferenceConfig)
        with pytest.raises(ValidationError, match="frozen"):
            config.store.port = 1  # type: ignore[attr-defined]
        config.store.options["port"] = 1
        assert config.store.options["port"] == 5433

    def test_a_frontends_option(self, load: Load) -> None:
        config = load(INFERENCE, InferenceConfig)
        with pytest.raises(TypeError):
            config.frontends["serve"]["port"] = 1  # type: ignore[index]

    def test_the_values_that_were_parsed(self) -> None:
        values = {"checkpoint_path": "x", "database": {"host": "db.example"}}
        parse_config(values, InferenceConfig, overrides=["database.port=1"], check_plugins=False)
        assert values == {"checkpoint_path": "x", "database": {"host": "db.example"}}


class TestShortSpellings:
    def test_database_equals_the_store_slot(self, load: Load) -> None:
        short = load("checkpoint_path: x\n" + DATABASE, InferenceConfig)
        slot = DATABASE.replace("database:\n", "store:\n  plugin: pgvector\n")
        assert short == load("checkpoint_path: x\n" + slot, InferenceConfig)
        assert short.store.plugin == "pgvector"
        assert short.store.options["host"] == "db.example"

    def test_detector_keys_equal_the_detector_slot(self, load: Load) -> None:
        start = "checkpoint_path: x\n"
        short = load(start + "detector_weights: face.pt\ndetector_confidence: 0.4", InferenceConfig)
        slot = "detector: {plugin: yolo, weights: face.pt, confidence: 0.4}"
        assert short == load(start + slot, InferenceConfig)

    @pytest.mark.parametrize(
        ("short", "slot"),
        [
            ("database: {host: db.example}", "store: memory"),
            ("detector_weights: face.pt", "detector: yolo"),
            ("detector_confidence: 0.4", "detector: yolo"),
        ],
    )
    def test_beside_the_slot_are_refused(self, problems: Problems, short: str, slot: str) -> None:
        key, other = short.partition(":")[0], slot.partition(":")[0]
        text = f"checkpoint_path: x\n{slot}\n{short}\n"
        assert problems(text, model=InferenceConfig) == [
            f"c.yaml:3: {key}: give either {key} or {other}, not both"
        ]

    def test_hide_no_other_problem(self, problems: Problems) -> None:
        text = "store: memory\ndatabase: {}\ndevise: cpu\ncheckpoint_path: x"
        assert problems(text, model=InferenceConfig) == [
            "c.yaml:2: database: give either database or store, not both",
            "c.yaml:3: devise: unknown key, did you mean 'device'?",
        ]

    def test_of_a_store_hold_keys(self, problems: Problems) -> None:
        assert problems("checkpoint_path: x\ndatabase: faces", model=InferenceConfig) == [
            "c.yaml:2: database: must be a mapping of keys, such as {host: db.example}"
        ]

    def test_choose_no_other_plugin(self, problems: Problems) -> None:
        text = "checkpoint_path: x\ndatabase:\n  plugin: memory"
        assert problems(text, model=InferenceConfig) == [
            "c.yaml:3: database.plugin: write store instead of database to choose one"
        ]

    def test_are_suggested_for_a_misspelt_key(self, problems: Problems) -> None:
        assert problems("checkpoint_path: x\ndatabse: {}", model=InferenceConfig) == [
            "c.yaml:2: databse: unknown key, did you mean 'database'?"
        ]


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
            "8 x 4 = 32: make them equal or leave batch_size out"
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


class TestYaml:
    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match=r"absent\.yaml: no such configuration file"):
            load_config(tmp_path / "absent.yaml", TrainConfig)

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
            load_config(tmp_path, TrainConfig)

    def test_not_text(self, tmp_path: Path) -> None:
        (tmp_path / "c.yaml").write_bytes(b"\xff\xfe\x00")
        with pytest.raises(ConfigError, match="cannot be read: not UTF-8 text"):
            load_config(tmp_path / "c.yaml", TrainConfig)

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a: [", "c.yaml:1: not valid YAML: expected the node content, but found '<stream "),
            ("data:\n\troot: x", "c.yaml:2: not valid YAML: found character '\\t' that cannot"),
            ("data: *faces", "c.yaml:1: not valid YAML: found undefined alias 'faces'"),
            ("- a", "c.yaml:1: must be a mapping of keys, such as 'seed: 0'"),
            ("data: &a {root: *a}", "c.yaml: not valid YAML: an alias refers to itself"),
            ("? [a]\n: 1", "c.yaml:1: a key must be a plain word"),
            (
                "data: {root: !!python/name:os.system x}",
                "c.yaml:1: data.root: not a valid YAML value: could",
            ),
        ],
    )
    def test_that_cannot_be_read(self, problems: Problems, text: str, message: str) -> None:
        assert problems(text)[0].startswith(message)

    def test_a_key_given_twice(self, problems: Problems) -> None:
        assert problems("data:\n  root: a\n  shuffle: true\n  root: b") == [
            "c.yaml:4: data.root: this key is given twice"
        ]

    def test_merge_keys_are_resolved_and_own_keys_win(self, load: Load) -> None:
        text = """\
            training: &base
              data: {root: faces}
            experiments:
              - &run {backbone: resnet18, embedding_dim: 64}
              - {<<: *run, embedding_dim: 128}
            """
        experiments = load(text, BenchmarkConfig).experiments
        assert [run.embedding_dim for run in experiments] == [64, 128]
        assert experiments[1].backbone.plugin == "resnet18"

    def test_a_merged_section_may_be_used_again(self, load: Load) -> None:
        text = """\
            training:
              data: {root: faces}
            experiments:
              - &one {backbone: resnet18, embedding_dim: 64}
              - &two {<<: *one, embedding_dim: 128}
              - *two
            """
        experiments = load(text, BenchmarkConfig).experiments
        assert [run.embedding_dim for run in experiments] == [64, 128, 128]

    def test_a_number_like_1e_3_is_a_number(self, load: Load) -> None:
        assert load("data: {root: a}\noptimizer: {lr: 1e-3}", TrainConfig).optimizer.lr == 0.001


class TestOverrides:
    def test_replace_any_key(self, load: Load) -> None:
        config = load(TRAIN, TrainConfig, "optimizer.lr=3e-4", "scheduler=null", "miner=semi_hard")
        assert config.optimizer.lr == 3e-4
        assert config.scheduler is None
        assert config.miner.plugin == "semi_hard"

    def test_keep_the_plugin_when_they_set_its_option(self, load: Load) -> None:
        store = load("checkpoint_path: x\nstore: pgvector", InferenceConfig, "store.port=1").store
        assert (store.plugin, store.options) == ("pgvector", {"port": 1})

    def test_reach_into_lists(self, load: Load) -> None:
        config = load(BENCHMARK, BenchmarkConfig, "experiments.0.embedding_dim=16")
        assert config.experiments[0].embedding_dim == 16
        assert config.experiments[0].backbone.plugin == "resnet18"

    def test_may_be_spelled_short(self, load: Load) -> None:
        config = load("checkpoint_path: x", InferenceConfig, "database.host=db.example")
        assert config.store.options == {"host": "db.example"}

    def test_replace_a_slot_that_was_spelled_short(self, load: Load) -> None:
        config = load("checkpoint_path: x\n" + DATABASE, InferenceConfig, "store=memory")
        assert (config.store.plugin, config.store.options) == ("memory", {})

    def test_mend_what_is_wrong_in_the_file(self, load: Load) -> None:
        assert load("data: {root: a}\nseed: x", TrainConfig, "seed=3").seed == 3

    def test_are_filled_in_from_the_environment(
        self, load: Load, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FACES", "/faces")
        assert load("", TrainConfig, "data.root=${FACES}/a").data.root == Path("/faces/a")

    @pytest.mark.parametrize(
        ("override", "message"),
        [
            ("seed", "--set seed: must be written key.path=value"),
            ("=3", "--set '': must be written key.path=value"),
            ("model..margin=3", "--set model..margin: must be written key.path=value"),
            ("seed=[", "--set seed: not valid YAML: expected the node content, but found"),
            ("seed=x", "--set seed: must be a whole number, got 'x'"),
            ("seed.x=1", "--set seed: must be a whole number, got a mapping"),
            ("model.margn=1", "--set model.margn: unknown key, did you mean 'margin'?"),
            ("sede=1", "--set sede: unknown key, did you mean 'seed'?"),
            ("data.root=${FACENET_UNSET}", "--set data.root: environment variable FACENET_UNSET"),
        ],
    )
    def test_that_are_wrong_are_named(
        self, problems: Problems, override: str, message: str
    ) -> None:
        (line,) = problems("data: {root: a}", override)
        assert line.startswith(message)


class TestEnvironment:
    def test_values_are_filled_in(self, load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FACENET_SEED", "5")
        monkeypatch.setenv("FACES", "lfw")
        config = load("seed: ${FACENET_SEED}\ndata: {root: '/data/${FACES}'}", TrainConfig)
        assert config.seed == 5
        assert config.data.root == Path("/data/lfw")

    def test_a_default_stands_in(self, load: Load) -> None:
        config = load("data: {root: '${FACENET_UNSET:faces}'}", TrainConfig)
        assert config.data.root == Path("faces")

    def test_two_dollars_are_one(self, load: Load) -> None:
        config = load("data: {root: 'a$${b}'}", TrainConfig)
        assert config.data.root == Path("a${b}")

    def test_a_single_dollar_is_itself(self, load: Load) -> None:
        assert load("data: {root: a$b}", TrainConfig).data.root == Path("a$b")

    def test_an_unset_variable_is_told_once(self, problems: Problems) -> None:
        assert problems("seed: 1\ndata:\n  root: ${FACENET_UNSET}") == [
            "c.yaml:3: data.root: environment variable FACENET_UNSET is not set; "
            "set it or write ${FACENET_UNSET:default}"
        ]

    def test_a_malformed_variable_is_refused(self, problems: Problems) -> None:
        assert problems("data: {root: '${1}'}") == [
            "c.yaml:1: data.root: write ${NAME}, ${NAME:default}, or $${ for a plain ${"
        ]


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


class TestSecrets:
    SHORT = "checkpoint_path: x\n" + DATABASE

    def test_are_not_in_the_repr(self, load: Load) -> None:
        text = self.SHORT + "frontends: {serve: {api_key: hunter2}}"
        config = load(text, InferenceConfig)
        assert config.store.options["password"] == "hunter2"
        assert "hunter2" not in repr(config) + str(config) + repr(config.store)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            ("password: hunter2", "password: [hunter2]"),
            ("password: hunter2", "passwrd: hunter2"),
            ("password: hunter2", "password: hunter2\n  password: hunter2"),
            ("password: hunter2", "password: !!int hunter2"),
            ("password: hunter2", "password: hunter2\n  port: x"),
        ],
    )
    def test_are_not_in_messages(self, problems: Problems, old: str, new: str) -> None:
        lines = problems(self.SHORT.replace(old, new), model=InferenceConfig, check_plugins=True)
        assert "hunter2" not in "\n".join(lines)

    @pytest.mark.parametrize(
        "override",
        ["database.password=[hunter2", "database..password=hunter2", "database.password=[hunter2]"],
    )
    def test_are_not_in_messages_about_overrides(self, problems: Problems, override: str) -> None:
        lines = problems(self.SHORT, override, model=InferenceConfig, check_plugins=True)
        assert "hunter2" not in "\n".join(lines)

    def test_of_a_plugin_are_known_by_name_and_by_type(self) -> None:
        class Options(BaseModel):
            api_key: int
            dsn: SecretStr
            retries: int

        values = {"api_key": "hunter2", "dsn": ["hunter2"], "retries": "many"}
        with pytest.raises(ValidationError) as caught:
            Options.model_validate(values)
        assert str(config_error(caught.value, Options, "store")).splitlines() == [
            "store: api_key: must be a whole number",
            "store: dsn: must be text (in quotes)",
            "store: retries: must be a whole number, got 'many'",
        ]

    def test_a_password_of_digits_is_asked_for_in_quotes(self, problems: Problems) -> None:
        text = self.SHORT.replace("hunter2", "12345")
        (line,) = problems(text, model=InferenceConfig, check_plugins=True)
        assert line == "c.yaml:7: database.password: must be text (in quotes)"

    def test_are_masked_in_a_dump_and_nothing_else_is(self, load: Load) -> None:
        dumped = yaml.safe_load(dump_config(load(self.SHORT, InferenceConfig)))
        expected = yaml.safe_load(DATABASE)["database"] | {"password": "**********"}
        assert dumped["store"] == {"plugin": "pgvector"} | expected

    def test_are_masked_by_name_where_the_plugin_names_no_secret(self, load: Load) -> None:
        text = "checkpoint_path: x\nstore: {plugin: absent, host: a, tokens: [hunter2]}"
        dumped = yaml.safe_load(dump_config(load(text, InferenceConfig)))
        assert dumped["store"] == {
            "plugin": "absent",
            "host": "**********",
            "tokens": ["**********"],
        }


class TestDump:
    @pytest.mark.parametrize("name", ["train", "benchmark"])
    def test_loads_again_as_the_same(self, load: Load, name: str) -> None:
        config = load(FILES[name], CONFIGS[name])
        assert load(dump_config(config), CONFIGS[name]) == config

    def test_of_an_inference_file_loads_again_but_for_secrets(self, load: Load) -> None:
        text = INFERENCE.replace("  password: hunter2\n", "")
        config = load(text, InferenceConfig)
        assert load(dump_config(config), InferenceConfig) == config
        secret = load(INFERENCE, InferenceConfig)
        assert load(dump_config(secret), InferenceConfig, check_plugins=True)

    def test_names_every_key(self, load: Load) -> None:
        dumped = yaml.safe_load(dump_config(load("data: {root: faces}", TrainConfig)))
        assert keys_of(dumped) == keys_of(yaml.safe_load(TRAIN))

    def test_writes_a_plugin_without_options_by_its_name(self, load: Load) -> None:
        dumped = yaml.safe_load(dump_config(load("data: {root: faces}", TrainConfig)))
        assert dumped["miner"] == "distance_weighted"
