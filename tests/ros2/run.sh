#!/usr/bin/env bash
# Tests the ROS 2 carrier with real ROS 2 programs: the bus' conformance suite over rcl, then a whole system that rclpy
# commands, watches, takes over and deserts, then an arm that runs ros2_control, then a robot whose skills Nav2 and MoveIt
# carry out, then one whose objects and pictures come from another system, then a robot on zenoh by the bridge, then two
# robots at once, then the package as colcon installs it.
# environment.sh says which ROS 2 is used. Exit code 0 if all passed.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
cd "$root"

exports=$("$here/environment.sh")
eval "$exports"
# Nobody outside this machine hears; each run has a domain of its own.
export ROS_AUTOMATIC_DISCOVERY_RANGE=LOCALHOST ROS_LOCALHOST_ONLY=1 ROS_DOMAIN_ID=$((RANDOM % 100 + 1))

# Run with libpython in the process, where the message libraries need it.
with_python=(env ${SINEW_ROS2_PRELOAD:+"LD_PRELOAD=$SINEW_ROS2_PRELOAD"})
host=$(rustc -vV | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
export "CARGO_TARGET_${host}_RUNNER=${with_python[*]}"

cargo clippy --quiet --release --workspace --features sinew/ros2 -- -D warnings
# The program names this file itself.
profiles=FASTDDS_DEFAULT_PROFILES_FILE=$root/launch/fast_dds.xml
env "$profiles" cargo test --release --workspace --features sinew/ros2 --test bus -- conformance::ros2
# Goals of 90 s, which only wait, while the program is built.
long_goals=$(mktemp)
trap 'rm -f "$long_goals"' EXIT
env "$profiles" cargo test --release --workspace --features sinew/ros2 --test bus -- --ignored a_goal_outlasts \
    >"$long_goals" 2>&1 &
waits=$!
cargo build --release --package sinew --features ros2
program=$root/.native/ros2/sinew
cp "${CARGO_TARGET_DIR:-$root/target}/release/sinew" "$program"
export PYTHONPATH=${SINEW_ROS2_PYTHONPATH:-}
failed=()
for judge in system manners arm others perception bridge two_robots; do
    "$SINEW_ROS2_PYTHON" "$here/peers/$judge.py" "${with_python[@]}" "$program" || failed+=("$judge")
done
wait "$waits" || failed+=("goals that outlast the time-outs of the carrier: $(cat "$long_goals")")
if ((${#failed[@]})); then
    echo "ros2: not passed: ${failed[*]}" >&2
    exit 1
fi
grep '^test result' "$long_goals"

# The package takes the program that was built above: cargo finds nothing to compile.
package=$(mktemp -d)
trap 'rm -rf "$package" "$long_goals"' EXIT
PATH=$(dirname "$SINEW_ROS2_PYTHON"):$PATH colcon --log-base "$package/log" build --base-paths crates/cli \
    --merge-install --build-base "$package/build" --install-base "$package/install" \
    --cmake-args "-DPython3_EXECUTABLE=$SINEW_ROS2_PYTHON" -DBUILD_TESTING=OFF
said=$package/log/latest_build/sinew/stdout_stderr.log
if grep Compiling "$said" || ! grep -q Finished "$said"; then
    echo "ros2: the package compiled the program anew, or not at all" >&2
    exit 1
fi
set +u # The set-up scripts use variables that may not be there.
# shellcheck disable=SC1091
. "$package/install/local_setup.sh"
set -u
"$SINEW_ROS2_PYTHON" "$here/peers/package.py" "${with_python[@]}"
