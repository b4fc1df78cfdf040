use std::sync::Arc;
use std::time::Duration;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use sinew_types::Time;

use super::commands::{Camera, CommandInputs};
use crate::manifest::{InputSpec, Normalisation, Resize};
use crate::{PolicyError, Staleness};

/// A picture on its way into the network: resized, in planes, normalised.
pub(crate) struct ImageInput {
    /// Index in the manifest's inputs.
    pub(crate) index: usize,
    camera: usize,
    name: Arc<str>,
    width: usize,
    height: usize,
    resize: Resize,
    /// Factor and summand of a byte, of red, green and blue.
    channels: [(f64, f64); 3],
    max_age: Duration,
    resizer: Resizer,
    resized: Image<'static>,
    buffer: Vec<f32>,
}

impl ImageInput {
    /// None for an input of another kind.
    pub(crate) fn new(index: usize, spec: &InputSpec, cameras: &mut Vec<String>) -> Option<Self> {
        let InputSpec::Image { camera, width, height, resize, normalisation, max_age_s, .. } = spec
        else {
            return None;
        };
        let known = cameras.iter().position(|known| known == camera);
        let slot = known.unwrap_or_else(|| {
            cameras.push(camera.clone());
            cameras.len() - 1
        });
        let (pixels_x, pixels_y) = (*width as u32, *height as u32);
        Some(Self {
            index,
            camera: slot,
            name: format!("image[{camera}]").into(),
            width: *width,
            height: *height,
            resize: *resize,
            channels: [0, 1, 2].map(|channel| of_byte(normalisation, channel)),
            max_age: Duration::from_secs_f64(*max_age_s),
            resizer: Resizer::new(),
            resized: Image::new(pixels_x, pixels_y, PixelType::U8x3),
            buffer: vec![0.0; 3 * width * height],
        })
    }

    /// As the network sees it.
    pub(crate) fn values(&self) -> &[f32] {
        &self.buffer
    }

    /// Takes the newest picture.
    pub(crate) fn observe(
        &mut self,
        policy: &Arc<str>,
        commands: &CommandInputs,
        now: Time,
    ) -> Result<(), PolicyError> {
        let picture = commands.camera(self.camera);
        let stale = |problem| PolicyError::ObservationStale {
            policy: Arc::clone(policy),
            term: Arc::clone(&self.name),
            problem,
            max_age: self.max_age,
        };
        let stamp = picture.stamp.ok_or_else(|| stale(Staleness::Missing))?;
        let age = now.since(stamp);
        if age > self.max_age {
            return Err(stale(Staleness::Old(age)));
        }
        // A stamp of another clock would never grow old.
        let ahead = stamp.since(now);
        if ahead > self.max_age {
            return Err(stale(Staleness::Ahead(ahead)));
        }
        if (picture.width, picture.height) == (self.width, self.height) {
            planes(&picture.rgb, self.channels, &mut self.buffer);
            return Ok(());
        }
        self.fit(picture)?;
        planes(self.resized.buffer(), self.channels, &mut self.buffer);
        Ok(())
    }

    fn fit(&mut self, picture: &Camera) -> Result<(), PolicyError> {
        let refused = |allowed: String| PolicyError::Picture {
            camera: self.name.to_string(),
            value: format!("{} x {} pixels", picture.width, picture.height),
            allowed,
        };
        if self.resize == Resize::None {
            return Err(refused(format!("{} x {}, or `resize`", self.width, self.height)));
        }
        let (width, height) = (picture.width as u32, picture.height as u32);
        let source = ImageRef::new(width, height, &picture.rgb, PixelType::U8x3)
            .map_err(|error| refused(error.to_string()))?;
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear));
        let (x, y, inner_width, inner_height) = match self.resize {
            Resize::Pad => padded((width, height), (self.width as u32, self.height as u32)),
            _ => (0, 0, self.width as u32, self.height as u32),
        };
        self.resized.buffer_mut().fill(0);
        let mut inner = fast_image_resize::images::CroppedImageMut::new(
            &mut self.resized,
            x,
            y,
            inner_width,
            inner_height,
        )
        .map_err(|error| refused(error.to_string()))?;
        self.resizer
            .resize(&source, &mut inner, &options)
            .map_err(|error| refused(error.to_string()))
    }
}

