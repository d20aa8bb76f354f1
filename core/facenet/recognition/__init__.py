"""From photos to decisions: detect, align, embed, verify, enrol, search, forget."""

from facenet.recognition.bulk import Batch, embed_files
from facenet.recognition.data_sets import embed_identities, embed_pairs
from facenet.recognition.populate import PopulateReport, populate
from facenet.recognition.recognizer import Recognizer
from facenet.recognition.results import Decision, Enrolment, FaceMatches

__all__ = [
    "Batch",
    "Decision",
    "Enrolment",
    "FaceMatches",
    "PopulateReport",
    "Recognizer",
    "embed_files",
    "embed_identities",
    "embed_pairs",
    "populate",
]
