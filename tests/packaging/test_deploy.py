"""What assets/deploy says, without containers: its commands are ones that there are, and its parts agree and work together."""

from __future__ import annotations

import gc
import os
import re
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from fnmatch import fnmatch
from pathlib import Path

import pandas as pd
import pytest
import typer

import listing_vibes.cli  # noqa: F401  (registers the commands)
from helpers.commands import vibes
from helpers.serving import ask, running, stored_events
from helpers.small_market import generate
from helpers.waiting import PATIENCE_S, wait_until
from listing_vibes.cli.shared import app
from listing_vibes.run.run import Run
from listing_vibes.serving.impressions import read_impressions
from listing_vibes.serving.refresh.refresher import REFRESHING
from listing_vibes.serving.service.access import TOKEN
from listing_vibes.serving.service.server import END_S

yaml = pytest.importorskip("yaml")
sql = pytest.importorskip("sqlalchemy")

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "assets" / "deploy"
NGINX = (ROOT / "assets" / "docs" / "nginx.conf").read_text(encoding="utf-8")
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))
SERVICES = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if one["image"] == "listing-vibes"}
CLUSTER = list(yaml.safe_load_all((DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")))
PROMETHEUS = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text(encoding="utf-8"))
ALERTS = yaml.safe_load((DEPLOY / "alerts.yaml").read_text(encoding="utf-8"))
TREE = typer.main.get_command(app).commands
#: What a command needs to write and what it only reads, by the names of its arguments.
WRITES = {"import": ["market"], "train": ["folders"], "evaluate": ["run"], "refresh": ["run"], "monitor": ["run"], "forget": ["run"],
          "serve": [], "explore": []}  # fmt: skip
READS = {"serve": ["run"], "explore": ["runs"]}
SECRET = "a-token-of-many-characters"


def parsed(words: list[str]) -> dict:
    """The arguments of a command line as the program's own parser takes them."""
    name, *rest = words
    with TREE[name].make_context(name, list(rest)) as context:
        return context.params


def pods():
    """Name, template and workload of everything that runs in the cluster."""
    for one in CLUSTER:
        if one["kind"] in ("Deployment", "Job"):
            yield one["metadata"]["name"], one["spec"]["template"], one
        elif one["kind"] == "CronJob":
            yield one["metadata"]["name"], one["spec"]["jobTemplate"]["spec"]["template"], one


def containers():
    for name, template, _ in pods():
        spec = template["spec"]
        for one in [*spec.get("initContainers", []), *spec["containers"]]:
            yield f"{name} {one['name']}", one, spec


def kinds(kind: str) -> list[dict]:
    return [one for one in CLUSTER if one["kind"] == kind]


def mounts_of_service(one: dict) -> dict[str, bool]:
    """Where something is mounted, and whether it can be written."""
    found = dict.fromkeys((tmp.partition(":")[0] for tmp in one.get("tmpfs", [])), True)
    for volume in one.get("volumes", []):
        _, place, *mode = volume.split(":")
        found[place] = mode != ["ro"]
    return found


LINES = {f"compose {name}": (one["command"], mounts_of_service(one)) for name, one in OURS.items()} | {
    f"kubernetes {name}": (
        one["args"],
        {m["mountPath"]: not m.get("readOnly", False) for m in one["volumeMounts"]},
    )
    for name, one, _ in containers()
}


@pytest.mark.parametrize("where", LINES)
def test_every_command_is_one_that_there_is_with_its_folders_at_hand(where):
    words, mounts = LINES[where]
    told = parsed(words)
    for name, writes in [
        *((one, True) for one in WRITES[words[0]]),
        *((one, False) for one in READS.get(words[0], [])),
    ]:
        for path in told[name] if isinstance(told[name], list | tuple) else [told[name]]:
            place = max((one for one in mounts if str(path).startswith(one)), key=len)
            assert mounts[place] or not writes, f"{where} cannot write {path}"
    assert mounts["/tmp"]


def test_both_run_the_same_commands():
    lines = {name.split()[-1]: words for name, (words, _) in LINES.items() if name.startswith("kubernetes")}
    words = {name: one["command"] for name, one in OURS.items() if name != "explore"}
    words["forget"] = [word.replace("${FORGET_USER:-}", "$(FORGET_USER)") for word in words["forget"]]
    assert lines == words


def test_nobody_has_rights_or_writes_where_nothing_is_mounted_and_all_is_bounded():
    for name, one in SERVICES.items():
        assert int(one["user"].partition(":")[0]) > 0 and one["read_only"] and one["cap_drop"] == ["ALL"], (
            name
        )
        assert one["security_opt"] == ["no-new-privileges:true"] and one["mem_limit"], name
    for name, one, spec in containers():
        assert spec["securityContext"]["runAsNonRoot"] and spec["securityContext"]["runAsUser"] > 0, name
        assert one["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }, name  # fmt: skip
        assert one["resources"]["requests"]["cpu"] and one["resources"]["limits"]["memory"], name
        for volume in spec["volumes"]:
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"].endswith("Gi"), name
    assert all("size=" in one["tmpfs"][0] for one in OURS.values())


def test_each_role_that_goes_on_is_asked_whether_it_lives_and_what_ends_is_not(tmp_path):
    for name, one in OURS.items():
        goes_on = one["restart"] == "unless-stopped"
        disabled = one.get("healthcheck", {}).get("disable", False)
        # The image's own check asks the explorer, so only that may do without another.
        assert disabled != goes_on and (name == "explore" or disabled or "test" in one["healthcheck"]), name
    for name, template, workload in pods():
        probed = ["livenessProbe" in one for one in template["spec"]["containers"]]
        assert probed == [workload["kind"] == "Deployment"], name
    (refresh,) = (one for name, one, _ in containers() if name == "vibes-refresh refresh")
    command = refresh["livenessProbe"]["exec"]["command"]
    assert command == OURS["refresh"]["healthcheck"]["test"][1:]
    beat = tmp_path / REFRESHING
    words = [sys.executable, "-c", command[-1].replace("/data/run", str(tmp_path))]
    assert subprocess.run(words, check=False, capture_output=True).returncode != 0
    for age, ends in ((0, 0), (1000, 1)):
        beat.touch()
        os.utime(beat, (time.time() - age,) * 2)
        assert subprocess.run(words, check=False).returncode == ends


def test_the_network_is_closed_but_for_what_the_parts_need():
    closed, serve, database = kinds("NetworkPolicy")
    labels = {name: template["metadata"]["labels"] for name, template, _ in pods()}
    assert closed["spec"] == {
        "podSelector": {"matchLabels": {"app": "vibes"}},
        "policyTypes": ["Ingress", "Egress"],
    }
    assert all(one["app"] == "vibes" for one in labels.values())
    assert serve["spec"]["podSelector"]["matchLabels"] == labels["vibes-serve"]
    (rule,) = serve["spec"]["ingress"]
    (port,) = next(one for name, one, _ in containers() if name == "vibes-serve serve")["ports"]
    assert rule["ports"] == [{"protocol": "TCP", "port": port["containerPort"]}] and rule["from"]
    (chosen,) = database["spec"]["podSelector"]["matchExpressions"]
    asks = {
        template["metadata"]["labels"]["part"]
        for name, template, _ in pods()
        for container, one, _ in containers()
        if container.startswith(f"{name} ") and any(e["name"] == "PGPASSWORD" for e in one.get("env", []))
    }
    assert set(chosen["values"]) == asks == {"setup", "serve", "refresh", "forget"}
    assert [rule["ports"][0]["port"] for rule in database["spec"]["egress"]] == [5432, 53]


def test_whoever_is_told_to_end_has_the_time_that_it_takes():
    assert all(int(one["stop_grace_period"].rstrip("s")) > END_S for one in OURS.values())
    for name, template, workload in pods():
        if workload["kind"] == "Deployment":
            (container,) = template["spec"]["containers"]
            before = int(
                container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command", [0, 0])[1]
            )
            assert template["spec"]["terminationGracePeriodSeconds"] > before + END_S, name


def probe(command: list[str]) -> tuple[int, str]:
    port, path = re.search(r"http://127\.0\.0\.1:(\d+)(/\w+)", command[-1]).groups()
    return int(port), path


def moved() -> str:
    """What nginx reads in the composition: its own `sed`, run here."""
    words = re.match(r"(sed .*?) /etc/vibes/nginx.conf", SERVICES["nginx"]["command"][2])[1].split()
    return subprocess.run(
        [*words, DEPLOY.parent / "docs" / "nginx.conf"], check=True, capture_output=True, text=True
    ).stdout


def test_the_parts_of_the_composition_agree():
    ports = {name: str(parsed(SERVICES[name]["command"])["port"]) for name in ("serve", "explore")}
    for name, port in ports.items():
        assert SERVICES[name]["expose"] == [port] and f"server {name}:{port};" in moved()
    assert probe(SERVICES["serve"]["healthcheck"]["test"]) == (int(ports["serve"]), "/health")
    (job,) = PROMETHEUS["scrape_configs"]
    assert (
        job["static_configs"][0]["targets"] == [f"serve:{ports['serve']}"]
        and job["metrics_path"] == "/metrics"
    )
    environment = SERVICES["serve"]["environment"]
    names = set(environment["LISTING_VIBES_ALLOWED_HOSTS"].split(","))
    assert {"serve", *re.findall(r"server_name (\S+);", NGINX)} == names
    (published,) = SERVICES["nginx"]["ports"]
    assert f"listen {published.split(':')[1]} ssl" in NGINX
    bound = {volume.split(":")[1] for volume in SERVICES["nginx"]["volumes"]}
    assert set(re.findall(r"ssl_certificate\S*\s+(\S+);", NGINX)) < bound
    for one in (
        SERVICES.values()
    ):  # what is mounted is declared or lies here, but for what the first lines tell to make
        for source in (volume.split(":")[0] for volume in one.get("volumes", [])):
            made = source.startswith("./certificates/") or source == "./token"
            assert source in COMPOSE["volumes"] or made or (DEPLOY / source).exists(), source
        assert set(one.get("depends_on", [])) <= set(SERVICES)
    assert job["authorization"]["credentials_file"] in {
        v.split(":")[1] for v in SERVICES["prometheus"]["volumes"]
    }
    assert (
        parsed(SERVICES["import"]["command"])["path"]
        == SERVICES["refresh"]["environment"]["LISTING_VIBES_DATABASE"]
    )


def test_the_parts_of_the_cluster_agree():
    (service,), (budget,), (ingress,) = kinds("Service"), kinds("PodDisruptionBudget"), kinds("Ingress")
    templates = {name: template for name, template, _ in pods()}
    labels, spec = templates["vibes-serve"]["metadata"]["labels"], templates["vibes-serve"]["spec"]
    for selector in (service["spec"]["selector"], budget["spec"]["selector"]["matchLabels"]):
        assert selector == labels
    assert all(
        one["spec"]["selector"]["matchLabels"] == one["spec"]["template"]["metadata"]["labels"]
        for one in kinds("Deployment")
    )
    (serve,) = spec["containers"]
    (port,) = serve["ports"]
    assert (
        port["containerPort"] == parsed(serve["args"])["port"]
        and service["spec"]["ports"][0]["targetPort"] == port["name"]
    )
    backend = ingress["spec"]["rules"][0]["http"]["paths"][0]["backend"]["service"]
    assert backend == {
        "name": service["metadata"]["name"],
        "port": {"name": service["spec"]["ports"][0]["name"]},
    }
    told = templates["vibes-serve"]["metadata"]["annotations"]
    assert (
        told["prometheus.io/port"] == str(port["containerPort"]) and told["prometheus.io/path"] == "/metrics"
    )
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        assert probe(serve[name]["exec"]["command"]) == (port["containerPort"], "/health")
    claims, (settings,) = (
        {one["metadata"]["name"] for one in kinds("PersistentVolumeClaim")},
        kinds("ConfigMap"),
    )
    for name, one, pod in containers():
        volumes = {volume["name"]: volume for volume in pod["volumes"]}
        assert {mount["name"] for mount in one["volumeMounts"]} == set(volumes), name
        assert {
            v["persistentVolumeClaim"]["claimName"] for v in volumes.values() if "persistentVolumeClaim" in v
        } <= claims
        assert one["envFrom"] == [{"configMapRef": {"name": settings["metadata"]["name"]}}]
    hosts = settings["data"]["LISTING_VIBES_ALLOWED_HOSTS"].split(",")
    assert ingress["spec"]["rules"][0]["host"] in hosts and service["metadata"]["name"] in hosts
    for limit, directive in (
        ("proxy-body-size", "client_max_body_size"),
        ("proxy-read-timeout", "proxy_read_timeout"),
    ):
        assert (
            f"{directive} {ingress['metadata']['annotations'][f'nginx.ingress.kubernetes.io/{limit}']}"
            in NGINX
        )


def test_the_image_has_what_its_commands_need():
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
        "optional-dependencies"
    ]
    locked = (DEPLOY / "requirements.txt").read_text() + (DEPLOY / "torch.txt").read_text()
    names = {name.lower() for name in re.findall(r"^([\w.-]+)==", locked, re.MULTILINE)}
    for extra in ("app", "train", "serve", "sources"):
        assert {re.match(r"[\w.-]+", need)[0].lower() for need in extras[extra]} <= names, (
            f"{extra}: run .ci/lock"
        )
    ours = {place for words, mounts in LINES.values() for place in mounts} - {"/tmp"}
    assert ours <= set(re.search(r"install -d -o vibes -g vibes (.*)", text)[1].split())
    assert "--uid 1000 " in text and all(one["user"] == "1000:1000" for one in OURS.values())


def test_the_images_libraries_are_locked_and_nothing_of_it_can_be_written():
    lines = (DEPLOY / "requirements.txt").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    assert lines and all(re.match(r"\S+==\S+ .*--hash=sha256:[0-9a-f]{64}", line) for line in lines)
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes" in text and "--chown" not in text
    assert text.index("USER vibes") > text.rindex("COPY ")
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    copied = {
        word.split("/")[0]
        for line in re.findall(r"^COPY (.*)$", text, re.MULTILINE)
        for word in line.split()[:-1]
    }
    assert "*" in ignored and copied <= {line.removeprefix("!") for line in ignored if line.startswith("!")}


@pytest.mark.parametrize(
    "file",
    [
        "assets/deploy/token", "assets/deploy/certificates/shop.example.com.key", "assets/deploy/.env", ".env",
        "assets/demo/.user-key", "assets/demo/.cache/photos/vectors.sqlite", "core/.env.local",
    ],
)  # fmt: skip
def test_no_secret_gets_into_the_image(file):
    """The last pattern of `.dockerignore` that matches a file or a folder above it decides."""
    is_ignored = False
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        parts, anywhere = file.split("/"), line.removeprefix("!").startswith("**/")
        names = parts if anywhere else ["/".join(parts[: end + 1]) for end in range(len(parts))]
        if line and not line.startswith("#") and any(fnmatch(name, pattern) for name in names):
            is_ignored = not line.startswith("!")
    assert is_ignored


def here(words: list[str], folder: Path, address: str) -> list[str]:
    """A command of the composition, with the folders and the database of this test."""
    moved_ = [re.sub(r"^/data\b", f"{folder}/data", word) for word in words]
    return [address if word.startswith("postgresql") else word for word in moved_]


@pytest.mark.slow
def test_the_commands_do_what_they_are_for(tmp_path, monkeypatch):
    generate(tmp_path / "generated", 80, 80)
    address = f"sqlite:///{tmp_path}/shop.db"
    engine = sql.create_engine(address)
    tables = {
        name: pd.read_parquet(tmp_path / "generated" / f"{name}.parquet") for name in ("listings", "events")
    }
    for name, table in tables.items():
        table.iloc[1:].to_sql(name, engine, index=False)
    monkeypatch.setenv(TOKEN, SECRET)
    monkeypatch.setenv("LISTING_VIBES_DATABASE", address)
    quick = tmp_path / "quick.toml"
    quick.write_text(
        "[encoder]\nlayers = 1\nwidth = 16\nheads = 2\nffn = 32\n[training]\nmax_steps = 4\n[features]\ntext = false\n"
    )
    for name, more in (
        ("import", []),
        ("train", ["--preset", "tiny", "--config", quick]),
        ("evaluate", ["--baselines", "none"]),
    ):
        vibes(*here(OURS[name]["command"], tmp_path, address), *more)

    _, run, *options = here(OURS["serve"]["command"], tmp_path, address)
    options[options.index("0.0.0.0")], options[options.index("8000")] = "127.0.0.1", "0"
    environment = {"LISTING_VIBES_ALLOWED_HOSTS": OURS["serve"]["environment"]["LISTING_VIBES_ALLOWED_HOSTS"]}
    opener = urllib.request.build_opener()
    opener.addheaders = [("Authorization", f"Bearer {SECRET}")]
    monkeypatch.setattr(urllib.request, "_opener", opener)
    with running(Path(run), *options, **environment) as (process, place):
        health = [sys.executable, *OURS["serve"]["healthcheck"]["test"][2:]]
        health[-1] = health[-1].replace("http://127.0.0.1:8000", place)
        assert subprocess.run(health, check=False).returncode == 0
        wrong = subprocess.run(
            health, check=False, capture_output=True, env=os.environ | {TOKEN: SECRET[::-1]}
        )
        assert wrong.returncode == 1 and b"401" in wrong.stderr

        user, listing = tables["events"]["user_id"].iloc[-1], tables["listings"]["listing_id"].iloc[5]
        assert ask(place, f"/recommend/{user}?k=3")
        ask(place, "/events", [{"user_id": user, "listing_id": listing, "action": "view"}])
        tables["listings"].iloc[:1].to_sql("listings", engine, index=False, if_exists="append")
        words = here(OURS["refresh"]["command"], tmp_path, address)
        assert words[-2:] == ["--every", "10m"]
        done = vibes(*words[:-2])
        assert "1 event of 1 user" in done.stderr and "listings 1 new" in done.stderr, done.stderr
        assert wait_until(lambda: ask(place, "/health")["version"], 0.1) == 1

        vibes(*here(OURS["monitor"]["command"], tmp_path, address), check=None)
        (job,) = PROMETHEUS["scrape_configs"]
        scrape = urllib.request.Request(
            place + job["metrics_path"], headers={"Host": job["static_configs"][0]["targets"][0]}
        )
        with opener.open(scrape, timeout=PATIENCE_S) as answer:
            told = answer.read().decode()
        for rule in ALERTS["groups"][0]["rules"]:
            for name in re.findall(r"vibes_\w+", rule["expr"]):
                assert re.search(rf"^(# TYPE )?{name}\b", told, re.MULTILINE), name
        with pytest.raises(urllib.error.HTTPError, match=r"40\d|421"):
            opener.open(
                urllib.request.Request(place + "/health", headers={"Host": "elsewhere.example.com"}),
                timeout=PATIENCE_S,
            )
        assert user in read_impressions(address)["user_id"].tolist()
        gc.collect()  # the commands before were this process, which reads the state as long as it holds the run
        words = [word.replace("${FORGET_USER:-}", user) for word in OURS["forget"]["command"]]
        done = vibes(*here(words, tmp_path, address))
        assert "events.parquet" in done.stdout and address in done.stdout
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
    assert stored_events(address) == [] and user not in read_impressions(address)["user_id"].tolist()
    assert len(Run.open(tmp_path / "data" / "run").listing_ids) == len(tables["listings"])
    engine.dispose()
