"""`poolkit.view`: a run as text, JSON, SVG and HTML."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator

import pytest
import tracing
from lxml import etree, html
from tracing import WHERE, leaking, serve, sound, start, stop, traced

from poolkit import view
from poolkit.judge.ledger import Ledger
from poolkit.timeline import MAX_ROWS, Picture, alone, beside
from poolkit.trace import Trace
from poolkit.view import _scale

NASTY = "</title><script>alert(1)</script>\x1b[31m\x00\u202e\ufffe<b>&'\""
SVG = "{http://www.w3.org/2000/svg}"


def drawn(picture: Picture) -> etree._Element:
    """Return the picture, read by a strict parser."""
    return etree.fromstring(view.render("svg", picture).encode())


def of(root: etree._Element, tag: str, look: str) -> Iterator[etree._Element]:
    """Give the elements with a class."""
    return (element for element in root.iter(f"{SVG}{tag}") if look in (element.get("class") or "").split())


def words(root: etree._Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{SVG}text")]


def nasty() -> Trace:
    """Return a run in which everything that a learner can name holds markup and what no document may."""
    ledger = start(tracing.new(), 1)
    ledger.request(1, f"GET /{NASTY}")
    ledger.borrowed(1, 1, WHERE)
    ledger.record("statement", connection=1, detail=NASTY)
    ledger.record("error", connection=1, detail=NASTY)
    ledger.record("refused", detail=NASTY)
    ledger.answered(1, status=None, detail=NASTY)
    return traced(ledger, note=NASTY, path=f"{NASTY}.py")


def long_and_wide() -> Trace:
    """Return a run with more rows than a picture shows."""
    ledger = start(tracing.new(), 1)
    for number in range(1, 30):
        serve(ledger, number, 1)
    ledger.request(30, "GET /")
    for _ in range(MAX_ROWS):
        ledger.record("statement", connection=ledger.opened(pooled=False, database="shop.db"))
    return traced(ledger)


RUNS: dict[str, Callable[[], Trace]] = {
    "sound": sound,
    "leaking": leaking,
    "nasty": nasty,
    "long": long_and_wide,
    "empty": lambda: traced(Ledger()),
    "early": lambda: traced(start(tracing.new(), 2), note="It hung."),
}


@pytest.mark.parametrize("name", ["html", "json", "svg", "text"])
@pytest.mark.parametrize("run", RUNS)
def test_every_run_has_every_view(name: str, run: str) -> None:
    """Alone and beside another; nothing that a terminal obeys comes through, nor what XML forbids."""
    for picture in (alone(RUNS[run]()), beside(RUNS[run](), sound()), beside(sound(), RUNS[run]())):
        shown = view.render(name, picture)
        assert shown.endswith("\n")
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e\ufffe]", shown)


def test_the_views_are_those_that_there_are() -> None:
    """What begins with an underscore is none."""
    assert view.names() == ["html", "json", "svg", "text"]


@pytest.mark.parametrize("compared", [False, True])
def test_a_picture_needs_nothing_but_itself(compared: bool) -> None:
    """It is well-formed and draws without the network, without scripts; what is not ours stays text."""
    picture = beside(nasty(), sound()) if compared else alone(nasty())
    root = drawn(picture)
    assert not list(root.iter(f"{SVG}script"))
    assert not [name for element in root.iter() for name in element.attrib if "href" in str(name) or name[:2] == "on"]
    assert not [
        value for element in root.iter() for value in element.attrib.values() if "url(" in value and "#" not in value
    ]
    assert any("<script>alert(1)</script>" in (title.text or "") for title in root.iter(f"{SVG}title"))


def test_a_bar_can_be_told_without_its_colour() -> None:
    """It carries its request's number, and lies under another pattern than its neighbour's."""
    root = drawn(alone(sound(3)))
    bars = list(of(root, "g", "bar"))
    assert [next(bar.iter(f"{SVG}text")).text for bar in bars] == ["1", "2", "3"]
    fills = [[rect.get("fill") for rect in bar.iter(f"{SVG}rect")] for bar in bars]
    assert fills == [[None], [None, "url(#look-2)"], [None, "url(#look-3)"]]
    assert {pattern.get("id") for pattern in root.iter(f"{SVG}pattern")} >= {"look-2", "look-3"}


def test_what_is_never_given_back_has_a_frame_of_its_own() -> None:
    """And stands in the legend, which names what occurs and nothing else."""
    root = drawn(alone(leaking()))
    assert len([bar for bar in of(root, "g", "bar") if list(of(bar, "rect", "leak"))]) == 1
    assert "never given back" in words(root)
    assert not {"error", "commit", "opened outside a pool"} & set(words(root))
    assert "never given back" not in words(drawn(alone(sound())))


def test_every_mark_has_a_shape_of_its_own() -> None:
    """Six kinds, six shapes."""
    ledger = start(tracing.new(), 1)
    ledger.borrowed(1, None, None)
    for kind in ("statement", "commit", "rollback", "error", "refused", "lost"):
        ledger.record(kind, connection=1, detail=kind)
    marks = list(of(drawn(alone(traced(ledger))), "g", "mark"))
    kinds = [re.sub("row [0-9]+: ([a-z]+) .*", r"\1", next(mark.iter(f"{SVG}title")).text or "") for mark in marks]
    assert kinds == ["statement", "commit", "rollback", "error", "refused", "lost"]
    shapes = [
        tuple((part.tag, part.get("class"), re.sub("^M[^a-zA-Z]*", "", part.get("d") or "")) for part in mark)[1:]
        for mark in marks
    ]
    assert len(set(shapes)) == len(shapes)


def test_the_deciding_moment_is_marked() -> None:
    """At its row, in the step that the sentence names; no sound run has one."""
    picture = alone(leaking())
    root = drawn(picture)
    deciding = picture.mine.deciding
    assert deciding is not None
    (box, _) = of(root, "rect", "deciding")  # and one in the legend
    band = next(rect for rect in root.iter(f"{SVG}rect") if rect.get("data-step") == str(deciding.step))
    begin, width = float(band.get("x") or 0), float(band.get("width") or 0)
    assert begin <= float(box.get("x") or 0) + 6 <= begin + width
    assert not list(of(drawn(alone(sound())), "rect", "deciding"))


def test_steps_of_two_runs_stand_below_each_other() -> None:
    """So that the eye finds where they part, however long each took."""
    slow = start(Ledger(clock=iter([n * n / 10 for n in range(99)]).__next__), 2)
    serve(slow, 1, 1)
    root = drawn(beside(traced(slow), sound(1)))
    places: dict[str, set[str]] = {}
    for rect in root.iter(f"{SVG}rect"):
        if step := rect.get("data-step"):
            places.setdefault(step, set()).add(f"{rect.get('x')} {rect.get('width')}")
    assert len(places) == 6
    assert all(len(found) == 1 for found in places.values())


def test_time_runs_to_the_right() -> None:
    """A later row never stands left of an earlier one, and rows of one step have room for their marks."""
    picture = alone(sound(5))
    (scale,) = _scale.scales(picture.runs)
    places = [scale.row(row.seq) for row in picture.mine.rows]
    assert all(after - before >= 13 for before, after in zip(places, places[1:], strict=False))
    for row in picture.mine.rows:
        assert scale.time(row.at) == pytest.approx(scale.row(row.seq))
    assert (scale.time(-1), scale.time(1e9)) == (places[0], places[-1])


def test_waiting_is_drawn_where_somebody_waited() -> None:
    """With how many."""
    ledger = start(tracing.new(), 1)
    serve(ledger, 1, 1, returns=False)
    ledger.waits(3)
    ledger.record("statement", connection=1)
    ledger.waits(0)
    stop(ledger, 1)
    root = drawn(alone(traced(ledger)))
    titles = [title.text for title in root.iter(f"{SVG}title") if "waiting" in (title.text or "")]
    assert len(titles) == 1
    assert (titles[0] or "").startswith("3 waiting for a connection")
    assert "waiting" in words(root)
    assert "waiting" not in words(drawn(alone(sound())))


def test_long_texts_are_cut() -> None:
    """A request's path is as long as a learner's requests are; its bar is not."""
    ledger = start(tracing.new(), 1)
    serve(ledger, 1, 1, path=f"/{'a' * 300}")
    (text,) = [shown for shown in words(drawn(alone(traced(ledger)))) if shown.startswith("1: GET")]
    assert len(text) < 40
    assert "…" in text
    assert text.endswith("→ 200")


@pytest.mark.parametrize("compared", [False, True])
def test_a_page_runs_its_own_script_only(compared: bool) -> None:
    """Its policy allows one script and one style by their sums, and no text of a learner's is markup."""
    shown = view.render("html", beside(nasty(), sound()) if compared else alone(nasty()))
    page = html.document_fromstring(shown)
    assert len(page.findall(".//script")) == 1
    assert not page.xpath("//*[@style or @src or @href or @onclick]")
    policy = page.xpath("string(//meta[@http-equiv]/@content)")
    assert re.fullmatch(r"default-src 'none'; style-src 'sha256-\S+'; script-src 'sha256-\S+'", policy)
    assert not page.xpath("//b")


