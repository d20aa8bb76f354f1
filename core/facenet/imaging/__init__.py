"""Images: safe decoding, and the face crops that networks see."""

from facenet.imaging.alignment import align, centre_square, is_whole, similarity_transform
from facenet.imaging.decode import ImageSource, decode, name_of, open_photo
from facenet.imaging.files import ALIGNMENT_FILE, CONTACT_SHEET, files_of_identities, image_files
from facenet.imaging.fingerprint import fingerprint
from facenet.imaging.photo import Photo, View

__all__ = [
    "ALIGNMENT_FILE",
    "CONTACT_SHEET",
    "ImageSource",
    "Photo",
    "View",
    "align",
    "centre_square",
    "decode",
    "files_of_identities",
    "fingerprint",
    "image_files",
    "is_whole",
    "name_of",
    "open_photo",
    "similarity_transform",
]
