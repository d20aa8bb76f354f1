"""What came of each test, gathered from pytest while it runs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pytest

from facenet.records import Record

Outcome = Literal["passed", "skipped", "failed"]
_PREFIX = "If this fails: "


@dataclass(frozen=True, slots=True)
class Result(Record):
    """One test: `why` is the reason of a skip or of a failure, and `meaning` what the failure says
    about the plugin; empty where the test could not begin."""

    test: str
    outcome: Outcome
    why: str = ""
    meaning: str = ""


class Listener:
    """A plugin of pytest that fills `results`."""

    def __init__(self) -> None:
        self.results: list[Result] = []
        self._meanings: dict[str, str] = {}

    def pytest_collection_modifyitems(self, items: Sequence[pytest.Item]) -> None:
        for item in items:
            text = inspect.getdoc(getattr(item, "function", None)) or ""
            self._meanings[item.nodeid] = " ".join(text.removeprefix(_PREFIX).split())

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.results.append(Result(report.nodeid, "failed", _reason(report)))

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or not report.passed:
            name, why = report.nodeid.rpartition("::")[2], "" if report.passed else _reason(report)
            told = report.failed and report.when == "call"
            meaning = self._meanings[report.nodeid] if told else ""
            self.results.append(Result(name, report.outcome, why, meaning))


def _reason(report: Any) -> str:
    if isinstance(report.longrepr, tuple):
        return str(report.longrepr[2]).removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    text = str(crash.message if crash else report.longrepr).strip()
    return re.sub(r"^(facenet\.errors\.\w+|Failed): ", "", text)
