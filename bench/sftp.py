"""Delivery to a real OpenSSH server: one large file against the ``sftp`` command, and many small ones."""

from __future__ import annotations

import hashlib
import shutil
import statistics
import subprocess
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from bench import homes
from bench.homes import Portfolio
from bench.proxy import delayed
from bench.runner import Bench, Figure, MeasurementError

LARGE, FILES, SMALL, RATE = 100_000_000, 1_000, 10_000, 500.0
DELAY = 0.010
READ_PIECE = 1024 * 1024


def _server(bench: Bench) -> Any:
    """The OpenSSH server of this run, started when first asked for."""
    from tests.support import openssh

    if not openssh.available() or shutil.which("sftp") is None:
        raise MeasurementError("found no sshd or no sftp on this machine, expected OpenSSH; see .ci/run")
    if "openssh" not in bench.kept:
        bench.kept["openssh"] = bench.stack.enter_context(openssh.server(bench.folder / "sshd"))
    return bench.kept["openssh"]


def _endpoint(server: Any, port: int, **more: Any) -> dict[str, Any]:
    return {
        "host": "127.0.0.1", "port": port, "user": server.user, "key": str(server.key),
        "host_keys": [server.host_key_line], "directory": str(server.root), **more,
    }  # fmt: skip


def large(bench: Bench) -> None:
    """A hundred megabytes, on loopback and ten milliseconds away each way, ours and the sftp command in alternation."""
    server = _server(bench)
    size = bench.count(LARGE)
    with delayed(server.port, DELAY) as far:
        for where, port, target in (("loopback", server.port, 1.0), ("10 ms each way", far, 0.9)):
            for read_back in ("size", "full"):
                done = bench.measure(
                    "bench.sftp:alternate", endpoint=_endpoint(server, port, read_back=read_back),
                    folder=str(bench.folder), size=size, runs=bench.runs,
                )  # fmt: skip
                ours, theirs = (statistics.median(done.values[who]) for who in ("ours", "theirs"))
                note = f"{size / ours / 1e6:.0f} MB/s; sftp command {size / theirs / 1e6:.0f}; median of {bench.runs}"
                what = f"{size / 1e6:.0f} MB, {where}, ours / sftp"
                if read_back == "full":
                    bench.add(Figure("sftp", f"{what}, all read back", theirs / ours, "x", note=note))
                else:
                    bench.add(Figure("sftp", what, theirs / ours, "x", target, "more", note))


def many(bench: Bench) -> None:
    """A thousand small files through the delivery queue: temporary name, read back, rename, look, receipt."""
    server = _server(bench)
    place = homes.fresh(bench, "sqlite", Portfolio(1))
    files = bench.count(FILES)
    done = bench.measure(
        "bench.sftp:queue_of_files", home=str(place.home), files=files, size=SMALL,
        endpoint=_endpoint(server, server.port),
    )  # fmt: skip
    homes.drop(bench, place)
    note = f"{done.seconds:.2f} s with connecting, all content read back"
    rate = files / done.seconds
    bench.add(Figure("files", f"{files:,} files of {SMALL // 1000} kB delivered", rate, "files/s", RATE, "more", note))


# in the measuring process


def alternate(endpoint: dict[str, Any], folder: str, size: int, runs: int) -> dict[str, Any]:
    """Seconds of each, connecting included, after one small file each to warm up."""
    from gateway.settings import Endpoint

    place, to = Path(folder), Endpoint(**endpoint)
    small, file = _file(place / "warm-up.bin", 100_000), _file(place / "large.bin", size)
    known = place / "known_hosts"
    known.write_text(f"[{to.host}]:{to.port} {to.host_keys[0]}\n", encoding="ascii")
    times: dict[str, list[float]] = {"ours": [], "theirs": []}
    for path, count in ((small, 1), (file, runs)):
        ways = {"ours": _ours, "theirs": _theirs}
        times = {who: [] for who in ways}
        _sha256(path)  # the queue has it from the release; it is no part of sending
        for n in range(count):
            for who in ("ours", "theirs") if n % 2 == 0 else ("theirs", "ours"):
                started = time.perf_counter()
                ways[who](to, path, known)
                times[who].append(time.perf_counter() - started)
                arrived = Path(to.directory) / path.name
                if arrived.stat().st_size != path.stat().st_size:
                    raise MeasurementError(f"{who}: found {arrived.stat().st_size} bytes at the far side")
                arrived.unlink()
    return {**times, "seconds": sum(times["ours"])}


