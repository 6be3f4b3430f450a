"""Networks to start from, and their weights in files."""

from dse.nn.models._mobilenet import mobilenetv2
from dse.nn.models._registry import MODELS, ModelInfo, build_model
from dse.nn.models._resnet import ResNet
from dse.nn.models._seeding import seeded
from dse.nn.models._weights import check_finite, load_weights, save_weights, storable

__all__ = [
    "MODELS",
    "ModelInfo",
    "ResNet",
    "build_model",
    "check_finite",
    "load_weights",
    "mobilenetv2",
    "save_weights",
    "seeded",
    "storable",
]
