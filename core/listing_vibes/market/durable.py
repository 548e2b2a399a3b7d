"""Atomic writes that survive a power failure, one writer a folder, and removal of what killed writers left."""

import contextlib
import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from listing_vibes.errors import VibesError

try:
    import fcntl
except ImportError:  # Windows: what a killed writer left is swept while another one may write it
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
        temporary, held = _create_temporary(target)
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


def sync_tree(folder: Path) -> None:
    """Call `sync` for all files below a folder and then for the folders, many at once: the disk writes together what waits together.

    Raises:
        VibesError: the disk is full.
    """
    paths = [*folder.rglob("*"), folder]
    try:
        with ThreadPoolExecutor(SYNCED) as pool:
            list(pool.map(sync, [path for path in paths if not path.is_dir()]))
            list(pool.map(sync, [path for path in paths if path.is_dir()]))
    except OSError as error:
        raise write_error(folder, error) from error


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
        if not _is_named(opened, path):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        yield
    finally:
        os.close(opened)


@contextmanager
def only_writer(folder: Path, command: str, name: str = LOCK, wait: bool | float = False) -> Iterator[None]:
    """Keep a second writer away from a folder until this one ends or dies; readers need no lock.

    Args:
        command: what this writer is, for the message that a second one gets: "vibes train".
        name: of the lock file; writers of different names do not exclude each other.
        wait: for so many seconds, or (True) until the other one has ended, instead of refusing at once.

    Raises:
        VibesError: there is another writer, or the folder cannot be written.
    """
    new, path = not folder.is_dir(), folder / name
    guard = FileLock(path, timeout=-1 if wait is True else float(wait))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        guard.acquire(poll_interval=0.1)
    except Timeout as error:
        writer = path.read_text(encoding="utf-8", errors="replace")[:200] if path.is_file() else ""
        raise VibesError(
            f"{folder} is being written by {writer or 'another process'}; wait until that has ended, or stop it first."
        ) from error
    except OSError as error:
        raise write_error(folder, error) from error
    try:
        path.write_text(f"`{command}` (process {os.getpid()})", encoding="utf-8")
        yield
    finally:
        with contextlib.suppress(OSError):
            path.unlink()  # while it is held: filelock opens it again where the name is gone
        guard.release()
        if new:
            with contextlib.suppress(OSError):  # only where nothing was written into it
                folder.rmdir()


def write_error(target: Path, error: OSError) -> VibesError:
    """Return why a file or a folder could not be written, in one sentence."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return VibesError(f"The disk is full while writing {target}; free some space and run the same again.")
    return VibesError(
        f"Cannot write {target} ({error.strerror or error}); choose a folder that can be written."
    )


def _create_temporary(target: Path) -> tuple[Path, int | None]:
    """Return a new file beside `target`, and the descriptor whose lock says that its writer lives."""
    suffix = "-" + target.name if len(os.fsencode(target.name)) < 200 else ""  # a name has 255 bytes at most
    while True:
        opened, name = tempfile.mkstemp(dir=target.parent, prefix=WRITING, suffix=suffix)
        if fcntl is None:
            os.close(opened)
            return Path(name), None
        lock(opened, wait=True)
        if _is_named(opened, Path(name)):
            return Path(name), opened
        os.close(opened)  # it was swept before it was locked


def lock(opened: int, wait: bool = False) -> bool:
    """Lock an open file for this process until it closes it or dies; return whether it was free."""
    if fcntl is None:
        return True
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _is_named(opened: int, path: Path) -> bool:
    """Return whether a path still names the file that is open."""
    try:
        return os.path.samestat(os.fstat(opened), path.stat())
    except FileNotFoundError:
        return False