def test_a_page_has_a_row_for_each_step_and_reads_it_out() -> None:
    """Beside the picture stands the table; the deciding step is marked in words, and is where it begins."""
    page = html.document_fromstring(view.render("html", alone(leaking())))
    bodies = page.xpath("//tbody[@data-step]")
    assert [body.get("data-step") for body in bodies] == [str(number) for number in range(1, 10)]
    told = bodies[4].get("data-told")
    assert told.startswith("Step 5 of 9. Request 1 ends. Pool 1 of 2 free; none; answered 200, 1 not returned.")
    assert told.endswith("This is the deciding moment.")
    assert page.xpath("string(//body/@data-start)") == "5"
    assert page.xpath("string(//tbody[@class='decides']//th)") == "▶ 5"
    assert page.xpath("//*[@aria-live='polite']")


def test_a_page_of_two_runs_has_both_in_each_step() -> None:
    """A run that ends early has no more steps."""
    page = html.document_fromstring(view.render("html", beside(sound(1), sound(2))))
    runs = [[cell.text for cell in body.xpath(".//td[1]")] for body in page.xpath("//tbody")]
    assert runs == [["yours", "reference"]] * 9
    last = [cell.text for cell in page.xpath("(//tbody)[last()]/tr[1]/td")]
    assert last == ["yours", "–", "–", "–", "no such step"]


