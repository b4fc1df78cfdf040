//! From pictures as ROS 2 has them to pixels, and to PNG.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ExtendedColorType, ImageEncoder, ImageFormat, ImageReader, Limits};
use sinew_msgs::sensor_msgs::{CompressedImage, Image};
use sinew_skills::Picture;
use sinew_types::Time;

/// Longest edge of a picture, pixels, and memory that decoding one may take, bytes: a small file must not become a large
/// picture.
const MAX_EDGE_PX: u32 = 8192;
const MAX_BYTES: u64 = 512 * 1024 * 1024;

/// A whole PNG file: 8 bit, RGB or gray.
#[derive(Debug)]
pub(crate) struct Png {
    pub(crate) bytes: Vec<u8>,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// 8 bits per channel, row by row from the top.
pub(super) struct Pixels {
    width: u32,
    height: u32,
    bytes: Vec<u8>,
    /// One channel, else red, green and blue.
    is_gray: bool,
}

/// Why a message is no picture that can be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PictureError {
    #[error("encoding `{encoding}`; allowed: rgb8, bgr8, rgba8, bgra8, mono8")]
    Encoding { encoding: String },
    #[error(
        "{width} x {height} pixels in {length} bytes, {step} a row; wanted: at least {} a row, and as many rows",
        u64::from(*width) * u64::from(*channels)
    )]
    Size { width: u32, height: u32, channels: u8, step: u32, length: usize },
    #[error("compressed as `{format}`; allowed: jpeg, png")]
    Format { format: String },
    #[error("a compressed picture of {color}; allowed: 8 bits per channel, gray or colour")]
    Depth { color: String },
    #[error("a compressed picture that cannot be read: {0}")]
    Unreadable(image::ImageError),
    #[error("cannot be written as PNG: {0}")]
    Unwritable(image::ImageError),
}

impl Pixels {
    /// As PNG.
    pub(super) fn png(&self) -> Result<Png, PictureError> {
        let color = if self.is_gray { ExtendedColorType::L8 } else { ExtendedColorType::Rgb8 };
        let mut bytes = Vec::new();
        PngEncoder::new_with_quality(&mut bytes, CompressionType::Fast, FilterType::Adaptive)
            .write_image(&self.bytes, self.width, self.height, color)
            .map_err(PictureError::Unwritable)?;
        Ok(Png { bytes, width: self.width, height: self.height })
    }

    /// As a policy sees it.
    pub(super) fn picture(self, stamp: Time) -> Picture {
        let rgb = match self.is_gray {
            true => self.bytes.iter().flat_map(|value| [*value; 3]).collect(),
            false => self.bytes,
        };
        Picture { width: self.width as usize, height: self.height as usize, rgb, stamp }
    }
}

/// Of a raw picture; what is transparent is not.
///
/// # Errors
/// Another encoding than the allowed ones, or fewer bytes than pixels.
pub(super) fn of_image(image: &Image) -> Result<Pixels, PictureError> {
    let (channels, is_bgr) = match image.encoding.as_str() {
        "rgb8" => (3, false),
        "bgr8" => (3, true),
        "rgba8" => (4, false),
        "bgra8" => (4, true),
        "mono8" => (1, false),
        other => return Err(PictureError::Encoding { encoding: other.to_owned() }),
    };
    let Image { width, height, step, .. } = *image;
    let size = |length| PictureError::Size { width, height, channels, step, length };
    let bytes = contiguous(&image.data);
    let row_bytes = u64::from(width) * u64::from(channels);
    let is_whole = width > 0
        && height > 0
        && u64::from(step) >= row_bytes
        && bytes.len() as u64 >= u64::from(step) * u64::from(height);
    if !is_whole {
        return Err(size(bytes.len()));
    }
    let row_bytes = usize::try_from(row_bytes).map_err(|_| size(bytes.len()))?;
    let kept = usize::from(channels.min(3));
    let mut pixels = Vec::with_capacity(width as usize * height as usize * kept);
    for row in bytes.chunks_exact(step as usize).take(height as usize) {
        for pixel in row[..row_bytes].chunks_exact(usize::from(channels)) {
            if is_bgr {
                pixels.extend([pixel[2], pixel[1], pixel[0]]);
            } else {
                pixels.extend_from_slice(&pixel[..kept]);
            }
        }
    }
    Ok(Pixels { width, height, bytes: pixels, is_gray: kept == 1 })
}

/// Of a JPEG or PNG picture, whatever its message says it is; what is transparent is not.
///
/// # Errors
/// Another format, more than 8 bits per channel, or a file that is broken or too large.
pub(super) fn of_compressed(message: &CompressedImage) -> Result<Pixels, PictureError> {
    let bytes = contiguous(&message.data);
    let format = match image::guess_format(&bytes) {
        Ok(format @ (ImageFormat::Jpeg | ImageFormat::Png)) => format,
        _ => return Err(PictureError::Format { format: message.format.clone() }),
    };
    let mut reader = ImageReader::with_format(std::io::Cursor::new(bytes), format);
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(MAX_EDGE_PX), Some(MAX_EDGE_PX));
    limits.max_alloc = Some(MAX_BYTES);
    reader.limits(limits);
    match reader.decode().map_err(PictureError::Unreadable)? {
        DynamicImage::ImageLuma8(gray) => Ok(Pixels {
            width: gray.width(),
            height: gray.height(),
            bytes: gray.into_raw(),
            is_gray: true,
        }),
        color @ (DynamicImage::ImageRgb8(_)
        | DynamicImage::ImageRgba8(_)
        | DynamicImage::ImageLumaA8(_)) => {
            let rgb = color.into_rgb8();
            let (width, height) = rgb.dimensions();
            Ok(Pixels { width, height, bytes: rgb.into_raw(), is_gray: false })
        }
        other => Err(PictureError::Depth { color: format!("{:?}", other.color()) }),
    }
}

