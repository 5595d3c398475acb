"""The weights of the explorable pages: whole or an error, small, and described."""

import pytest

from course_utils.instructor.site import explore_weights as module
from course_utils.instructor.site.explore_weights import SHA256, site_weights


@pytest.mark.parametrize("name", SHA256)
@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_missing_or_damaged_weights_are_named(monkeypatch, tmp_path, name, damage):
    if damage == "damaged":
        content = bytearray((module.DATA / name).read_bytes())
        content[-1] ^= 1
        (tmp_path / name).write_bytes(content)
    monkeypatch.setattr(module, "DATA", tmp_path)
    with pytest.raises(RuntimeError, match=f"{name} is missing or damaged: restore"):
        site_weights(name)


@pytest.mark.parametrize("name", SHA256)
def test_the_readme_has_the_recipe(name):
    _, facts = site_weights(name)
    readme = (module.DATA / "README.md").read_text("utf-8").replace("\n", " ")
    assert facts["recipe"] in readme
    assert (module.DATA / name).stat().st_size < 300_000
