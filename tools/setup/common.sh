# Sourced by tools/quickstart, tools/test and .ci/run: packages, building, progress.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root"

say() { printf '\n== %s\n' "$*"; }
die() { printf '%s\n' "$*" >&2; exit 1; }

# install_packages FILE...: names what is missing, then installs it with apt-get.
install_packages() {
  local missing=() package
  while read -r package; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'install ok installed' ||
      missing+=("$package")
  done < <(grep -hv '^#' "$@")
  if [ ${#missing[@]} -eq 0 ]; then
    say "all needed Debian packages are installed"
    return
  fi
  say "will install these Debian packages with apt-get: ${missing[*]}"
  local as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || die "run as root, or install: apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y -qq --no-install-recommends "${missing[@]}" >/tmp/tessera-apt.$$ 2>&1 ||
    { cat /tmp/tessera-apt.$$; rm -f /tmp/tessera-apt.$$; die "apt-get failed"; }
  rm -f /tmp/tessera-apt.$$
}

# build PRESET TARGET...: configures and builds with as many jobs as memory allows.
build() {
  local preset=$1 jobs memory_gib
  shift
  memory_gib=$(awk '/MemAvailable/ {print int($2 / 1048576)}' /proc/meminfo)
  jobs=$(nproc)
  [ "$jobs" -le $((memory_gib / 2 + 1)) ] || jobs=$((memory_gib / 2 + 1))
  cmake --preset "$preset" >"/tmp/tessera-cmake.$$" 2>&1 ||
    { cat "/tmp/tessera-cmake.$$"; rm -f "/tmp/tessera-cmake.$$"; die "cmake failed"; }
  rm -f "/tmp/tessera-cmake.$$"
  ninja -C "build/$preset" -j "$jobs" "$@"
}
