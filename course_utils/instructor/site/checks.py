"""Faults of a built site: dead links, figures without description, files from the network."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

LOADED_LINKS = {"stylesheet", "icon", "preload", "modulepreload", "manifest"}
CSS_ADDRESS = re.compile(r"""(?:url\(\s*|@import\s+)["']?([^"')\s;]+)""")


@dataclass
class Page(HTMLParser):
    """What a page holds: places one can link to, links, what it loads, images without text."""

    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    undescribed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        """Note one element."""
        values = {name: value or "" for name, value in attributes}
        self.anchors |= {values[name] for name in ("id", "name") if values.get(name)}
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "link" and LOADED_LINKS & set(values.get("rel", "").lower().split()):
            self.loads.append(values.get("href", ""))
        elif tag != "a" and "src" in values:
            self.loads.append(values["src"])
        if tag == "img" and not values.get("alt", "").strip():
            self.undescribed.append(values.get("src", "")[:60])


def read_page(path: Path) -> Page:
    """Read one page of the site."""
    page = Page()
    page.feed(path.read_text("utf-8"))
    page.close()
    return page


def problems(site: Path) -> list[str]:
    """Return the faults of the site in the folder ``site``, one a line, each with its page."""
    site = site.resolve()
    # themes leave their templates in _static
    paths = [path for path in sorted(site.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: read_page(path) for path in paths}
    found = []
    for path, page in pages.items():
        name = path.relative_to(site).as_posix()
        found += [f"{name}: image without alt text: {source}" for source in page.undescribed]
        for address in page.loads:
            found += [f"{name}: {fault}" for fault in faults_of_loaded(path, address)]
        for address in page.links:
            found += [f"{name}: {fault}" for fault in faults_of_link(path, address, pages)]
    for path in sorted(site.rglob("*.css")):
        for address in CSS_ADDRESS.findall(path.read_text("utf-8")):
            faults = faults_of_loaded(path, address)
            found += [f"{path.relative_to(site).as_posix()}: {fault}" for fault in faults]
    return found


def faults_of_loaded(path: Path, address: str) -> list[str]:
    """Return what is wrong with something that a page or a style sheet loads."""
    parts = urlsplit(address)
    if parts.scheme == "data" or not (parts.path or parts.netloc):
        return []
    if parts.scheme or parts.netloc:
        return [f"loads from the network: {address}"]
    return [] if target_of(path, parts.path).is_file() else [f"loads a missing file: {address}"]


def faults_of_link(path: Path, address: str, pages: dict[Path, Page]) -> list[str]:
    """Return what is wrong with a link; addresses in the network are not followed."""
    parts = urlsplit(address)
    if parts.scheme or parts.netloc:
        return []
    target = target_of(path, parts.path)
    if not target.is_file():
        return [f"dead link: {address}"]
    anchor = unquote(parts.fragment)
    if anchor and target in pages and anchor not in pages[target].anchors:
        return [f"dead anchor: {address}"]
    return []


def target_of(path: Path, address: str) -> Path:
    """Return the file that an address in the file ``path`` leads to."""
    return (path.parent / unquote(address)).resolve() if address else path
