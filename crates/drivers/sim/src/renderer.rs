//! Pictures of the world.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use mujoco_rs::prelude::*;
use mujoco_rs::renderer::MjRenderer;

use crate::SimError;
use crate::compile::MAX_PICTURE_PX;
use crate::handle::{Shared, Stage};

/// Smallest edge of a picture, pixels.
const MIN_PICTURE_PX: u32 = 16;
/// Canvases that are kept, each of another size or quality.
const MAX_CANVASES: usize = 3;
/// Edge of the shadow map of world cameras, pixels.
const SHADOW_MAP_PX: i32 = 2048;
/// Samples per pixel of world cameras.
const SAMPLES: i32 = 4;

struct Request {
    camera: String,
    width: u32,
    height: u32,
    reply: Sender<Result<Vec<u8>, SimError>>,
}

/// Takes pictures of the world, off-screen, on a thread of its own with its own copy of the simulation's state.
///
/// Cameras of the world file draw shadows and smooth edges; the robot's cameras do not, so that they are fast. The thread
/// starts with the first picture. Without OpenGL only pictures fail.
pub struct Renderer {
    shared: Arc<Shared>,
    thread: Option<(Sender<Request>, JoinHandle<()>)>,
}

impl Renderer {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, thread: None }
    }

    /// Names of all cameras: those of the world file, then the robot's.
    pub fn cameras(&self) -> Vec<String> {
        let world = self.shared.world();
        let of_world = world.config().cameras.iter().map(|camera| camera.name.clone());
        let of_robot = world.robot().sensors().cameras.iter().map(|camera| camera.name.clone());
        of_world.chain(of_robot).collect()
    }

    /// A picture from a camera as of the driver's last read, as PNG (8 bit RGB). Blocks until it is drawn.
    ///
    /// # Errors
    /// An unknown camera, a size out of range, or no OpenGL; the last names the packages to install.
    pub fn picture(&mut self, camera: &str, width: u32, height: u32) -> Result<Vec<u8>, SimError> {
        let pixels = self.pixels(camera, width, height)?;
        encode(&pixels, width, height).map_err(|error| SimError::Picture {
            camera: camera.to_owned(),
            problem: error.to_string(),
        })
    }

    /// As [`Self::picture`], as three bytes per pixel (red, green, blue), row by row from the top.
    ///
    /// # Errors
    /// As [`Self::picture`].
    pub fn pixels(&mut self, camera: &str, width: u32, height: u32) -> Result<Vec<u8>, SimError> {
        let cameras = self.cameras();
        if !cameras.iter().any(|known| known == camera) {
            let known = cameras.join(", ");
            return Err(SimError::UnknownCamera { name: camera.to_owned(), known });
        }
        let allowed = MIN_PICTURE_PX..=MAX_PICTURE_PX;
        if !allowed.contains(&width) || !allowed.contains(&height) {
            return Err(SimError::PictureSize { width, height, max: MAX_PICTURE_PX });
        }
        let gone = || SimError::Picture {
            camera: camera.to_owned(),
            problem: "the renderer's thread ended".to_owned(),
        };
        let (requests, _) = match &self.thread {
            Some(thread) => thread,
            None => {
                let (requests, inbox) = channel();
                let shared = Arc::clone(&self.shared);
                let thread = std::thread::Builder::new()
                    .name("sim-renderer".to_owned())
                    .spawn(move || paint(&shared, &inbox))
                    .map_err(|error| SimError::Picture {
                        camera: camera.to_owned(),
                        problem: error.to_string(),
                    })?;
                self.thread.insert((requests, thread))
            }
        };
        let (reply, answer) = channel();
        let request = Request { camera: camera.to_owned(), width, height, reply };
        requests.send(request).map_err(|_| gone())?;
        answer.recv().map_err(|_| gone())?
    }
}

impl Drop for Renderer {
    fn drop(&mut self) {
        if let Some((requests, thread)) = self.thread.take() {
            // The thread ends when no request can come any more.
            drop(requests);
            if thread.join().is_err() {
                tracing::error!("the renderer's thread panicked");
            }
        }
    }
}

