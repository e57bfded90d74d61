"""docker-compose.yml fits the Compose Specification, and keeps to rules of our own."""

from __future__ import annotations

import importlib.util
import itertools
import re
import shutil
import subprocess
import tomllib

import pytest
from pydantic import ValidationError

from backend.jobs.broker import QUEUE_OF_KIND
from backend.settings import Settings
from tests import services
from tests.deployment import compose
from tests.deployment.compose import COMPOSE_FILE, REPOSITORY, Compose, MissingVariable

SECRETS = (
    "POSTGRES_PASSWORD",
    "REDIS_PASSWORD",
    "QDRANT_API_KEY",
    "S3_SECRET_KEY",
    "GRAFANA_PASSWORD",
)
FILLED = dict.fromkeys(SECRETS, "secret")
ONE_SHOTS = {"migration"}
OF_THE_UI = {"AKIN_URL", "AKIN_PUBLIC_URL"}


@pytest.fixture(scope="module")
def file() -> Compose:
    return compose.read(FILLED)


def ours(file):
    """The services that run Akin's own image."""
    return {name: service for name, service in file.services.items() if service.build}


# --- that it is what it says it is


def test_compose_itself_accepts_it():
    docker = shutil.which("docker")
    if docker is None or subprocess.run([docker, "compose", "version"], check=False).returncode:
        pytest.skip("no `docker compose` here to ask")
    done = subprocess.run(
        [docker, "compose", "--env-file", "/dev/null", "-f", str(COMPOSE_FILE), "config", "-q"],
        env=FILLED,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("where", "misspelt"),
    [("api", {"helthcheck": {}}), ("api", {"restart": "sometimes"}), ("redis", {"ports": [80]})],
)
def test_a_misspelt_file_would_not_pass(where, misspelt):
    content = compose.raw()
    content["services"][where] |= misspelt
    with pytest.raises(ValidationError):
        Compose.model_validate(content)


def test_what_is_referred_to_is_there(file):
    for service in file.services.values():
        assert set(service.depends_on) <= set(file.services)
        assert set(service.networks) <= set(file.networks)
        for volume in service.volumes:
            source = volume.split(":")[0]
            is_there = source in file.volumes or (REPOSITORY / source).exists()  # or /dev/null
            assert is_there, volume


# --- what may be reached


def test_ports_are_published_on_this_machine_only_and_by_nginx_and_grafana_only(file):
    published = {name: s.ports for name, s in file.services.items() if s.ports}
    assert list(published) == ["nginx", "grafana"]
    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_the_stores_have_no_way_out_and_no_way_past_akin(file):
    data = file.networks["data"]
    assert data is not None
    assert data.internal
    for name in ("postgres", "redis", "qdrant", "minio"):
        assert file.services[name].networks == ["data"]
    for name in ("nginx", "ui", "grafana"):
        assert "data" not in file.services[name].networks


def test_who_fetches_pictures_from_the_web_has_a_way_out_and_is_told_whether_to(file):
    way_out = file.networks["way-out"]
    assert way_out is None or not way_out.internal
    for name, service in {**workers_of(file, "io"), "api": file.services["api"]}.items():
        assert "way-out" in service.networks, name
        assert service.environment["AKIN_URL_IMPORT"] == "0", name
    told = compose.read(FILLED | {"AKIN_URL_IMPORT": "cdn.shop.example"})
    assert told.services["worker"].environment["AKIN_URL_IMPORT"] == "cdn.shop.example"


def test_our_containers_have_no_rights_they_do_not_need(file):
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    assert re.search(r"^USER [1-9]\d*:[1-9]\d*$", dockerfile, re.MULTILINE)
    for service in [*ours(file).values(), file.services["nginx"]]:
        assert service.read_only
        assert service.cap_drop == ["ALL"]
        assert service.security_opt == ["no-new-privileges:true"]
    assert file.services["nginx"].user not in (None, "0", "0:0", "root")


# --- secrets


def test_no_secret_has_a_default():
    asked = compose.asked()
    assert {name for name, (kind, _) in asked.items() if kind == "?"} == set(SECRETS)
    for name in asked:
        is_file = name.endswith("_FILE")
        is_secret = not is_file and re.search("PASSWORD|KEY|SECRET|TOKEN", name) is not None
        assert is_secret == (name in SECRETS)
    text = COMPOSE_FILE.read_text()
    assert not re.search(r"(PASSWORD|API_KEY|AUTH|requirepass)\"?[:,] *\"?(?!\"?\$\{)\w", text)


