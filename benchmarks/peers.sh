#!/usr/bin/env bash
# Make the peers' environment, benchmarks/.venv-peers: Ultralytics (AGPL) is measured there and never imported
# by nayan. With PEERS_SHARE=1 it uses the torch of the active environment instead of fetching its own.
# `peers.sh lancedb` makes benchmarks/.venv-lancedb instead (450 MB), for the index.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
python=${PYTHON:-python}
if [[ ${1:-} == lancedb ]]; then
  "$python" -m venv .venv-lancedb
  .venv-lancedb/bin/pip install --quiet lancedb
  exit
fi
"$python" -m venv .venv-peers
if [[ ${PEERS_SHARE:-} ]]; then
  "$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' \
    >"$(echo .venv-peers/lib/python*/site-packages)/shared.pth"
fi
.venv-peers/bin/pip install --quiet ultralytics
