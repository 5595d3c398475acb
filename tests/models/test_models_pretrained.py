"""Trained weights: whole or an error, no pickle, those asked for or the reason why not."""

import hashlib
import http.server
import json
import threading
from types import SimpleNamespace

import pytest
import torch
import torchvision
from loopback import skip_without_loopback
from safetensors import safe_open
from torch import nn

from course_utils import evaluate, load_data
from course_utils.data import batches
from course_utils.models import pretrained as module
from course_utils.models.pretrained import BUNDLED_FILE, DATA, SOURCE_CLASSES, pretrained
from course_utils.models.vgg import VGG


def test_bundled_weights_do_what_their_header_says():
    source = pretrained()
    data = load_data("fashion_photos", profile="quick").only(source.class_names)
    assert source.class_names == SOURCE_CLASSES
    assert data.mean == pytest.approx(source.mean, abs=0.01)
    result = evaluate(source.model, batches(data, "test"))
    assert result.accuracy == pytest.approx(source.accuracy, abs=0.03)
    assert not source.model.training
    assert f"{source.accuracy:.1%}" in str(source)


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


def test_unknown_wish_is_an_error():
    with pytest.raises(ValueError, match="'bundled' or 'imagenet'"):
        pretrained("cifar")


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
    found = pretrained("imagenet", download=True)
    assert "ImageNet" in found.name
    assert (found.image_size, found.class_names) == (224, ("cat", "dog"))
    assert found.accuracy == pytest.approx(0.6902)
    state = torch.load(weights.file, weights_only=True)
    assert all(torch.equal(value, state[k]) for k, value in found.model.state_dict().items())
    weights.file.unlink()
    assert "ImageNet" in pretrained("imagenet").name, "the second time they are on this machine"


def test_imagenet_is_not_fetched_unasked(weights, capsys):
    assert pretrained("imagenet").name == "slim VGG-11, bundled"
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
    assert pretrained("imagenet", download=True).name == "slim VGG-11, bundled"
    lines = capsys.readouterr().out.splitlines()
    (line,) = (text for text in lines if not text.startswith("Downloading"))
    assert "ImageNet's weights cannot be had" in line
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
    assert pretrained("imagenet").name == "slim VGG-11, bundled"
    assert "code ran" not in capsys.readouterr().out
