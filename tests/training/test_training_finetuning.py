"""A trained VGG prepared for new classes: what learns, and how fast."""

import torch

from course_utils.models.vgg import slim_vgg
from course_utils.training.finetuning import two_rates, with_frozen_features


def test_features_are_frozen_and_the_last_layer_is_new():
    model = slim_vgg(num_classes=6)
    old = {name: value.clone() for name, value in model.state_dict().items()}
    assert with_frozen_features(model, 4) is model
    learns = [name for name, p in model.named_parameters() if p.requires_grad]
    assert learns == [
        f"classifier.{place}.{kind}" for place in (0, 3, 6) for kind in ("weight", "bias")
    ]
    assert model.classifier[6].weight.shape == (4, 128)
    state = model.state_dict()
    same = [name for name in old if "classifier.6" not in name]
    assert all(torch.equal(state[name], old[name]) for name in same)


def test_each_part_has_its_rate_and_what_is_frozen_none():
    model = slim_vgg()
    model.features[0].weight.requires_grad = False
    features, head = two_rates(model, 0.1, 5)
    assert (features["lr"], head["lr"]) == (0.02, 0.1)
    assert {id(p) for p in head["params"]} == {id(p) for p in model.classifier.parameters()}
    rest = {id(p) for p in model.features.parameters()} - {id(model.features[0].weight)}
    assert {id(p) for p in features["params"]} == rest
    torch.optim.SGD(two_rates(model, 0.1, 5))
