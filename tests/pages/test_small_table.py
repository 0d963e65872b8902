"""A small table as HTML: numbers as asked, names letter by letter, missing values as a dash."""

from __future__ import annotations

from streamlit.testing.v1 import AppTest


def test_numbers_names_and_missing_values():
    def script():
        import pandas as pd

        from genediff.ui.kit import small_table

        table = pd.DataFrame({"a type": ["B <b>cell</b>", "T & NK"], "share": [0.25, None], "n": [1200, 3]})
        small_table.show(
            table, formats={"share": ".1%", "n": ","}, shade=lambda value: f"opacity: {value}", shaded=["n"]
        )

    app = AppTest.from_function(script).run()
    assert not app.exception
    said = app.get("html")[0].proto.body
    assert "<td>B &lt;b&gt;cell&lt;/b&gt;</td>" in said and "<td>T &amp; NK</td>" in said
    assert '<td class="gd-number">25.0%</td>' in said and '<td class="gd-number">–</td>' in said
    assert '<td class="gd-number" style="opacity: 1200">1,200</td>' in said
    assert said.count("<th ") == 3 and said.count("<tr>") == 3
