"""The check that an image is large enough for a network."""

from __future__ import annotations

from dse.exceptions import InputError


def require_size(name: str, in_shape: tuple[int, int, int], smallest: int) -> None:
    """Refuse images below `smallest` x `smallest` pixels.

    Args:
        name: the model, for the message.
        in_shape: (C, H, W) of one image.
        smallest: least height and width in pixels.

    Raises:
        InputError: the image is too small.
    """
    _, height, width = in_shape
    if min(height, width) < smallest:
        raise InputError(
            f"model '{name}': expected images of at least {smallest}x{smallest} pixels, got {height}x{width}; "
            "choose another model or larger images"
        )
