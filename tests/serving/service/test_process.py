"""The end of the server's process: in time, whatever a thread of it is at, and with an answer to whoever waits."""

import http.client
import json
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fastapi import FastAPI

import listing_vibes.serving.service.process as process_module
from helpers.serving import listening
from listing_vibes.serving.service.process import GRACE_S, TELL_S

#: A service whose answers take a minute on a thread that nothing can stop, as the decoding of photos does.
SERVICE = """
import socket, sys, time
from contextlib import asynccontextmanager
from fastapi import FastAPI
from listing_vibes.serving.service.batcher import Batcher
from listing_vibes.serving.service.process import Server
from listing_vibes.serving.service.refusals import refuse_in_sentences

@asynccontextmanager
async def lifespan(app):
    batcher = Batcher(lambda asked: time.sleep(60) or asked, 1)
    app.state.batcher, app.state.give_up = batcher, batcher.give_up
    yield
    await batcher.close()

app = FastAPI(lifespan=lifespan)
refuse_in_sentences(app)

@app.get("/")
async def slow():
    return await app.state.batcher.ask(1)

bound = socket.create_server(("127.0.0.1", 0))
Server(app, lambda: print(bound.getsockname()[1], flush=True), 64).run(sockets=[bound])
"""


@pytest.mark.slow
def test_who_waits_for_a_thread_that_cannot_be_stopped_is_told_and_the_process_ends_in_time():
    process = subprocess.Popen(
        [sys.executable, "-c", SERVICE], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        cwd=Path(__file__).parents[3],
    )  # fmt: skip
    try:
        port = int(re.match(r"\d+", process.stdout.readline())[0])

        def ask(_: int) -> tuple[int, str]:
            client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            client.request("GET", "/")
            answer = client.getresponse()
            return answer.status, json.loads(answer.read())["error"]

        with ThreadPoolExecutor(3) as pool:
            asked = [pool.submit(ask, number) for number in range(3)]
            time.sleep(1)
            begin = time.monotonic()
            process.send_signal(signal.SIGTERM)
            answers = [future.result() for future in asked]
            told = time.monotonic() - begin
            process.wait(60)
            ended = time.monotonic() - begin
    finally:
        process.kill()
        process.wait()
    assert all(status == 503 and "being stopped" in error for status, error in answers)
    assert process.returncode == 0 and "Traceback" not in process.stderr.read()
    assert GRACE_S - TELL_S - 1 < told < GRACE_S and ended < GRACE_S + 2  # of a busy machine


@pytest.mark.slow
def test_a_server_on_a_thread_leaves_the_process_alone(monkeypatch):
    monkeypatch.setattr(process_module, "GRACE_S", 2)
    ended = []
    monkeypatch.setattr(process_module.os, "_exit", ended.append)
    app = FastAPI()
    app.state.give_up = lambda: None
    with listening(app):
        pass
    time.sleep(3)
    assert not ended
