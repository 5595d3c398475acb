from figures import arrows, assert_good_figure, written

from course_utils import plots

WAYS = {"shared": (("a", "data", "files"), ("b", "data", "files")), "own": ("abc", "xyz")}


def test_shared_objects_are_drawn_once():
    figure = plots.shared_objects(WAYS)
    assert_good_figure(
        figure, "shared", "own", *"abcxyz", "data", "files", alt=["shared: shared data, files"]
    )
    assert "own: shared nothing" in figure.alt_text
    shared, own = figure.axes
    assert written(shared) == ["a", "b", "data", "files"]
    assert written(own) == ["a", "x", "b", "y", "c", "z"]
    places = [text.get_position() for text in shared.texts if text.get_text()]
    assert places == [(0.5, 0), (1.5, 0), (1, 1), (1, 2)]
    assert [len(axes.patches) for axes in (shared, own)] == [4, 6], "boxes"
    assert [len(arrows(axes)) for axes in (shared, own)] == [4, 4]
    thick = [box.get_linewidth() > 2 for box in shared.patches]
    assert thick == [False, False, True, True], "what is shared is marked"
