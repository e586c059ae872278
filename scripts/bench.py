#!/usr/bin/env python3
"""Measures pgstow next to the pipelines people use today; prints the tables of docs/performance.md.

Ratios are taken pair by pair, A B A B, from one run on one machine: absolute times of a shared
machine mean little. Started by `make bench`, which builds everything it needs.

    bench.py --pgstow BIN --garage BIN [--google TESTS] [--reader BIN] [--scale 1] [--rounds 3] [--memory 0.1,1,5]
        [--row 500] [--tables 20000] [--upload 500] [--lists 10000,100000] [--only backup,restore,…]
"""

import argparse
import contextlib
import datetime
import hashlib
import json
import os
import pathlib
import pwd
import re
import resource
import secrets
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(port):
    """Waits until something listens there; False if nothing does for a while."""
    for _ in range(100):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 0.2):
            return True
        time.sleep(0.1)
    return False


def ticks():
    """What all cores have done since they were started: all of it, and idling."""
    fields = [int(field) for field in pathlib.Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields), fields[3] + fields[4]


def cpu_of_children():
    """CPU seconds of all processes that were started here and have ended, with theirs."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def measure(command):
    """Runs a bash command line: wall seconds, of its first process alone CPU seconds and peak MiB, CPU seconds
    of all its processes, and how busy all cores were meanwhile, 0 to 1."""
    alone = "|" not in command and ">" not in command
    start, before, used = time.monotonic(), ticks(), cpu_of_children()
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(["bash", "-o", "pipefail", "-c", f"exec {command}" if alone else command],
                                   stdout=subprocess.DEVNULL, stderr=said)
        # What the kernel tells at the end includes the children (pg_dump); /proc tells of the process
        # itself, but only while it lives.
        cpu = mib = 0.0
        while process.poll() is None:
            with contextlib.suppress(OSError, StopIteration, IndexError):
                fields = pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split()
                peak = next(line for line in open(f"/proc/{process.pid}/status") if line.startswith("VmHWM"))
                cpu = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
                mib = int(peak.split()[1]) / 1024
            time.sleep(0.01)
        wall = time.monotonic() - start
        if process.returncode != 0:
            said.seek(0)
            sys.exit(f"bench: failed with {process.returncode}: {command}\n{said.read().decode()[-2000:]}")
    total, idle = (b - a for a, b in zip(before, ticks()))
    return {"wall": wall, "cpu": cpu, "mib": mib, "all": cpu_of_children() - used, "busy": 1 - idle / max(total, 1)}


class Postgres:
    """A throw-away cluster of the distribution's newest PostgreSQL, trusting its own socket."""

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.bin = max(pathlib.Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4])).parent
        self.user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.run_as = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        self.data = folder / "data"
        self.call(self.bin / "initdb", "-D", self.data, "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N", "-U", self.user)
        settings = f"-p {self.port} -k {folder} -c listen_addresses='' -c fsync=off -c shared_buffers=512MB -c max_wal_size=8GB -c autovacuum=off -c max_locks_per_transaction=1024"
        self.call(self.bin / "pg_ctl", "-D", self.data, "-o", settings, "-l", folder / "log", "-w", "start")
        os.environ |= {"PGHOST": str(folder), "PGPORT": str(self.port), "PGUSER": self.user, "PATH": f"{self.bin}:{os.environ['PATH']}"}

    def call(self, *args):
        subprocess.run([*self.run_as, *map(str, args)], check=True, stdout=subprocess.DEVNULL, cwd="/")

    def sql(self, sql, database="postgres"):
        return subprocess.run(["psql", "-XAtqc", sql, "-d", database], check=True, capture_output=True, text=True).stdout.strip()

    def fill(self, name, scale):
        self.sql(f"CREATE DATABASE {name} TEMPLATE template0")
        subprocess.run(["psql", "-Xq", "-v", f"scale={scale}", "-d", name, "-f", str(HERE / "bench-data.sql")], check=True, stdout=subprocess.DEVNULL)
        self.sql("CHECKPOINT")
        return int(self.sql(f"SELECT pg_database_size('{name}')"))

    def stop(self):
        self.call(self.bin / "pg_ctl", "-D", self.data, "-m", "immediate", "stop")


