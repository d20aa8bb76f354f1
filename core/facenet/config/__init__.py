"""Configuration: YAML in, frozen pydantic models out, every problem named with its line."""

from facenet.config.benchmark import BenchmarkConfig
from facenet.config.inference import InferenceConfig
from facenet.config.loader import dump_config, load_config, parse_config, plain_config
from facenet.config.section import Section, Slot
from facenet.config.train import TrainConfig

CONFIGS: dict[str, type[Section]] = {
    "train": TrainConfig,
    "inference": InferenceConfig,
    "benchmark": BenchmarkConfig,
}
"""The three kinds of configuration file, by the name that the command line uses."""

__all__ = [
    "CONFIGS",
    "BenchmarkConfig",
    "InferenceConfig",
    "Section",
    "Slot",
    "TrainConfig",
    "dump_config",
    "load_config",
    "parse_config",
    "plain_config",
]