def test_json_tells_what_decides() -> None:
    """Or null; in a comparison the step where the runs part, and the reference's run."""
    found = json.loads(view.render("json", alone(leaking())))
    assert (found["poolkit_trace"], found["deciding"]["step"], found["deciding"]["row"]) == (1, 5, 9)
    assert json.loads(view.render("json", alone(sound())))["deciding"] is None
    both = json.loads(view.render("json", beside(leaking(), sound())))
    assert both["parting"]["step"] == 5
    assert [step["result"] for step in both["reference"]["steps"]][4] == "answered 200"
    assert "deciding" not in both


def test_a_terminal_shows_a_row_for_each_connection() -> None:
    """A letter for what it is in each step, and what the letters mean."""
    lines = view.render("text", alone(leaking())).splitlines()
    begin = next(i for i, line in enumerate(lines) if line.startswith("Timeline"))
    assert lines[begin : begin + 6] == [
        "Timeline       1   2   3   4   5   6   7   8   9",
        "connection 1      ─── █1█ █1█ █1█ █1█ █1█ █1█  ×",
        "connection 2      ─── ─── ─── ─── █2█ █2█ ───  ×",
        "                               ▲",
        "",
        "─ free   █ borrowed, by the request in it   × closed   ▲ the deciding moment",
    ]
    assert "The deciding moment is step 5: request 1 is over" in lines[-2]


def test_a_terminal_shows_what_happened_within_a_step() -> None:
    """An error, a connection that was lent and came back, a wait, a refused connect."""
    ledger = start(tracing.new(), 2)
    ledger.request(1, "GET /")
    ledger.borrowed(1, 1, WHERE)
    ledger.record("statement", connection=1)
    ledger.borrowed(2, 1, WHERE)
    ledger.returned(2, in_transaction=False)
    ledger.waits(2)
    ledger.record("error", connection=1, detail="no")
    ledger.record("refused", detail="connect: no")
    ledger.waits(0)
    ledger.record("statement", connection=1)
    ledger.returned(1, in_transaction=False)
    ledger.answered(1, status=200, detail="200")
    text = view.render("text", alone(traced(ledger)))
    assert "connection 1      ─── █1█ █!█ ───" in text
    assert "connection 2      ─── ─── ▒1▒ ───" in text
    assert re.search(r"^waiting {20,}2$", text, re.MULTILINE)
    assert re.search(r"^refused {20,}!$", text, re.MULTILINE)


def test_a_terminals_lines_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run of many steps goes on below, in blocks."""
    monkeypatch.setenv("COLUMNS", "80")
    text = view.render("text", alone(sound(9)))
    begin = text.index("Timeline")
    assert text.count("\nTimeline") == 2
    assert max(map(len, text[begin:].splitlines())) <= 80
