"""Starting the server: a free port, this machine only, from any folder."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from listing_vibes.errors import VibesError
from listing_vibes_app.app_pages.map import drawing_job
from listing_vibes_app.server import launch


def option(arguments, name):
    return arguments[arguments.index(name) + 1]


def test_the_command_listens_on_this_machine_at_a_free_port(eventless):
    arguments = launch.command([eventless], None, browser=False)
    assert option(arguments, "--server.address") == "127.0.0.1"
    assert option(arguments, "--server.headless") == "true"
    assert arguments[arguments.index("--") + 1 :] == [str(eventless.resolve())]
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", int(option(arguments, "--server.port"))))


def test_a_container_may_say_where_to_listen(eventless, monkeypatch):
    monkeypatch.setenv("LISTING_VIBES_HOST", "0.0.0.0")
    assert option(launch.command([eventless], 8501), "--server.address") == "0.0.0.0"


def test_a_port_in_use_and_a_folder_that_is_no_run_are_told(eventless, tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(VibesError, match=f"Port {port} on 127.0.0.1 cannot be used"):
            launch.command([eventless], port)
    with pytest.raises(VibesError, match=r"holds no run\.toml"):
        launch.command([tmp_path])
    with pytest.raises(VibesError, match="No run was given"):
        launch.command([])


@pytest.mark.slow
def test_the_server_answers_from_another_folder_with_our_settings(eventless, tmp_path):
    arguments = launch.command([eventless], None, browser=False)
    server = subprocess.Popen(arguments, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    try:
        page = answer_of(launch.address(arguments) + "/similar?listing=l00", server)
        assert "<title>" in page
        config = answer_of(launch.address(arguments) + "/_stcore/health", server)
        assert config == "ok"
    finally:
        server.terminate()
        server.wait(30)


NOTEBOOK = (
    "import subprocess, sys; from pathlib import Path; from listing_vibes_app.server.launch import command;"
    "sys.exit(subprocess.call(command([Path(sys.argv[1])], int(sys.argv[2]), False)))"
)


@pytest.fixture
def shadowing(tmp_path):
    """A working directory whose modules are named as ours and as libraries, and fail where anything imports them."""
    for name in ("app", "core", "tests"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise ImportError('of the working directory')\n")
    for name in ("torch", "streamlit", "umap"):
        (tmp_path / f"{name}.py").write_text("raise ImportError('of the working directory')\n")
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("start", ["demo", "explore", "notebook"])
def test_the_explorer_prints_one_line_also_where_the_folder_shadows_modules(eventless, shadowing, start):
    port = launch.free_port()
    script = str(Path(sys.executable).with_name("vibes"))
    tail = ["--no-browser", "--port", str(port)]
    arguments = {
        "demo": [script, "demo", *tail],
        "explore": [script, "explore", str(eventless), *tail],
        "notebook": [sys.executable, "-c", NOTEBOOK, str(eventless), str(port)],
    }[start]
    server = subprocess.Popen(
        arguments, cwd=shadowing, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True
    )
    url = f"http://127.0.0.1:{port}"
    try:
        assert answer_of(url + "/_stcore/health", server) == "ok"
        line = server.stdout.readline().decode()
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        rest = server.communicate(timeout=30)[0].decode()
    assert url in line and "Streamlit" not in line + rest and rest.strip() == ""


@pytest.mark.slow
def test_ctrl_c_ends_the_explorer_without_a_word(eventless):
    port = launch.free_port()
    server = subprocess.Popen(
        launch.command([eventless], port, browser=False),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    answer_of(f"http://127.0.0.1:{port}/_stcore/health", server)
    server.stdout.readline()
    os.killpg(server.pid, signal.SIGINT)
    assert server.communicate(timeout=30)[0].decode().strip() == "" and server.returncode == -signal.SIGINT


@pytest.mark.slow
def test_an_error_of_the_start_is_still_seen(eventless, tmp_path, monkeypatch):
    monkeypatch.setenv("STREAMLIT_SERVER_MAX_UPLOAD_SIZE", "none")  # Streamlit cannot read it
    done = subprocess.run(
        launch.command([eventless], None, browser=False),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode and "Error" in done.stderr


@pytest.mark.slow
def test_a_map_is_drawn_where_the_folder_shadows_modules(trained, shadowing, monkeypatch):
    monkeypatch.chdir(shadowing)
    job = drawing_job.start(trained)
    job.process.wait(200)
    assert job.trouble == ""
    drawing_job.forget(trained)


def answer_of(url, server, patience=60):
    end = time.monotonic() + patience
    while True:
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                return answer.read().decode()
        except OSError:  # refused, reset, or a machine too busy to answer in time
            assert server.poll() is None, server.stdout.read().decode()
            assert time.monotonic() < end
            time.sleep(0.2)


@pytest.mark.slow
def test_the_settings_beside_the_server_are_those_that_streamlit_reads():
    code = (
        "import streamlit.config as c, listing_vibes_app.server.launch as l; from pathlib import Path;"
        "c._main_script_path = str(Path(l.__file__).parents[1] / 'asgi.py');"
        "print(c.get_option('browser.gatherUsageStats'), c.get_option('client.toolbarMode'),"
        "c.get_option('theme.light.primaryColor'), c.get_option('theme.dark.primaryColor'))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "minimal", "#0f5f66", "#6cc7bf"]
