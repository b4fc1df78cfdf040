//! The program, its libraries, and what it speaks to.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Result;
use sinew_driver_sim::{SimDriver, World};

use super::Check;
use crate::build_info;
use crate::share::share;

pub(super) fn program() -> Vec<Check> {
    const NAME: &str = "sinew";
    match build_info::build() {
        Ok(build) => {
            let commit = build.commit.as_deref().unwrap_or("unknown commit");
            Check::ok(NAME, format!("{} ({commit})", build.version))
        }
        Err(error) => {
            Check::warning(NAME, format!("{error:#}"), "make the program's file readable")
        }
    }
}

pub(super) fn files() -> Vec<Check> {
    const NAME: &str = "files";
    let folder = share();
    if folder.join("worlds/minimal.yaml").is_file() {
        return Check::ok(NAME, folder.display().to_string());
    }
    let mend = "set SINEW_SHARE to the folder that has launch/, urdf/, worlds/ and policies/";
    Check::missing(NAME, format!("none in {}", folder.display()), mend)
}

pub(super) fn mujoco() -> Vec<Check> {
    Check::ok("MuJoCo", sinew_driver_sim::mujoco_version())
}

pub(super) fn onnx_runtime() -> Vec<Check> {
    const NAME: &str = "ONNX Runtime";
    match sinew_policy::library_path() {
        Ok(path) => Check::ok(NAME, path.display().to_string()),
        Err(error) => {
            let mend = "cargo xtask setup, or set ORT_DYLIB_PATH to a libonnxruntime.so";
            Check::missing(NAME, error.to_string(), mend)
        }
    }
}

/// A picture is drawn, which is what EGL is needed for.
pub(super) fn pictures() -> Vec<Check> {
    const NAME: &str = "pictures (EGL)";
    let draw = || -> Result<usize> {
        let world = World::load(share().join("worlds/minimal.yaml"))?;
        let scene = world.scene()?;
        let (_driver, seen) = SimDriver::new(world, &scene)?;
        Ok(seen.renderer().picture("overview", 64, 48)?.len())
    };
    match draw() {
        Ok(bytes) => Check::ok(NAME, format!("64 x 48 pixels drawn, {bytes} bytes")),
        Err(error) => {
            let mend = "sudo apt install libegl1 libegl-mesa0 libgl1-mesa-dri";
            Check::warning(NAME, format!("{error:#}"), mend)
        }
    }
}

pub(super) fn zenoh_port() -> Vec<Check> {
    const NAME: &str = "zenoh router port";
    const ADDRESS: ([u8; 4], u16) = ([127, 0, 0, 1], 7447);
    if TcpStream::connect_timeout(&ADDRESS.into(), Duration::from_millis(500)).is_ok() {
        return Check::ok(NAME, "7447: a router answers");
    }
    match TcpListener::bind(std::net::SocketAddr::from(ADDRESS)) {
        Ok(_) => Check::ok(NAME, "7447 is free"),
        Err(error) => {
            let mend = "choose another: SINEW_ROUTER=tcp/localhost:PORT";
            Check::warning(NAME, format!("7447 cannot be listened on: {error}"), mend)
        }
    }
}

pub(super) fn ros() -> Vec<Check> {
    const NAME: &str = "ROS 2";
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let Some(distribution) = variable("ROS_DISTRO") else {
        return Check::ok(NAME, "not sourced: Sinew does not need it");
    };
    let middleware = variable("RMW_IMPLEMENTATION");
    let found =
        format!("{distribution}, {}", middleware.as_deref().unwrap_or("its default middleware"));
    match trouble(&distribution, middleware.as_deref()) {
        None => Check::ok(NAME, found),
        Some(Trouble { why, mend }) => Check::warning(NAME, format!("{found}: {why}"), mend),
    }
}

/// What keeps this program from the sourced ROS 2.
struct Trouble {
    why: String,
    mend: String,
}

/// The carrier `ros2` speaks any middleware; Fast DDS wants its profiles.
#[cfg(feature = "ros2")]
fn trouble(_distribution: &str, middleware: Option<&str>) -> Option<Trouble> {
    if !middleware.is_none_or(|name| name.starts_with("rmw_fastrtps")) {
        return None;
    }
    let shipped = crate::fast_dds::shipped_profiles();
    crate::fast_dds::unsuited_profiles().map(|why| Trouble {
        why,
        mend: format!(
            "take the property fastdds.type_propagation over from {}, which says why",
            shipped.display()
        ),
    })
}

/// Without that carrier there is zenoh alone.
#[cfg(not(feature = "ros2"))]
fn trouble(distribution: &str, middleware: Option<&str>) -> Option<Trouble> {
    (middleware != Some("rmw_zenoh_cpp")).then(|| Trouble {
        why: "Sinew's processes speak zenoh".into(),
        mend: format!(
            "sudo apt install ros-{distribution}-rmw-zenoh-cpp; export RMW_IMPLEMENTATION=rmw_zenoh_cpp"
        ),
    })
}
