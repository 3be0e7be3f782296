"""Each visitor by themselves."""

from __future__ import annotations

from poolkit.judge.checks import check, expect
from poolkit.judge.fixture import Lab


@check("Each visitor is let in twice", lesson="concept-flow")
async def test_lets_each_in_twice(lab: Lab) -> None:
    await lab.start()
    found = [(await lab.get("/weather/ann")).status for _ in range(3)]
    expect(
        found == [200, 200, 429],
        expected="A visitor is answered 200 twice, and 429 the third time.",
        happened=f"She was answered {found}.",
        misconception="too-few",
    )


@check("One visitor does not use up what another has", needs=["lets-each-in-twice"], lesson="who-remembers-the-count")
async def test_keeps_visitors_apart(lab: Lab) -> None:
    await lab.start()
    names = [f"v{lab.random.randrange(10**6)}" for _ in range(3)]
    found = [(await lab.get(f"/weather/{name}")).status for name in names]
    expect(
        found == [200, 200, 200],
        expected="Three visitors who come once are all answered 200.",
        happened=f"They were answered {found}.",
        misconception="one-for-all",
    )
