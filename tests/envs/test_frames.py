"""Laws of tools within tools: what is opened returns once, in the order of a stack, and never too deep."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from twosome_envs.agent.frames import EMPTY, FrameError, depth, known, noted, opened, returned

MOST = 3


@given(st.lists(st.sampled_from(["open", "note", "return"]), max_size=40))
def test_a_frame_returns_exactly_once(steps):
    """Against a plain list of numbers; no other frame than the last open one can return, and none returns again."""
    stack, still_open, gone = EMPTY, [], []
    for count, step in enumerate(steps):
        if step == "open" and len(still_open) < MOST:
            stack = opened(stack, f"task {count}", MOST)
            still_open.append(stack.top.number)
        elif step == "open":
            with pytest.raises(FrameError, match="3 frames are open, which is the most"):
                opened(stack, "task", MOST)
        elif step == "note":
            stack = noted(stack, "x", count)
            assert stack.top.results[-1] == ("x", count)
        elif still_open:
            number = still_open.pop()
            below = stack.frames[-2]
            stack = returned(stack, number, "result", count)
            assert stack.top == below._replace(results=(*below.results, ("result", count)))
            gone.append(number)
        assert [frame.number for frame in stack.frames] == [0, *still_open]
        assert depth(stack) == len(still_open) <= MOST
        assert len({*gone, *still_open}) == len(gone) + len(still_open) == stack.opened
        for number in (*gone, *still_open[:-1], 0, stack.opened + 1):
            with pytest.raises(FrameError, match=f"Frame {number} cannot return"):
                returned(stack, number, "again", None)
    hash(stack)


def test_only_the_result_of_a_frame_stays():
    stack = noted(EMPTY, "x", 1)
    inner = noted(noted(opened(stack, "x + y", 1), "y", 2), "x", 3)
    assert known(inner) == {"x": 3, "y": 2}, "the inner one counts"
    assert known(returned(inner, 1, "x + y", 5)) == {"x": 1, "x + y": 5}
    assert known(stack) == {"x": 1}, "nothing is changed in place"
