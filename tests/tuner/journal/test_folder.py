"""The study folder: one search at a time, never overwritten, resumed only with the same study."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.tuner.journal.test_journal import STARTED, reported
from tests.tuner.support.studies import toy_study
from tuner.errors import StudyError
from tuner.journal.event import Event, EventKind
from tuner.journal.folder import open_study_folder, refuse_other_study, refuse_taken
from tuner.journal.journal import NAME, read_events

ROOT = Path(__file__).parents[3]
HOLDER = """
import sys
from pathlib import Path
from tuner.journal.folder import open_study_folder
with open_study_folder(Path(sys.argv[1]), None, False):
    print("held", flush=True)
    sys.stdin.read()
"""


def started(**changes: Any) -> list[Event]:
    return [Event(EventKind.STUDY_STARTED, None, {"study": toy_study(**changes).to_dict()})]


@pytest.mark.parametrize(
    "changes",
    [
        {"trials": 40}, {"concurrency": 3}, {"budget": {"gpu_hours": 9}}, {"retries": 7},
        {"finalists": {"top": 2, "seeds": 3}}, {"resources": {"cpu": 2, "gpu": 1}},
    ],
)  # fmt: skip
def test_how_much_and_where_may_change_on_a_resume(changes: dict[str, Any]) -> None:
    refuse_other_study(started(), toy_study(**changes))
    refuse_other_study(started(**changes), toy_study())


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"name": "other"}, "name was 'toy', is 'other'"),
        ({"epochs": 5}, "epochs was 4, is 5"),
        (
            {"trial": "tests.tuner.support.costly:run"},
            "trial was 'tests.tuner.support.toy:run', is 'tests.tuner.support.costly:run'",
        ),
        ({"sampler": {"name": "tpe", "seed": 2, "startup": 5}}, "sampler.seed was 1, is 2"),
        ({"metric": {"name": "dev/loss", "mode": "max"}}, "metric.mode was 'min', is 'max'"),
        (
            {"scheduler": {"name": "asha", "reduction_factor": 3}},
            "scheduler.reduction_factor was 2.0, is 3.0",
        ),
        ({"search": {"x": {"float": [0, 2]}}}, "search."),
        ({"settings": {"optim": {"rate": 0.5}}}, "settings.optim was None, is {'rate': 0.5}"),
        ({"storage": "/other"}, "storage was None, is '/other'"),
        ({"default": {"x": 0.5}}, "default was None, is "),
    ],
)
def test_what_was_searched_and_how_may_not(changes: dict[str, Any], where: str) -> None:
    content = {"search": {"x": {"float": [0, 1]}}} if "default" in changes else {}
    with pytest.raises(StudyError) as error:
        refuse_other_study(started(**content), toy_study(**content, **changes))
    assert str(error.value).startswith(f"--resume: this is another study: {where}")
    assert str(error.value).endswith("; give the study as it was, or another folder")


def test_the_same_study_is_no_other_one() -> None:
    refuse_other_study(started(settings={"a": {"b": [1, 2]}}), toy_study(settings={"a": {"b": (1, 2)}}))


def test_a_journal_that_does_not_begin_with_a_study_is_refused() -> None:
    with pytest.raises(StudyError, match=r"journal\.jsonl:1: does not begin with the start of a study"):
        refuse_other_study([reported(1, loss=1.0)], toy_study())


@pytest.mark.parametrize("name", [NAME, "study.yaml", "best.yaml"])
def test_a_folder_that_holds_a_study_is_for_a_resume_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("something")
    with pytest.raises(StudyError) as error:
        refuse_taken(tmp_path)
    way_out = "resume it with --resume, or give another folder"
    assert str(error.value) == f"--out {tmp_path}: holds a study already ({name}); {way_out}"
    refuse_taken(tmp_path, resume=True)


def test_a_folder_is_free_whose_search_had_not_begun(tmp_path: Path) -> None:
    refuse_taken(tmp_path / "none")
    refuse_taken(tmp_path)
    (tmp_path / NAME).touch()  # killed before the first event
    (tmp_path / "notes.txt").write_text("the user's own")
    refuse_taken(tmp_path)


@pytest.mark.parametrize("resume", [False, True])
def test_a_file_is_no_folder(tmp_path: Path, resume: bool) -> None:
    (tmp_path / "out").touch()
    with pytest.raises(StudyError, match=r"--out .*/out: is a file; give a folder"):
        refuse_taken(tmp_path / "out", resume)


def test_a_folder_is_searched_in_by_one_at_a_time_and_free_after_a_kill(tmp_path: Path) -> None:
    out = tmp_path / "out"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(out)], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        for resume in (False, True):
            with (
                pytest.raises(
                    StudyError, match=r"--out .*/out: another search is running there; wait for it"
                ),
                open_study_folder(out, None, resume),
            ):
                pytest.fail("two searches in one folder")
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.communicate()
    with open_study_folder(out, None, False) as journal:
        journal.on_event(STARTED)
    with open_study_folder(out, None, True) as journal:
        assert journal.past == [STARTED]


def test_whoever_came_first_and_is_gone_is_not_gone_on_with_by_chance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another search begins and ends between the look into the folder and the lock."""
    real = Path.mkdir

    def late(path: Path, **options: Any) -> None:
        real(path, **options)
        if path == tmp_path / "out" and not (path / NAME).exists():
            (path / NAME).write_text("another's")

    monkeypatch.setattr(Path, "mkdir", late)
    with (
        pytest.raises(StudyError, match="holds a study already"),
        open_study_folder(tmp_path / "out", None, False),
    ):
        pytest.fail("the other search's journal is open")
    assert (tmp_path / "out" / NAME).read_text() == "another's"


def test_an_error_in_the_search_frees_the_folder(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), open_study_folder(tmp_path, None, False):
        raise ZeroDivisionError
    with open_study_folder(tmp_path, None, False) as journal:
        journal.on_event(STARTED)
    (tmp_path / NAME).write_text("damaged\n")
    for _ in range(2):
        with (
            pytest.raises(StudyError, match=r"journal\.jsonl:1: is no event"),
            open_study_folder(tmp_path, None, True),
        ):
            pytest.fail("a damaged journal is open")


def test_a_storage_with_a_journal_is_for_a_resume_alone(tmp_path: Path) -> None:
    storage = str(tmp_path / "states")
    with open_study_folder(tmp_path / "first", storage, False) as journal:
        journal.on_event(STARTED)
    with (
        pytest.raises(StudyError, match=r"storage: .*/states: holds a study already; give another one, or"),
        open_study_folder(tmp_path / "second", storage, False),
    ):
        pytest.fail("two searches in one storage")
    assert not (tmp_path / "second").exists()
    with open_study_folder(tmp_path / "second", storage, True) as journal:
        assert journal.past == [STARTED]
    assert list(read_events(tmp_path / "second" / NAME)) == [STARTED]


def test_a_folder_is_taken_by_a_process_and_not_by_its_lock_file(tmp_path: Path) -> None:
    with open_study_folder(tmp_path, None, False):
        pass
    (tmp_path / ".lock").write_text(str(os.getpid()))
    with open_study_folder(tmp_path, None, False):
        pass