@pytest.mark.parametrize("missing", SECRETS)
def test_a_missing_secret_is_told_with_what_to_do(missing):
    others = {name: value for name, value in FILLED.items() if name != missing}
    with pytest.raises(
        MissingVariable,
        match=rf"{missing} is missing.*write \.env with python3 -m backend.environment_file",
    ):
        compose.read(others)


def test_the_example_names_every_variable_and_holds_no_secret():
    lines = (REPOSITORY / ".env.example").read_text().splitlines()
    given = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert set(given) == set(compose.asked()) | {"COMPOSE_PROFILES"}
    assert {given[name] for name in SECRETS} == {""}
    for name, (kind, default) in compose.asked().items():
        if kind == "-":
            assert given[name] == default.replace("/dev/null", ""), name
    profiles = {p for s in compose.read(FILLED).services.values() for p in s.profiles}
    assert profiles == {"cpu", "gpu", "s3", "observability"}
    assert given["COMPOSE_PROFILES"] in profiles


# --- images


def test_images_are_named_by_version(file):
    for service in file.services.values():
        version = r":v?\d+\.\d+(\.\d+)?(-[a-z0-9]+)?$|:RELEASE\.\d{4}-\d\d-\d\dT[\d-]+Z$"
        assert re.search(version, service.image), service.image
    assert file.services["qdrant"].image == services.QDRANT_IMAGE


def test_our_images_bear_our_version_and_their_target_exists(file):
    version = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]["version"]
    dockerfile = (REPOSITORY / "Dockerfile").read_text()
    for service in ours(file).values():
        assert service.build is not None
        assert service.image == f"akin-{service.build.target}:{version}"
        assert re.search(rf"^FROM \w+ AS {service.build.target}$", dockerfile, re.MULTILINE)


# --- processes


def test_whatever_keeps_running_has_a_health_check_and_is_restarted(file):
    for name, service in file.services.items():
        if name in ONE_SHOTS:
            assert (service.restart, service.healthcheck) == ("no", None)
        else:
            assert service.restart == "unless-stopped", name
            assert service.healthcheck is not None, name


def test_nothing_of_akin_starts_before_the_tables_are_right(file):
    for name, service in ours(file).items():
        if service.environment.get("AKIN_DATABASE_URL") and name not in {"migration", "beat"}:
            assert service.depends_on["migration"].condition == "service_completed_successfully"
            for store in ("redis", "qdrant"):
                assert service.depends_on[store].condition == "service_healthy"
    assert file.services["migration"].depends_on["postgres"].condition == "service_healthy"
    for behind in ("api", "ui"):
        assert file.services["nginx"].depends_on[behind].condition == "service_healthy"


def test_redis_refuses_rather_than_forgets(file):
    command = file.services["redis"].command
    assert command[command.index("--maxmemory-policy") + 1] == "noeviction"
    assert command[command.index("--appendonly") + 1] == "yes"


def test_every_variable_of_akin_is_a_setting(file):
    settings = {f"AKIN_{name.upper()}" for name in Settings.model_fields}
    for name, service in file.services.items():
        known = OF_THE_UI if name == "ui" else settings
        unknown = {key for key in service.environment if key.startswith("AKIN_")} - known
        assert unknown == set(), name
    source = (REPOSITORY / "ui" / "connection.py").read_text()
    assert all(name in source for name in OF_THE_UI)


def test_the_settings_of_every_service_work_together(file, monkeypatch):
    for service in ours(file).values():
        if "AKIN_DATABASE_URL" in service.environment:
            for key, value in service.environment.items():
                monkeypatch.setenv(key, value)
            settings = Settings()
            settings.check()
            assert not settings.embedded
            assert settings.pretrained is None


def test_commands_refer_to_what_is_there(file):
    for service in ours(file).values():
        words = [*service.command, *(service.healthcheck.test if service.healthcheck else [])]
        assert service.command[0] == "python"
        for flag, module in itertools.pairwise(words):
            if flag in ("-m", "-A"):
                assert importlib.util.find_spec(module) is not None, module
        for word in words:
            if word.endswith(".py"):
                assert (REPOSITORY / word).exists(), word


