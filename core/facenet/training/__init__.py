"""Training an embedding network, and measuring it on identities it never saw."""

from facenet.training.held_out import Evaluation, evaluate, evaluate_model
from facenet.training.loss import triplet_loss
from facenet.training.run import TrainingResult, train

__all__ = [
    "Evaluation",
    "TrainingResult",
    "evaluate",
    "evaluate_model",
    "train",
    "triplet_loss",
]
