#!/usr/bin/env bash
# Set up everything the tests need, in a virtual environment of their own, and run them.
#
#     run.sh            types, and all tests but the slow ones, on three workers: each push
#     run.sh --all      the slow ones, too, and the share of lines and branches that all of them reach: each night, each release
#     run.sh ARGUMENTS  what pytest makes of these
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# Imported modules are compiled once, not by each of the processes that tests start.
unset PYTHONDONTWRITEBYTECODE

venv=${MEDALIGN_TEST_VENV:-.venv-test}
unpacked=$(realpath -m "$venv")/debian
export PATH="$PATH:/usr/sbin:$unpacked/usr/sbin"

# The page is tested in a real browser and behind nginx, voices with real engines, feedback on a real PostgreSQL server; strace
# sees what leaves the process.
missing=()
command -v chromium >/dev/null || missing+=(chromium)
command -v flite >/dev/null || missing+=(flite)
command -v espeak-ng >/dev/null || missing+=(espeak-ng)
command -v strace >/dev/null || missing+=(strace)
command -v openssl >/dev/null || missing+=(openssl)
compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || missing+=(postgresql)
programs() {
  # The tests start a server of their own; Debian's package would start another for the machine, unless told not to.
  local clusters=/etc/postgresql-common/createcluster.conf
  if [ ! -e "$clusters" ]; then
    as_root mkdir -p "${clusters%/*}"
    echo 'create_main_cluster = false' | as_root tee "$clusters" >/dev/null
  fi
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ${missing[@]+"${missing[@]}"}
  # Not installed, but unpacked: else it would serve this machine from then on.
  command -v nginx >/dev/null || { mkdir -p "$unpacked" && cd "$unpacked" && apt-get download -qq nginx && dpkg -x nginx_*.deb .; }
}
{ [ "${#missing[@]}" = 0 ] && command -v nginx >/dev/null; } || programs & # beside the packages below: one waits for the disk while the other computes
installing=$!

is_new=
[ -x "$venv/bin/python" ] || { is_new=1 && python3 -m venv "$venv"; }
# What nothing imports need not be compiled, which is most of it.
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-compile -r requirements.txt -r requirements/dev.txt
"$venv/bin/python" -m ruff check .
"$venv/bin/python" -m ruff format --check .
types=0
if [ "$#" = 0 ] || [ "$*" = --all ]; then
  # Types are checked beside the tests, by what these leave of the processor while a browser waits.
  nice -n 19 "$venv/bin/python" -m mypy medalign app.py >"$venv/mypy.log" 2>&1 &
  checking=$!
  # Once here, while programs are still being installed, what each worker would compile for itself at the same time: the
  # libraries and the tests.
  [ -z "$is_new" ] || "$venv/bin/python" -m pytest --collect-only -q >/dev/null || true
  if [ "$#" = 0 ]; then
    chosen=(-m "not slow")
  else
    chosen=(--cov=medalign --cov-branch --cov-report=term)
  fi
  # Groups (tests/conftest.py): what shares a model or a browser stays on one worker; the longest groups begin. Three workers
  # on two cores, since a browser's tests wait as often as they compute, and there are two browsers.
  set -- -n 3 --dist loadgroup --no-loadscope-reorder --durations=15 "${chosen[@]}"
fi
wait "$installing"
tests=0
"$venv/bin/python" -m pytest "$@" || tests=$?
if [ -n "${checking:-}" ]; then
  wait "$checking" || types=$?
  cat "$venv/mypy.log"
fi
exit $((tests > 0 ? tests : types))