/// Bytes of a message in one piece; they may have come in several.
fn contiguous(data: &sinew_msgs::Bytes) -> Vec<u8> {
    let parts: Vec<&[u8]> = data.zslices().map(|part| part.as_slice()).collect();
    parts.concat()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn png_of_image(image: &Image) -> Result<Png, PictureError> {
        of_image(image)?.png()
    }

    fn png_of_compressed(message: &CompressedImage) -> Result<Png, PictureError> {
        of_compressed(message)?.png()
    }

    #[test]
    fn a_policy_sees_gray_as_three_channels() {
        let gray = of_image(&image("mono8", 2, &[1, 2, 3, 4])).unwrap().picture(Time::ZERO);
        assert_eq!((gray.width, gray.height), (2, 2));
        assert_eq!(gray.rgb, [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]);
        let color = of_image(&image("rgb8", 6, &RGB)).unwrap().picture(Time::ZERO);
        assert_eq!(color.rgb, RGB);
    }

    fn image(encoding: &str, step: u32, data: &[u8]) -> Image {
        let (encoding, data) = (encoding.to_owned(), data.to_vec().into());
        Image { width: 2, height: 2, encoding, step, data, ..Image::default() }
    }

    fn pixels(png: &Png) -> DynamicImage {
        image::load_from_memory_with_format(&png.bytes, ImageFormat::Png).unwrap()
    }

    const RGB: [u8; 12] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    #[test]
    fn each_encoding_keeps_its_colours_and_padding_between_rows_is_left_out() {
        let bgr = [3, 2, 1, 6, 5, 4, 9, 8, 7, 12, 11, 10];
        let padded = [1, 2, 3, 4, 5, 6, 0, 0, 7, 8, 9, 10, 11, 12, 0, 0];
        let rgba = [1, 2, 3, 0, 4, 5, 6, 9, 7, 8, 9, 0, 10, 11, 12, 9];
        let bgra = [3, 2, 1, 0, 6, 5, 4, 9, 9, 8, 7, 0, 12, 11, 10, 9];
        for (encoding, step, data) in [
            ("rgb8", 6, &RGB[..]),
            ("rgb8", 8, &padded),
            ("bgr8", 6, &bgr),
            ("rgba8", 8, &rgba),
            ("bgra8", 8, &bgra),
        ] {
            let png = png_of_image(&image(encoding, step, data)).unwrap();
            assert_eq!((png.width, png.height), (2, 2));
            let DynamicImage::ImageRgb8(found) = pixels(&png) else { panic!("{encoding}") };
            assert_eq!(found.as_raw(), &RGB, "{encoding}");
        }
        let png = png_of_image(&image("mono8", 3, &[1, 2, 0, 3, 4, 0])).unwrap();
        let DynamicImage::ImageLuma8(found) = pixels(&png) else { panic!("mono8") };
        assert_eq!(found.as_raw(), &[1, 2, 3, 4]);
    }

    #[test]
    fn what_is_no_such_picture_is_refused_by_name() {
        let told = |image: &Image| png_of_image(image).unwrap_err().to_string();
        for encoding in ["16UC1", "mono16", "rgb16", "bayer_rggb8", ""] {
            let told = told(&image(encoding, 6, &RGB));
            assert!(
                told.starts_with(&format!("encoding `{encoding}`; allowed: rgb8, bgr8")),
                "{told}"
            );
        }
        assert!(told(&image("rgb8", 5, &RGB)).contains("5 a row; wanted: at least 6"));
        assert!(told(&image("rgb8", 6, &RGB[..11])).contains("2 x 2 pixels in 11 bytes"));
        let huge = Image { width: u32::MAX, height: u32::MAX, ..image("rgba8", u32::MAX, &RGB) };
        assert!(told(&huge).contains("wanted"));
        assert!(told(&Image { width: 0, ..image("rgb8", 0, &[]) }).contains("0 x 2 pixels"));
    }

    fn compressed(format: ImageFormat, picture: &DynamicImage) -> CompressedImage {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        let data = bytes.into_inner().into();
        CompressedImage { format: "rgb8; jpeg compressed bgr8".into(), data, ..Default::default() }
    }

    #[test]
    fn jpeg_and_png_are_read_and_anything_else_is_refused_by_name() {
        let gray = DynamicImage::new_luma8(4, 2);
        let color = DynamicImage::new_rgb8(4, 2);
        for (format, picture) in
            [(ImageFormat::Jpeg, &color), (ImageFormat::Png, &color), (ImageFormat::Png, &gray)]
        {
            let png = png_of_compressed(&compressed(format, picture)).unwrap();
            assert_eq!((png.width, png.height), (4, 2));
            assert_eq!(pixels(&png).color(), picture.color());
        }
        let told = |message: &CompressedImage| png_of_compressed(message).unwrap_err().to_string();
        let deep = compressed(ImageFormat::Png, &DynamicImage::new_luma16(4, 2));
        assert!(told(&deep).contains("L16; allowed: 8 bits"), "{}", told(&deep));
        let mut other = deep;
        (other.format, other.data) = ("h264".into(), vec![0, 0, 0, 1].into());
        assert_eq!(told(&other), "compressed as `h264`; allowed: jpeg, png");
        let mut cut = compressed(ImageFormat::Png, &color);
        cut.data = contiguous(&cut.data)[..40].to_vec().into();
        assert!(told(&cut).contains("cannot be read"));
    }
}
