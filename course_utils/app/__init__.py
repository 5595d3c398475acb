"""A program people use: a page on this machine that says what is on a photograph.

`python -m course_utils app` starts it. Used in lecture 15.
"""

from .networks import Answer, Asked, garments, things
from .reading import BadFile, Picture, read_picture
from .server import AppServer

__all__ = [
    "Answer",
    "AppServer",
    "Asked",
    "BadFile",
    "Picture",
    "garments",
    "read_picture",
    "things",
]
