"""The embedding network, and the forms in which a trained one is kept."""

from facenet.models.aligned import AlignedFolder, alignment_around, alignment_of, read_aligned
from facenet.models.bundle import (
    checked_bundle_folder,
    load_bundle,
    read_card,
    save_bundle,
    update_card,
)
from facenet.models.calibration import (
    Calibration,
    Probability,
    Spread,
    calibration_fars,
    calibration_of,
    spread_of,
)
from facenet.models.card import ModelCard, NetworkSpec, Preprocessing, Split
from facenet.models.checking import BundleCheck, check_bundle
from facenet.models.description import describe, describe_threshold
from facenet.models.device import resolve_device
from facenet.models.hub import find_pretrained, publish_bundle
from facenet.models.loading import load_model
from facenet.models.model import EmbeddingModel
from facenet.models.network import EmbeddingNetwork, build_network
from facenet.models.onnx_import import import_onnx
from facenet.models.onnx_model import OnnxModel
from facenet.models.torch_model import TorchModel, resized

__all__ = [
    "AlignedFolder",
    "BundleCheck",
    "Calibration",
    "EmbeddingModel",
    "EmbeddingNetwork",
    "ModelCard",
    "NetworkSpec",
    "OnnxModel",
    "Preprocessing",
    "Probability",
    "Split",
    "Spread",
    "TorchModel",
    "alignment_around",
    "alignment_of",
    "build_network",
    "calibration_fars",
    "calibration_of",
    "check_bundle",
    "checked_bundle_folder",
    "describe",
    "describe_threshold",
    "find_pretrained",
    "import_onnx",
    "load_bundle",
    "load_model",
    "publish_bundle",
    "read_aligned",
    "read_card",
    "resized",
    "resolve_device",
    "save_bundle",
    "spread_of",
    "update_card",
]
