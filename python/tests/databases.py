"""Database servers of the tests' own: on unix sockets in folders of theirs, by a user who may do nothing.

They need the programs of Debian's packages `mariadb-server-core`, `mariadb-client-core` and `postgresql`. No
service of the system is used, started or stopped.
"""

from __future__ import annotations

import glob
import json
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pymysql
import pytest
from conftest import PATIENCE, Bench, RedisServer, wait_for
from dontmanage_cache.database.engines import forget_engines
from dontmanage_cache.model import declared
from dontmanage_cache.model.declared import all_doctypes
from dontmanage_cache.model.migrating import migrate

import dontmanage
from dontmanage_cache import documents

KINDS = ("sqlite", "mariadb", "postgres")

# Whom servers run as where the tests are root's; both refuse to be root.
NOBODY = "nobody"


def as_nobody() -> dict[str, Any]:
    if os.getuid() != 0:
        return {}
    entry = pwd.getpwnam(NOBODY)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def program(name: str, package: str) -> str:
    """The path of a server's program; Debian keeps PostgreSQL's where no PATH leads."""
    places = [
        *sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True),
        os.environ["PATH"],
        "/usr/sbin",
        "/sbin",
    ]
    found = shutil.which(name, path=":".join(places))
    assert found, f"{name} is needed for this test: apt-get install {package}"
    return found


class DatabaseServer:
    """A server of one kind. It is ended at once, for there is nothing to keep, and its folder is removed."""

    kind: str
    stop_signal = signal.SIGKILL

    def __init__(self) -> None:
        # A unix socket's path must be short.
        self.folder = Path(tempfile.mkdtemp(prefix=f"{self.kind}-"))
        self.folder.chmod(0o755)
        if os.getuid() == 0:
            entry = pwd.getpwnam(NOBODY)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self.data = self.folder / "data"
        # Not in the folder: that is not ours any more.
        self.log = Path(tempfile.mkstemp(prefix=f"{self.kind}-log-")[1])
        self.prepare()
        self.start()

    def prepare(self) -> None:
        raise NotImplementedError

    def words(self) -> list[str]:
        raise NotImplementedError

    def answers(self) -> bool:
        raise NotImplementedError

    def run(self, *words: str) -> None:
        done = subprocess.run(
            words,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE * 4,
            env=self.environment(),
            **as_nobody(),
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.folder),
            "LC_ALL": "C",
            "TMPDIR": str(self.folder),
        }

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.words(),
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment(),
                **as_nobody(),
            )

        def ready() -> bool:
            assert self.process.poll() is None, self.log.read_text(errors="replace")
            return self.answers()

        wait_for(f"{self.kind} answers", ready)

    def stop(self) -> None:
        self.process.send_signal(self.stop_signal)
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def close(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)
        self.log.unlink()

    def make_database(self) -> dict[str, Any]:
        """A new database; the site's config for it."""
        raise NotImplementedError

    own_session: str
    """The statement that gives a session's number."""
    kill: str

    def end_session(self, number: int) -> None:
        """As if its connection had dropped."""
        with self.connect() as connection, connection.cursor() as cursor:
            cursor.execute(self.kill.format(number))


