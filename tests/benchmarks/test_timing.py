import pytest
from timing import interleaved, machine, summary


def test_timing_takes_turns_and_leaves_the_first_round_out() -> None:
    calls: list[str] = []
    seconds = interleaved({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, rounds=3)
    assert calls == ["a", "b"] * 4
    assert {name: len(values) for name, values in seconds.items()} == {"a": 3, "b": 3}
    assert all(value >= 0 for values in seconds.values() for value in values)


def test_timing_asks_the_clock_that_it_is_given() -> None:
    ticks = iter(range(0, 1000, 7))
    assert interleaved({"a": lambda: next(ticks)}, 2, clock=lambda: float(next(ticks))) == {"a": [14.0, 14.0]}


def test_timing_refuses_to_measure_nothing() -> None:
    with pytest.raises(ValueError, match="0 candidates in 3 rounds"):
        interleaved({}, rounds=3)
    with pytest.raises(ValueError, match="1 candidates in 0 rounds"):
        interleaved({"a": lambda: None}, rounds=0)


def test_timing_sums_up_by_the_middle_so_that_one_slow_round_changes_little() -> None:
    assert summary([3.0, 1.0, 2.0, 100.0, 4.0]) == {"median": 3.0, "quartiles": [2.0, 4.0], "n": 5}


def test_timing_names_the_machine() -> None:
    found = machine()
    assert found["processor"]
    assert int(found["cores"]) >= 1
