"""What a language promises to the worker that serves it, and what the worker gives to it.

A language is loaded once, in the zygote, and then lives in forked workers: whatever `load` and
`boot` leave in memory is what every worker begins with. Nothing here may start a thread. A third
party registers a `LanguageSpec` of its own as an entry point; see `dspex.languages.table`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from dspex.protocol.messages import Answer, Ended, FromWorker, Run
    from dspex.runtimes.progress import Progress
    from dspex.wasm.fast_path import FastPath
    from dspex.wasm.state import Terms


class Link(Protocol):
    """A language's way to the supervisor while it serves a run."""

    def send(self, message: FromWorker) -> None:
        """Send a message of the run."""

    def answers(self, wait_s: float) -> list[Answer]:
        """Return the answers that have arrived since the last call, waiting for a first one.

        Args:
            wait_s: Longest wait in seconds; signals are seen after it.

        Returns:
            Answers in the order of their arrival; none if the time is over.
        """

    def interrupted(self, run: int) -> bool:
        """Tell whether a run that has just begun is to be interrupted: its signal came too early."""


class Language(Protocol):
    """One guest at a time, of one language, in the current process."""

    rehearsal: bytes
    """A small ordinary program: it is run in the zygote, so that what it touches is warm."""

    smallest: bytes
    """A program that does next to nothing: what it touches, every run touches."""

    in_wasm: bool
    """Whether programs run inside WebAssembly; only then does an outcome name that layer.

    A language that does not say so has no such wall.
    """

    def boot(self) -> None:
        """Make a fresh guest from the snapshot; the last one, if any, is gone."""

    def enter_worker(self) -> tuple[int, ...]:
        """Take hold of what belongs to one process, after a fork; return descriptors to keep."""

    def warm(self) -> None:
        """Touch what a run will touch, and draw fresh randomness: before any request is there."""

    def serve(self, run: Run, link: Link) -> Ended:
        """Run a program; outputs, files and calls go through `link`.

        It must return whatever the guest does, short of never giving control back.
        """


class Refreshable(Language, Protocol):
    """A language that can do without `warm`, where a request is there already or will be at once."""

    def refresh(self) -> None:
        """Draw fresh randomness, now or with the next run, and touch nothing else."""


class FastGuest(Refreshable, Protocol):
    """A language whose ordinary runs go without the host's Python; see `dspex.wasm.fast_path`."""

    fast: FastPath | None
    """What leads them; None where this machine has no such library."""

    asking: bytes
    """A program that wants more of its host than that knows: what it touches, most do that do so."""

    @property
    def memory(self) -> tuple[int, int]:
        """Where the guest's memory is, and how long."""

    def offer_turns(self, fast: FastPath) -> None:
        """Say how the next workers' guest is called."""

    def take_over(self, fast: FastPath, run: Run | None, link: Link | None) -> None:
        """Go on from where this worker is, as if it had been led from here since its fork.

        Args:
            fast: Who has led it so far.
            run: The run under way, if there is one.
            link: Where it came from.
        """

    def check_turn(self, fast: FastPath) -> None:
        """Raise what the last turn ended with, if it failed."""

    def end_turn(self, fast: FastPath, run: Run) -> Ended:
        """Say how a run ended that was taken over."""


class StateKeeper(Language, Protocol):
    """A language whose guests can be written down between two runs; see `LanguageSpec.saves`.

    `dspex.wasm.state` does the work for guests that are instances of a snapshot.
    """

    def save_state(self, descriptor: int, bytes_max: int) -> int:
        """Write the guest's state to the start of a memory file; return its size.

        Raises:
            StateUnusable: It does not fit.
        """

    def restore_state(self, descriptor: int, size: int, terms: Terms, *, twin: bool) -> None:
        """Be the guest whose state is in a file, in place of the current one.

        Args:
            descriptor: A memory file that nobody can change any more; what is in it may be hostile.
            size: Its size.
            terms: What the guest may have.
            twin: Whether the saved guest may live on elsewhere: draw fresh randomness.

        Raises:
            StateUnusable: It cannot be; this guest is of no use any more.
        """


