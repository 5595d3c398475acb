"""The networks of the course, one file a family, with torchvision's parameter names."""

from .lenet import LeNet5

__all__ = ["LeNet5"]