class MariaDB(DatabaseServer):
    kind = "mariadb"
    own_session = "select connection_id()"
    kill = "kill {}"

    def prepare(self) -> None:
        self.socket = self.folder / "m.sock"
        self.run(
            program("mariadb-install-db", "mariadb-server-core"),
            "--no-defaults",
            f"--datadir={self.data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )

    def words(self) -> list[str]:
        return [
            program("mariadbd", "mariadb-server-core"),
            "--no-defaults",
            f"--datadir={self.data}",
            f"--socket={self.socket}",
            "--skip-networking",
            f"--pid-file={self.folder}/pid",
            f"--tmpdir={self.folder}",
            "--innodb-buffer-pool-size=32M",
            "--innodb-flush-log-at-trx-commit=2",
            "--performance-schema=OFF",
            "--max-connections=300",
        ]

    def connect(self) -> Any:
        return pymysql.connect(unix_socket=str(self.socket), user="root", autocommit=True)

    def answers(self) -> bool:
        # The driver forgets to close a socket that finds nobody.
        with socket.socket(socket.AF_UNIX) as probe:
            if probe.connect_ex(str(self.socket)) != 0:
                return False
        self.connect().close()
        return True

    def make_database(self) -> dict[str, Any]:
        name, password = f"_{secrets.token_hex(6)}", secrets.token_hex(8)
        connection = self.connect()
        with connection.cursor() as cursor:
            cursor.execute(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4")
            cursor.execute(f"CREATE USER `{name}`@localhost IDENTIFIED BY '{password}'")
            cursor.execute(f"GRANT ALL ON `{name}`.* TO `{name}`@localhost")
        connection.close()
        return {"db_type": "mariadb", "db_name": name, "db_password": password, "db_socket": str(self.socket)}


class PostgreSQL(DatabaseServer):
    kind = "postgres"
    own_session = "select pg_backend_pid()"
    kill = "select pg_terminate_backend({})"
    # Killed, it would leave its shared memory behind.
    stop_signal = signal.SIGQUIT

    def prepare(self) -> None:
        self.run(
            program("initdb", "postgresql"),
            f"--pgdata={self.data}",
            "--username=root",
            "--auth=trust",
            "--no-locale",
            "--encoding=UTF8",
            "--no-sync",
        )

    def words(self) -> list[str]:
        return [
            program("postgres", "postgresql"),
            "-D",
            str(self.data),
            "-k",
            str(self.folder),
            "-c",
            "listen_addresses=",
            "-c",
            "fsync=off",
            "-c",
            "max_connections=200",
        ]

    def connect(self) -> Any:
        return psycopg.connect(host=str(self.folder), user="root", dbname="postgres", autocommit=True)

    def answers(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def make_database(self) -> dict[str, Any]:
        name = f"_{secrets.token_hex(6)}"
        with self.connect() as connection:
            connection.execute(f'CREATE ROLE "{name}" LOGIN')
            connection.execute(f'CREATE DATABASE "{name}" OWNER "{name}"')
        return {"db_type": "postgres", "db_name": name, "db_socket": str(self.folder)}


SERVERS = {"mariadb": MariaDB, "postgres": PostgreSQL}
_running: dict[str, DatabaseServer] = {}


def server_of(kind: str) -> DatabaseServer:
    """The server that all tests share; it is started for the first that asks."""
    found = _running.get(kind)
    if found is None:
        found = _running[kind] = SERVERS[kind]()
    return found


@pytest.fixture(scope="session", autouse=True)
def servers() -> Iterator[None]:
    """Ends what was started."""
    yield
    forget_engines()
    for server in _running.values():
        server.close()
    _running.clear()


@pytest.fixture(autouse=True)
def declared_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one test declares is not there for the next."""
    monkeypatch.setattr(declared, "_given", {})


def make_site(kind: str, redis: RedisServer, folder: Path, **config: Any) -> Bench:
    """A bench whose site `a.test` has a new database, or that of the configuration; it is entered."""
    bench = Bench(folder, redis.url, signed=True)
    given: dict[str, Any] = {"db_name": bench.prefix, "db_type": "sqlite"}
    if kind != "sqlite" and "db_name" not in config:
        given = server_of(kind).make_database()
    given |= config
    bench.prefix = given["db_name"]
    write_config(bench, **given)
    bench.enter()
    return bench


def write_config(bench: Bench, **config: Any) -> None:
    path = bench.sites / "a.test" / "site_config.json"
    known = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(known | config))


# The databases with the tables of `shop.py`, by kind.
_shops: dict[str, dict[str, Any]] = {}


@pytest.fixture(params=KINDS)
def shop(
    request: pytest.FixtureRequest,
    redis_server: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Bench]:
    """A site with the doctypes of `shop.py` and their tables, on each kind of database."""
    # As in a process that has registered none.
    monkeypatch.setattr(documents, "_loaders", {})
    folder = tmp_path / "bench"
    (folder / "sites" / "doctypes").mkdir(parents=True)
    shutil.copy(Path(__file__).parent / "shop.py", folder / "sites" / "doctypes")
    if request.param == "sqlite":
        bench = make_site(request.param, redis_server, folder)
        migrate()
    else:
        bench = make_site(request.param, redis_server, folder, **_shops.get(request.param, {}))
        if request.param in _shops:
            # Making tables takes these servers longer than emptying them.
            for doctype in all_doctypes().values():
                table = "tabSingles" if doctype.issingle else doctype.table
                dontmanage.db.sql(f"delete from `{table}`")
            dontmanage.db.commit()
        else:
            migrate()
            _shops[request.param] = {key: value for key, value in dontmanage.conf.items() if key[:3] == "db_"}
    # Of the test before, which had a site with this prefix.
    dontmanage.cache.delete_keys("")
    bench.enter()
    yield bench
    # No connection stays.
    dontmanage.destroy()
    forget_engines()


@pytest.fixture
def kind(shop: Bench) -> str:
    """Of the database."""
    return str(dontmanage.db.connection.kind)