class Garage:
    """A real S3 server on loopback."""

    def __init__(self, binary, folder):
        s3, rpc, admin = free_port(), free_port(), free_port()
        config = folder / "garage.toml"
        config.write_text(f'''metadata_dir = "{folder}/meta"
data_dir = "{folder}/data"
db_engine = "sqlite"
replication_factor = 1
compression_level = "none"
rpc_bind_addr = "127.0.0.1:{rpc}"
rpc_public_addr = "127.0.0.1:{rpc}"
rpc_secret = "{secrets.token_hex(32)}"
[s3_api]
s3_region = "garage"
api_bind_addr = "127.0.0.1:{s3}"
''')
        config.chmod(0o600)
        key, secret = "GK" + secrets.token_hex(12), secrets.token_hex(32)
        os.environ |= {"AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_DEFAULT_REGION": "garage"}
        self.endpoint = f"http://127.0.0.1:{s3}"
        os.environ |= {"RCLONE_CONFIG": "/dev/null", "RCLONE_CONFIG_GARAGE_TYPE": "s3", "RCLONE_CONFIG_GARAGE_PROVIDER": "Other",
                       "RCLONE_CONFIG_GARAGE_ENV_AUTH": "true", "RCLONE_CONFIG_GARAGE_ENDPOINT": self.endpoint,
                       "RCLONE_CONFIG_GARAGE_REGION": "garage"}
        self.log = open(folder / "log", "w")
        self.process = subprocess.Popen(
            [binary, "-c", config, "server", "--single-node", "--default-bucket"], stdout=self.log, stderr=self.log,
            env=os.environ | {"GARAGE_DEFAULT_ACCESS_KEY": key, "GARAGE_DEFAULT_SECRET_KEY": secret, "GARAGE_DEFAULT_BUCKET": "bench"})
        wait_for(s3)
        time.sleep(2)

    def store(self, prefix, endpoint=None):
        return f"s3://bench/{prefix}?endpoint={endpoint or self.endpoint}&region=garage&profile=garage"

    def requests(self):
        """How many requests it has answered: it writes a line about each."""
        with open(self.log.name) as log:
            return sum(1 for line in log if re.search(r" (GET|HEAD|PUT|POST|DELETE) /", line))

    def stop(self):
        self.process.terminate()
        self.process.wait()


@contextlib.contextmanager
def over_tls(garage, folder):
    """TLS in front of Garage, as stores on the internet have it: its endpoint, and the certificate of its own authority."""
    folder.mkdir()
    curve = "-nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -batch"
    (folder / "names").write_text("subjectAltName=DNS:localhost\n")
    for words in (f"req -x509 -days 2 -subj /CN=bench {curve} -keyout ca.key -out ca.pem",
                  f"req -subj /CN=localhost {curve} -keyout key.pem -out request.pem",
                  "x509 -req -days 2 -CAcreateserial -extfile names -in request.pem -CA ca.pem -CAkey ca.key -out cert.pem"):
        subprocess.run(["openssl", *words.split()], check=True, cwd=folder, capture_output=True)
    port, log = free_port(), folder / "log"
    (folder / "stunnel.conf").write_text(f"""foreground = yes
pid =
[s3]
accept = 127.0.0.1:{port}
connect = {garage.endpoint.removeprefix("http://")}
cert = {folder}/cert.pem
key = {folder}/key.pem
""")
    with open(log, "w") as out:
        process = subprocess.Popen(["stunnel4", folder / "stunnel.conf"], stdout=out, stderr=out)
    try:
        if not wait_for(port):
            sys.exit(f"bench: stunnel4 does not answer\n{log.read_text()}")
        yield f"https://localhost:{port}", folder / "ca.pem"
    finally:
        process.terminate()
        process.wait()


