"""The networks of the course, one file a family, with torchvision's parameter names; and K-NN."""

from .alexnet import AlexNet, SlimAlexNet, TwoTowerAlexNet
from .densenet import DenseNet, SmallDenseNet
from .efficientnet import EfficientNet, slim_efficientnet
from .efficientnet_lite import efficientnet_lite0
from .googlenet import GoogLeNet, SmallGoogLeNet
from .knn import KNearestNeighbors
from .lab import LabVGG, SevenLayerVGG
from .lenet import LeNet5
from .resnet import ResNet, SmallResNet
from .senet import SEBasicBlock
from .vgg import VGG, slim_vgg
from .vit import VisionTransformer, small_vit
from .whitened import FlipAveraged, WhitenedNet

__all__ = [
    "VGG",
    "AlexNet",
    "DenseNet",
    "EfficientNet",
    "FlipAveraged",
    "GoogLeNet",
    "KNearestNeighbors",
    "LabVGG",
    "LeNet5",
    "ResNet",
    "SEBasicBlock",
    "SevenLayerVGG",
    "SlimAlexNet",
    "SmallDenseNet",
    "SmallGoogLeNet",
    "SmallResNet",
    "TwoTowerAlexNet",
    "VisionTransformer",
    "WhitenedNet",
    "efficientnet_lite0",
    "slim_efficientnet",
    "slim_vgg",
    "small_vit",
]
