//! Writes the folder of libmujoco into each program that is linked against it, as its rpath, so
//! that `cargo test`, `cargo run` and the bare program start without LD_LIBRARY_PATH: whatever
//! the target folder, and with a MuJoCo of the user's own. Where that folder is not, as on a robot
//! that an installed program was copied to, the library is found beside the program. Cargo hands
//! such an argument only to the package that asked for it, so every package with programs on
//! MuJoCo names this file.

fn main() {
    println!("cargo::rerun-if-env-changed=MUJOCO_DYNAMIC_LINK_DIR");
    if let Ok(folder) = std::env::var("MUJOCO_DYNAMIC_LINK_DIR") {
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder},-rpath,$ORIGIN");
    }
}