class Google:
    """The tests' imitation of Google Cloud Storage, which keeps its bytes in Garage."""

    def __init__(self, tests, garage):
        self.process = subprocess.Popen(
            [tests, "--ignored", "--exact", "--nocapture", "gcs::served::the_imitation_serves_whoever_starts_it"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=os.environ | {"PGSTOW_BENCH_S3": garage.endpoint})
        # The harness of the tests writes lines of its own around it.
        line = next(line[line.index("gs://"):] for line in self.process.stdout if "gs://" in line)
        self.url, endpoint, token = line.split()
        os.environ |= {"RCLONE_CONFIG_GOOGLE_TYPE": "gcs", "RCLONE_CONFIG_GOOGLE_NO_CHECK_BUCKET": "true",
                       "RCLONE_CONFIG_GOOGLE_ENDPOINT": f"{endpoint}/storage/v1/",
                       "RCLONE_CONFIG_GOOGLE_TOKEN": json.dumps({"access_token": token, "token_type": "Bearer",
                                                                 "expiry": "2100-01-01T00:00:00Z"})}

    def stop(self):
        self.process.stdin.close()
        self.process.wait()


def compare(title, ours, theirs, rounds, before=lambda: None):
    """Runs two commands in turn; prints the medians and the ratio of the pairs."""
    results = {"ours": [], "theirs": []}
    for number in range(rounds + 1):
        for who, command in (("ours", ours), ("theirs", theirs)):
            before()
            figures = measure(command)
            if number:  # the first round warms caches
                results[who].append(figures)
    median = lambda who, what: statistics.median(f[what] for f in results[who])
    ratios = sorted(a["wall"] / b["wall"] for a, b in zip(results["ours"], results["theirs"]))
    print(f"| {title} | {median('ours', 'wall'):.2f} | {median('theirs', 'wall'):.2f} | "
          f"**{statistics.median(ratios):.2f}** ({ratios[0]:.2f}–{ratios[-1]:.2f}) | "
          f"{median('ours', 'cpu'):.2f} | {median('ours', 'mib'):.0f} | "
          f"{100 * median('ours', 'busy'):.0f} % / {100 * median('theirs', 'busy'):.0f} % |", flush=True)


@contextlib.contextmanager
def slow_link(postgres, megabytes=20, milliseconds=15):
    """A way to the server with this rate for each connection, and this delay each way: the words that lead there."""
    port = free_port()
    link = subprocess.Popen([sys.executable, HERE / "link.py", str(port), f"{postgres.folder}/.s.PGSQL.{postgres.port}",
                             str(megabytes), str(milliseconds)], stdout=subprocess.PIPE)
    link.stdout.readline()
    try:
        yield f"host=127.0.0.1 port={port}"
    finally:
        link.terminate()
        link.wait()


def of_readers(pgstow, work, recipient, where, rounds, warm):
    """A backup by 1, 2 and 4 readers into a folder next to the usual pipe into a file and to what one `pg_dump` can
    read at most, all in turn."""
    dump = f"pg_dump -Fc -Z0 '{where} dbname=bench'"
    commands = {"limit": f"{dump} > /dev/null", "pipe": f"{dump} | zstd -q -3 -T0 | age -r {recipient} > {work}/piped"}
    commands |= {n: f"{pgstow} backup '{where} dbname=bench' --readers {n} --store file://{work}/readers" for n in (1, 2, 4)}
    results = {name: [] for name in commands}
    for number in range(rounds + warm):
        for name, command in commands.items():
            shutil.rmtree(work / "readers", ignore_errors=True)
            figures = measure(command)
            if number >= warm:
                results[name].append(figures)
    median = lambda name, what: statistics.median(f[what] for f in results[name])

    def ratio(name, other, what="wall"):
        ratios = sorted(a[what] / b[what] for a, b in zip(results[name], results[other]))
        return f"**{statistics.median(ratios):.2f}** ({ratios[0]:.2f}–{ratios[-1]:.2f})"

    print("| what | s | to the pipe | to `pg_dump >/dev/null` | CPU of all but the server, s | to the pipe's | peak of pgstow, MiB |"
          "\n|---|---|---|---|---|---|---|")
    print(f"| `pg_dump -Fc -Z0 >/dev/null` | {median('limit', 'wall'):.2f} | {ratio('limit', 'pipe')} | | {median('limit', 'all'):.2f} | | |")
    print(f"| `pg_dump \\| zstd -3 -T0 \\| age > file` | {median('pipe', 'wall'):.2f} | | {ratio('pipe', 'limit')} | {median('pipe', 'all'):.2f} | | |")
    for n in (1, 2, 4):
        print(f"| `backup --readers {n}` to a folder | {median(n, 'wall'):.2f} | {ratio(n, 'pipe')} | {ratio(n, 'limit')} | "
              f"{median(n, 'all'):.2f} | {ratio(n, 'pipe', 'all')} | {max(f['mib'] for f in results[n]):.0f} |", flush=True)


def of_peers(postgres, pgstow, work, recipient, rounds, heading):
    """A backup into a folder next to restic's of the same dump, and a trial restore next to one by hand."""
    print(heading)
    repository = work / "restic"
    os.environ |= {"RESTIC_REPOSITORY": str(repository), "RESTIC_PASSWORD": "none", "RESTIC_CACHE_DIR": str(work / "cache")}

    def fresh():
        # It would find everything there the second time.
        shutil.rmtree(repository, ignore_errors=True)
        subprocess.run(["restic", "init", "--quiet"], check=True)

    compare("`backup` to a folder / `restic backup --stdin-from-command`",
            f"{pgstow} backup dbname=bench --store file://{work}/next",
            "restic backup --quiet --stdin-filename dump --stdin-from-command -- pg_dump -Fc -Z0 bench", rounds, fresh)
    shutil.rmtree(repository)
    runs = shlex.join(postgres.run_as)
    trial, data = work / "trial", work / "trial/data"
    trial.mkdir()
    if runs:
        shutil.chown(trial, "postgres")
    port = free_port()
    by_hand = (f"rm -rf {data}; cd {trial} && {runs} initdb -D {data} -A trust -N -U {postgres.user} --locale=C.UTF-8 -E UTF8 "
               f"&& {runs} pg_ctl -D {data} -o '-p {port} -k {trial} -c listen_addresses= -c fsync=off -c max_wal_size=8GB' -l {trial}/log -w start "
               f"&& {pgstow} fetch latest --name bench --store file://{work}/next --force -o {work}/trial.dump >&2 "
               f"&& createdb -h {trial} -p {port} copy && pg_restore -e -j 2 -h {trial} -p {port} -d copy {work}/trial.dump "
               f"&& psql -Xqh {trial} -p {port} -c ANALYZE copy; status=$?; {runs} pg_ctl -D {data} -m immediate stop; exit $status")
    compare("`verify --restore` / a cluster by hand, `fetch` and `pg_restore -j 2` into it, each with ANALYZE",
            f"{pgstow} verify latest --restore --name bench --store file://{work}/next", by_hand, rounds)
    shutil.rmtree(trial)


def of_long_values(postgres, pgstow, work, megabytes):
    """The peak of backups by 1, 2 and 4 readers of values that are much longer than what the server keeps in a page."""
    tables = {
        "rows of 400 KB that the server keeps in 5 KB": "CREATE TABLE t AS SELECT n, repeat(md5(n::text), 12500) AS value FROM generate_series(1, 1500) n",
        "rows of 2 MB that nothing compresses": "CREATE TABLE t (n int, value bytea); ALTER TABLE t ALTER value SET STORAGE EXTERNAL; INSERT INTO t "
            "SELECT n, (SELECT string_agg(sha512((n * 16384 + m)::text::bytea), '') FROM generate_series(1, 16384) m) FROM generate_series(1, 200) n",
        f"one row of {megabytes} MB among small ones": "CREATE TABLE t AS SELECT n, md5(n::text) AS value FROM generate_series(1, 300000) n; "
            f"UPDATE t SET value = repeat(value, {megabytes * 1000000 // 32}) WHERE n = 150000",
    }
    print("| database | peak with 1 reader, MiB | with 2 | with 4 |\n|---|---|---|---|")
    for title, sql in tables.items():
        postgres.sql("DROP DATABASE IF EXISTS long")
        postgres.sql("CREATE DATABASE long TEMPLATE template0")
        postgres.sql(sql, "long")
        peaks = []
        for n in (1, 2, 4):
            # Ranges of 1 MiB, as the server keeps it: a database that is small there is read by several all the same.
            peaks.append(measure(f"{pgstow} backup dbname=long --readers {n} --reader-range 1MiB --store file://{work}/long")["mib"])
            shutil.rmtree(work / "long")
        print(f"| {title} | {' | '.join(f'{mib:.0f}' for mib in peaks)} |", flush=True)
    postgres.sql("DROP DATABASE long")


def of_one_percent(postgres, pgstow, store, work, rounds):
    """What `fetch --table` moves for a table of a hundredth of the backup."""
    rows = postgres.sql("SELECT count(*) / 100 FROM events", "bench")
    postgres.sql("DROP TABLE IF EXISTS one_percent", "bench")
    size = int(postgres.sql("SELECT pg_database_size('bench')"))
    # As large as a hundredth of the database, whatever its rows are.
    postgres.sql("CREATE TABLE one_percent AS SELECT * FROM events LIMIT 0", "bench")
    while int(postgres.sql("SELECT pg_relation_size('one_percent')", "bench")) < size / 100:
        postgres.sql(f"INSERT INTO one_percent SELECT * FROM events LIMIT {rows}", "bench")
    measure(f"{pgstow} backup dbname=bench --store {shlex.quote(store)}")
    words = f"{pgstow} fetch latest --name bench --store {shlex.quote(store)}"
    figures = []
    for _ in range(rounds):
        start = time.monotonic()
        told = subprocess.run(["bash", "-c", f"{words} --json --force --table one_percent -o {work}/one.dump"], check=True, capture_output=True)
        figures.append(time.monotonic() - start)
    told = json.loads(told.stdout)
    whole = statistics.median(measure(f"{words} --force -o {work}/all.dump")["wall"] for _ in range(rounds))
    print(f"`fetch --table` of {told['plain_bytes'] / 1e6:.1f} MB out of {size / 1e6:.0f} MB: {told['fetched_bytes'] / 1e6:.2f} MB fetched, "
          f"**{100 * told['fetched_bytes'] / told['stored_bytes']:.2f} %** of the stored dump; {statistics.median(figures):.2f} s, all of it {whole:.2f} s", flush=True)


def of_many(postgres, pgstow, store, tables, rounds):
    """How long it takes to tell what is in a backup of many tables."""
    postgres.sql("DROP DATABASE IF EXISTS many")
    postgres.sql("CREATE DATABASE many TEMPLATE template0")
    make = "CREATE TABLE t%s (id int PRIMARY KEY, note text DEFAULT now())"
    postgres.sql(f"DO $$ BEGIN FOR n IN 1..{tables} LOOP EXECUTE format('{make}', n); END LOOP; END $$", "many")
    measure(f"{pgstow} backup dbname=many --store {shlex.quote(store)}")
    words = f"{pgstow} show latest --name many --store {shlex.quote(store)} --tables"
    figures = [measure(words) for _ in range(rounds)]
    print(f"`show --tables` of {tables} tables: **{statistics.median(f['wall'] for f in figures):.2f} s**, "
          f"{max(f['mib'] for f in figures):.0f} MiB", flush=True)


def of_uploads(pgstow, garage, tests, work, megabytes, rounds, heading):
    """The same incompressible bytes from a pipe into the same bucket, each tool with its own defaults."""
    file = work / "noise"
    with open(file, "wb") as out:
        for _ in range(megabytes):
            out.write(os.urandom(1_000_000))
    # Whoever sets recipients for all that follows would contradict --no-encryption.
    backup = "env -u PGSTOW_RECIPIENTS {} backup --stdin --name noise --no-encryption --compression-level 1 --uploads 4 --store {} < {}"
    ours = backup.format(pgstow, shlex.quote(garage.store("noise")), file)
    aws = f"aws --endpoint-url {{}} s3 cp --quiet - s3://bench/peer/noise < {file}"
    rclone = f"rclone rcat garage:bench/peer/noise < {file}"
    print(f"{megabytes} MB\n\n{heading}")
    with over_tls(garage, work / "tls") as (endpoint, authority):
        trusting = f"env SSL_CERT_FILE={authority} {backup.format(pgstow, shlex.quote(garage.store('noise', endpoint)), file)}"
        compare("`backup --stdin` to S3 over TLS / `aws s3 cp -`", trusting,
                f"env AWS_CA_BUNDLE={authority} {aws.format(endpoint)}", rounds)
        compare("`backup --stdin` to S3 over TLS / `rclone rcat`", trusting,
                f"env RCLONE_CONFIG_GARAGE_ENDPOINT={endpoint} RCLONE_CA_CERT={authority} {rclone}", rounds)
    compare("`backup --stdin` to S3 without TLS / `aws s3 cp -`", ours, aws.format(garage.endpoint), rounds)
    compare("`backup --stdin` to S3 without TLS / `rclone rcat`", ours, rclone, rounds)
    if tests:
        google = Google(tests, garage)
        ours = backup.format(pgstow, shlex.quote(google.url), file)
        compare("`backup --stdin` to `gs://`, imitated in front of S3 / `rclone rcat`", ours,
                f"rclone rcat google:pgstow/peer/noise < {file}", rounds)
        google.stop()
    file.unlink()


def many_backups(pgstow, work, number):
    """A folder with many small backups: one is real, the others are its copies with ids of their own."""
    template, many = work / "template", work / "many"
    if not template.exists():
        measure(f"{pgstow} backup dbname=small --name app --store file://{template}")
    original = next(template.glob("app/*/manifest.json")).parent
    files = {path.name: path.read_bytes() for path in original.iterdir() if not path.name.startswith(".")}
    begin = datetime.datetime(2020, 1, 1)
    for at in range(number):
        moment = begin + datetime.timedelta(minutes=at)
        identity = f"{moment:%Y%m%dT%H%M%SZ}-{original.name[-6:]}"
        folder = many / f"app{at % 10}" / identity
        folder.mkdir(parents=True)
        for name, content in files.items():
            if name == "manifest.json":
                text = content.decode().replace(original.name, identity).replace('"name": "app"', f'"name": "app{at % 10}"')
                lines = text.splitlines(keepends=True)
                digest = hashlib.sha256("".join(lines[:1] + lines[2:]).encode()).hexdigest()
                lines[1] = re.sub('"[0-9a-f]{64}"', f'"{digest}"', lines[1])
                content = "".join(lines).encode()
            (folder / name).write_bytes(content)
    return many, len(files)


def of_lists(pgstow, garage, work, numbers, rounds):
    """How long `list` takes, and what it needs, with many backups."""
    print("| backups | objects | store | s | CPU, s | requests | peak, MiB | bytes per object |\n|---|---|---|---|---|---|---|---|")
    (work / "empty").mkdir()
    for number in numbers:
        many, each = many_backups(pgstow, work, number)
        # Amazon's client needs an hour for what this one needs minutes for.
        copy = ["rclone", "copy", "--transfers", "64", "--checkers", "64", "--s3-no-check-bucket", "--s3-no-head", "--ignore-times"]
        subprocess.run([*copy, many, f"garage:bench/many{number}"], check=True)
        for where, store in (("folder", f"file://{many}"), ("S3", garage.store(f"many{number}"))):
            # What it needs without any backup is none of a backup's.
            empty = {"folder": f"file://{work}/empty", "S3": garage.store("empty")}[where]
            base = measure(f"{pgstow} list --json --store {shlex.quote(empty)}")["mib"]
            before = garage.requests()
            figures = [measure(f"{pgstow} list --json --store {shlex.quote(store)}") for _ in range(rounds)]
            asked = f"{(garage.requests() - before) // rounds:,}" if where == "S3" else ""
            seconds, cpu = (statistics.median(f[what] for f in figures) for what in ("wall", "cpu"))
            peak = max(f["mib"] for f in figures)
            print(f"| {number:,} | {number * each:,} | {where} | {seconds:.2f} | {cpu:.2f} | {asked} | {peak:.0f} | "
                  f"{(peak - base) * 2**20 / (number * each):.0f} |", flush=True)
        shutil.rmtree(many)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--pgstow", required=True)
    parser.add_argument("--garage", required=True)
    parser.add_argument("--reader", help="the benchmark of benches/reader.rs, built")
    parser.add_argument("--google", help="the program of the tests, which imitates Google Cloud Storage")
    parser.add_argument("--scale", default="1")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--memory", default="0.1,1,5")
    parser.add_argument("--row", type=int, default=500, help="megabytes of the longest row")
    parser.add_argument("--tables", type=int, default=20000)
    parser.add_argument("--upload", type=int, default=500, help="megabytes")
    parser.add_argument("--lists", default="10000,100000")
    parser.add_argument("--only", default="backup,readers,peers,upload,reader,restore,jobs,tables,memory,lists,start")
    options = parser.parse_args()
    only = options.only.split(",")
    pgstow = os.path.abspath(options.pgstow)
    work = pathlib.Path(tempfile.mkdtemp(prefix="pgstow-bench-", dir="/var/tmp"))
    work.chmod(0o755)
    folders = {name: work / name for name in ("pg", "garage", "stores")}
    for folder in folders.values():
        folder.mkdir()
    for variable in [v for v in os.environ if v.startswith(("PG", "AWS_"))]:
        del os.environ[variable]
    postgres = Postgres(folders["pg"])
    garage = Garage(options.garage, folders["garage"])
    try:
        key = work / "key.txt"
        recipient = subprocess.run([pgstow, "-q", "keygen", "-o", key], check=True, capture_output=True, text=True).stdout.strip()
        os.environ |= {"PGSTOW_RECIPIENTS": recipient, "PGSTOW_IDENTITY_FILE": str(key), "PGSTOW_QUIET": "1"}
        aws = f"aws --endpoint-url {garage.endpoint} s3 cp --quiet"
        size = postgres.fill("bench", options.scale)
        print(f"Database: {size / 1e9:.2f} GB; {os.cpu_count()} cores; {postgres.sql('SHOW server_version')}; rounds: {options.rounds}\n")
        heading = "| what | pgstow, s | the other, s | ratio of the pairs | pgstow's own CPU, s | its peak, MiB | cores busy: pgstow / the other |\n|---|---|---|---|---|---|---|"

        dump = "pg_dump -Fc -Z0 bench"
        pipeline = f"{dump} | zstd -q -3 -T0 | age -r {recipient} | {aws} - s3://bench/peer/dump"
        to_folder = f"{pgstow} backup dbname=bench --store file://{folders['stores']}/a"
        to_s3 = f"{pgstow} backup dbname=bench --store {shlex.quote(garage.store('a'))}"
        restore = f"{pgstow} restore latest --name bench --store {shlex.quote(garage.store('a'))} --to dbname=copy"
        if "backup" in only:
            print(heading)
            compare("`backup` to a folder / `pg_dump -Fc -Z0 >/dev/null`", to_folder, f"{dump} > /dev/null", options.rounds)
            compare("`backup` to S3 / `pg_dump -Fc -Z0 >/dev/null`", to_s3, f"{dump} > /dev/null", options.rounds)
            compare("`backup --compression-level 1` to a folder / `pg_dump -Fc -Z0 >/dev/null`", f"{to_folder} --compression-level 1", f"{dump} > /dev/null", options.rounds)
            compare("`backup` to S3 / `pg_dump \\| zstd -3 -T0 \\| age \\| aws s3 cp -`", to_s3, pipeline, options.rounds)
            print()
        if "readers" in only:
            print("Next to the server:\n")
            of_readers(pgstow, work, recipient, f"host={postgres.folder}", options.rounds, 1)
            with slow_link(postgres) as where:
                print("\nThrough a proxy that gives every connection 20 MB/s, and 15 ms each way:\n")
                of_readers(pgstow, work, recipient, where, options.rounds, 0)
            print()
        if "peers" in only:
            of_peers(postgres, pgstow, work, recipient, options.rounds, heading)
            print()
        if "upload" in only:
            of_uploads(pgstow, garage, options.google, work, options.upload, options.rounds, heading)
            print()
        if "reader" in only and options.reader:
            measure(f"{dump} | cat > {work}/bench.dump")
            subprocess.run([options.reader, work / "bench.dump", *shlex.split(dump)], check=True)
            (work / "bench.dump").unlink()
            print(flush=True)
        if "restore" in only:
            measure(to_s3)
            measure(pipeline)
            fresh = lambda: (postgres.sql("DROP DATABASE IF EXISTS copy"), postgres.sql("CREATE DATABASE copy TEMPLATE template0"), postgres.sql("CHECKPOINT"))
            back = f"{restore} --jobs 1"
            # Ours ends with ANALYZE; so does theirs.
            theirs = (f"{{ {aws} s3://bench/peer/dump - | age -d -i {key} | zstd -q -d | pg_restore -1 -e -d copy; }} "
                      "&& psql -Xqc ANALYZE copy")
            print(heading)
            compare("`restore --jobs 1` from S3 / `aws s3 cp - \\| age -d \\| zstd -d \\| pg_restore -1`, each with ANALYZE", back, theirs, options.rounds, fresh)
            print()
        if "jobs" in only:
            measure(to_s3)
            # Several workers fill only a database that the restore makes; theirs is made within its time too.
            gone = lambda: (postgres.sql("DROP DATABASE IF EXISTS copy"), postgres.sql("CHECKPOINT"))
            file = work / "copy.dump"
            fetch = f"{pgstow} fetch latest --name bench --store {shlex.quote(garage.store('a'))} --force -o {file}"
            theirs = (f"{fetch} >&2 && createdb -T template0 copy && pg_restore -e -j 2 -d copy {file} "
                      "&& psql -Xqc ANALYZE copy")
            print(heading)
            compare("`restore --jobs 2` from S3 / `fetch` to a file, then `pg_restore -j 2`, each with ANALYZE",
                    f"{restore} --jobs 2", theirs, options.rounds, gone)
            measure(pipeline)
            pipe = f"createdb -T template0 copy && {aws} s3://bench/peer/dump - | age -d -i {key} | zstd -q -d | pg_restore -1 -e -d copy && psql -Xqc ANALYZE copy"
            compare("`restore --jobs 2` from S3 / `aws s3 cp - \\| age -d \\| zstd -d \\| pg_restore -1`, each with ANALYZE",
                    f"{restore} --jobs 2", pipe, options.rounds, gone)
            compare("`restore --jobs 2` from S3 / `restore --jobs 1`", f"{restore} --jobs 2", f"{restore} --jobs 1", options.rounds, gone)
            file.unlink()
            print()
        if "tables" in only:
            of_one_percent(postgres, pgstow, garage.store("one"), work, options.rounds)
            of_many(postgres, pgstow, garage.store("many"), options.tables, options.rounds)
            print()
        if "memory" in only:
            of_long_values(postgres, pgstow, work, options.row)
            print()
            print("| database, GB | `backup` to S3, peak MiB | `restore --jobs 1` from S3, peak MiB | with `--jobs 2` | with `--jobs 8` |\n|---|---|---|---|---|")
            for scale in options.memory.split(","):
                postgres.sql("DROP DATABASE IF EXISTS copy")
                postgres.sql("DROP DATABASE IF EXISTS bench")
                size = postgres.fill("bench", scale)
                there = measure(to_s3)["mib"]
                again = []
                for jobs in (1, 2, 8):
                    postgres.sql("DROP DATABASE IF EXISTS copy")
                    again.append(f"{measure(f'{restore} --jobs {jobs}')['mib']:.0f}")
                print(f"| {size / 1e9:.2f} | {there:.0f} | {' | '.join(again)} |", flush=True)
            print()
        if "lists" in only:
            postgres.sql("CREATE DATABASE small TEMPLATE template0")
            postgres.sql("CREATE TABLE t AS SELECT n FROM generate_series(1, 10) n", "small")
            of_lists(pgstow, garage, work, [int(number) for number in options.lists.split(",")], options.rounds)
            print()
        if "start" in only:
            times = sorted(measure(f"{pgstow} --version")["wall"] * 1000 for _ in range(40))
            nothing = sorted(measure("true")["wall"] * 1000 for _ in range(40))
            print(f"`pgstow --version`: median {statistics.median(times):.1f} ms, a shell that does nothing included "
                  f"({statistics.median(nothing):.1f} ms)")
    finally:
        garage.stop()
        postgres.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()
