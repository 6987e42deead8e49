#!/usr/bin/env python3
"""Trains the example's two models and refuses them unless the better one is clearly better.

Usage: models.py PROGRAM [DIRECTORY]      PROGRAM: the built model-server; DIRECTORY: as for make.py

Written: models/epochs-2.bin, models/epochs-5.bin, and models/models.json, a list of what training reported: file, sha256,
bytes, epochs, heldOutAccuracy. Exit codes: 0 made; 1 training failed, or 5 epochs do not beat 2 by 0.03 on held-out domains.
"""

import json
import os
import pathlib
import subprocess
import sys

EPOCHS = (2, 5)
MARGIN = 0.03


def trained(program, folder, epochs):
    """What training reports of one model."""
    out = folder / "models" / f"epochs-{epochs}.bin"
    command = [program, "train", "--data", folder, "--out", out, "--epochs", str(epochs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode != 0:
        sys.exit(f"example models: training for {epochs} epochs failed:\n{done.stderr.strip()}")
    report = json.loads(done.stdout)
    report["file"] = out.name
    print(f"{epochs} epochs: {report['heldOutAccuracy']:.4f} of {report['heldOut']} held-out domains right; sha256:{report['sha256']}")
    return report


def main():
    """Trains both, compares, writes the list."""
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache")
    folder = pathlib.Path(sys.argv[2]) if len(sys.argv) > 2 else cache / "model-release-example"
    reports = [trained(sys.argv[1], folder, epochs) for epochs in EPOCHS]
    worse, better = (report["heldOutAccuracy"] for report in reports)
    if better - worse < MARGIN:
        sys.exit(f"example models: 5 epochs give {better}, 2 give {worse}; the demo needs {MARGIN} between them. Was the data changed?")
    (folder / "models" / "models.json").write_text(json.dumps(reports, indent=2) + "\n")


if __name__ == "__main__":
    main()
