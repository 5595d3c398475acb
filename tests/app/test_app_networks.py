"""The page's answers are the networks', and its thresholds were chosen as it says."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from course_utils.app import garments, read_picture, things
from course_utils.app.networks import (
    THINGS_THRESHOLD,
    as_image,
    free_energy,
    largest_probability,
    nothing_threshold,
    run,
)
from course_utils.data import photograph
from course_utils.data.photos import backgrounds
from course_utils.models.pretrained import load_weights, pretrained, save_weights
from course_utils.models.vgg import slim_vgg
from course_utils.runtime import project_root

PHOTOGRAPHS = ("grace_hopper", "china", "flower")


@pytest.fixture(scope="module")
def asked():
    return {"garments": garments(), "things": things()}


def picture(name, size):
    content = (project_root() / "data" / f"photograph_{name}.png").read_bytes()
    return read_picture(content, size).image


def directly(source, image):
    """What lecture 07 does with an image (3, H, W): all probabilities, as a dict by class."""
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (source.mean, source.std))
    with torch.no_grad():
        shares = source.model((image[None] / 255 - mean) / std).softmax(1)[0]
    return dict(zip(source.class_names, shares.tolist(), strict=True))


@pytest.mark.parametrize("name", PHOTOGRAPHS)
@pytest.mark.parametrize("which", ["garments", "imagenet"])
def test_the_five_classes_are_the_networks(asked, which, name):
    source = pretrained("bundled" if which == "garments" else which)
    image = picture(name, source.image_size)
    pixels = torch.tensor(np.asarray(image)).permute(2, 0, 1)
    expected = directly(source, pixels)
    answer = asked["garments" if which == "garments" else "things"].answer(image)
    first = sorted(expected, key=expected.get, reverse=True)[:5]
    assert [name for name, _ in answer.classes] == first
    for name, probability in answer.classes:
        assert probability == pytest.approx(expected[name], abs=1e-4)


def test_the_photographs_are_prepared_as_in_lecture_07(asked):
    """The lecture scales first and cuts then: that changes the probabilities by little."""
    from torchvision.transforms import v2

    way = v2.InterpolationMode.BICUBIC
    prepare = v2.Compose([v2.Resize(224, interpolation=way, antialias=True), v2.CenterCrop(224)])
    for name in PHOTOGRAPHS:
        expected = directly(asked["things"].source, prepare(photograph(name)))
        for said, probability in asked["things"].answer(picture(name, 224)).classes:
            assert probability == pytest.approx(expected[said], abs=0.02)


def test_what_the_three_photographs_are_called(asked):
    answers = [asked["things"].answer(picture(name, 224)) for name in PHOTOGRAPHS]
    assert [answer.classes[0][0] for answer in answers] == ["military uniform", "palace", "daisy"]
    # The flower is a dahlia, for which ImageNet has no class.
    assert [answer.is_known for answer in answers] == [True, True, False]
    assert not any(answer.neighbours for answer in answers)


def test_none_of_the_photographs_is_a_garment(asked):
    answers = [asked["garments"].answer(picture(name, 32)) for name in PHOTOGRAPHS]
    assert not any(answer.is_known for answer in answers)
    # By its probability alone, the building would be a bag.
    name, probability = answers[1].classes[0]
    assert name == "Bag"
    assert probability > 0.9


def test_one_garment_in_twenty_is_refused(asked):
    known = asked["garments"]
    scores = free_energy(run(known.source, known.examples.images)[1])
    is_refused = scores < known.rule.threshold
    chosen, others = is_refused[::2].float().mean().item(), is_refused[1::2].float().mean().item()
    assert len(is_refused) == 1200
    assert chosen == pytest.approx(0.05, abs=0.002)
    # Four standard deviations of such a share among 600, and of the threshold's own.
    assert others == pytest.approx(0.05, abs=4 * (2 * 0.05 * 0.95 / 600) ** 0.5)
    assert f"of 600 others, {others:.0%} do" in known.rule.reason


def patches(count=400):
    """Pieces of the photographs without a garment, which no training image had: (N, 3, 32, 32)."""
    draw = np.random.RandomState(0)
    pieces, found = backgrounds("test"), []
    for number in range(count):
        piece = pieces[number % 3]
        top, left = (draw.randint(0, side - 31) for side in piece.shape[1:])
        found.append(piece[:, top : top + 32, left : left + 32])
    return torch.from_numpy(np.stack(found))


def test_the_energy_refuses_more_pictures_without_a_garment(asked):
    """Why this score: at the same 5 % of garments, the largest probability refuses far fewer."""
    source = asked["garments"].source
    known = run(source, asked["garments"].examples.images)[1]
    unknown = run(source, patches())[1]
    refused = {}
    for score in (free_energy, largest_probability):
        threshold = score(known).quantile(0.05)
        refused[score] = (score(unknown) < threshold).float().mean().item()
    assert refused[free_energy] > 0.5
    assert refused[largest_probability] < 0.25


def test_most_pictures_of_nothing_are_refused(asked):
    """95 % of 800: here of 64, which takes seconds and not a minute."""
    known = asked["things"]
    assert known.rule.threshold == THINGS_THRESHOLD
    assert nothing_threshold(known.source, 8) == pytest.approx(THINGS_THRESHOLD, abs=0.06)


def test_a_training_image_is_its_own_neighbour(asked):
    known = asked["garments"]
    answer = known.answer(as_image(known.training.images[7]))
    first = answer.neighbours[0]
    assert first.similarity == pytest.approx(1, abs=1e-5)
    assert np.array_equal(first.image, as_image(known.training.images[7]))
    similarities = [near.similarity for near in answer.neighbours]
    assert similarities == sorted(similarities, reverse=True)
    assert len(similarities) == 6


def test_neighbours_have_their_own_class_and_mostly_the_pictures(asked):
    known = asked["garments"]
    right = 0
    for image, label in zip(known.examples.images[:60], known.examples.labels, strict=False):
        near = known.answer(as_image(image)).neighbours[0]
        place = known.training.images == torch.tensor(np.asarray(near.image)).permute(2, 0, 1)[None]
        (number,) = place.all(dim=(1, 2, 3)).nonzero().flatten().tolist()
        assert near.name == known.source.class_names[known.training.labels[number]]
        right += near.name == known.source.class_names[label]
    assert right >= 42


def test_a_network_of_ones_own_takes_the_place_of_the_bundled_one(tmp_path):
    torch.manual_seed(0)
    file = tmp_path / "mine.safetensors"
    numbers = dict(mean=(0.4,) * 3, std=(0.3,) * 3)
    numbers |= dict(accuracy=0.5, training_images=9, test_images=9)
    save_weights(file, slim_vgg(num_classes=2), classes=("Coat", "Bag"), **numbers)
    own = garments(load_weights(file))
    answer = own.answer(Image.new("RGB", (32, 32)))
    assert {name for name, _ in answer.classes} == {"Coat", "Bag"}
    assert own.about == "2 kinds of garments: Coat, Bag"
    assert len(own.training) == 1800


def test_a_network_for_other_classes_is_refused():
    with pytest.raises(ValueError, match="no class 'Hat'"):
        garments(replace(pretrained(), class_names=("Hat", "Bag")))