def test_every_queue_has_a_worker_whichever_profile_is_chosen(file):
    for profile in ("cpu", "gpu"):
        taken: list[str] = []
        for service in file.services.values():
            if "worker" in service.command and (
                not service.profiles or profile in service.profiles
            ):
                taken += service.command[service.command.index("-Q") + 1].split(",")
        assert {*QUEUE_OF_KIND.values(), "beat"} <= set(taken)


def workers_of(file, queue):
    """The services whose workers take a queue."""
    return {
        name: service
        for name, service in file.services.items()
        if "worker" in service.command
        and queue in service.command[service.command.index("-Q") + 1].split(",")
    }


def test_who_trains_and_who_forgets_deleted_pictures_share_the_folder_of_trainings(file):
    names = {*workers_of(file, "train"), *workers_of(file, "embed"), *workers_of(file, "reembed")}
    assert names == {"trainer-cpu", "trainer-gpu", "embedder-cpu", "embedder-gpu"}
    for name in names:
        service = file.services[name]
        assert f"training:{service.environment['AKIN_TRAINING_HOME']}" in service.volumes


@pytest.mark.parametrize("name", ["embedder-gpu", "trainer-gpu"])
def test_the_gpu_worker_reserves_a_card_and_insists_on_it(file, name):
    service = file.services[name]
    assert service.deploy is not None
    assert service.deploy.resources.reservations is not None
    (device,) = service.deploy.resources.reservations.devices
    assert (device.driver, device.capabilities) == ("nvidia", ["gpu"])
    assert service.environment["AKIN_DEVICE"] == "cuda"


# --- resources, profiles, TLS


def megabytes(size):
    return int(size[:-1]) * (1024 if size.endswith("g") else 1)


def test_nothing_may_take_the_whole_machine(file):
    for name, service in file.services.items():
        assert service.deploy is not None, name
        assert megabytes(service.deploy.resources.limits.memory) >= 256, name
    redis = file.services["redis"]
    wanted = redis.command[redis.command.index("--maxmemory") + 1].removesuffix("b")
    assert redis.deploy is not None
    # It forks to rewrite its log, and then holds what changes meanwhile twice.
    assert megabytes(redis.deploy.resources.limits.memory) >= 2 * megabytes(wanted)


def test_searches_come_before_the_work_of_workers(file):
    api = file.services["api"].cpu_shares
    for name in ("worker", "embedder-cpu", "embedder-gpu", "trainer-cpu", "trainer-gpu"):
        assert file.services[name].cpu_shares < api


def test_what_belongs_to_a_profile_is_needed_by_nothing_outside_of_it(file):
    for name, service in file.services.items():
        for other, dependency in service.depends_on.items():
            profiles = file.services[other].profiles
            assert not dependency.required or set(profiles) <= set(service.profiles), (name, other)


def test_a_bucket_takes_the_place_of_the_volume_by_variables():
    given = {"BLOB_URL": "s3://akin", "S3_ENDPOINT_URL": "http://minio:9000", "S3_USER": "ann"}
    services = compose.read(FILLED | given).services
    for name in ("api", "worker", "embedder-cpu", "trainer-gpu"):
        environment = services[name].environment
        assert environment["AKIN_BLOB_URL"] == "s3://akin"
        assert environment["AKIN_S3_ENDPOINT_URL"] == "http://minio:9000"
        user, key = environment["AWS_ACCESS_KEY_ID"], environment["AWS_SECRET_ACCESS_KEY"]
        minio = services["minio"].environment
        assert (user, key) == (minio["MINIO_ROOT_USER"], minio["MINIO_ROOT_PASSWORD"])
        assert "way-out" in services[name].networks
    assert services["minio"].profiles == ["s3"]


def test_two_variables_bring_tls(file):
    plain = file.services["nginx"].volumes
    assert any("/servers.conf.template:" in volume for volume in plain)
    assert sum(volume.startswith("/dev/null:") for volume in plain) == 2
    given = {"TLS_CERTIFICATE_FILE": "/etc/akin/cert.pem", "TLS_KEY_FILE": "/etc/akin/key.pem"}
    nginx = compose.read(FILLED | given).services["nginx"]
    targets = dict(volume.rsplit(":", 2)[:2] for volume in nginx.volumes)
    assert targets["./deploy/nginx/servers-tls.conf.template"].endswith("/servers.conf.template")
    assert targets["/etc/akin/cert.pem"] == nginx.environment["NGINX_CERTIFICATE"]
    assert targets["/etc/akin/key.pem"] == nginx.environment["NGINX_CERTIFICATE_KEY"]