def _file(path: Path, size: int) -> Path:
    if not path.exists():
        block = b"".join(hashlib.sha512(str(n).encode()).digest() for n in range(READ_PIECE // 64))
        with path.open("wb") as out:
            for start in range(0, size, len(block)):
                out.write(block[: size - start])
    return path


@cache
def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as handle:
        while piece := handle.read(READ_PIECE):
            yield piece


def _ours(to: Any, path: Path, _known: Path) -> None:
    from gateway.delivery.connect import connect
    from gateway.delivery.queue import Delivery
    from gateway.delivery.states import DeliveryState
    from gateway.delivery.upload import Uploader
    from gateway.home import Home

    job = Delivery(
        1, 1, "bench", path.name, f"{path.name}.part", DeliveryState.SENDING, 1, None, None, None, None, None, _sha256(path),
        path.stat().st_size,
    )  # fmt: skip
    connection = connect(to, Home(path.parent))
    try:
        session = connection.session()
        uploader = Uploader(
            session, to, lambda _: _pieces(path), lambda jobs: {j.delivery_id for j in jobs}, connection.host_key,
            lambda: "2026-03-02T14:00:00.000000Z",
        )  # fmt: skip
        outcomes = uploader.place([job], {})
        session.close()
    finally:
        connection.close()
    if [outcome.verdict for outcome in outcomes] != ["delivered"]:
        raise MeasurementError(f"found {outcomes}, expected the file delivered")


def _theirs(to: Any, path: Path, known: Path) -> None:
    subprocess.run(
        [
            "sftp", "-q", "-b", "-", "-F", "none", "-P", str(to.port), "-i", to.key, "-o", "IdentitiesOnly=yes",
            "-o", f"UserKnownHostsFile={known}", "-o", "GlobalKnownHostsFile=none", "-o", "StrictHostKeyChecking=yes",
            f"{to.user}@{to.host}",
        ],
        input=f"put {path} {to.directory}/{path.name}\n", text=True, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip


def queue_of_files(home: str, files: int, size: int, endpoint: dict[str, Any]) -> dict[str, Any]:
    """Released files in the queue of a home, delivered."""
    from dataclasses import replace

    from gateway.delivery.deliver import deliver
    from gateway.settings import Endpoint

    app = homes.open_home(Path(home))
    gateway = app.settings.gateway.model_copy(update={"endpoints": {"bench": Endpoint(**endpoint)}})
    app = replace(app, settings=replace(app.settings, gateway=gateway))
    contents = {n: (f"{n:08d}".encode() * (size // 8 + 1))[:size] for n in range(1, files + 1)}
    _enqueue(app, contents)
    started = time.perf_counter()
    results = deliver(app, render=lambda outbound_id: (contents[outbound_id],), stays=lambda _: {})
    seconds = time.perf_counter() - started
    app.close()
    arrived = sum(1 for path in Path(endpoint["directory"]).glob("BENCH*.DAT") if path.stat().st_size == size)
    if arrived != files or [str(r.state) for r in results] != ["DELIVERED"] * files:
        raise MeasurementError(f"found {arrived} files at the far side, expected {files} delivered")
    return {"seconds": seconds}


def _enqueue(app: Any, contents: dict[int, bytes]) -> None:
    from gateway.delivery import queue
    from gateway.ledger import schema

    at = app.now()
    with app.db.write() as connection:
        for number, content in contents.items():
            connection.execute(
                schema.outbound_file.insert().values(
                    outbound_id=number, name=f"BENCH{number:05d}.DAT", kind="DSGL", portfolio="1",
                    business_date="2026-03-02", state="APPROVED", sha256=hashlib.sha256(content).hexdigest(),
                    bytes=len(content), records=1, total_debit_cents=0, total_credit_cents=0, header="{}",
                    maker="BEN", maker_user="bench", built_at=at,
                )
            )  # fmt: skip
            queue.enqueue(connection, outbound_id=number, endpoint="bench", remote_name=f"BENCH{number:05d}.DAT", at=at)
