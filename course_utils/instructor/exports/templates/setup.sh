#!/usr/bin/env bash
# Gradescope runs this once, as root, while it builds the image of the autograder.
set -euo pipefail

apt-get update
apt-get install -y --no-install-recommends bubblewrap libseccomp2 python3-venv
python3 -m venv /autograder/venv
cd /autograder/source/course
/autograder/venv/bin/python -m pip install --no-cache-dir -r requirements.txt -c constraints.txt
# Student code that cannot be fenced in runs as this user, not as root.
id -u grader > /dev/null 2>&1 || useradd --create-home grader
