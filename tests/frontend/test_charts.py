"""Charts need no inline style, follow the colour scheme, and carry their figures as a table."""

import re

from frontend.charts import MOST_POINTS, Bar, Line, interval_chart, line_chart, smooth, thin


def test_a_line_chart_has_two_widths_and_a_table() -> None:
    lines = [Line("train", [(1, 0.7), (2, 0.5)], "ours")]
    chart = line_chart(lines, x="step", y="loss", label="Loss by step")
    assert chart is not None
    assert chart.rows == [["train", "1", "0.7000"], ["train", "2", "0.5000"]]
    for svg in (chart.wide, chart.narrow):
        assert svg.startswith("<svg")
        assert "style=" not in svg
        assert "<style" not in svg
        assert 'stroke="var(--human)"' in svg
        # A fixed colour would be wrong in one of the two schemes.
        assert not re.findall(r'(?:fill|stroke)="#(?!ddd|888|000)', svg)


def test_names_are_escaped() -> None:
    bar = Bar("<script>alert(1)</script>", 0.5, 0.4, 0.6, "ours")
    chart = interval_chart([bar], x="accuracy", label="Mixes")
    assert chart is not None
    assert "<script" not in chart.wide
    assert chart.rows[0][1:] == ["50.0 %", "40.0 – 60.0 %"]


def test_nothing_to_draw_is_no_chart() -> None:
    assert line_chart([Line("train", [], "ours")], x="step", y="loss", label="Loss") is None
    assert interval_chart([], x="accuracy", label="Mixes") is None


def test_long_lines_are_thinned_and_keep_their_end() -> None:
    line = [(float(step), 1.0) for step in range(5000)]
    assert len(thin(line)) <= MOST_POINTS + 1
    assert thin(line)[-1] == line[-1]
    assert thin(line[:3]) == line[:3]


def test_smooth_is_the_mean_of_the_points_so_far() -> None:
    assert smooth([(1, 2.0), (2, 4.0), (3, 9.0)], 2) == [(1, 2.0), (2, 3.0), (3, 6.5)]
