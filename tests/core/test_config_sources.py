"""Where the values of a configuration come from: YAML, `--set` and the environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from facenet.config import BenchmarkConfig, InferenceConfig, TrainConfig, load_config
from facenet.errors import ConfigError

from .config_files import BENCHMARK, DATABASE, TRAIN, Load, Problems


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
