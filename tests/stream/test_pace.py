"""A pace: at once after a rest, seldom enough in the long run."""

from lockstep.adapters.stream.pace import Pace


def times(pace: Pace, wanted: list[float]) -> list[float]:
    """When each is done that is wanted at its time, one after the other."""
    done: list[float] = []
    for at in wanted:
        now = max([at, *done[-1:]])
        now += pace.wait_s(now)
        pace.take(now)
        done.append(round(now, 6))
    return done


def test_what_comes_now_and_then_waits_for_nothing():
    wanted = [0.0, 0.001, 0.002, 1.0, 1.001, 1.002, 5.0]
    assert times(Pace(every_s=0.1, burst=3), wanted) == wanted


def test_what_comes_all_the_time_is_done_once_in_a_while():
    assert times(Pace(every_s=1.0, burst=3), [0.0] * 6) == [0.0, 0.0, 0.0, 1.0, 2.0, 3.0]


def test_what_did_not_wait_makes_others_wait_once():
    """However often something was done out of turn, nobody pays for more than one time of it."""
    pace = Pace(every_s=1.0, burst=3)
    for _ in range(100):
        pace.take(5.0)
    assert pace.wait_s(5.0) == 1.0
    assert pace.wait_s(6.0) == 0.0
