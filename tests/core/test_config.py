"""Configuration files: what loads, what it equals, and what is written back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from facenet.config import (
    CONFIGS,
    InferenceConfig,
    Section,
    TrainConfig,
    dump_config,
    parse_config,
)

from .config_files import DATABASE, FILES, INFERENCE, TRAIN, Load, Problems


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
