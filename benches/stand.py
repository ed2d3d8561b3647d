"""The stand: the tools, and a bench for each of them with the same settings."""

import json
import os
import pwd
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

from runners import Runner

ROOT = Path(__file__).resolve().parent.parent
OURS = ROOT / "target/release/bench"
PEERS = ROOT / ".venv/benches/bin"
ULTRAMAN = ROOT / "target/peers/bin/ultraman"

# Starts all programs, which inherit its output, and waits: what no supervisor can be faster than.
FLOOR = 'while IFS= read -r line; do sh -c "${line#*: }" & done <Procfile; wait'


@dataclass(frozen=True)
class Stand:
    """A folder for everything that the benches write."""

    folder: Path

    def bench(self, framework: str, redis_port: int = 13000) -> Path:
        """A bench with that framework's layout, and the settings that its own tool would write."""
        bench = self.folder / f"{framework}-bench"
        package = bench / "apps" / framework / framework
        for folder in [package, bench / "sites", bench / "config/pids", bench / "logs"]:
            folder.mkdir(parents=True, exist_ok=True)
        (package / "__init__.py").write_text('__version__ = "15.50.0"\n')
        (bench / "sites/apps.txt").write_text(f"{framework}\n")
        settings = {
            "background_workers": 1,
            "file_watcher_port": 6787,
            f"{framework}_user": pwd.getpwuid(os.getuid()).pw_name,
            "gunicorn_workers": 5,
            "live_reload": True,
            "rebase_on_pull": False,
            "redis_cache": f"redis://127.0.0.1:{redis_port}",
            "redis_queue": "redis://127.0.0.1:11000",
            "redis_socketio": f"redis://127.0.0.1:{redis_port}",
            "restart_supervisor_on_update": False,
            "restart_systemd_on_update": False,
            "serve_default_site": True,
            "shallow_clone": True,
            "socketio_port": 9000,
            "use_redis_auth": False,
            "webserver_port": 8000,
        }
        text = json.dumps(settings, indent=1, sort_keys=True)
        (bench / "sites/common_site_config.json").write_text(text)
        return bench

    def env(self) -> dict[str, str]:
        """What the tools need, and nothing of what the caller's shell happens to have."""
        env = {name: os.environ[name] for name in ("HOME", "USER", "LANG") if name in os.environ}
        # ultraman wants SHELL. The last keeps today's tool from asking for a newer version at each end.
        path = f"{PEERS}:/usr/local/bin:/usr/bin:/bin:/usr/sbin"
        return env | {"PATH": path, "SHELL": "/bin/sh", "FRAPPE_DOCKER_BUILD": "1"}

    def ours(self, redis_port: int = 13000) -> Runner:
        folder = self.bench("dontmanage", redis_port)
        return Runner("bench", (str(OURS), "start"), folder, self.env(), restarts=True)

    def peer(self) -> Runner:
        """Today's tool, which becomes honcho."""
        command = (str(PEERS / "bench"), "start")
        return Runner("frappe-bench + honcho", command, self.bench("frappe"), self.env())

    def others(self) -> list[Runner]:
        """The best of the field that can be had, and the floor."""
        runners = []
        if ULTRAMAN.exists():
            runners.append(Runner("ultraman", (str(ULTRAMAN), "start"), self.plain("ultraman"), self.env()))
        if hivemind := shutil.which("hivemind"):
            runners.append(Runner("hivemind", (hivemind, "Procfile"), self.plain("hivemind"), self.env()))
        return runners

    def floor(self) -> Runner:
        return Runner("floor: sh and wait", ("/bin/sh", "-c", FLOOR), self.plain("floor"), self.env())

    @staticmethod
    def free_port() -> int:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port: int = listener.getsockname()[1]
            return port

    def plain(self, name: str) -> Path:
        folder = self.folder / name
        folder.mkdir(exist_ok=True)
        return folder
