"""The page's server: for this machine and this page only, and it goes on whatever it is sent."""

import http.client
import io
import json
import socket
import threading

import pytest
import torch
from loopback import skip_without_loopback
from PIL import Image
from torch import nn

from course_utils.app import AppServer, Asked
from course_utils.app.networks import Rule, largest_probability
from course_utils.app.reading import MOST_BYTES
from course_utils.data import Split
from course_utils.models.pretrained import Pretrained


class Brightness(nn.Module):
    """Says "light" of what is lighter than the middle, the more surely the lighter it is."""

    features = avgpool = staticmethod(lambda x: x.mean(dim=(1, 2, 3), keepdim=True))

    @staticmethod
    def classifier(x):
        return torch.cat([x, -x], dim=1) * 10


RULE = Rule(largest_probability, "largest probability", 0.75, "It was chosen here.")


def asked(rule=RULE):
    facts = dict(class_names=("light", "dark"), mean=(0.5,) * 3, std=(1.0,) * 3, image_size=8)
    facts |= dict(name="n", network="n", accuracy=1.0, tested_on="none", source="none")
    images = torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 3, 8, 8)
    split = Split(images.repeat(4, 1, 1, 1), torch.tensor([1, 0]).repeat(4))
    return Asked(Pretrained(model=Brightness(), **facts), "light and dark", rule, split, split)


def stored(colour):
    file = io.BytesIO()
    Image.new("RGB", (20, 10), colour).save(file, "PNG")
    return file.getvalue()


WHITE, GREY = stored("white"), stored((128, 128, 128))


@pytest.fixture
def server():
    def fail(logits):
        raise ZeroDivisionError

    broken = Rule(fail, "", 0.0, "")
    networks = {"light": asked(), "broken": asked(broken)}
    with AppServer(networks, {"absent": "pip install absent"}) as started:
        thread = threading.Thread(target=started.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        skip_without_loopback(started.server_port)
        yield started
        started.shutdown()
        thread.join()


def send(server, path, content=None, **headers):
    """Return status, headers and content of the answer to a GET, or a POST of this content."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    method = "GET" if content is None else "POST"
    connection.request(method, path, content, headers)
    reply = connection.getresponse()
    found = reply.status, reply.headers, reply.read()
    connection.close()
    return found


def answer(server, content, network="light", **headers):
    status, _, text = send(server, f"/answer?network={network}", content, **headers)
    assert status == 200
    return json.loads(text)


def test_an_answer_has_all_that_the_page_shows(server):
    found = answer(server, WHITE)
    assert found["is_known"]
    assert [share["name"] for share in found["classes"]] == ["light", "dark"]
    assert sum(share["probability"] for share in found["classes"]) == pytest.approx(1)
    assert found["why"] == (
        "Its largest probability is 1.00, not below the threshold 0.75. It was chosen here."
    )
    assert (found["size"], found["remark"], found["training_images"]) == (8, "", 8)
    assert {near["name"] for near in found["neighbours"][:4]} == {"light"}
    assert found["seen"].startswith("data:image/png;base64,")


def test_below_the_threshold_it_does_not_know(server):
    found = answer(server, GREY)
    assert not found["is_known"]
    assert "below the threshold 0.75" in found["why"]
    assert "not below" not in found["why"]


def test_after_each_bad_file_the_next_gets_its_answer(server):
    problems = [answer(server, bad)["problem"] for bad in (b"", b"text", WHITE[:50])]
    assert [problem.split(" ")[2] for problem in problems] == ["is", "is", "is"]
    assert len(set(problems)) == 3
    assert answer(server, WHITE)["is_known"]


def test_too_large_a_file_is_thrown_away_and_said(server):
    problem = answer(server, bytes(100_000_000))["problem"]
    assert problem.startswith(f"The file has 100 MB; at most {MOST_BYTES // 10**6} MB")
    assert answer(server, WHITE)["is_known"]


def test_what_fails_inside_ends_no_server(server, capfd):
    status, _, text = send(server, "/answer?network=broken", WHITE)
    assert (status, text) == (500, b"the program failed\n")
    assert "ZeroDivisionError" in capfd.readouterr().err
    assert answer(server, WHITE)["is_known"]


def test_an_upload_that_breaks_off_ends_no_server(server, capfd):
    with socket.create_connection(("127.0.0.1", server.server_port)) as line:
        line.sendall(b"POST /answer?network=light HTTP/1.0\r\nHost: localhost\r\n")
        line.sendall(b"Content-Length: 1000\r\n\r\nshort")
        line.shutdown(socket.SHUT_WR)
        assert b" 400 " in line.recv(100)
    assert answer(server, WHITE)["is_known"]
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example", "", "192.168.1.1:80"])
def test_another_name_for_this_machine_is_refused(server, host):
    """Or a page from elsewhere whose name leads to 127.0.0.1 could read the answers."""
    for content in (None, WHITE):
        path = "/answer?network=light" if content else "/"
        assert send(server, path, content, Host=host)[0] == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:1"])
def test_a_page_from_elsewhere_is_refused(server, origin):
    host = f"localhost:{server.server_port}"
    assert answer(server, WHITE, Host=host, Origin=f"http://{host}")["is_known"]
    assert send(server, "/answer?network=light", WHITE, Host=host, Origin=origin)[0] == 403


def test_no_other_machine_reaches_it(server):
    assert server.server_address[0] == "127.0.0.1"
    assert server.address == f"http://127.0.0.1:{server.server_port}/"


@pytest.mark.parametrize("path", ["/", "/page.js", "/style.css"])
def test_the_page_may_load_nothing_from_elsewhere(server, path):
    status, headers, content = send(server, path)
    assert status == 200
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; script-src 'self'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert b"://" not in content


@pytest.mark.parametrize("path", ["/server.py", "/../server.py", "/%2e%2e/server.py", "/answer"])
def test_nothing_else_is_there(server, path):
    assert send(server, path)[0] == 404


def test_wrong_questions_are_refused(server):
    assert send(server, "/answer?network=absent", WHITE)[0] == 404
    assert send(server, "/", WHITE)[0] == 404
    with socket.create_connection(("127.0.0.1", server.server_port)) as line:
        line.sendall(b"POST /answer?network=light HTTP/1.0\r\nHost: localhost\r\n\r\n")
        assert b" 411 " in line.recv(100)


def test_the_networks_are_offered_in_order_and_what_is_missing_with_its_remedy(server):
    offered = json.loads(send(server, "/networks")[2])
    assert [one["name"] for one in offered] == ["light", "broken", "absent"]
    assert offered[0]["about"] == "light and dark"
    assert offered[2]["missing"] == "pip install absent"


def test_an_example_is_a_test_image(server):
    status, headers, content = send(server, "/example?network=light")
    assert (status, headers["Content-Type"]) == (200, "image/png")
    assert Image.open(io.BytesIO(content)).size == (8, 8)
    server.networks["light"].examples = None
    assert send(server, "/example?network=light")[0] == 404
