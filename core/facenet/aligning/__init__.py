"""Preparing a data set: one aligned face of every image, in a folder to train on."""

from facenet.aligning.report import AlignReport
from facenet.aligning.run import align_folder

__all__ = ["AlignReport", "align_folder"]
