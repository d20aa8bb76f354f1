"""The embedding network, and the two forms in which a trained one is kept."""

from facenet.models.bundle import load_bundle, save_bundle
from facenet.models.card import Calibration, ModelCard, NetworkSpec, Preprocessing, Split
from facenet.models.checkpoint import load_checkpoint
from facenet.models.device import resolve_device
from facenet.models.loading import load_model
from facenet.models.model import EmbeddingModel, resized
from facenet.models.network import EmbeddingNetwork, build_network

__all__ = [
    "Calibration",
    "EmbeddingModel",
    "EmbeddingNetwork",
    "ModelCard",
    "NetworkSpec",
    "Preprocessing",
    "Split",
    "build_network",
    "load_bundle",
    "load_checkpoint",
    "load_model",
    "resized",
    "resolve_device",
    "save_bundle",
]