/// Place and size of a picture that is scaled as a whole and centred.
fn padded((width, height): (u32, u32), (to_width, to_height): (u32, u32)) -> (u32, u32, u32, u32) {
    let share =
        (f64::from(to_width) / f64::from(width)).min(f64::from(to_height) / f64::from(height));
    let scaled = |n: u32, most: u32| ((f64::from(n) * share).round() as u32).clamp(1, most);
    let (inner_width, inner_height) = (scaled(width, to_width), scaled(height, to_height));
    ((to_width - inner_width) / 2, (to_height - inner_height) / 2, inner_width, inner_height)
}

/// Factor and summand that make of a byte what the network takes.
fn of_byte(normalisation: &Normalisation, channel: usize) -> (f64, f64) {
    let (factor, summand) = normalisation.affine(channel);
    (factor / 255.0, summand)
}

/// From pixel by pixel to colour by colour.
fn planes(rgb: &[u8], channels: [(f64, f64); 3], out: &mut [f32]) {
    let size = out.len() / 3;
    for (channel, (factor, summand)) in channels.into_iter().enumerate() {
        let plane = &mut out[channel * size..(channel + 1) * size];
        for (out, pixel) in plane.iter_mut().zip(rgb.chunks_exact(3)) {
            *out = (f64::from(pixel[channel]) * factor + summand) as f32;
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn input(resize: Resize) -> (ImageInput, CommandInputs) {
        let spec = InputSpec::Image {
            name: "image".into(),
            camera: "wrist".into(),
            width: 4,
            height: 2,
            resize,
            normalisation: Normalisation::MeanStd {
                mean: vec![0.0, 0.5, 0.0],
                std: vec![1.0, 0.5, 2.0],
                eps: 0.0,
            },
            max_age_s: 0.1,
        };
        let mut cameras = Vec::new();
        let input = ImageInput::new(0, &spec, &mut cameras).unwrap();
        (input, CommandInputs::new(std::iter::empty(), cameras.into_iter()))
    }

    #[test]
    fn a_picture_becomes_planes_of_normalised_colours() {
        let (mut input, mut commands) = input(Resize::None);
        commands.set_image("wrist", 4, 2, &[255, 0, 51].repeat(8), Time::ZERO).unwrap();
        input.observe(&"test".into(), &commands, Time::ZERO).unwrap();
        let (red, rest) = input.values().split_at(8);
        assert!(red.iter().all(|v| (v - 1.0).abs() < 1e-6));
        assert!(rest[..8].iter().all(|v| (v + 1.0).abs() < 1e-6), "{rest:?}");
        assert!(rest[8..].iter().all(|v| (v - 0.1).abs() < 1e-6), "{rest:?}");
    }

    #[test]
    fn a_picture_of_another_size_is_refused_stretched_or_padded() {
        let grey = [255_u8; 3].repeat(16);
        let (mut exact, mut commands) = input(Resize::None);
        commands.set_image("wrist", 4, 4, &grey, Time::ZERO).unwrap();
        let error = exact.observe(&"test".into(), &commands, Time::ZERO).unwrap_err().to_string();
        assert!(error.contains("4 x 4") && error.contains("4 x 2"), "{error}");
        let (mut stretched, _) = input(Resize::Stretch);
        stretched.observe(&"test".into(), &commands, Time::ZERO).unwrap();
        assert!(stretched.values()[..8].iter().all(|v| (v - 1.0).abs() < 1e-6));
        let (mut padded, _) = input(Resize::Pad);
        padded.observe(&"test".into(), &commands, Time::ZERO).unwrap();
        let red: Vec<_> = padded.values()[..8].to_vec();
        assert_eq!(red, [0., 1., 1., 0., 0., 1., 1., 0.]);
    }

    #[test]
    fn a_picture_that_is_old_or_none_is_refused() {
        let (mut input, mut commands) = input(Resize::None);
        let missing = input.observe(&"test".into(), &commands, Time::ZERO).unwrap_err().to_string();
        assert!(missing.contains("image[wrist] is missing"), "{missing}");
        commands.set_image("wrist", 4, 2, &[0; 24], Time::ZERO).unwrap();
        let later = Time::from_nanos(200_000_000);
        assert!(input.observe(&"test".into(), &commands, later).is_err());
        assert!(commands.set_image("wrist", 4, 2, &[0; 23], Time::ZERO).is_err());
        let unknown = commands.set_image("head", 4, 2, &[0; 24], Time::ZERO).unwrap_err();
        assert!(unknown.to_string().contains("wrist"), "{unknown}");
    }
}
