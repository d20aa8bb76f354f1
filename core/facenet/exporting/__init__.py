"""Taking a model out of facenet, and proving that it gives the same embeddings there."""

from facenet.exporting.torchscript import export_torchscript

__all__ = ["export_torchscript"]
