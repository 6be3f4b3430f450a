"""The 1,797 handwritten digits of 8x8 pixels that come with scikit-learn: no download."""

from __future__ import annotations

from dse.nn.datasets._arrays import arrays_dataset
from dse.nn.datasets._normalise import normalised
from dse.nn.datasets._request import Request
from dse.nn.datasets._types import Dataset

# Of all 1,797 images, pixels / 16. Constants, so that another split leaves the scale of the inputs as it is.
DIGITS = ((0.3053,), (0.3760,))
_TEST_FRACTION = 0.2


def digits(request: Request) -> Dataset:
    """Load the digits; they come without a split, so a stratified fifth fixed by the seed becomes the test images."""
    # Imported here: scikit-learn takes a second, which the other data sets need not wait for.
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    bunch = load_digits()
    images = normalised(bunch.images[:, None], DIGITS, white=16)
    x_train, x_test, y_train, y_test = train_test_split(
        images, bunch.target, test_size=_TEST_FRACTION, stratify=bunch.target, random_state=request.seed
    )
    source = f"scikit-learn load_digits, 20 % stratified test images by seed {request.seed}"
    return arrays_dataset(x_train, y_train, x_test, y_test, name=request.name, source=source)
