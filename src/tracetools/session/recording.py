"""One recording and the stack file that it goes to: what all ways to record have in common."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tracetools import compat
from tracetools.core.errors import RecordingError
from tracetools.core.interruptions import Insist
from tracetools.core.notebook import html_of
from tracetools.guest.messages import to_log
from tracetools.instruments import hidden_frames
from tracetools.libraries import registry
from tracetools.output.stack_file import NoStackFile, StackFile
from tracetools.recording import forks
from tracetools.recording.forks import Follower
from tracetools.recording.recorder import Recorder, program_name
from tracetools.sampling.sampler import Sampler
from tracetools.session.options import nanoseconds

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from tracetools.core.profile import Profile
    from tracetools.core.slow_spans import SlowSpans
    from tracetools.core.stacks import StackPath
    from tracetools.guest.messages import Messages
    from tracetools.output.flamegraph import Flamegrapher
    from tracetools.recording.keeper import Keeper
    from tracetools.session.kept_files import KeptFile, KeptFiles
    from tracetools.session.options import Options

__all__ = ["Recording"]


class Recording(Follower):
    """What is being recorded, or was.

    Its threads end before a fork, else Python would warn of them; in the parent they start again.

    Args:
        stack_file: where it goes; ``None`` to write nothing.
        options: what is recorded.
        closes: whether it is going to be closed; then the file need not be written each time that
            no loop is left, which may be often.
        messages: where messages go.

    Attributes:
        recorder: for the instruments, which tell it of loops and tasks.
        task_names: whether tasks are named by the names that they were given.
        makes_spans: whether what others do with the program gets spans, as the tests of pytest.
    """

    def __init__(
        self,
        stack_file: str | os.PathLike[str] | None,
        options: Options,
        *,
        closes: bool = False,
        messages: Messages = to_log,
    ) -> None:
        _check_interpreter()
        wakers = options.wakers or options.lens == "chain" or options.keep is not None
        measured = wakers or options.lens in ("scheduled", "task")
        await_after = nanoseconds("await_after", options.await_after)
        interval = nanoseconds("functions_interval", options.functions_interval)
        blocking = options.blocking
        self.recorder = Recorder(
            clock=options.clock,
            scheduled=measured if options.scheduled is None else options.scheduled,
            least_wait=await_after if options.await_stacks else None,
            threshold=None if blocking is None else nanoseconds("blocking", blocking),
            max_stacks=options.max_stacks,
            max_depth=options.max_depth,
            resources=options.resources,
            wakers=wakers,
            messages=messages,
        )
        self._kept_files: KeptFiles | None = None
        self._keeper: Keeper | None = None
        if options.keep is not None:
            self._keep(options.keep)
        self._sampler = Sampler(self.recorder, interval if options.functions else None)
        self.task_names = options.task_names
        self.makes_spans = self.recorder.shows_libraries = options.integrations
        self._is_closed = False
        self._closes = closes
        self._lens, self._labels = options.lens, options.labels
        self._was_shown = False
        how: dict[str, Any] = {
            "lens": options.lens,
            "labels": options.labels,
            "flush_interval": options.flush_interval,
        }
        self._file = (
            NoStackFile(**how)
            if stack_file is None
            else StackFile(stack_file, self.recorder.profile, **how)
        )
        self._file.messages = messages

    def __repr__(self) -> str:
        profile = self.profile
        return (
            f"<recording of {', '.join(profile.programs)}: {profile.duration / 1e9:.3f} s"
            f" of {profile.runs} loop{'s'[: profile.runs != 1]}>"
        )

    def _repr_html_(self) -> str | None:
        """Return what a notebook shows: the report of what was recorded up to now."""
        self._was_shown = True
        return html_of(self.profile)

    @property
    def profile(self) -> Profile:
        """All that was recorded up to now; can be asked for at any time, from any thread."""
        return self.recorder.profile()

    @property
    def flamegrapher(self) -> Flamegrapher:
        """A `Flamegrapher` with its stack file set, if there is one.

        It marks what blocked the loop.
        """
        from tracetools.output.flamegraph import Flamegrapher  # noqa: PLC0415  # takes a while

        flamegrapher = Flamegrapher(self._file.path)
        return flamegrapher.with_marks_of(self.profile, self._lens, self._labels)

    @property
    def file(self) -> StackFile:
        """The stack file.

        Raises:
            StackFileError: there is none.
        """
        if isinstance(self._file, NoStackFile):
            self._file.write()  # it refuses
        return self._file

    @property
    def is_to_be_shown(self) -> bool:
        """Whether it goes into no file, and no notebook has shown it yet."""
        return isinstance(self._file, NoStackFile) and not self._was_shown

    def write(self) -> Path:
        """Write the stack file now, and return its path.

        Raises:
            StackFileError: it cannot be written, and the last good one is still there; or there is
                none.
        """
        return self._file.write()

    @property
    def is_open(self) -> bool:
        """Whether a loop that begins now can be recorded."""
        return self.recorder.at_home and not self.recorder.stopped

    def loop_began(self) -> None:
        """Start the sampler and the flushes of the stack file, unless they go on already.

        Another thread may close the recording meanwhile: then all that is taken back.
        """
        if self._is_closed:
            return
        _warn_of_missing_names(self.recorder.messages)
        hidden_frames.hide(self)
        if self.makes_spans:
            registry.put_in(self)
        self.watch_resources()
        self._file.start()
        self._sampler.start()
        if self._keeper is not None:
            self._keeper.catch_signal()
            self._keeper.start()
        forks.follow(self)
        self._take_back_if_closed()

    def begin(self) -> None:
        """See what may be seen before the first loop begins."""
        self.watch_resources()
        if self._keeper is not None:
            self._keeper.catch_signal()

    def watch_resources(self) -> None:
        """See locks, queues and the like from now on, where they are made as well."""
        if self.recorder.resources is not None:
            from tracetools.instruments import resource_patches  # noqa: PLC0415  # if wanted only

            resource_patches.put_in(self.recorder.resources)

    def _unwatch_resources(self) -> None:
        if self.recorder.resources is not None:
            from tracetools.instruments import resource_patches  # noqa: PLC0415  # likewise

            resource_patches.take_out(self.recorder.resources)

    def loop_ended(self) -> None:
        """End them and write the stack file, if the loop that has just ended was the last one."""
        if self._is_closed or (self._closes and self._file.is_fresh):
            return
        if not self._goes_on:
            with Insist() as insist:
                insist.do(forks.unfollow, self)
                insist.do(self._sampler.end)
                insist.do(self._end_keeper)
                insist.do(self._file.end)
                insist.do(hidden_frames.show, self)
                insist.do(registry.take_out, self)
                if not self._closes:
                    insist.do(self._unwatch_resources)
                    insist.do(self._let_go_of_signal)
        if self._goes_on:
            self.loop_began()  # another thread has begun one meanwhile

    def close(self, *, write: bool = True) -> None:
        """Record nothing more, and write the stack file. Never raises.

        Args:
            write: whether it is written; else the caller does that.
        """
        self._is_closed = True
        with Insist() as insist:
            insist.do(self._end_threads)
            insist.do(self.recorder.close)
            insist.do(self._take_out)
            insist.do(partial(self._file.close, write=write))

    def _end_threads(self) -> None:
        with Insist() as insist:
            insist.do(forks.unfollow, self)
            insist.do(self._sampler.end)
            insist.do(self._end_keeper)

    def _take_out(self) -> None:
        """Leave nothing of what was put into the program."""
        with Insist() as insist:
            insist.do(hidden_frames.show, self)
            insist.do(registry.take_out, self)
            insist.do(self._unwatch_resources)
            insist.do(self._let_go_of_signal)

    def _take_back_if_closed(self) -> None:
        """Take back what was begun while another thread closed the recording.

        Whoever closes it says so first, and takes back what there is. So what was begun before this
        look is found by one of the two.
        """
        if self._is_closed:
            with Insist() as insist:
                insist.do(self._end_threads)
                insist.do(self._take_out)

    def discard(self) -> None:
        """Remove the stack file, if it was made here and nothing was ever written to it."""
        self._file.discard()

    def before_fork(self) -> None:
        """End the threads."""
        keeper = None if self._keeper is None else self._keeper.pause()
        for thread in (self._sampler.pause(), self._file.pause(), keeper):
            if thread is not None:
                forks.await_end(thread)

    def resume(self) -> None:
        """Start them again."""
        self._file.resume()
        self._sampler.start()
        if self._keeper is not None and self._goes_on:
            self._keeper.start()
        self._take_back_if_closed()

    def forked(self) -> None:
        """Record nothing in the child."""
        forks.unfollow(self)
        self._let_go_of_signal()

    @property
    def kept(self) -> tuple[Path, ...]:
        """The pages of slow spans that are kept; see the option `keep`.

        Beside each is a trace of Chrome's, which https://ui.perfetto.dev opens. Traces of a `dump`
        are among them as well.
        """
        return () if self._kept_files is None else self._kept_files.paths

    @property
    def kept_folder(self) -> Path | None:
        """The folder that they are in; ``None`` if none are kept."""
        return None if self._kept_files is None else self._kept_files.folder

    def take_slow(self) -> Mapping[StackPath, SlowSpans]:
        """Return the slow spans that are kept; from now on, the slowest ones are found anew."""
        return {} if self._keeper is None else self._keeper.take_slow()

    def adopt_kept(self, files: Iterable[KeptFile]) -> None:
        """Take over what other processes have kept, and remove what is too much of each name."""
        if self._kept_files is not None and self._keeper is not None:
            self._kept_files.adopt(files, self._keeper.most)

    def dump(self, seconds: float = 10.0) -> list[Path]:
        """Write the last events into a trace for each loop that runs, and return their paths.

        They stand in the folder of the slow spans that are kept, and https://ui.perfetto.dev opens
        them. A trace has the last 100,000 events at most, and 50 µs are needed for each: so do not
        call this in the thread of a busy loop.

        Args:
            seconds: how far back it goes, if as much is kept.

        Raises:
            RecordingError: no events are kept.
            TypeError, ValueError: `seconds` is no number of seconds, or out of bounds.
            StackFileError: a file cannot be written, or there is no stack file.
        """
        if self._keeper is None or self._kept_files is None:
            raise RecordingError("no events are kept: record with keep=slow(), for example")
        return self._kept_files.dump(self._keeper.dump(seconds))

    def events(self, seconds: float) -> list[str]:
        """Return what `dump` writes, as texts: a trace for each loop that runs.

        Raises:
            RecordingError: no events are kept.
            TypeError, ValueError: `seconds` is no number of seconds, or out of bounds.
        """
        from tracetools.output.formats.chrome_trace import chrome_trace  # noqa: PLC0415  # only here
        from tracetools.timelines.notes import Notes  # noqa: PLC0415

        if self._keeper is None:
            raise RecordingError("no events are kept: record with keep=slow(), for example")
        notes = Notes(program_name(), blocking_threshold=self.recorder.threshold)
        return ["".join(chrome_trace(each, notes)) for each in self._keeper.dump(seconds)]

    def _keep(self, seconds: float) -> None:
        """Have slow spans kept."""
        from tracetools.recording.keeper import Keeper, Slow  # noqa: PLC0415  # only here

        how = seconds if isinstance(seconds, Slow) else Slow(seconds)
        messages = self.recorder.messages
        if how.blocking and self.recorder.threshold is None:
            messages.warning("no blocking step is kept: the option blocking is None")
        self._kept_files = self._made_kept_files(messages)
        self._keeper = Keeper(self.recorder, how, self._kept_files.keep)

    def _made_kept_files(self, messages: Messages) -> KeptFiles:
        from tracetools.session.kept_files import KeptFiles  # noqa: PLC0415  # only here

        return KeptFiles(self._beside, messages, self.recorder.threshold)

    def _beside(self) -> Path | None:
        return None if self._file.is_alone else self._file.path

    def _end_keeper(self) -> None:
        if self._keeper is not None:
            self._keeper.end()

    def _let_go_of_signal(self) -> None:
        if self._keeper is not None:
            self._keeper.let_go_of_signal()

    @property
    def _goes_on(self) -> bool:
        running = any(loop.running for loop in self.recorder.loops)
        return running and not self.recorder.stopped


def _check_interpreter() -> None:
    """Refuse what cannot be recorded.

    Raises:
        RecordingError: this interpreter has no GIL.
    """
    why = compat.why_not()
    if why is not None:
        raise RecordingError(why)


_warned: Final[set[str]] = set()


def _warn_of_missing_names(messages: Messages) -> None:
    """Say once what is lost because private names that we lean on are gone."""
    lost = [sentence for sentence in compat.missing() if sentence not in _warned]
    if lost:
        _warned.update(lost)
        messages.warning("not all can be recorded: %s", "; ".join(lost))
