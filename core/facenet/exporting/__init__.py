"""Taking a model out of facenet, and proving that it gives the same embeddings there."""

from facenet.exporting.formats import BUNDLE, FORMATS, checked_format
from facenet.exporting.images import drawn_faces
from facenet.exporting.parity import check_parity
from facenet.exporting.run import Export, export_model

__all__ = [
    "BUNDLE",
    "FORMATS",
    "Export",
    "check_parity",
    "checked_format",
    "drawn_faces",
    "export_model",
]
