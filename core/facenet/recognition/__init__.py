"""From photos to decisions: detect, align, embed, verify, enrol, search, forget."""

from facenet.recognition.populate import PopulateReport, populate
from facenet.recognition.recognizer import Recognizer
from facenet.recognition.results import Decision, Enrolment, FaceMatches

__all__ = ["Decision", "Enrolment", "FaceMatches", "PopulateReport", "Recognizer", "populate"]
