"""Why an image was not made. Each message names the package or file and what is wrong with it."""

from __future__ import annotations


class ImageError(RuntimeError):
    """An image was not made, or is not there."""


class LockInvalid(ImageError):
    """A lock file, or what was asked for, cannot be used."""


class ImageUnknown(ImageError):
    """There is no image of that name."""


class ExtraMissing(ImageError):
    """Building images needs packages that dspex itself does not."""

    def __init__(self, name: str) -> None:
        super().__init__(f"{name} is needed to build images: `pip install dspex[images]`")


class ResolveFailed(ImageError):
    """No set of packages fits, or pip could not get it; the message ends with what pip said."""


class WheelRefused(ImageError):
    """A wheel is another file than the one that is locked, or holds what a wheel may not."""


class LinkRefused(ImageError):
    """A native module cannot be linked."""


class ImageFailed(ImageError):
    """The packages' code raised, looped or took too much; the message ends with what it printed."""
