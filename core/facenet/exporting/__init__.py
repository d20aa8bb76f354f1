"""Taking a model out of facenet, and proving that it gives the same embeddings there."""

from facenet.exporting.formats import BUNDLE, FORMATS, checked_format
from facenet.exporting.images import Faces, drawn_faces
from facenet.exporting.parity import MAX_TAR_DROP, Parity, TarChange, check_parity
from facenet.exporting.run import Export, export_model

__all__ = [
    "BUNDLE",
    "FORMATS",
    "MAX_TAR_DROP",
    "Export",
    "Faces",
    "Parity",
    "TarChange",
    "check_parity",
    "checked_format",
    "drawn_faces",
    "export_model",
]
