#!/usr/bin/env python3
"""Makes the example's data set: domains of phishing sites and of legitimate ones, split for training and for judging.

Usage: make.py [DIRECTORY]      default: ${XDG_CACHE_HOME:-$HOME/.cache}/model-release-example

Two packages are fetched by `npm pack` and checked against the digests below; nothing of them is committed.

  eth-phishing-detect 1.2.0   src/config.json `blacklist`: 13,752 phishing domains; `whitelist`, and the lists that its
                              own tests hold to be harmless: test/alexa.json, test/dapps.json
  top-sites 1.1.222           500 sites

Legitimate are the allow-lists and the top sites together, each domain once, without the three that the block list
names as well: 1,695. As many phishing ones are drawn, those with the smallest SHA-256. Each class is then ordered by a
second, independent hash: the first 70 % train, the rest is held out.

Written: train.tsv, held-out.tsv (a line each: domain, tab, `phishing` or `legitimate`), data.json (counts, digests).
Exit codes: 0 made or already there; 1 a package could not be had, or is not what was pinned.
"""

import hashlib
import io
import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

PHISHING = (
    "eth-phishing-detect",
    "1.2.0",
    "f8cec3e1d86ee6d91203d6f97a20700de2428f0cbeecbbf8f67b93130f1f3592195005590b77765c76ad06ad4c396ec9f24c4d19b05d801b887fae68a48ed392",
)
SITES = (
    "top-sites",
    "1.1.222",
    "1c4be00c6467fe3a92e6d52c2f2f7c2aee8cabe6b6464d794cc5f01b3b8e61bb5de72bbe95f5690768a2f296d9e0f4e2b054cafd568ee060699bcd2a4e7e43ff",
)
LEGITIMATE = 1695
BLOCKED = 13752
TRAIN_SHARE = 0.7


class Failed(Exception):
    """What happened, to what, and what to do next."""


def package(name, version, sha512, cache):
    """The package's archive as bytes: from the cache, or fetched once; never one with another digest."""
    kept = cache / f"{name}-{version}.tgz"
    if kept.exists() and hashlib.sha512(kept.read_bytes()).hexdigest() == sha512:
        return kept.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", folder, f"{name}@{version}"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        except FileNotFoundError:
            raise Failed("npm is not installed; install Node.js with npm, then run this again") from None
        except subprocess.TimeoutExpired:
            raise Failed(f"npm pack {name}@{version} took over 3 minutes; is the npm registry reachable?") from None
        fetched = next(pathlib.Path(folder).glob("*.tgz"), None)
        if done.returncode != 0 or fetched is None:
            raise Failed(f"npm pack {name}@{version} failed; is the npm registry reachable?\n{done.stderr.strip()}")
        content = fetched.read_bytes()
    found = hashlib.sha512(content).hexdigest()
    if found != sha512:
        raise Failed(f"{name}@{version} has SHA-512 {found}, pinned is {sha512}; do not use it, ask who publishes it")
    write(kept, content)
    return content


def member(archive, path):
    """One JSON file of an npm package."""
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return json.load(tar.extractfile(f"package/{path}"))


def write(path, content):
    """Whole or not at all, so that a killed run leaves nothing half made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def hashed(domain, purpose):
    """An order that has nothing to do with the alphabet, the same on every machine."""
    return hashlib.sha256(f"{purpose} {domain}".encode()).hexdigest()


def domains(values):
    """Domains in one spelling, each once."""
    return {value.strip().lower().rstrip(".") for value in values}


def main():
    """Makes what is missing."""
    default = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "model-release-example"
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    lists = package(*PHISHING, out / "packages")
    sites = package(*SITES, out / "packages")

    config = member(lists, "src/config.json")
    blocked = domains(config["blacklist"])
    allowed = domains(config["whitelist"]) | domains(member(lists, "test/alexa.json"))
    allowed |= domains(member(lists, "test/dapps.json"))
    allowed |= domains(site["rootDomain"] for site in member(sites, "top-sites.json"))
    legitimate = allowed - blocked
    if (len(legitimate), len(blocked)) != (LEGITIMATE, BLOCKED):
        raise Failed(
            f"{len(legitimate)} legitimate and {len(blocked)} phishing domains came out, {LEGITIMATE} and {BLOCKED} must: "
            "the pinned packages were read wrongly; see examples/data/make.py"
        )
    phishing = sorted(blocked, key=lambda domain: hashed(domain, "select"))[: len(legitimate)]

    lines = {"train": [], "held-out": []}
    for label, members in (("legitimate", legitimate), ("phishing", phishing)):
        ordered = sorted(members, key=lambda domain: hashed(domain, "split"))
        cut = round(len(ordered) * TRAIN_SHARE)
        lines["train"] += [f"{domain}\t{label}\n" for domain in ordered[:cut]]
        lines["held-out"] += [f"{domain}\t{label}\n" for domain in ordered[cut:]]

    summary = {"legitimate": len(legitimate), "phishing": len(phishing)}
    for name, rows in lines.items():
        content = "".join(sorted(rows, key=lambda row: hashed(row, "order"))).encode()
        write(out / f"{name}.tsv", content)
        summary[name] = {"lines": len(rows), "sha256": hashlib.sha256(content).hexdigest()}
    write(out / "data.json", (json.dumps(summary, indent=2) + "\n").encode())
    print(f"{out}: {summary['train']['lines']} domains to train on, {summary['held-out']['lines']} held out")


if __name__ == "__main__":
    try:
        main()
    except (Failed, OSError, subprocess.SubprocessError) as failure:
        sys.exit(f"example data: {failure}")