/// An OpenGL context of one size and quality.
struct Canvas {
    width: u32,
    height: u32,
    is_fine: bool,
    renderer: MjRenderer,
}

/// What the thread owns. OpenGL contexts are bound to it.
struct Painter<'a> {
    shared: &'a Shared,
    stage: Arc<Stage>,
    data: MjData<Arc<MjModel>>,
    /// The one used last comes last.
    canvases: Vec<Canvas>,
}

fn paint(shared: &Shared, inbox: &Receiver<Request>) {
    let stage = shared.look().1;
    let data = MjData::new(Arc::clone(&stage.model));
    let mut painter = Painter { shared, stage, data, canvases: Vec::new() };
    for request in inbox {
        let pixels = painter.pixels(&request.camera, request.width, request.height);
        // Who asked may be gone.
        let _ = request.reply.send(pixels);
    }
}

impl Painter<'_> {
    fn pixels(&mut self, camera: &str, width: u32, height: u32) -> Result<Vec<u8>, SimError> {
        let failed = |problem: String| SimError::Picture { camera: camera.to_owned(), problem };
        let (snapshot, stage) = self.shared.look();
        if stage.generation != self.stage.generation {
            self.data = MjData::try_new(Arc::clone(&stage.model))
                .map_err(|error| failed(error.to_string()))?;
            self.stage = stage;
        }
        self.data.qpos_mut().copy_from_slice(&snapshot.qpos);
        self.data.forward();

        let id = self
            .data
            .model()
            .name_to_id(MjtObjBase::mjOBJ_CAMERA, camera)
            .ok_or_else(|| failed("not in the model".to_owned()))?;
        let cameras = &self.shared.world().config().cameras;
        let is_fine = cameras.iter().any(|known| known.name == camera);
        let index = self.canvas(width, height, is_fine)?;
        let renderer = &mut self.canvases[index].renderer;
        renderer.set_camera(MjvCamera::new_fixed(id));
        renderer.sync_data(&mut self.data).map_err(|error| failed(error.to_string()))?;
        renderer.render().map_err(|error| failed(error.to_string()))?;
        let pixels = renderer.rgb_flat().ok_or_else(|| failed("no pixels".to_owned()))?;
        Ok(pixels.to_vec())
    }

    /// Index of a canvas of this size and quality, made if need be.
    fn canvas(&mut self, width: u32, height: u32, is_fine: bool) -> Result<usize, SimError> {
        let fits = |c: &Canvas| (c.width, c.height, c.is_fine) == (width, height, is_fine);
        if let Some(index) = self.canvases.iter().position(fits) {
            let canvas = self.canvases.remove(index);
            self.canvases.push(canvas);
            return Ok(self.canvases.len() - 1);
        }
        if self.canvases.len() == MAX_CANVASES {
            self.canvases.remove(0);
        }
        let no_opengl = |problem: String| SimError::NoOpenGl { problem };
        let mut model = MjModel::clone(&self.stage.model);
        let quality = &mut model.vis_mut().quality;
        quality.offsamples = if is_fine { SAMPLES } else { 0 };
        quality.shadowsize = if is_fine { SHADOW_MAP_PX } else { 0 };
        let global = &mut model.vis_mut().global;
        (global.offwidth, global.offheight) = (width as i32, height as i32);
        let renderer = MjRenderer::builder()
            .width(width)
            .height(height)
            .num_visual_internal_geom(0)
            .build(&model)
            .map_err(|error| no_opengl(error.to_string()))?;
        self.canvases.push(Canvas { width, height, is_fine, renderer });
        Ok(self.canvases.len() - 1)
    }
}

fn encode(rgb: &[u8], width: u32, height: u32) -> Result<Vec<u8>, png::EncodingError> {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, width, height);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Fast);
    encoder.write_header()?.write_image_data(rgb)?;
    Ok(bytes)
}
