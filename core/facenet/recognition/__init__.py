"""From photos to decisions: detect, align, embed, verify, enrol, search, forget."""

from facenet.recognition.audit import Audit, audit
from facenet.recognition.bulk import embed_files
from facenet.recognition.cropping import Crop
from facenet.recognition.data_sets import embed_identities, embed_pairs
from facenet.recognition.populate import PopulateReport, populate
from facenet.recognition.recall import measure_recall
from facenet.recognition.recognizer import Recognizer
from facenet.recognition.results import Decision, Enrolment, FaceMatches

__all__ = [
    "Audit",
    "Crop",
    "Decision",
    "Enrolment",
    "FaceMatches",
    "PopulateReport",
    "Recognizer",
    "audit",
    "embed_files",
    "embed_identities",
    "embed_pairs",
    "measure_recall",
    "populate",
]
