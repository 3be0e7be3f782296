"""So many in a minute."""

from __future__ import annotations

from poolkit.judge.checks import check, expect
from poolkit.judge.fixture import Lab


@check("Three visitors are let in, and the fourth is not", points=2, lesson="concept-flow")
async def test_refuses_the_fourth(lab: Lab) -> None:
    await lab.start()
    found = [(await lab.get("/weather")).status for _ in range(4)]
    expect(
        found == [200, 200, 200, 429],
        expected="Of four visitors, three are answered 200 and the fourth 429.",
        happened=f"They were answered {found}.",
        misconception="off-by-one" if found.count(200) == 4 else None,
    )


@check("After a minute visitors are let in again", needs=["refuses-the-fourth"], lesson="when-does-it-start-afresh")
async def test_lets_in_after_a_minute(lab: Lab) -> None:
    await lab.start()
    for _ in range(4):
        await lab.get("/weather")
    lab.advance(61)
    answer = await lab.get("/weather")
    expect(
        answer.status == 200,
        expected="A visitor who comes a minute later is answered 200.",
        happened=f"They were answered {answer.status}.",
        misconception="never-again",
    )
