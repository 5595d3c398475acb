"""``junit.xml`` of a grading that pytest did not run, as pytest would have written it."""

from __future__ import annotations

from collections.abc import Iterable
from xml.etree.ElementTree import Element, SubElement, tostring

from .results import FULL, INFRASTRUCTURE, SubmissionResult, describe
from .safe_text import visible


def junit(results: Iterable[SubmissionResult]) -> bytes:
    """Return a test case for each exercise; it passes with full points."""
    suites = Element("testsuites", name="pytest tests")
    suite = SubElement(suites, "testsuite", name="pytest", skipped="0")
    for result in results:
        if result.is_graded:
            for e in result.exercises:
                earned = {"points": e.points, "max_points": e.max_points, "status": e.status}
                case = _case(suite, result, e.id, e.seconds, **earned)
                if e.status != FULL:
                    _tell(case, "failure", describe(e))
        else:
            kind = "error" if result.state == INFRASTRUCTURE else "failure"
            case = _case(suite, result, result.state, result.seconds)
            _tell(case, kind, f"{result.state}: {result.reason}")
    for key, found in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        suite.set(key, str(sum(1 for _ in suite.iter(found))))
    return tostring(suites, encoding="utf-8", xml_declaration=True)


def _case(
    suite: Element, result: SubmissionResult, name: str, seconds: float, **properties: object
) -> Element:
    file = visible(result.file)
    case = SubElement(suite, "testcase", classname=file, name=name, time=f"{seconds:.3f}")
    place = SubElement(case, "properties")
    for key, value in {"student": result.student, "file": result.file, **properties}.items():
        SubElement(place, "property", name=key, value=visible(str(value)))
    return case


def _tell(case: Element, kind: str, text: str) -> None:
    text = visible(text)
    SubElement(case, kind, message=text).text = text
