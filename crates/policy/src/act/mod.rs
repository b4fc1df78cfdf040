mod chunk;
mod decode;
mod tool;

pub use chunk::ChunkQueue;
pub use decode::ActionDecoder;
