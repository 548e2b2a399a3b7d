"""Files that are there whole or not at all, also after the power went; one writer a folder; what killed writers left."""

import contextlib
import errno
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from listing_vibes.errors import VibesError

try:
    import fcntl
except ImportError:  # Windows: two writers are told apart by nothing
    fcntl = None  # type: ignore[assignment]

WRITING, LOCK = ".writing-", ".writer"
SYNCED = 16  # files that wait for the disk at once


@contextmanager
def atomic_path(target: Path, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside `target`; on success it replaces `target`, on failure it is removed.

    Args:
        durable: the disk has the file, and then its name, before this ends; False for what is only a cache.

    Raises:
        VibesError: the disk is full or the folder cannot be written.
    """
    target = Path(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary, held = _begun(target)
    except OSError as error:
        raise write_error(target, error) from error
    try:
        yield temporary
        temporary.chmod(0o644)
        if durable:
            sync(temporary)
        os.replace(temporary, target)
        if durable:
            sync(target.parent)
    except OSError as error:
        raise write_error(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)
        if held is not None:
            os.close(held)


def sync(path: Path) -> None:
    """Wait until the disk has a file, or what a folder says of its files."""
    try:
        opened = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder, on Windows
        return
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno not in (
            errno.EINVAL,
            errno.ENOTSUP,
            errno.EROFS,
        ):  # what a file system knows no sync of
            raise
    finally:
        os.close(opened)


def sync_all(files: Collection[Path]) -> None:
    """`sync` of files and then of the folders that they are in, at once: the disk writes together what waits together.

    Raises:
        VibesError: the disk is full.
    """
    with ThreadPoolExecutor(SYNCED) as pool:
        for paths in (files, {path.parent for path in files}):
            for path, done in [(path, pool.submit(sync, path)) for path in paths]:
                try:
                    done.result()
                except OSError as error:
                    raise write_error(path, error) from error


def sync_tree(folder: Path) -> None:
    """`sync` of all files below a folder, and of the folders."""
    for path in sorted(folder.rglob("*"), reverse=True):
        sync(path)
    sync(folder)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file; whoever reads `target` sees the old content or the new one, whole."""
    with atomic_path(target) as temporary:
        shutil.copyfile(source, temporary)


def sweep_left(folder: Path) -> None:
    """Remove from a folder what writers left that were killed; what is being written stays."""
    for path in folder.glob(f"{WRITING}*"):
        with contextlib.suppress(OSError), locked(path, wait=False):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


@contextmanager
def staging_folder(folder: Path) -> Iterator[Path]:
    """Yield a new folder inside `folder` for what is not finished yet, removed at the end.

    Of a writer that is killed, `sweep_left` removes it.

    Raises:
        VibesError: the folder cannot be written.
    """
    new = not folder.is_dir()
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            while True:
                staging = Path(tempfile.mkdtemp(dir=folder, prefix=WRITING))
                with contextlib.suppress(FileNotFoundError):  # it was swept before it was locked
                    held.enter_context(locked(staging))
                    break
        except OSError as error:
            raise write_error(folder, error) from error
        try:
            yield staging
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            if new:
                with contextlib.suppress(OSError):  # only where nothing was written into it
                    folder.rmdir()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield an empty temporary folder; of a process that is killed, the next one removes it."""
    place = Path(tempfile.gettempdir())
    sweep_left(place)
    with staging_folder(place) as folder:
        yield folder


@contextmanager
def locked(path: Path, wait: bool = True) -> Iterator[None]:
    """Lock a folder or file that is there, under whatever name it goes, until the end or the death of this process.

    Raises:
        BlockingIOError: another process holds it, and `wait` is False.
        FileNotFoundError: it is not there, or was renamed or removed by who held it.
    """
    if fcntl is None:
        yield
        return
    opened = os.open(path, os.O_RDONLY)
    try:
        if not lock(opened, wait):
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), str(path))
        if not is_named(opened, path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        yield
    finally:
        os.close(opened)


@contextmanager
def only_writer(folder: Path, doing: str, name: str = LOCK, wait: bool | float = False) -> Iterator[None]:
    """Keeps a second writer away from a folder until this one ends, or dies; readers need no lock.

    Args:
        doing: what this writer is, as the other one is told: "vibes train".
        name: of the lock; writers of different names do not mind each other.
        wait: for so many seconds, or (True) until the other one has ended, instead of refusing at once.

    Raises:
        VibesError: there is another writer, or the folder cannot be written.
    """
    new = not folder.is_dir()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        held = _taken(folder / name, wait)
    except OSError as error:
        raise write_error(folder, error) from error
    if held is None:
        raise VibesError(
            f"{folder} is being written by {_holder(folder / name)}; wait until that has ended, or stop it first."
        )
    try:
        os.truncate(held, 0)
        os.write(held, f"`{doing}` (process {os.getpid()})".encode())
        yield
    finally:
        with contextlib.suppress(OSError):
            (folder / name).unlink()  # while it is held: whoever waits for it looks again
        os.close(held)
        if new:
            with contextlib.suppress(OSError):  # only where nothing was written into it
                folder.rmdir()


def write_error(target: Path, error: OSError) -> VibesError:
    """Why a file or a folder could not be written, in one sentence."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return VibesError(f"The disk is full while writing {target}; free some space and run the same again.")
    return VibesError(
        f"Cannot write {target} ({error.strerror or error}); choose a folder that can be written."
    )


def _begun(target: Path) -> tuple[Path, int | None]:
    """A new file beside `target`, and the descriptor that says, by its lock, that its writer lives."""
    suffix = "-" + target.name if len(os.fsencode(target.name)) < 200 else ""  # a name has 255 bytes at most
    while True:
        opened, name = tempfile.mkstemp(dir=target.parent, prefix=WRITING, suffix=suffix)
        if fcntl is None:
            os.close(opened)
            return Path(name), None
        lock(opened, wait=True)
        if is_named(opened, Path(name)):
            return Path(name), opened
        os.close(opened)  # it was swept before it was locked


def _taken(path: Path, wait: bool | float) -> int | None:
    """A descriptor that holds the lock; None where another one does."""
    until = time.monotonic() + wait
    while True:
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        if not lock(opened, wait is True):
            os.close(opened)
            if time.monotonic() >= until:
                return None
            time.sleep(0.1)
            continue
        if fcntl is None or is_named(opened, path):
            return opened
        os.close(opened)  # the one before removed it


def lock(opened: int, wait: bool = False) -> bool:
    """Lock an open file for this process, until it closes it or dies; whether it was free."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def is_named(opened: int, path: Path) -> bool:
    """Whether a path still names the file that is open."""
    try:
        return os.path.samestat(os.fstat(opened), path.stat())
    except FileNotFoundError:
        return False


def _holder(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")[:200] or "another process"
    except OSError:
        return "another process"
