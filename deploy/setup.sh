#!/bin/bash
# Prepares this checkout: the virtual environment from hash-pinned locks, the web console built and, as root on Debian, the data
# plane's packages.
# Starts no daemon, and does nothing, in a fraction of a second, when nothing has changed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=.venv
stamp=$venv/.groundplane-setup
log=.cache/setup.log
packages=(
  libvirt-daemon-system libvirt-clients qemu-system-x86 qemu-utils openvswitch-switch ovn-central ovn-host ovn-common
  iproute2 ethtool util-linux procps openssh-client dropbear-bin busybox
  libvirt-dev pkg-config gcc libc6-dev # the libvirt binding is compiled
  redis-server # rate limits of replicas are tested with it
  chromium # the console is tested with it
)

began=$(date +%s%N)
said=0
say() {
  said=1
  printf 'setup: %s\n' "$*"
}
warn() { printf 'setup: %s\n' "$*" >&2; }

# Runs a command with its output in the log, and says what it was for and how long it took.
step() {
  local what=$1 start code=0
  shift
  start=$(date +%s%N)
  "$@" >>"$log" 2>&1 || code=$?
  if [ $code -ne 0 ]; then
    warn "$what failed (status $code); the end of $log:"
    tail -n 20 "$log" >&2
    exit 1
  fi
  say "$what ($(awk "BEGIN { printf \"%.1f s\", ($(date +%s%N) - $start) / 1e9 }"))"
}

# The distribution's own first: it is built with profile-guided optimization, which pyenv's are not, and takes a fifth less CPU.
find_python() {
  local candidate
  for candidate in /usr/bin/python3.11 python3.11 python3.12 python3.13 python3; do
    if "$candidate" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      command -v "$candidate"
      return
    fi
  done
  warn "Python 3.11 or newer with its venv is missing. Type, as root: apt-get install python3 python3-venv"
  exit 1
}

on_debian() { [ -r /etc/debian_version ] && command -v apt-get dpkg-query >/dev/null; }

missing_packages() {
  local installed
  installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${packages[@]}" 2>/dev/null | sed -n 's/^installed //p' || true)
  printf '%s\n' "${packages[@]}" | grep -vxF "$installed" || true
}

# Packages of servers start them at installation, unless policy-rc.d forbids it. Where the machine has none, one stands
# there while apt-get runs. One that a killed run of ours left is known by its second line.
policy=/usr/sbin/policy-rc.d
mark='# Set up for a moment by deploy/setup.sh of Groundplane; may be deleted.'
forbid_starting() {
  if [ ! -e $policy ] || grep -qxF "$mark" $policy; then
    trap 'rm -f $policy' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\n%s\nexit 101\n' "$mark" >$policy
    chmod 755 $policy
  fi
}
allow_starting() {
  if [ -e $policy ] && grep -qxF "$mark" $policy; then rm -f $policy; fi
  trap - EXIT INT TERM HUP
}

install_packages() {
  local missing
  if ! on_debian; then
    command -v libvirtd ovn-controller >/dev/null ||
      warn "not Debian: install libvirt, QEMU, Open vSwitch and OVN yourself for the real data plane; the simulated one works without."
    return
  fi
  mapfile -t missing < <(missing_packages)
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" -ne 0 ]; then
    warn "not root: the real data plane's packages are missing; the simulated one works without. Type: sudo apt-get install --no-install-recommends ${missing[*]}"
    return
  fi
  export DEBIAN_FRONTEND=noninteractive
  forbid_starting
  step "package lists" apt-get -q update
  step "packages: ${missing[*]}" apt-get -q -y --no-install-recommends -o Dpkg::Options::=--force-confold install "${missing[@]}"
  allow_starting
}

# What the stamp stands for: if none of this changed, the virtual environment is as it should be.
fingerprint() {
  {
    cat deploy/setup.sh pyproject.toml requirements*.lock
    pwd
    "$venv/bin/python" -V
    if can_bind; then echo libvirt; fi
  } 2>/dev/null | sha256sum
}

can_bind() { command -v gcc pkg-config >/dev/null && pkg-config --exists libvirt; }

make_environment() {
  if ! "$venv/bin/python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    rm -rf "$venv"
    step "virtual environment" "$python" -m venv "$venv"
  fi
  local pip=("$venv/bin/python" -m pip --disable-pip-version-check -q)
  local uv=("$venv/bin/uv" --no-progress pip install --python "$venv/bin/python")
  if ! "$venv/bin/uv" --version 2>/dev/null | grep -qF "$(sed -n 's/^uv==\([^ ]*\).*/\1/p' requirements-uv.lock)"; then
    step "uv" "${pip[@]}" install --require-hashes -r requirements-uv.lock
  fi
  step "Python packages" "${uv[@]}" --require-hashes -r requirements.lock
  step "this project" "${uv[@]}" --no-deps --no-build-isolation -e .
  if can_bind; then
    step "libvirt binding" "${uv[@]}" --require-hashes --no-build-isolation -r requirements-libvirt.lock
  fi
  # Without it each start costs seconds; Python itself is forbidden to write it on some machines.
  step "bytecode" "$venv/bin/python" -m compileall -q -j 2 src "$("$venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')"
}

# The console is built when its sources are not those of the last build; its packages are fetched when their lock is another.
console=src/groundplane/console
console_sources() {
  find console \( -name node_modules -o -name test-results \) -prune -o -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum
}

build_console() {
  local sources
  sources=$(console_sources)
  if [ -f $console/index.html ] && [ "$(cat .cache/console-built 2>/dev/null)" = "$sources" ]; then return; fi
  if ! cmp -s console/package-lock.json console/node_modules/.groundplane-lock; then
    attempt "console's packages" deploy/with_node.sh npm --prefix console ci --ignore-scripts --no-audit --no-fund || return 0
    cp console/package-lock.json console/node_modules/.groundplane-lock
  fi
  attempt "web console" deploy/with_node.sh npm --prefix console run build || return 0
  printf '%s\n' "$sources" >.cache/console-built
}

# As `step`, for what is missed but not needed by everything else.
attempt() {
  if (step "$@"); then return 0; fi
  warn "the web console was not built; all else works without it"
  return 1
}

mkdir -p .cache
unset PYTHONDONTWRITEBYTECODE
python=$(find_python)
# A python of the distribution has its headers in a package of their own.
headers=$("$python" -c 'import sysconfig; print(sysconfig.get_path("include"))')
[ -e "$headers/Python.h" ] || packages+=(python3-dev)

install_packages
if [ "$(cat "$stamp" 2>/dev/null)" != "$(fingerprint)" ]; then
  : >"$log"
  make_environment
  fingerprint >"$stamp"
fi
build_console
[ $said = 0 ] || say "done in $(awk "BEGIN { printf \"%.1f s\", ($(date +%s%N) - $began) / 1e9 }")"