class Twinnable(Language, Protocol):
    """A language whose guests survive a copy of their process between two runs; see `LanguageSpec.forks`.

    Sessions of others are forked by writing their state down, which takes longer.
    """

    def become_twin(self, memory_file: int, spent_ns: int) -> None:
        """Take hold of what belongs to one process, in the copy, and draw fresh randomness.

        Args:
            memory_file: An empty one for the guest's interrupts; the caller's.
            spent_ns: Processor time of the original, whose clock must not go back.

        Raises:
            OSError: That cannot be had; this process is of no use.
        """


class CodeLoader(Language, Protocol):
    """A language whose programs are compiled, and loaded in the worker; see `loads_code`."""

    seal: Callable[[], None]
    """Set in each worker: call it when the code is loaded, before any of it runs."""


class Workshop(Protocol):
    """What `LanguageSpec.prepare` may use: workers of the language, and a memory for results."""

    def recall(self, key: bytes) -> bytes | None:
        """Return what was kept under a key, if it is still there."""

    def keep(self, key: bytes, data: bytes) -> None:
        """Keep a result as long as there is room; it is never written to a disk."""

    def make(self, run: Run) -> Mapping[str, bytes]:
        """Run a program in a worker of its own and return the files that it wrote.

        Raises:
            Exception: It did not end well; to be passed on, for that is then the whole outcome.
        """

    def enter(self) -> None:
        """Say that something slow comes, which may need a thread to itself.

        Raises:
            Exception: To be passed on: `prepare` will be called again, in such a thread.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class LanguageSpec:
    """One name that `run(language=...)` takes, and what stands behind it."""

    name: str
    guest: str
    """`module:class` of the `Language`; called with the runtime's folder, and only in zygotes."""

    runtime: Callable[[str | None, Progress], Path]
    """Returns the folder that `guest` is made from, for an image or for None, making it if need be.

    Raises `RequestError` for an unknown image, `OSError` or `RuntimeError` if it cannot be made.
    """

    filename: str
    """What the program is called in its own tracebacks."""

    images: Callable[[], tuple[str, ...]] = tuple
    """Returns the names that `run(image=...)` takes beside None."""

    packages: tuple[str, ...] = ("wasmtime", "msgspec")
    """Python packages that the zygote may import."""

    require_layers: frozenset[str] = frozenset()
    """Isolation layers that this language cannot do without, whatever the policy says."""

    binary_source: bool = False
    """Whether a program may be any bytes; otherwise it is text."""

    sessions: bool = True
    """Whether state can live from run to run."""

    saves: bool = False
    """Whether sessions can be saved, forked and parked: `guest` is a `StateKeeper`."""

    forks: bool = False
    """Whether sessions can be forked by copying their process: `guest` is `Twinnable`.

    Sessions that can be saved can be forked in any case.
    """

    tools: bool = True
    """Whether programs can call the caller's tools."""

    arrays: bool = False
    """Whether numpy arrays cross as such, where both sides have numpy."""

    single_use: bool = False
    """Whether a process can serve only one run (or one session), as `boot` cannot undo what one did."""

    loads_code: bool = False
    """Whether workers make memory executable: `guest` is a `CodeLoader`.

    Its workers do without the layer `no_new_code`, serve one run each and seal themselves.
    """

    of_image: Callable[[LanguageSpec, str], LanguageSpec] | None = None
    """Returns what stands behind an image, where it differs: another `guest`, arrays."""

    prepare: Callable[[Run, Workshop], Run] | None = None
    """Turns a checked request into what workers run, on the caller's side; None for the request itself.

    Raises `GuestRefused` for a program that cannot run, `RequestError` for a request.
    """
