"""Passwords in a configuration: used, and never shown."""

from __future__ import annotations

import pytest
import yaml
from pydantic import BaseModel, SecretStr, ValidationError

from facenet.config import InferenceConfig, dump_config
from facenet.validation import config_error

from .config_files import DATABASE, Load, Problems


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
