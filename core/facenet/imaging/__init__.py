"""Images: safe decoding, and the face crops that networks see."""

from facenet.imaging.crop import crop_face, whole_image_box
from facenet.imaging.decode import IMAGE_SUFFIXES, ImageSource, decode, image_files, name_of
from facenet.imaging.fingerprint import fingerprint

__all__ = [
    "IMAGE_SUFFIXES",
    "ImageSource",
    "crop_face",
    "decode",
    "fingerprint",
    "image_files",
    "name_of",
    "whole_image_box",
]
